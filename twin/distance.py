"""Measure how far apart two places are."""

from __future__ import annotations

import math
from typing import Final

EARTH_M: Final = 6_371_008.8
"""Mean radius."""


def distance_m(place: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two places, lon/lat in degrees (haversine)."""
    lon, lat, other_lon, other_lat = map(math.radians, (*place, *other))
    half = (
        math.sin((other_lat - lat) / 2) ** 2
        + math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, half)))


def box_around(lon: float, lat: float, radius_m: float) -> tuple[float, float, float, float]:
    """Return a box (west, south, east, north, degrees) that holds all places within a radius.

    A few parts in a thousand larger than needed; not for places within a few kilometres of a pole, or across
    the antimeridian.
    """
    up = math.degrees(radius_m / EARTH_M) * 1.001
    aside = up / math.cos(math.radians(min(89.9, abs(lat) + up))) * 1.001
    return lon - aside, lat - up, lon + aside, lat + up
