"""Lay lines over each other and over the edge of an extract, and cut the plane into faces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from ingest.vector.geometry import polygons_only
from ingest.vector.osm_reader import OsmExtract, Way

EXIT_NEAR_SHARE = 0.02
"""A cut boundary that ends this near to the edge (share of the extent's size) leaves across that edge."""

_NEAR = 1e-9  # degrees, 0.1 mm: tells which way an edge came from after noding


@dataclass(slots=True)
class Faces:
    """The arrangement: polygons, which lie in the extent, and (face, face, ways on the edge between)."""

    polygons: list[Polygon]
    inside: list[bool]
    neighbours: list[tuple[int, int, frozenset[int]]]


def _lines_of(way: Way, extent: Polygon) -> list[LineString]:
    """Return the runs of a way whose nodes are in the file, prolonged to the edge where it was cut."""
    finite = way.known
    runs, start = [], None
    for i, good in enumerate([*finite, False]):
        if good and start is None:
            start = i
        elif not good and start is not None:
            runs.append((start, i))
            start = None
    low_x, low_y, high_x, high_y = extent.bounds
    reach = max(high_x - low_x, high_y - low_y)
    lines = []
    for first, last in runs:
        points = way.coordinates[first:last]
        if len(points) == 1:
            # The one node that was kept says nothing of the direction: out across the nearest edge.
            exit_point = _prolong(points[0], points[0], extent, reach)
            if exit_point is not None:
                lines.append(LineString([points[0], exit_point]))
            continue
        head = _prolong(points[1], points[0], extent, reach) if first > 0 else None
        tail = _prolong(points[-2], points[-1], extent, reach) if last < len(finite) else None
        lines.append(LineString([*([head] if head else []), *points, *([tail] if tail else [])]))
    return lines


def _prolong(
    before: np.ndarray, end: np.ndarray, extent: Polygon, reach: float
) -> tuple[float, float] | None:
    """Return where a line that was cut at ``end`` leaves the extent, None where it already has."""
    point = Point(end)
    if not extent.contains(point):
        return None
    step = end - before
    length = float(np.hypot(*step))
    # The missing next node is outside: the way leaves across the nearest edge if that is close ahead,
    # otherwise straight on.
    nearest = extent.exterior.interpolate(extent.exterior.project(point))
    if length == 0.0 or point.distance(nearest) < reach * EXIT_NEAR_SHARE:
        # Go a little beyond, so that noding surely finds a crossing.
        away = np.array([nearest.x, nearest.y]) - end
        return tuple(end + away * 1.01) if np.hypot(*away) > 0 else None
    ray = LineString([end, end + step / length * reach * 2])
    hit = ray.intersection(extent.exterior)
    if hit.is_empty:
        return None
    target = shapely.get_coordinates(shapely.get_geometry(hit, 0) if hasattr(hit, "geoms") else hit)[0]
    return tuple(end + (target - end) * 1.001)


def arrange(extract: OsmExtract, way_ids: Iterable[int], extent: Polygon) -> Faces:
    """Cut the plane along ways and the edge of the extract; ways that are not in the file are left out."""
    lines: list[LineString] = []
    line_way: list[int] = []
    for way_id in sorted(set(way_ids) & extract.ways.keys()):
        for line in _lines_of(extract.ways[way_id], extent):
            lines.append(line)
            line_way.append(way_id)
    noded = shapely.unary_union([*lines, extent.exterior])
    edges = [e for e in getattr(noded, "geoms", [noded]) if e.length > 0]
    polygons = list(shapely.get_parts(shapely.polygonize(edges)))
    inside = [extent.contains(shapely.point_on_surface(p)) for p in polygons]
    edge_middles = shapely.line_interpolate_point(np.array(edges, dtype=object), 0.5, normalized=True)
    edge_ways: list[set[int]] = [set() for _ in edges]
    if lines:
        tree = shapely.STRtree(lines)
        for edge, line in tree.query(edge_middles, predicate="dwithin", distance=_NEAR).T:
            edge_ways[edge].add(line_way[line])
    edge_faces: list[list[int]] = [[] for _ in edges]
    if polygons:
        rings = shapely.STRtree(shapely.boundary(np.array(polygons, dtype=object)))
        for edge, face in rings.query(edge_middles, predicate="dwithin", distance=_NEAR).T:
            edge_faces[edge].append(int(face))
    neighbours = [
        (two[0], two[1], frozenset(edge_ways[i])) for i, two in enumerate(edge_faces) if len(two) == 2
    ]
    return Faces(polygons, inside, neighbours)


def multi(geom: BaseGeometry) -> MultiPolygon:
    """Return the polygons of any geometry as one multipolygon."""
    return MultiPolygon(polygons_only(geom))


def union(faces: Faces, chosen: frozenset[int]) -> MultiPolygon:
    """Return what chosen faces cover together, in normal order."""
    return shapely.normalize(multi(shapely.unary_union([faces.polygons[i] for i in sorted(chosen)])))
