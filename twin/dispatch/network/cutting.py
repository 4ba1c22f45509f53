"""Cut roads into edges between the places where they meet, and set gates across them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree

from twin.dispatch.network.meeting import VERTEX_M, vertices_of
from twin.dispatch.network.roads import Floats, Gates, Integers, Roads


@dataclass(frozen=True, slots=True)
class Cut:
    """Edges between nodes. The first are pieces of roads, the last run through gates and have no length.

    Attributes
    ----------
    node_xy
        Shape (nodes, 2), metres.
    tail, head
        Nodes of each edge, in the direction its road is drawn, shape (edges,).
    road
        Row of its road, -1 through a gate, shape (edges,).
    gate
        Row of the gate it runs through, -1 on a road, shape (edges,).
    xy, begins
        Coordinates of all edges one after the other, shape (k, 2), and where each begins, shape (edges + 1,).
    """

    node_xy: Floats
    tail: Integers
    head: Integers
    road: Integers
    gate: Integers
    xy: Floats
    begins: Integers


def cut(roads: Roads, gates: Gates) -> Cut:
    """Cut roads where they meet: at shared vertices, at their ends and at gates.

    Every gate stands on a vertex of a road (`twin.dispatch.network.meeting.with_gates`) and shuts every road
    that reaches it: each ends there in a node of its own, and between them one passes the gate.
    """
    if not len(roads):
        nothing = np.zeros(0, np.int64)
        return Cut(np.zeros((0, 2)), *(nothing,) * 4, np.zeros((0, 2)), np.zeros(1, np.int64))
    xy, line_of = shapely.get_coordinates(roads.line, return_index=True)
    vertex = vertices_of(xy)
    kept = np.r_[True, (vertex[1:] != vertex[:-1]) | (line_of[1:] != line_of[:-1])]
    xy, line_of, vertex = xy[kept], line_of[kept], vertex[kept]
    new_line = np.r_[True, line_of[1:] != line_of[:-1]]
    meets = np.bincount(vertex) > 1
    meets[vertex[new_line | np.r_[new_line[1:], True]]] = True
    gate_of = _gate_of_vertices(gates, xy, vertex)
    meets |= gate_of >= 0
    at = np.flatnonzero(meets[vertex])
    whole = line_of[at[:-1]] == line_of[at[1:]]
    begin, end = at[:-1][whole], at[1:][whole]
    names, node = np.unique(np.r_[vertex[begin], vertex[end]], return_inverse=True)
    place = np.zeros((len(meets), 2))
    place[vertex] = xy
    node_xy, tail, head = place[names], *np.split(node.reshape(-1).astype(np.int64), 2)
    node_xy, tail, head, through, hub = _apart_at_gates(node_xy, tail, head, gate_of[names])
    sizes = end - begin + 1
    pieces = np.repeat(begin - np.r_[0, np.cumsum(sizes)[:-1]], sizes) + np.arange(sizes.sum())
    gate_xy = np.repeat(node_xy[through], 2, axis=0)
    return Cut(
        node_xy,
        np.r_[tail, through],
        np.r_[head, hub],
        np.r_[line_of[begin].astype(np.int64), np.full(len(through), -1)],
        np.r_[np.full(len(begin), -1), gate_of[names][hub]].astype(np.int64),
        np.r_[xy[pieces], gate_xy],
        np.r_[0, np.cumsum(np.r_[sizes, np.full(len(through), 2)])].astype(np.int64),
    )


def _gate_of_vertices(gates: Gates, xy: Floats, vertex: Integers) -> Integers:
    """Return the gate that stands at each vertex, -1 where none does."""
    found = np.full(vertex.max() + 1, -1, np.int64)
    if len(gates):
        gap, nearest = map(np.asarray, cKDTree(xy).query(gates.xy, distance_upper_bound=VERTEX_M))
        reached = np.isfinite(gap)
        found[vertex[nearest[reached]]] = np.flatnonzero(reached)
    return found


def _apart_at_gates(
    node_xy: Floats, tail: Integers, head: Integers, gate: Integers
) -> tuple[Floats, Integers, Integers, Integers, Integers]:
    """Give each end of an edge at a gate a node of its own; return them and the edges to the gate's node."""
    ends = np.r_[tail, head]
    gated = np.flatnonzero(gate[ends] >= 0)
    hub = ends[gated]
    own = len(node_xy) + np.arange(len(gated))
    ends[gated] = own
    tail, head = np.split(ends, 2)
    return np.r_[node_xy, node_xy[hub]], tail, head, own, hub
