"""Plan straight cuts: strips at the corners of their neighbours, large faces across their long axis."""

from __future__ import annotations

import itertools
import math

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.partition.linework import Geometries

_CANDIDATES = 9
"""Positions tried for one cut; the one that goes through the least building is taken."""

_SPREAD = 0.14
"""How far from its even position a cut may move to spare buildings, as a share of the face's area."""

_SLABS = 64
"""Slabs across a face by which its area is summed along its longer side."""


def cut_large(
    face: shapely.Polygon,
    *,
    target_area_m2: float,
    max_area_m2: float,
    buildings: shapely.STRtree | None = None,
) -> list[shapely.LineString]:
    """Return cuts, metres, that divide a face into pieces of about the target area.

    Each cut is square to the longer side of the least rectangle around the piece it divides.
    """
    cuts: list[shapely.LineString] = []
    waiting = [face]
    while waiting:
        piece = waiting.pop()
        if piece.area <= max_area_m2:
            continue
        cut, parts = _halve(piece, math.ceil(piece.area / target_area_m2 - 0.5), buildings)
        if len(parts) < 2 or max(p.area for p in parts) > 0.97 * piece.area:
            continue  # nothing sensible to cut: leave the face as it is
        cuts += cut
        waiting += parts
    return cuts


def _halve(
    piece: shapely.Polygon, count: int, buildings: shapely.STRtree | None
) -> tuple[list[shapely.LineString], list[shapely.Polygon]]:
    corners = shapely.get_coordinates(shapely.oriented_envelope(piece))
    sides = corners[1:3] - corners[:2]
    length = np.hypot(sides[:, 0], sides[:, 1])
    long = int(length.argmax())
    if length[long] <= 0.0:
        return [], []
    along = sides[long] / length[long]
    across = np.array([-along[1], along[0]])
    turned = shapely.transform(piece, lambda points: points @ np.column_stack([along, across]))
    _, s0, _, s1 = turned.bounds
    even = max(count // 2, 1) / max(count, 2)
    shares = even + np.linspace(-_SPREAD, _SPREAD, _CANDIDATES)
    places = _places(turned, shares)
    ends = np.array([[t * along + v * across for v in (s0 - 1.0, s1 + 1.0)] for t in places])
    inside = np.asarray(shapely.intersection(shapely.linestrings(ends), piece), dtype=object)
    cost = shapely.length(inside) + np.abs(shares - even) * length[long]
    if buildings is not None:
        # A metre through a building weighs as much as ten along open ground.
        i, j = buildings.query(inside, predicate="intersects")
        through = shapely.length(shapely.intersection(inside[i], buildings.geometries[j]))
        np.add.at(cost, i, 10.0 * through)
    best = int(cost.argmin())
    cut = [line for line in shapely.get_parts(inside[best]) if line.geom_type == "LineString"]
    # The whole line, which crosses the rim for certain: the ends of ``cut`` are rounded and may just miss it.
    noded = shapely.unary_union([piece.boundary, shapely.LineString(ends[best])])
    parts = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    return cut, [p for p in parts if piece.contains(p.point_on_surface())]


def _places(turned: shapely.Polygon, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where along x a polygon must be cut for the given shares of its area to lie before the cut.

    Shares of its length would do for a block, but not for one with a thin tail (the ground between a street
    and the border beside it): the shortest cut then only takes off a bit of the tail.
    """
    west, south, east, north = turned.bounds
    edges = np.linspace(west, east, _SLABS + 1)
    slabs = [shapely.clip_by_rect(turned, a, south, b, north).area for a, b in itertools.pairwise(edges)]
    area = np.concatenate([[0.0], np.cumsum(slabs)])
    return np.asarray(np.interp(shares * area[-1], area, edges), dtype=np.float64)


def cut_strips(
    strips: Geometries, corners: NDArray[np.float64], *, reach_m: float
) -> list[shapely.LineString]:
    """Return cuts, metres, across strips (the middle of dual carriageways) at the corners on their rim.

    A strip is one face along many blocks; cut at the corners of the blocks, each piece can go to the block
    beside it.

    Parameters
    ----------
    strips
        Narrow faces, metres.
    corners
        Junctions of the coverage, metres, shape (n, 2).
    reach_m
        Longest cut.
    """
    tree = shapely.STRtree(np.asarray(shapely.points(corners), dtype=object))
    cuts: list[shapely.LineString] = []
    for strip in strips:
        rim = strip.boundary
        for k in tree.query(strip, predicate="intersects"):
            corner = corners[k]
            ray = _inward(strip, corner, reach_m)
            if ray is None:
                continue
            for line in shapely.get_parts(ray.intersection(strip)):
                at_corner = line.geom_type == "LineString" and line.distance(shapely.Point(corner)) < 1e-6
                if at_corner and shapely.Point(line.coords[-1]).distance(rim) < 1e-6 < line.length:
                    cuts.append(line)
    return cuts


def _inward(strip: shapely.Polygon, corner: NDArray[np.float64], reach_m: float) -> shapely.LineString | None:
    """Return the ray from a vertex of a polygon into it, halving the angle between its two edges."""
    for ring in shapely.get_rings(shapely.orient_polygons(strip)):
        points = shapely.get_coordinates(ring)[:-1]
        hit = np.flatnonzero((np.abs(points - corner) < 1e-6).all(axis=1))
        if len(hit) == 0:
            continue
        i = int(hit[0])
        before, after = points[i - 1] - corner, points[(i + 1) % len(points)] - corner
        to_after = math.atan2(after[1], after[0])
        # Counter-clockwise shell: the inside lies left of the ring, from the next edge to the one before.
        angle = (math.atan2(before[1], before[0]) - to_after) % (2.0 * math.pi)
        if angle < math.radians(60.0):
            return None  # the pointed end of a strip: a cut would only make splinters
        middle = to_after + angle / 2.0
        far = corner + reach_m * np.array([math.cos(middle), math.sin(middle)])
        return shapely.LineString([corner, far])
    return None
