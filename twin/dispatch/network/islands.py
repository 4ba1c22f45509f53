"""Find parts of the network that no way leads to, and join those to it that lie so near that one walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely import STRtree

from twin.dispatch.network.cutting import Cut
from twin.dispatch.network.meeting import with_vertices
from twin.dispatch.network.roads import Floats, Integers, Roads

JOIN_M: Final = 30.0
"""A gap up to this is a path nobody drew (measured: of ten extracts eight then hang together to 99 %)."""


@dataclass(frozen=True, slots=True)
class Joints:
    """Links over j gaps: the road at each end, shape (j, 2), and where each begins and ends, (j, 2, 2)."""

    road: Integers
    xy: Floats


def parts_of(cut: Cut, open_edges: NDArray[np.bool_]) -> Integers:
    """Return the part each node belongs to by edges that are open either way, shape (nodes,).

    Parts are numbered from the one with most metres of edges; a node without an open edge is a part too.
    """
    nodes = len(cut.node_xy)
    tail, head = cut.tail[open_edges], cut.head[open_edges]
    graph = coo_array((np.ones(len(tail), bool), (tail, head)), shape=(nodes, nodes))
    count, part = connected_components(graph, directed=False)
    size = np.bincount(part[tail], lengths_m(cut)[open_edges], minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(count)
    return rank[part]


def lengths_m(cut: Cut) -> Floats:
    """Return the length of each edge, metres, shape (edges,)."""
    if len(cut.begins) < 2:
        return np.zeros(0)
    steps = np.r_[np.hypot(*np.diff(cut.xy, axis=0).T), 0.0]
    steps[cut.begins[1:] - 1] = 0.0  # from the end of one edge to the begin of the next
    return np.add.reduceat(steps, cut.begins[:-1])


def edge_lines(cut: Cut) -> NDArray[np.object_]:
    """Return each edge as a line, shape (edges,)."""
    edge = np.repeat(np.arange(len(cut.tail)), np.diff(cut.begins))
    return np.asarray(shapely.linestrings(cut.xy, indices=edge), object)


def joints(roads: Roads, cut: Cut, obstacles: NDArray[np.object_]) -> Joints:
    """Find the shortest links that join islands on foot to what lies within `JOIN_M` of them.

    Parameters
    ----------
    obstacles
        Polygons in metres that no link may cross: buildings, water.
    """
    walked = (cut.road >= 0) & roads.foot[cut.road]
    part = parts_of(cut, walked | (cut.gate >= 0))[cut.tail]
    edges = np.flatnonzero(walked)
    lines, part, layer = edge_lines(cut)[edges], part[edges], roads.layer[cut.road[edges]]
    islands = np.flatnonzero(part > 0)
    tree = STRtree(lines)
    a, b = tree.query(lines[islands], predicate="dwithin", distance=JOIN_M)
    a = islands[a]
    kept = (part[a] != part[b]) & (layer[a] == layer[b])
    a, b = a[kept], b[kept]
    gap = shapely.distance(lines[a], lines[b])
    order = np.argsort(gap, kind="stable")
    hindrance = STRtree(obstacles)
    root = np.arange(part.max(initial=0) + 1)
    found: list[tuple[int, int, Floats]] = []
    for i, j in zip(a[order].tolist(), b[order].tolist(), strict=True):
        one, other = _root(root, part[i]), _root(root, part[j])
        if one == other:
            continue
        link = shapely.shortest_line(lines[i], lines[j])
        if len(hindrance.query(link, predicate="crosses")):
            continue
        root[max(one, other)] = min(one, other)
        found.append((int(cut.road[edges[i]]), int(cut.road[edges[j]]), shapely.get_coordinates(link)))
    if not found:
        return Joints(np.zeros((0, 2), np.int64), np.zeros((0, 2, 2)))
    return Joints(np.array([one[:2] for one in found], np.int64), np.array([one[2] for one in found]))


def joined(roads: Roads, joints: Joints) -> Roads:
    """Return roads with the links, and vertices where these begin and end."""
    if not len(joints.road):
        return roads
    roads = with_vertices(roads, joints.road.reshape(-1), joints.xy.reshape(-1, 2))
    layers = roads.layer[joints.road[:, 0]]
    return roads.plus_joints([shapely.LineString(xy) for xy in joints.xy], layers.tolist())


def _root(root: Integers, part: int) -> int:
    while root[part] != part:
        root[part] = part = int(root[root[part]])
    return int(part)
