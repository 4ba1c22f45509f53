"""Speak Open311 GeoReport v2: residents' apps and hotlines report, and ask how their reports are doing."""
