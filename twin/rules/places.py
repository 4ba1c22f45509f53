"""Check polygons that people draw as fences, and say what is wrong with them in words they can act on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import shapely
from shapely.validation import explain_validity

from twin.errors import CoordinateError, InvalidError

MOST_VERTICES: Final = 2_000
"""Corners of all polygons of one fence together."""

Position = tuple[float, float]
Ring = tuple[Position, ...]
Polygons = tuple[tuple[Ring, ...], ...]
"""Coordinates of a GeoJSON MultiPolygon: longitude first, degrees WGS 84, each ring closed."""


def read_polygons(polygons: Polygons, where: str = "condition.polygons") -> shapely.MultiPolygon:
    """Return polygons as one geometry in degrees.

    Raises
    ------
    CoordinateError
        A position is not finite or out of range; latitude and longitude are exchanged.
    InvalidError
        There is no polygon, a ring is not closed or too short, a border crosses itself, two polygons overlap,
        there are more than `MOST_VERTICES` corners, or nothing is inside.
    """
    if not polygons or not all(polygons):
        raise InvalidError("a fence has at least one polygon", where=where, hint="draw one")
    corners = sum(len(ring) for polygon in polygons for ring in polygon)
    if corners > MOST_VERTICES:
        raise InvalidError(
            f"{corners:,} corners are too many",
            where=where,
            hint=f"at most {MOST_VERTICES:,}: simplify the border",
        )
    for p, polygon in enumerate(polygons):
        for r, ring in enumerate(polygon):
            _check_ring(ring, f"{where}[{p}][{r}]")
    parts = [shapely.Polygon(polygon[0], polygon[1:]) for polygon in polygons]
    for p, part in enumerate(parts):
        _check_valid(part, f"{where}[{p}]")
    whole = shapely.MultiPolygon(parts)
    _check_valid(whole, where)
    return whole


def _check_ring(ring: Sequence[Position], where: str) -> None:
    for n, (lon, lat) in enumerate(ring):
        at = f"{where}[{n}]"
        if not (math.isfinite(lon) and math.isfinite(lat)):
            raise CoordinateError("a position must be finite", where=at)
        if abs(lat) > 90 and abs(lon) <= 90:
            raise CoordinateError(
                f"{lat:g} is no latitude: latitude and longitude are exchanged",
                where=at,
                hint="write longitude first, as [104.06, 30.66]",
            )
        if abs(lat) > 90 or abs(lon) > 180:
            raise CoordinateError(
                f"[{lon:g}, {lat:g}] is no place on earth", where=at, hint="degrees WGS 84, longitude first"
            )
    if len(ring) < 4:
        raise InvalidError(
            f"a border has at least three corners, this one has {max(0, len(ring) - 1)}", where=where
        )
    if ring[0] != ring[-1]:
        raise InvalidError(
            "the border is not closed", where=where, hint="repeat the first position as the last one"
        )


def _check_valid(shape: shapely.Polygon | shapely.MultiPolygon, where: str) -> None:
    if shape.convex_hull.area == 0:
        raise InvalidError("nothing is inside this border", where=where, hint="draw it around something")
    if shape.is_valid:
        return
    said = explain_validity(shape)
    problem, _, at = said.rstrip("]").partition("[")
    words = {
        "Self-intersection": "the border crosses itself, or two polygons overlap",
        "Ring Self-intersection": "the border touches itself",
        "Hole lies outside shell": "a hole lies outside its border",
        "Holes are nested": "a hole lies in another hole",
        "Nested shells": "a polygon lies in another one",
        "Interior is disconnected": "holes cut the polygon in parts",
    }
    raise InvalidError(
        words.get(problem, problem), where=f"{where} at {at}" if at else where, hint="draw this part anew"
    )
