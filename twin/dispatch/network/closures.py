"""Say which edges a closure shuts, and what is left without a way by what is shut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twin.dispatch.network.network import Network
from twin.dispatch.network.roads import Bools, Integers
from twin.dispatch.network.snapshot import Snapshot

STREETS_NAMED: Final = 5
"""So many streets of a part that is cut off are named."""


@dataclass(frozen=True, slots=True)
class RoadClosure:
    """Roads that are closed to some networks (foot, bike, car) for a time, Unix seconds.

    It is either an ``area``, a polygon in metres that hits what it meets on its ``layers``, or names
    ``roads`` by their numbers.
    """

    id: int
    networks: frozenset[str]
    begins_s: float
    ends_s: float
    area: Any = None
    layers: frozenset[int] = frozenset({0})
    roads: frozenset[int] = frozenset()

    def holds(self, now_s: float) -> bool:
        """Say whether it is closed at a moment."""
        return self.begins_s <= now_s < self.ends_s


def closed_edges(network: Network, closure: RoadClosure) -> Bools:
    """Return which edges a closure shuts, shape (edges,): whole ones, between their nodes."""
    out = np.zeros(network.edges, np.bool_)
    if closure.area is None:
        return out | np.isin(network.of_road(network.roads.id, 0), list(closure.roads))
    met = network.tree.query(closure.area, predicate="intersects")
    layer = network.of_road(network.roads.layer, 0)[met]
    # What runs through a gate has no length: the roads that end there are shut.
    out[met[np.isin(layer, list(closure.layers)) & (network.cut.road[met] >= 0)]] = True
    return out


@dataclass(frozen=True, slots=True)
class CutOff:
    """A part that no way leads to any more: its open metres, a place on it (metres), names of its streets."""

    metres: float
    xy: tuple[float, float]
    streets: tuple[str, ...]


def cut_off(before: Snapshot, after: Snapshot) -> list[CutOff]:
    """Return what lost its way to the rest between two snapshots of a network, most metres first.

    The rest is the largest part that is left. What is shut itself is not cut off.
    """
    network = before.network
    open_before, open_after = (_open(snapshot) & (network.cut.gate < 0) for snapshot in (before, after))
    part_before = network.parts((before.there, before.back))[network.cut.tail]
    part_after = network.parts((after.there, after.back))[network.cut.tail]
    lost = np.flatnonzero(open_before & open_after & (part_before == 0) & (part_after != 0))
    found = []
    for part in np.unique(part_after[lost]).tolist():
        edges = lost[part_after[lost] == part]
        found.append(_described(network, edges))
    return sorted(found, key=lambda one: -one.metres)


def _open(snapshot: Snapshot) -> Bools:
    return np.asarray(np.isfinite(snapshot.there) | np.isfinite(snapshot.back), np.bool_)


def _described(network: Network, edges: Integers) -> CutOff:
    longest = int(edges[network.length_m[edges].argmax()])
    xy = network.points_of(longest)
    middle = xy[len(xy) // 2]
    names = network.of_road(network.roads.name, None)[edges]
    lengths: dict[str, float] = {}
    for name, length in zip(names.tolist(), network.length_m[edges].tolist(), strict=True):
        if name:
            lengths[name] = lengths.get(name, 0.0) + length
    named = sorted(lengths, key=lambda name: -lengths[name])[:STREETS_NAMED]
    return CutOff(float(network.length_m[edges].sum()), (float(middle[0]), float(middle[1])), tuple(named))
