"""Decide the one storage frame and convert everything else to it.

Storage is EPSG:4326, longitude first. CGCS2000 (EPSG:4490) differs from it by centimetres and PROJ knows
no transformation between the two but the identity; which of them a file meant is recorded with its
dataset, and the numbers are kept as they came. GCJ-02 and BD-09 are not in PROJ: their offset is computed
here, and the inverse is iterated until it closes to 1e-9 degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from twin.errors import CoordinateError

STORAGE_SRID = 4326
"""SRID of every stored geometry (WGS 84, lon/lat)."""

TILE_SRID = 3857
"""SRID of the stored copies that vector tiles are cut from (web mercator)."""

Floats = NDArray[np.float64]
Converter = Callable[[Floats, Floats], tuple[Floats, Floats]]

_A = 6378245.0  # semi-major axis of Krasovsky 1940, metres: the ellipsoid the offset is defined on
_EE = 0.00669342162296594323  # its first eccentricity squared
_X_PI = np.pi * 3000.0 / 180.0


def _offset(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return the GCJ-02 offset in degrees at WGS 84 points (the published series of the "Mars" frame)."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    d_lat += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    d_lat += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    d_lon += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    d_lon += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1.0 - _EE * np.sin(phi) ** 2
    d_lat = d_lat * 180.0 / ((_A * (1.0 - _EE)) / (magic * np.sqrt(magic)) * np.pi)
    d_lon = d_lon * 180.0 / (_A / np.sqrt(magic) * np.cos(phi) * np.pi)
    # The frame exists only in and around mainland China; elsewhere it is WGS 84.
    inside = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    return np.where(inside, d_lon, 0.0), np.where(inside, d_lat, 0.0)


def wgs84_to_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift WGS 84 degrees to GCJ-02 degrees; arrays of any one shape, identity outside China."""
    d_lon, d_lat = _offset(lon, lat)
    return lon + d_lon, lat + d_lat


def gcj02_to_wgs84(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift GCJ-02 degrees back to WGS 84 degrees, by fixed-point iteration to 1e-9 degrees (0.1 mm)."""
    out_lon, out_lat = lon.copy(), lat.copy()
    for _ in range(12):
        there_lon, there_lat = wgs84_to_gcj02(out_lon, out_lat)
        error_lon, error_lat = there_lon - lon, there_lat - lat
        out_lon, out_lat = out_lon - error_lon, out_lat - error_lat
        if max(np.abs(error_lon).max(initial=0.0), np.abs(error_lat).max(initial=0.0)) < 1e-9:
            break
    return out_lon, out_lat


def gcj02_to_bd09(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift GCJ-02 degrees to BD-09 degrees."""
    z = np.sqrt(lon * lon + lat * lat) + 0.00002 * np.sin(lat * _X_PI)
    theta = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _X_PI)
    return z * np.cos(theta) + 0.0065, z * np.sin(theta) + 0.006


def bd09_to_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift BD-09 degrees back to GCJ-02 degrees, by fixed-point iteration to 1e-9 degrees."""
    out_lon, out_lat = lon - 0.0065, lat - 0.006
    for _ in range(12):
        there_lon, there_lat = gcj02_to_bd09(out_lon, out_lat)
        error_lon, error_lat = there_lon - lon, there_lat - lat
        out_lon, out_lat = out_lon - error_lon, out_lat - error_lat
        if max(np.abs(error_lon).max(initial=0.0), np.abs(error_lat).max(initial=0.0)) < 1e-9:
            break
    return out_lon, out_lat


def _bd09_to_wgs84(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def _identity(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    return lon, lat


_CHINESE_FRAMES: dict[str, Converter] = {
    **dict.fromkeys(("GCJ-02", "GCJ02"), gcj02_to_wgs84),
    **dict.fromkeys(("BD-09", "BD09", "BD09LL", "BD-09LL"), _bd09_to_wgs84),
}
_LON_LAT_FRAMES = frozenset({"EPSG:4326", "EPSG:4490", "OGC:CRS84", "CRS84", "WGS84", "CGCS2000"})


def converter_to_storage(declared: str) -> Converter:
    """Return the function that brings coordinates of a declared frame to storage lon/lat.

    Parameters
    ----------
    declared
        ``GCJ-02``, ``BD-09``, ``EPSG:n``, or anything PROJ reads (WKT, proj string). Eastings or
        longitudes come first, whatever axis order the frame's definition has.

    Raises
    ------
    CoordinateError
        PROJ does not know the frame.
    """
    name = declared.strip().upper().replace("_", "-").replace(" ", "")
    if name in _CHINESE_FRAMES:
        return _CHINESE_FRAMES[name]
    if name in _LON_LAT_FRAMES:
        return _identity
    transformer = _transformer(declared)

    def convert(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        lon, lat = transformer.transform(x, y)
        return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)

    return convert


@lru_cache(maxsize=64)
def _transformer(declared: str) -> Transformer:
    try:
        return Transformer.from_crs(CRS.from_user_input(declared), STORAGE_SRID, always_xy=True)
    except CRSError as error:
        raise CoordinateError(
            f"the coordinate system “{declared}” is not known",
            hint="declare it as EPSG:4326, EPSG:4490, another EPSG number, GCJ-02 or BD-09",
        ) from error


def area_of_use(declared: str) -> tuple[float, float, float, float] | None:
    """Return where a frame is meant to be used (west, south, east, north in degrees), None where unbounded.

    Raises
    ------
    CoordinateError
        PROJ does not know the frame.
    """
    name = declared.strip().upper().replace("_", "-").replace(" ", "")
    if name in _CHINESE_FRAMES:
        return 72.0, 0.8, 137.9, 55.9
    if name in _LON_LAT_FRAMES:
        return None
    _transformer(declared)  # says what is wrong with an unknown name
    area = CRS.from_user_input(declared).area_of_use
    return None if area is None or area.west > area.east else (area.west, area.south, area.east, area.north)


def local_metres(lon: float, lat: float) -> str:
    """Return a transverse Mercator frame in metres whose centre is here (scale error < 1e-6 within 10 km)."""
    return f"+proj=tmerc +lat_0={lat:.6f} +lon_0={lon:.6f} +k=1 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs"


def to_local_metres(lon: float, lat: float) -> tuple[Converter, Converter]:
    """Return functions from storage lon/lat to metres around a centre, and back."""
    there = Transformer.from_crs(STORAGE_SRID, CRS.from_proj4(local_metres(lon, lat)), always_xy=True)
    back = Transformer.from_crs(CRS.from_proj4(local_metres(lon, lat)), STORAGE_SRID, always_xy=True)

    def forward(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        a, b = there.transform(x, y)
        return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)

    def inverse(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        a, b = back.transform(x, y)
        return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)

    return forward, inverse
