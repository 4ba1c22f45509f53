"""Build the network people walk on and find ways through it.

Every vertex of a road that is open to walkers is a node; roads meet where they share a vertex, as
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
class Footpaths:
    """An undirected graph of footpaths, in metres of the city's local frame.

    Attributes
    ----------
    xy
        Node coordinates, shape (nodes, 2), metres.
    matrix
        Symmetric sparse matrix of edge lengths, metres.
    component
        Component number of each node.
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

    def is_covered(self, nodes: Integers) -> NDArray[np.bool_]:
        """Tell for each step of a way (one less than its nodes) whether it runs under a roof."""
        low, high = np.minimum(nodes[:-1], nodes[1:]), np.maximum(nodes[:-1], nodes[1:])
        return np.isin(low * len(self) + high, self.covered)

    def lines(self) -> NDArray[np.object_]:
        """Return every edge as a line, for measuring distances to the network."""
        upper = self.matrix.tocoo()
        keep = upper.row < upper.col
        pairs = np.stack((self.xy[upper.row[keep]], self.xy[upper.col[keep]]), axis=1)
        return np.asarray(shapely.linestrings(pairs), dtype=np.object_)


def build_footpaths(lines: Sequence[shapely.LineString], covered: Sequence[bool]) -> Footpaths:
    """Make the network from road lines open to walkers.

    Parameters
    ----------
    lines
        Lines in metres; roads that share a vertex meet there.
    covered
        For each line, whether it runs under ground or under a roof.
    """
    if len(lines) == 0:
        nothing = np.empty(0, np.int64)
        return Footpaths(np.empty((0, 2)), csr_array((0, 0)), nothing, nothing)
    xy, line_of = shapely.get_coordinates(np.asarray(lines, dtype=np.object_), return_index=True)
    _, first, node = np.unique(
        np.round(xy / _SNAP_M).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    node = node.reshape(-1).astype(np.int64)
    nodes = xy[first]
    step = np.flatnonzero((line_of[:-1] == line_of[1:]) & (node[:-1] != node[1:]))
    a, b = node[step], node[step + 1]
    low, high = np.minimum(a, b), np.maximum(a, b)
    roofed = np.asarray(covered, dtype=bool)[line_of[step]]
    keys, index = np.unique(low * len(nodes) + high, return_index=True)
    low, high = low[index], high[index]
    length = np.hypot(*(nodes[low] - nodes[high]).T)
    matrix = csr_array(
        (np.r_[length, length], (np.r_[low, high], np.r_[high, low])), shape=(len(nodes), len(nodes))
    )
    _, component = connected_components(matrix, directed=False)
    return Footpaths(nodes, matrix, component.astype(np.int64), keys[roofed[index]])
