"""Mend geometry or say why it cannot be mended."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from twin.errors import InvalidError

AREA_CHANGE_MAX = 0.20
"""A repair that changes a polygon's area by a larger share is no repair: the thing is refused."""


class GeometryRefusedError(InvalidError):
    """A geometry cannot be used; ``reason`` is the word counted in the summary."""

    def __init__(self, reason: str, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.reason = reason


def ring_area(coordinates: np.ndarray) -> float:
    """Return the area (in square units of the input) that a ring encloses by the shoelace formula, unsigned.

    Of a ring that crosses itself the loops cancel each other out where they turn different ways.
    """
    x, y = coordinates[:, 0], coordinates[:, 1]
    # Relative to the first point: products of raw degrees would eat the digits.
    x, y = x - x[0], y - y[0]
    return float(abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2.0)


def check_finite(geom: BaseGeometry) -> None:
    """Refuse a geometry that is empty or holds a coordinate that is not a finite lon/lat.

    Raises
    ------
    GeometryRefusedError
        ``empty``, ``not_finite`` or ``outside_the_world``.
    """
    if geom is None or geom.is_empty:
        raise GeometryRefusedError("empty", "it has no geometry")
    xy = shapely.get_coordinates(geom)
    if not np.isfinite(xy).all():
        raise GeometryRefusedError(
            "not_finite", "a coordinate is not a finite number", hint="mend it in the source"
        )
    if (np.abs(xy[:, 0]) > 180.0).any() or (np.abs(xy[:, 1]) > 90.0).any():
        raise GeometryRefusedError(
            "outside_the_world",
            f"coordinate ({xy[0, 0]:.6g}, {xy[0, 1]:.6g}) is outside longitude ±180, latitude ±90",
            hint="declare the frame with --crs, or swap longitude and latitude",
        )


def polygons_only(geom: BaseGeometry) -> list[Polygon]:
    """Return the polygons of a geometry, leaving points and lines that a repair left over."""
    if isinstance(geom, Polygon):
        return [] if geom.is_empty else [geom]
    return [p for part in getattr(geom, "geoms", ()) for p in polygons_only(part)]


def clean_polygon(geom: BaseGeometry) -> tuple[MultiPolygon, bool]:
    """Return a valid 2D multipolygon in normal ring order, and whether it had to be repaired.

    Raises
    ------
    GeometryRefusedError
        Not finite, not a polygon, no area left, or its area changed by more than ``AREA_CHANGE_MAX``.
    """
    check_finite(geom)
    flat = shapely.force_2d(geom)
    if flat.geom_type not in {"Polygon", "MultiPolygon"}:
        raise GeometryRefusedError("not_a_polygon", f"it is drawn as {flat.geom_type}, a polygon is needed")
    repaired = not flat.is_valid
    if repaired:
        before = sum(
            ring_area(shapely.get_coordinates(p.exterior))
            - sum(ring_area(shapely.get_coordinates(hole)) for hole in p.interiors)
            for p in polygons_only(flat)
        )
        flat = shapely.make_valid(flat)
        after = sum(p.area for p in polygons_only(flat))
        if after <= 0.0:
            raise GeometryRefusedError("no_area", "nothing is left of it once it is made valid")
        if before <= 0.0 or abs(after - before) / max(before, after) > AREA_CHANGE_MAX:
            raise GeometryRefusedError(
                "crosses_itself",
                f"its outline crosses itself; making it valid would change its area from {before:.3g} to "
                f"{after:.3g} square degrees",
                hint="redraw it in the source",
            )
    parts = polygons_only(flat)
    if not parts or sum(p.area for p in parts) <= 0.0:
        raise GeometryRefusedError("no_area", "it has no area")
    whole = MultiPolygon([Polygon(p.exterior, list(p.interiors)) for p in parts])
    if not whole.is_valid:
        raise GeometryRefusedError(
            "crosses_itself", f"it cannot be made valid: {shapely.is_valid_reason(whole)}"
        )
    return shapely.normalize(whole), repaired


def polygon_of_ring(coordinates: np.ndarray) -> Polygon:
    """Return the polygon of a closed ring, not checked for validity.

    Raises
    ------
    GeometryRefusedError
        Fewer than three different points.
    """
    if len(coordinates) < 4 or len(np.unique(coordinates, axis=0)) < 3:
        raise GeometryRefusedError("too_few_points", "its outline has fewer than three different points")
    return Polygon(coordinates)


def clean_line(coordinates: np.ndarray) -> tuple[LineString, bool]:
    """Return a line without repeated points, and whether a point had to be dropped.

    Raises
    ------
    GeometryRefusedError
        Not finite, or fewer than two different points.
    """
    if not np.isfinite(coordinates).all():
        raise GeometryRefusedError(
            "not_finite", "a coordinate is not a finite number", hint="mend it in the source"
        )
    keep = np.ones(len(coordinates), dtype=bool)
    keep[1:] = (np.diff(coordinates, axis=0) != 0).any(axis=1)
    kept = coordinates[keep]
    if len(kept) < 2:
        raise GeometryRefusedError("too_few_points", "it has fewer than two different points")
    return LineString(kept), bool((~keep).any())


def inner_point(geom: BaseGeometry) -> Point:
    """Return a point that is surely inside or on the geometry."""
    return geom if isinstance(geom, Point) else shapely.point_on_surface(geom)
