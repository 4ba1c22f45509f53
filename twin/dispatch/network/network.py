"""Hold the whole network, which never changes: nodes, edges, what lies on them, which parts hang together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from shapely import STRtree

from twin.dispatch.network.cutting import Cut, cut
from twin.dispatch.network.islands import edge_lines, joined, joints, lengths_m, parts_of
from twin.dispatch.network.meeting import made_to_meet, with_gates
from twin.dispatch.network.profiles import Profile
from twin.dispatch.network.roads import JOINT, Bools, Floats, Gates, Integers, Roads

LEAST_S = 1e-3
"""What has no length takes so long: a cost of nothing is no edge to a sparse matrix."""

_KMH = 3.6


@dataclass(frozen=True)
class Network:
    """Roads cut into edges that meet in nodes, in metres of one local frame.

    Attributes
    ----------
    roads, gates
        What it is made of, joints included; the gates are those that stand on a road.
    cut
        Nodes and edges.
    length_m
        Of each edge, shape (edges,).
    """

    roads: Roads
    gates: Gates
    cut: Cut
    length_m: Floats

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return len(self.cut.node_xy)

    @property
    def edges(self) -> int:
        """How many edges it has; each may be open both ways."""
        return len(self.cut.tail)

    @cached_property
    def lines(self) -> NDArray[np.object_]:
        """Each edge as a line, shape (edges,)."""
        return edge_lines(self.cut)

    def points_of(self, edge: int) -> Floats:
        """Return the coordinates of an edge as it is drawn, metres, shape (k, 2)."""
        return self.cut.xy[self.cut.begins[edge] : self.cut.begins[edge + 1]]

    def edges_at(self, node: int) -> Integers:
        """Return the edges that begin or end at a node; a loop only once."""
        order, begins = self._at_nodes
        return np.unique(order[begins[node] : begins[node + 1]] % self.edges)

    @cached_property
    def _at_nodes(self) -> tuple[Integers, Integers]:
        ends = np.r_[self.cut.tail, self.cut.head]
        order = np.argsort(ends, kind="stable")
        return order, np.searchsorted(ends[order], np.arange(self.nodes + 1))

    @cached_property
    def tree(self) -> STRtree:
        """Finds edges by place."""
        return STRtree(self.lines)

    @cached_property
    def is_joint(self) -> Bools:
        """Whether nobody drew an edge: it joins an island, shape (edges,)."""
        return np.asarray(self.of_road(np.asarray(self.roads.road_class == JOINT), False), np.bool_)

    def of_road(self, column: NDArray[np.generic], none: object) -> NDArray[np.generic]:
        """Return a column of the roads for each edge, ``none`` where it runs through a gate."""
        out = np.full(self.edges, none, column.dtype)
        on_road = self.cut.road >= 0
        out[on_road] = column[self.cut.road[on_road]]
        return out

    def parts(self, seconds: tuple[Floats, Floats]) -> Integers:
        """Return the part of each node by edges with a finite cost either way, the longest part first."""
        return parts_of(self.cut, np.isfinite(seconds[0]) | np.isfinite(seconds[1]))

    def seconds(self, profile: Profile) -> tuple[Floats, Floats]:
        """Return what each edge takes as it is drawn and against that, shape (edges,) each; inf is closed.

        Gates are open: who may pass them is not a matter of the network.
        """
        roads, kmh = self.roads, self._kmh(profile)
        way_in, way_back = {
            "foot": (roads.foot, roads.foot),
            "bike": (roads.bike_forward, roads.bike_backward),
            "car": (roads.car_forward, roads.car_backward),
        }[profile.network]
        out = []
        for ridden in (way_in, way_back):
            speed = np.where(ridden, kmh, 0.0)
            if profile.stairs_kmh is None:
                speed[roads.stairs] = 0.0
            if profile.push_kmh is not None:
                speed[(speed == 0.0) & roads.foot & ~roads.stairs] = profile.push_kmh
            with np.errstate(divide="ignore"):
                pace = _KMH / speed
            out.append(np.maximum(self.length_m, LEAST_S) * self.of_road(pace, 1.0))
        return out[0], out[1]

    def _kmh(self, profile: Profile) -> Floats:
        roads = self.roads
        kmh = np.full(len(roads), profile.speed_kmh)
        for road_class, speed in profile.by_class.items():
            kmh[roads.road_class == road_class] = speed
        if profile.network == "car":
            kmh = np.fmin(kmh, roads.max_speed_kmh)
        if profile.stairs_kmh is not None:
            kmh[roads.stairs] = profile.stairs_kmh
        return kmh


def build(roads: Roads, gates: Gates | None = None, obstacles: NDArray[np.object_] | None = None) -> Network:
    """Make a network of roads.

    Parameters
    ----------
    gates
        Those farther than 3 m from every road are left out.
    obstacles
        Polygons in metres that no link to an island may cross.
    """
    roads, gates = with_gates(made_to_meet(roads), gates or Gates())
    whole = cut(roads, gates)
    links = joints(roads, whole, np.zeros(0, object) if obstacles is None else obstacles)
    if len(links.road):
        roads = joined(roads, links)
        whole = cut(roads, gates)
    return Network(roads, gates, whole, lengths_m(whole))
