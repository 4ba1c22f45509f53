"""Put places on the network: on which edge, where on it, and how far beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.dispatch.network.roads import Bools, Floats, Integers
from twin.dispatch.network.snapshot import Snapshot

REACH_M: Final = 200.0
"""What lies farther from every road is off the network."""

_BESIDE_M: Final = 20.0

LONGER_M: Final = 40.0
"""A place beside an island is put on the main part where that is only so much farther away."""


@dataclass(frozen=True, slots=True)
class Places:
    """p places on the network; each column has shape (p,) but ``xy`` (p, 2), metres, of the place itself.

    Attributes
    ----------
    edge
        -1 where it lies off the network.
    along
        Share of the edge from its tail, 0 to 1.
    beside_m
        Distance from the road, walked on foot by every traveller.
    """

    xy: Floats
    edge: Integers
    along: Floats
    beside_m: Floats

    def __len__(self) -> int:
        return len(self.edge)

    @property
    def known(self) -> Bools:
        """Which lie on the network, shape (p,)."""
        return self.edge >= 0

    def only(self, which: Bools | Integers) -> Self:
        """Return some of them."""
        return type(self)(self.xy[which], self.edge[which], self.along[which], self.beside_m[which])


def put(snapshot: Snapshot, xy: Floats, reach_m: float = REACH_M) -> Places:
    """Put places of shape (p, 2), metres, on the nearest road on which such a traveller can stand."""
    points = np.asarray(shapely.points(xy), object)
    edge = np.full(len(xy), -1, np.int64)
    near = np.flatnonzero(np.isfinite(xy).all(axis=1))  # a place on the other side of the world has no metres
    if len(snapshot.standing) and len(near):
        edge[near] = _nearest(snapshot, points[near], reach_m)
        _prefer_main(snapshot, points, edge, reach_m)
    on = edge >= 0
    along, beside = np.zeros(len(xy)), np.full(len(xy), np.inf)
    lines = snapshot.network.lines[edge[on]]
    along[on] = shapely.line_locate_point(lines, points[on], normalized=True)
    beside[on] = shapely.distance(lines, points[on])
    return Places(np.asarray(xy, float), edge, along, beside)


def _nearest(snapshot: Snapshot, points: NDArray[np.object_], reach_m: float) -> Integers:
    """Return the nearest edge to each point, -1 beyond reach, shape (p,)."""
    found = np.full(len(points), -1, np.int64)
    # Most stand beside a road: looking around them first takes a third of the time of such a search.
    point, place = snapshot.tree.query(points, predicate="dwithin", distance=min(_BESIDE_M, reach_m))
    order = np.lexsort((shapely.distance(snapshot.tree.geometries[place], points[point]), point))[::-1]
    found[point[order]] = place[order]  # the nearest is written last
    far = np.flatnonzero(found < 0)
    which, place = snapshot.tree.query_nearest(points[far], max_distance=reach_m, all_matches=False)
    found[far[which]] = place
    return np.where(found >= 0, snapshot.standing[found], -1)


def _prefer_main(snapshot: Snapshot, points: NDArray[np.object_], edge: Integers, reach_m: float) -> None:
    """Move places beside an island to the main part where that is hardly farther; in place."""
    part, tail, lines = snapshot.part, snapshot.network.cut.tail, snapshot.network.lines
    lost = np.flatnonzero((edge >= 0) & (part[tail[edge]] > 0))
    near = shapely.distance(lines[edge[lost]], points[lost])
    for at, gap in zip(lost.tolist(), near.tolist(), strict=True):
        found = snapshot.tree.query(points[at], predicate="dwithin", distance=min(gap + LONGER_M, reach_m))
        within = snapshot.standing[found]
        within = within[part[tail[within]] == 0]
        if len(within):
            edge[at] = within[shapely.distance(lines[within], points[at]).argmin()]
