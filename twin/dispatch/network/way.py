"""Find the quickest way between two places: its edges, its line, and what each piece takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse.csgraph import dijkstra

from twin.dispatch.network.places import Places
from twin.dispatch.network.roads import Bools, Floats, Integers
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.travel import along_edge, beside_s, one_to_many, starts, through_ends

_SLACK: Final = 1e-6
"""A search that knows what it looks for need not look farther, but for the rounding of sums."""


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
    seconds = float(one_to_many(snapshot, start, goal)[0])
    if not np.isfinite(seconds):
        return None
    on_road = seconds - float(beside_s(start)[0] + beside_s(goal)[0])
    if start.edge[0] == goal.edge[0]:
        ride = float(along_edge(snapshot, start, goal, inward=False)[0])
        if ride <= on_road + _SLACK:
            return _on_one_edge(snapshot, start, goal, seconds)
    nodes = _nodes(snapshot, start, goal, on_road)
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


def _nodes(snapshot: Snapshot, start: Places, goal: Places, on_road: float) -> Integers:
    """Return the nodes of the quickest way that leaves the edge of its start."""
    begins, costs = starts(snapshot, start, inward=False)
    ends, last_s = starts(snapshot, goal, inward=True)
    limit = on_road * (1 + _SLACK) + _SLACK
    cost, before = dijkstra(snapshot.outward, indices=begins, limit=limit, return_predecessors=True)
    total = cost[:, ends] + costs[:, None] + last_s[None, :]
    row, column = np.unravel_index(total.argmin(), total.shape)
    nodes = [int(ends[column])]
    while nodes[-1] != begins[row]:
        nodes.append(int(before[row, nodes[-1]]))
    return np.array(nodes[::-1], np.int64)


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
