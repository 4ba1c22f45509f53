"""Measure on the globe: how far apart places are, how large what lies between them is."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_M: Final = 6_371_008.8
"""Mean radius."""

_DEGREE_NORTH_M: Final = 110_574.0
_DEGREE_EAST_M: Final = 111_320.0
"""Of the ellipsoid, both at the equator; east it shrinks with the cosine of the latitude."""


def distance_m(place: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two places, lon/lat in degrees."""
    return float(distances_m(*place, *other))


def distances_m(lon: float, lat: float, lons: ArrayLike, lats: ArrayLike) -> NDArray[np.float64]:
    """Return the great-circle distances of a place to n others, degrees, shape (n,) (haversine)."""
    phi, phis = np.radians(lat), np.radians(lats)
    aside = np.radians(np.asarray(lons) - lon)
    half = np.sin((phis - phi) / 2) ** 2 + np.cos(phi) * np.cos(phis) * np.sin(aside / 2) ** 2
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(1.0, half))))


def box_around(lon: float, lat: float, radius_m: float) -> tuple[float, float, float, float]:
    """Return a box (west, south, east, north, degrees) that holds all places within a radius.

    On the sphere, and on the ellipsoid, where a degree north is up to six parts in a thousand shorter: the
    box is up to a percent larger than needed. Not for places within a few kilometres of a pole, or across the
    antimeridian.
    """
    up = math.degrees(radius_m / EARTH_M) * 1.007
    aside = up / math.cos(math.radians(min(89.9, abs(lat) + up))) * 1.001
    return lon - aside, lat - up, lon + aside, lat + up


def square_metres(area_deg2: float, lat: float) -> float:
    """Return square degrees at a latitude as square metres, right to a percent."""
    return area_deg2 * _DEGREE_EAST_M * math.cos(math.radians(lat)) * _DEGREE_NORTH_M
