"""Build the network people walk or drive on and find ways through it.

Every vertex of a road that is open to them is a node; roads meet where they share a vertex, as
OpenStreetMap draws them. The scheme needs no splitting of lines and leaves no way to leave the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SNAP_M = 0.01
"""Vertices closer than this are one node; coordinates of one OpenStreetMap node are equal to the bit."""


@dataclass(frozen=True, slots=True)
class Paths:
    """A graph of roads, in metres of the city's local frame.

    Attributes
    ----------
    xy
        Node coordinates, shape (nodes, 2), metres.
    matrix
        Sparse matrix of edge lengths, metres; symmetric where every road is open both ways.
    component
        Component number of each node: from each of one to each other of it there is a way.
    covered
        Keys ``low * nodes + high`` of edges under a roof (tunnels), where satellites are not seen, sorted.
    """

    xy: Floats
    matrix: csr_array
    component: Integers
    covered: Integers

    def __len__(self) -> int:
        return len(self.xy)

    def main_component(self) -> Integers:
        """Return the nodes of the largest component (most nodes), the one worth walking on."""
        if not len(self):
            return np.empty(0, np.int64)
        return np.flatnonzero(self.component == np.bincount(self.component).argmax())

    def nearest(self, x: float, y: float, among: Integers) -> int:
        """Return the node of `among` that is nearest to a point."""
        offset = self.xy[among] - (x, y)
        return int(among[np.einsum("ij,ij->i", offset, offset).argmin()])

    def route(self, start: int, target: int, limit_m: float) -> Integers | None:
        """Return the nodes of the shortest way; None where there is none or it is longer than `limit_m`."""
        _, ways = dijkstra(
            self.matrix, directed=True, indices=[start], limit=limit_m, return_predecessors=True
        )
        before = ways[0]
        if before[target] < 0:
            return None
        nodes = [target]
        while nodes[-1] != start:
            nodes.append(int(before[nodes[-1]]))
        return np.array(nodes[::-1], np.int64)

    def lengths_to(self, node: int) -> Floats:
        """Return how long the shortest way from each node to this one is, metres; infinite without any."""
        against = csr_array(self.matrix.T)
        return np.asarray(dijkstra(against, directed=True, indices=[node])[0], np.float64)

    def is_covered(self, nodes: Integers) -> NDArray[np.bool_]:
        """Tell for each step of a way (one less than its nodes) whether it runs under a roof."""
        low, high = np.minimum(nodes[:-1], nodes[1:]), np.maximum(nodes[:-1], nodes[1:])
        return np.isin(low * len(self) + high, self.covered)

    def lines(self) -> NDArray[np.object_]:
        """Return every edge as a line, for measuring distances to the network."""
        edges = self.matrix.tocoo()
        low, high = np.minimum(edges.row, edges.col), np.maximum(edges.row, edges.col)
        low, high = np.unique(np.stack((low, high)), axis=1)
        pairs = np.stack((self.xy[low], self.xy[high]), axis=1)
        return np.asarray(shapely.linestrings(pairs), dtype=np.object_)


def build_paths(
    lines: Sequence[shapely.LineString],
    covered: Sequence[bool],
    forward: Sequence[bool] | None = None,
    backward: Sequence[bool] | None = None,
) -> Paths:
    """Make the network from road lines.

    Parameters
    ----------
    lines
        Lines in metres; roads that share a vertex meet there.
    covered
        For each line, whether it runs under ground or under a roof.
    forward, backward
        For each line, whether it is open as it is drawn and against that; all of them where left out.
    """
    if len(lines) == 0:
        nothing = np.empty(0, np.int64)
        return Paths(np.empty((0, 2)), csr_array((0, 0)), nothing, nothing)
    xy, line_of = shapely.get_coordinates(np.asarray(lines, dtype=np.object_), return_index=True)
    _, first, node = np.unique(
        np.round(xy / _SNAP_M).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    node = node.reshape(-1).astype(np.int64)
    nodes = xy[first]
    step = np.flatnonzero((line_of[:-1] == line_of[1:]) & (node[:-1] != node[1:]))
    a, b, line = node[step], node[step + 1], line_of[step]
    there = np.ones(len(a), bool) if forward is None else np.asarray(forward, dtype=bool)[line]
    back = np.ones(len(a), bool) if backward is None else np.asarray(backward, dtype=bool)[line]
    start, end = np.divmod(
        np.unique(np.r_[(a * len(nodes) + b)[there], (b * len(nodes) + a)[back]]), len(nodes)
    )
    length = np.hypot(*(nodes[start] - nodes[end]).T)
    matrix = csr_array((length, (start, end)), shape=(len(nodes), len(nodes)))
    _, component = connected_components(matrix, directed=True, connection="strong")
    keys, index = np.unique(np.minimum(a, b) * len(nodes) + np.maximum(a, b), return_index=True)
    roofed = np.asarray(covered, dtype=bool)[line][index]
    return Paths(nodes, matrix, component.astype(np.int64), keys[roofed])
