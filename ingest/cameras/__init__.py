"""Fetch coded pictures from cameras over RTSP and HTTP, from allowed addresses only."""
