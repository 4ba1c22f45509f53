"""Make roads meet where they do: at crossings of a drawing, and where an end falls just short of a road."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from shapely import STRtree

from twin.dispatch.network.roads import Floats, Gates, Integers, Roads

VERTEX_M = 0.01
"""Vertices closer than this are one; only those of one OpenStreetMap node are equal to the bit."""

SHORT_M = 0.5
"""An end that falls so short of a road, or reaches so far over it, was meant to meet it."""


def made_to_meet(roads: Roads) -> Roads:
    """Return roads with a vertex wherever they meet.

    Roads of one layer meet where an end of one lies within `SHORT_M` of another; in a drawing also where
    they cross.
    """
    if not len(roads):
        return roads
    crossing = _crossings(roads)
    roads = with_vertices(roads, *crossing)
    ends, moved, line, at = _short_ends(roads)
    return with_vertices(_with_ends(roads, ends, moved), line, at)


GATE_M = 3.0
"""A gate farther than this from every road hangs on none."""


def with_gates(roads: Roads, gates: Gates) -> tuple[Roads, Gates]:
    """Return roads with a vertex at each gate, and those gates that stand on a road, there."""
    if not len(roads) or not len(gates):
        return roads, gates.only(np.zeros(len(gates), bool))
    points = np.asarray(shapely.points(gates.xy), object)
    gate, road = STRtree(roads.line).query_nearest(points, max_distance=GATE_M)
    on = shapely.line_interpolate_point(
        roads.line[road], shapely.line_locate_point(roads.line[road], points[gate])
    )
    xy = gates.xy.copy()
    xy[gate[::-1]] = shapely.get_coordinates(on)[::-1]  # of several roads as near the first
    stands = np.zeros(len(gates), bool)
    stands[gate] = True
    return with_vertices(roads, road.astype(np.int64), xy[gate]), gates.at(xy).only(stands)


def with_vertices(roads: Roads, line: Integers, at: Floats) -> Roads:
    """Return roads with vertices put in.

    Parameters
    ----------
    line, at
        Into which road, shape (v,), and where, metres of the frame, shape (v, 2): on it, or so close that it
        may be bent to go there.
    """
    if not len(line):
        return roads
    lines = roads.line.copy()
    order = np.argsort(line, kind="stable")
    for which in np.unique(line).tolist():
        lines[which] = _with(
            lines[which], at[order[slice(*np.searchsorted(line[order], (which, which + 1)))]]
        )
    return roads.with_lines(lines)


def _with(line: shapely.LineString, at: Floats) -> shapely.LineString:
    xy = shapely.get_coordinates(line)
    steps = np.hypot(*np.diff(xy, axis=0).T)
    along = np.r_[0.0, np.cumsum(steps)]
    where = np.asarray(shapely.line_locate_point(line, shapely.points(at)), float)
    near = np.abs(along[:, None] - where[None, :]).argmin(axis=0)
    new = np.hypot(*(xy[near] - at).T) > VERTEX_M / 2
    where, at = where[new], at[new]
    order = np.argsort(where, kind="stable")
    return shapely.LineString(np.insert(xy, np.searchsorted(along, where[order]), at[order], axis=0))


def _crossings(roads: Roads) -> tuple[Integers, Floats]:
    """Return where roads of a drawing cross others of their layer: road, shape (v,), and place, (v, 2)."""
    nothing = np.zeros(0, np.int64), np.zeros((0, 2))
    if not roads.drawn.any():
        return nothing
    drawn = np.flatnonzero(roads.drawn)
    a, b = STRtree(roads.line).query(roads.line[drawn], predicate="intersects")
    a = drawn[a]
    kept = (a != b) & (roads.layer[a] == roads.layer[b]) & ~(roads.drawn[b] & (a > b))
    a, b = a[kept], b[kept]
    if not len(a):
        return nothing
    points, pair = shapely.get_coordinates(
        shapely.intersection(roads.line[a], roads.line[b]), return_index=True
    )
    return np.r_[a[pair], b[pair]], np.r_[points, points]


def _short_ends(roads: Roads) -> tuple[Integers, Floats, Integers, Floats]:
    """Find ends that nothing meets and that lie just beside a road.

    Returns
    -------
    ends, moved
        Number of the end (twice the road, one more for its last vertex), shape (e,), and where it should
        be, shape (e, 2).
    line, at
        The road beside each, and the same place on it.
    """
    xy, line_of = shapely.get_coordinates(roads.line, return_index=True)
    vertex = vertices_of(xy)
    first = np.flatnonzero(np.r_[True, line_of[1:] != line_of[:-1]])
    last = np.r_[first[1:], len(xy)] - 1
    at_end = np.stack((first, last), axis=1).reshape(-1)
    alone = np.bincount(vertex)[vertex[at_end]] == 1
    ends = np.flatnonzero(alone)
    points = np.asarray(shapely.points(xy[at_end[ends]]), object)
    which, road = STRtree(roads.line).query(points, predicate="dwithin", distance=SHORT_M)
    own = ends[which] // 2
    kept = (road != own) & (roads.layer[road] == roads.layer[own])
    which, road = which[kept], road[kept]
    gap = shapely.distance(points[which], roads.line[road])
    order = np.lexsort((gap, which))
    which, road = which[order], road[order]
    nearest = np.flatnonzero(np.r_[True, which[1:] != which[:-1]]) if len(which) else which
    which, road = which[nearest], road[nearest]
    on = shapely.line_interpolate_point(
        roads.line[road], shapely.line_locate_point(roads.line[road], points[which])
    )
    place = shapely.get_coordinates(on)
    return ends[which], place, road.astype(np.int64), place


def _with_ends(roads: Roads, ends: Integers, moved: Floats) -> Roads:
    lines = roads.line.copy()
    for end, place in zip(ends.tolist(), moved, strict=True):
        xy = shapely.get_coordinates(lines[end // 2])
        xy[-1 if end % 2 else 0] = place
        lines[end // 2] = shapely.linestrings(xy)
    return roads.with_lines(lines)


def vertices_of(xy: Floats) -> NDArray[np.intp]:
    """Return the number of the vertex at each of n places, shape (n,): equal where they are one."""
    places, which = np.unique(xy, axis=0, return_inverse=True)
    pairs = cKDTree(places).query_pairs(VERTEX_M, output_type="ndarray")
    near = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(places),) * 2)
    _, vertex = connected_components(near, directed=False)
    return np.asarray(vertex[which.reshape(-1)], np.intp)
