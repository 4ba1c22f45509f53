"""Speak the OGC SensorThings API 1.1 (OGC 18-088) over the tables of the twin."""
