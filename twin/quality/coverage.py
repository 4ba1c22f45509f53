"""Find gaps and overlaps between communities, unit grids and responsibility grids, exactly."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection

from twin.distance import square_metres
from twin.quality.finding import Example, Finding
from twin.quality.reading import Areas, example, findings, read_areas

GAP_WIDTH_DEG = 5e-5
"""Ground between two communities that is narrower than this (about 5 m) is a gap; wider ground is another
place that nobody drew."""

_ROUNDING_DEG = 1e-12
# The overlay of areas that do not fit each other rounds; what is thinner (0.1 µm) is its dust. Areas that
# do fit are compared bit by bit, without any overlay.

_WORDS = {
    "community": "communities",
    "unit_grid": "unit grids",
    "responsibility_grid": "responsibility grids",
}


def check_coverage(connection: Connection) -> list[Finding]:
    """Check that each level covers its ground once.

    Grids must share every vertex of their common edges and together be exactly their community; between
    communities there may be open ground, but no overlap, no crack and no enclosed hole.
    """
    communities = read_areas(connection, "community")
    out: list[Finding] = []
    for level in ("community", "unit_grid", "responsibility_grid"):
        areas = communities if level == "community" else read_areas(connection, level)
        if len(areas.ids) == 0:
            continue
        clean = bool(shapely.coverage_is_valid(shapely.get_parts(areas.geoms)))
        overlaps = [] if clean else _overlaps(level, areas)
        gaps = _cracks(areas) if level == "community" else _holes_in_communities(level, areas, communities)
        if not clean and not overlaps and not gaps:
            out += _mismatched(level, areas)
        words = _WORDS[level]
        out += findings(
            f"{level}_overlap",
            "error",
            overlaps,
            message=f"{{n}} overlaps between {words}: the same ground is counted twice",
            hint="redraw one of the two borders"
            if level == "community"
            else "run gridtwin import again to divide anew, or redraw the grids that were drawn by hand",
        )
        out += findings(
            f"{level}_gap",
            "error",
            gaps,
            message=f"{{n}} gaps between {words}: what happens there belongs to nobody",
            hint="move the borders of the neighbours together"
            if level == "community"
            else "run gridtwin import again to divide anew, or redraw the grids that were drawn by hand",
        )
    return out


def _overlaps(level: str, areas: Areas) -> list[Example]:
    i, j = shapely.STRtree(areas.geoms).query(areas.geoms, predicate="intersects")
    first = i < j
    i, j = i[first], j[first]
    # Interiors that meet: decided on the exact coordinates, however thin the overlap.
    meet = shapely.relate_pattern(areas.geoms[i], areas.geoms[j], "T********")
    out = []
    for a, b in zip(i[meet].tolist(), j[meet].tolist(), strict=True):
        shared = shapely.intersection(areas.geoms[a], areas.geoms[b])
        size = _size(shared)
        out.append(example(f"{level} {areas.codes[a]} × {areas.codes[b]}", _areal(shared), f"{size:.3g} m²"))
    return out


def _holes_in_communities(level: str, areas: Areas, communities: Areas) -> list[Example]:
    """Return the ground of communities that no grid covers; a community without any grid is an orphan."""
    out = []
    parents = np.array([-1 if p is None else p for p in areas.parents])
    for k, community in enumerate(communities.ids):
        own = areas.geoms[parents == community]
        if len(own) == 0:
            continue
        union = _union(own)
        border = communities.geoms[k]
        if shapely.equals_exact(shapely.normalize(union), shapely.normalize(border), 0.0):
            continue
        for part in shapely.get_parts(shapely.difference(border, union)):
            if shapely.get_dimensions(part) == 2 and part.area > _ROUNDING_DEG * part.length:
                detail = f"{_size(part):.3g} m² without {level}"
                out.append(example(f"community {communities.codes[k]}", part, detail))
    return out


def _union(geoms: np.ndarray) -> BaseGeometry:
    parts = shapely.get_parts(geoms)
    if shapely.coverage_is_valid(parts):
        return shapely.MultiPolygon(list(shapely.get_parts(shapely.coverage_union_all(parts))))
    return shapely.union_all(parts)


def _cracks(areas: Areas) -> list[Example]:
    """Return narrow or enclosed ground between communities."""
    union = shapely.union_all(areas.geoms)
    holes = [shapely.Polygon(ring) for part in shapely.get_parts(union) for ring in part.interiors]
    # A hole that one community has for itself (an exclave of another city) is no gap between communities.
    own = [shapely.Polygon(r) for g in shapely.get_parts(areas.geoms) for r in g.interiors]
    found = [h for h in holes if not any(h.equals(o) for o in own)]
    # Cracks that are open at one end: closing the ground by half the width fills them.
    half = GAP_WIDTH_DEG / 2.0
    closed = shapely.buffer(shapely.buffer(union, half, join_style="mitre"), -half, join_style="mitre")
    for part in shapely.get_parts(shapely.difference(closed, shapely.union_all([union, *found]))):
        neighbours = int((shapely.distance(areas.geoms, part) <= 1e-9).sum())
        # A corner that the closing rounds has one community beside it, a crack has two.
        if shapely.get_dimensions(part) == 2 and neighbours >= 2 and part.area > 1e-14:
            found.append(part)
    out = []
    for part in found:
        beside = np.flatnonzero(shapely.distance(areas.geoms, part) <= 1e-9)
        names = " × ".join(areas.codes[k] for k in beside[:3])
        out.append(example(f"community {names}", part, f"{_size(part):.3g} m²"))
    return out


def _mismatched(level: str, areas: Areas) -> list[Finding]:
    parts, index = shapely.get_parts(areas.geoms, return_index=True)
    edges = shapely.coverage_invalid_edges(parts)
    out = [
        example(f"{level} {areas.codes[index[k]]}", edge, "edge without the neighbour's vertices")
        for k, edge in enumerate(edges)
        if not shapely.is_empty(edge)
    ]
    return findings(
        f"{level}_edges",
        "error",
        out,
        message=f"{{n}} {_WORDS[level]} do not share the vertices of their common edges",
        hint="run gridtwin import again: borders and grids are noded together when they are divided",
    )


def _areal(geom: BaseGeometry) -> BaseGeometry:
    parts = [p for p in shapely.get_parts(geom) if shapely.get_dimensions(p) == 2]
    return max(parts, key=lambda p: float(p.area)) if parts else geom


def _size(geom: BaseGeometry) -> float:
    return square_metres(float(geom.area), float(geom.bounds[1]))
