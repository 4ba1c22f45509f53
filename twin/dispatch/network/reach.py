"""Find what is reached from a place within a time: the streets, and the ground beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from shapely.ops import substring

from twin.dispatch.network.cutting import Cut
from twin.dispatch.network.places import Places
from twin.dispatch.network.roads import Floats, Integers
from twin.dispatch.network.snapshot import Snapshot
from twin.dispatch.network.travel import beside_s, with_doors

BESIDE_M: Final = 25.0
"""What lies so near a street is reached with it: the depth of a house and its front garden."""

_ARC: Final = 4  # segments of a quarter circle

_BENT_M: Final = 1.0  # what bends less is straight: seen from the edge of the ground it is nothing


def reached_lines(
    snapshot: Snapshot, one: Places, limits_s: Sequence[float], *, inward: bool = False
) -> list[shapely.MultiLineString]:
    """Return the pieces of streets within each of some times of a place, metres; empty off the network.

    Parameters
    ----------
    one
        A single place.
    inward
        From where the place is reached within these times, not what is reached from it.
    """
    if not one.known[0] or not len(limits_s):
        return [shapely.MultiLineString()] * len(limits_s)
    limits = [limit - float(beside_s(one)[0]) for limit in limits_s]
    nodes = snapshot.network.nodes
    nodes_s = np.full(nodes, np.inf)
    if max(limits) > 0:
        matrix = with_doors(snapshot, one, inward=inward)
        nodes_s = dijkstra(matrix, indices=[nodes], limit=max(limits))[0, :nodes]
    return [_lines(snapshot, one, nodes_s, limit, inward) for limit in limits]


def reached_ground(lines: shapely.MultiLineString, beside_m: float = BESIDE_M) -> shapely.Geometry:
    """Return the ground beside reached streets as a polygon or several, metres; empty of nothing."""
    # Pieces each on their own, then all as one: ten times as quick as around all at once.
    pieces = shapely.simplify(shapely.get_parts(shapely.line_merge(lines)), _BENT_M)
    return shapely.union_all(shapely.buffer(pieces, beside_m, quad_segs=_ARC))


def _lines(
    snapshot: Snapshot, one: Places, nodes_s: Floats, limit: float, inward: bool
) -> shapely.MultiLineString:
    cut, lines = snapshot.network.cut, snapshot.network.lines
    there, back = (snapshot.back, snapshot.there) if inward else (snapshot.there, snapshot.back)
    if limit < 0:
        return shapely.MultiLineString()
    from_tail = _shares(limit - nodes_s[cut.tail], there)
    from_head = _shares(limit - nodes_s[cut.head], back)
    street = cut.gate < 0
    whole = street & (from_tail + from_head >= 1)
    pieces: list[Any] = _runs(cut, np.flatnonzero(whole)).tolist()
    own = int(one.edge[0])
    if not whole[own]:
        ahead, behind = (float(_shares(np.array([limit]), way[[own]])[0]) for way in (there, back))
        begin, end = max(0.0, one.along[0] - behind), min(1.0, one.along[0] + ahead)
        # What is reached round about may lie over what is reached straight on.
        from_tail[own] = max(from_tail[own], end if begin <= from_tail[own] else 0.0)
        from_head[own] = max(from_head[own], 1.0 - begin if end >= 1.0 - from_head[own] else 0.0)
        if from_tail[own] < begin and end < 1.0 - from_head[own]:
            pieces.append(substring(lines[own], begin, end, normalized=True))
        if from_tail[own] + from_head[own] >= 1:
            from_tail[own], from_head[own] = 1.0, 0.0
    for edge in np.flatnonzero(street & ~whole & (from_tail > 0)).tolist():
        pieces.append(substring(lines[edge], 0.0, from_tail[edge], normalized=True))
    for edge in np.flatnonzero(street & ~whole & (from_head > 0)).tolist():
        pieces.append(substring(lines[edge], 1.0 - from_head[edge], 1.0, normalized=True))
    return shapely.MultiLineString([piece for piece in pieces if piece.length > 0])


def _runs(cut: Cut, edges: Integers) -> NDArray[np.object_]:
    """Return edges as lines, those of a road that follow one another as one; shape (runs,)."""
    if not len(edges):
        return np.zeros(0, object)
    a, b = edges[:-1], edges[1:]
    follows = (b - a == 1) & (cut.road[a] == cut.road[b])
    sizes = np.diff(cut.begins)[edges]
    vertex = np.repeat(cut.begins[edges] - np.r_[0, np.cumsum(sizes)[:-1]], sizes) + np.arange(sizes.sum())
    run = np.repeat(np.r_[0, np.cumsum(~follows)], sizes)
    kept = np.ones(len(vertex), bool)
    kept[np.cumsum(sizes)[:-1][follows]] = False  # where an edge begins the one before has ended
    return np.asarray(shapely.linestrings(cut.xy[vertex[kept]], indices=run[kept]), object)


def _shares(left_s: Floats, edge_s: Floats) -> Floats:
    """Return which share of edges is reached with some seconds left at their end, 0 to 1."""
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(edge_s), left_s / edge_s, 0.0)
    return np.clip(share, 0.0, 1.0)
