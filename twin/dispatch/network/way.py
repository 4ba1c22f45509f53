"""Find the quickest way between two places: its edges, its line, and what each piece takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse.csgraph import dijkstra

from twin.dispatch.network.places import Places
from twin.dispatch.network.roads import Bools, Floats, Integers
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.travel import along_edge, beside_s, through_ends, with_doors

_SLACK: Final = 1e-6
"""Ways that differ by less take the same: sums are rounded."""

_DETOURS: Final = (1.6, 4.0)
"""How many straight lines a way is long, at most: what lies farther is searched only where that was wrong."""

_KMH: Final = 3.6


@dataclass(frozen=True, slots=True)
class Way:
    """The quickest way from a place to another over e edges.

    Attributes
    ----------
    seconds
        All of it, with the steps beside the road at both ends.
    edge
        Edges in their order, shape (e,), e > 0; the first and the last are used in part.
    ahead
        Whether each is used as it is drawn, shape (e,).
    begin, end
        From which share of each, counted as it is drawn, to which, shape (e,).
    edge_s
        Seconds on each, shape (e,).
    """

    seconds: float
    edge: Integers
    ahead: Bools
    begin: Floats
    end: Floats
    edge_s: Floats


def find_way(snapshot: Snapshot, start: Places, goal: Places) -> Way | None:
    """Return the quickest way from a place to another, each a single one; None where there is none."""
    if not start.known[0] or not goal.known[0]:
        return None
    on_road, nodes = _nodes(snapshot, start, goal)
    ride = np.inf
    if start.edge[0] == goal.edge[0]:
        ride = float(along_edge(snapshot, start, goal, inward=False)[0])
    if not np.isfinite(min(on_road, ride)):
        return None
    seconds = min(on_road, ride) + float(beside_s(start)[0] + beside_s(goal)[0])
    if ride <= on_road + _SLACK:
        return _on_one_edge(snapshot, start, goal, seconds)
    edge, ahead = snapshot.structure.edges(snapshot.there, snapshot.back, nodes)
    head = snapshot.network.cut.head
    first, last = int(start.edge[0]), int(goal.edge[0])
    leaves_ahead, comes_ahead = bool(head[first] == nodes[0]), bool(head[last] != nodes[-1])
    if snapshot.network.cut.tail[first] == head[first]:  # a loop: both its ends are this node
        leaves_ahead = _cheaper_ahead(snapshot, start, inward=False)
    if snapshot.network.cut.tail[last] == head[last]:
        comes_ahead = _cheaper_ahead(snapshot, goal, inward=True)
    edge = np.r_[first, edge, last]
    ahead = np.r_[leaves_ahead, ahead, comes_ahead]
    begin, end = np.where(ahead, 0.0, 1.0), np.where(ahead, 1.0, 0.0)
    begin[0], end[-1] = start.along[0], goal.along[0]
    return _with_seconds(snapshot, seconds, edge, ahead, begin, end)


def way_line(snapshot: Snapshot, way: Way) -> tuple[Floats, Integers]:
    """Return the vertices of a way, metres, shape (k, 2), and at which of them each edge begins, (e,)."""
    pieces: list[Floats] = []
    begins, count = [], 0
    for edge, begin, end in zip(way.edge.tolist(), way.begin.tolist(), way.end.tolist(), strict=True):
        begins.append(max(0, count - 1))
        piece = _part_of(snapshot.network.points_of(edge), begin, end)
        if pieces:
            piece = piece[1:]
        pieces.append(piece)
        count += len(piece)
    return np.concatenate(pieces), np.array(begins)


def _nodes(snapshot: Snapshot, start: Places, goal: Places) -> tuple[float, Integers]:
    """Return the seconds and nodes of the quickest way off the edge of its start; inf without."""
    nodes = snapshot.network.nodes
    matrix = with_doors(snapshot, start, inward=False)
    last_s = np.concatenate(through_ends(snapshot, goal, inward=True))
    ends = np.array([snapshot.network.cut.tail[goal.edge[0]], snapshot.network.cut.head[goal.edge[0]]])
    for limit in (*_guesses_s(snapshot, start, goal), np.inf):
        cost, before = dijkstra(matrix, indices=[nodes], limit=limit, return_predecessors=True)
        total = cost[0, ends] + last_s
        best = int(total.argmin())
        # Beyond the limit lies nothing better than what is found within.
        if total[best] <= limit:
            break
    if not np.isfinite(total[best]):
        return np.inf, np.zeros(0, np.int64)
    found = [int(ends[best])]
    while before[0, found[-1]] != nodes:
        found.append(int(before[0, found[-1]]))
    return float(total[best]), np.array(found[::-1], np.int64)


def _guesses_s(snapshot: Snapshot, start: Places, goal: Places) -> list[float]:
    """Return within how many seconds to search first."""
    straight_s = np.hypot(*(start.xy[0] - goal.xy[0])) * _KMH / snapshot.profile.speed_kmh
    return [float(straight_s * detour) for detour in _DETOURS if straight_s > 0]


def _on_one_edge(snapshot: Snapshot, start: Places, goal: Places, seconds: float) -> Way:
    begin, end = start.along.copy(), goal.along.copy()
    return _with_seconds(snapshot, seconds, start.edge.copy(), end >= begin, begin, end)


def _cheaper_ahead(snapshot: Snapshot, place: Places, *, inward: bool) -> bool:
    to_tail, to_head = through_ends(snapshot, place, inward=inward)
    return bool(to_tail[0] <= to_head[0]) if inward else bool(to_head[0] <= to_tail[0])


def _with_seconds(
    snapshot: Snapshot, seconds: float, edge: Integers, ahead: Bools, begin: Floats, end: Floats
) -> Way:
    share = np.abs(end - begin)
    with np.errstate(invalid="ignore"):
        edge_s = np.where(share > 0, share * np.where(ahead, snapshot.there[edge], snapshot.back[edge]), 0.0)
    return Way(seconds, edge, ahead, begin, end, edge_s)


def _part_of(xy: Floats, begin: float, end: float) -> Floats:
    """Return the vertices of a line between two shares of its length, against it where the second is less."""
    steps = np.hypot(*np.diff(xy, axis=0).T)
    along = np.r_[0.0, np.cumsum(steps)]
    if along[-1] > 0:
        along /= along[-1]
    low, high = min(begin, end), max(begin, end)
    inner = xy[(along > low) & (along < high)]
    ends = np.array([[np.interp(share, along, xy[:, axis]) for axis in (0, 1)] for share in (low, high)])
    part = np.concatenate((ends[:1], inner, ends[1:]))
    return part if begin <= end else part[::-1]
