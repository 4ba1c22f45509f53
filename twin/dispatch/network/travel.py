"""Answer how long ways take: from one place to many, from many to many, and which are nearest.

Each place lies on an edge, so a way leaves it through one of the edge's two nodes: a search begins in a node
of its own with a door to both. They are the exact ones of Dijkstra (`scipy.sparse.csgraph.dijkstra`),
bounded by a limit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from twin.dispatch.network.places import Places
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.roads import Floats, Integers
from twin.dispatch.network.snapshot import Snapshot

NO_LIMIT: Final = np.inf

_KMH: Final = 3.6


def one_to_many(
    snapshot: Snapshot, one: Places, many: Places, limit_s: float = NO_LIMIT, *, inward: bool = False
) -> Floats:
    """Return the seconds from one place to each of n others, shape (n,); inf beyond the limit or with no way.

    Parameters
    ----------
    one
        A single place.
    inward
        From the others to the one, which differs where there are one-way roads.
    """
    return many_to_many(snapshot, one, many, limit_s, inward=inward).reshape(-1)


def many_to_many(
    snapshot: Snapshot, some: Places, others: Places, limit_s: float = NO_LIMIT, *, inward: bool = False
) -> Floats:
    """Return the seconds from each of m places to each of n others, shape (m, n); see `one_to_many`.

    It searches once from each of the first: let these be the fewer.
    """
    out = np.full((len(some), len(others)), np.inf)
    goals = np.flatnonzero(others.known)
    if not len(goals):
        return out
    known = others.only(goals)
    tail, head = snapshot.network.cut.tail, snapshot.network.cut.head
    to_tail, to_head = through_ends(snapshot, known, inward=not inward)
    rows = np.flatnonzero(some.known)
    begun = some.only(rows)
    matrix = with_doors(snapshot, begun, inward=inward)
    for number, row in enumerate(rows.tolist()):
        best = dijkstra(matrix, indices=[snapshot.network.nodes + number], limit=limit_s)[0]
        out[row, goals] = np.minimum(best[tail[known.edge]] + to_tail, best[head[known.edge]] + to_head)
        same = np.flatnonzero(known.edge == begun.edge[number])
        if len(same):
            start = begun.only(np.array([number]))
            ride = along_edge(snapshot, start, known.only(same), inward=inward)
            out[row, goals[same]] = np.minimum(out[row, goals[same]], ride)
    out += beside_s(some)[:, None] + beside_s(others)[None, :]
    out[out > limit_s] = np.inf
    return out


def nearest(
    snapshot: Snapshot, one: Places, many: Places, k: int, limit_s: float, *, inward: bool = False
) -> tuple[Integers, Floats]:
    """Return which k of n places are reached soonest, in that order, and in how many seconds."""
    seconds = one_to_many(snapshot, one, many, limit_s, inward=inward)
    order = np.argsort(seconds, kind="stable")[:k]
    order = order[np.isfinite(seconds[order])]
    return order, seconds[order]


def through_ends(snapshot: Snapshot, places: Places, *, inward: bool) -> tuple[Floats, Floats]:
    """Return the seconds between places on edges and their edges' tails and heads, shape (p,) each.

    Parameters
    ----------
    inward
        From the node to the place; else from the place to the node.
    """
    there, back = snapshot.there[places.edge], snapshot.back[places.edge]
    before, after = (there, back) if inward else (back, there)
    return _share(before, places.along), _share(after, 1.0 - places.along)


def along_edge(snapshot: Snapshot, start: Places, goals: Places, *, inward: bool) -> Floats:
    """Return the seconds from a place to others on the same edge without leaving it, shape (p,)."""
    step = goals.along - start.along[0]
    if inward:
        step = -step
    edge = start.edge[0]
    return np.where(
        step >= 0, _share(snapshot.there[edge], np.abs(step)), _share(snapshot.back[edge], np.abs(step))
    )


def beside_s(places: Places) -> Floats:
    """Return the seconds on foot between places and their roads, shape (p,)."""
    return places.beside_m * (_KMH / load_profiles()[FOOT].speed_kmh)


def with_doors(snapshot: Snapshot, starts: Places, *, inward: bool) -> csr_array:
    """Return the matrix of a snapshot with a row more for each of p places known: there ways begin.

    Parameters
    ----------
    inward
        Against the ways: searches find what leads to the places.
    """
    matrix = snapshot.inward if inward else snapshot.outward
    cut, count = snapshot.network.cut, len(starts)
    costs = np.stack(through_ends(snapshot, starts, inward=inward), axis=1)
    nodes = np.stack((cut.tail[starts.edge], cut.head[starts.edge]), axis=1)
    begins = matrix.indptr[-1] + 2 * np.arange(1, count + 1)
    size = matrix.shape[0] + count
    return csr_array(
        (
            np.r_[matrix.data, costs.reshape(-1)],
            np.r_[matrix.indices, nodes.reshape(-1).astype(matrix.indices.dtype)],
            np.r_[matrix.indptr, begins.astype(matrix.indptr.dtype)],
        ),
        shape=(size, size),
    )


def _share(seconds: Floats | float, share: Floats) -> Floats:
    """Return a share of seconds; of what is closed not even nothing is open, but where it ends."""
    with np.errstate(invalid="ignore"):
        return np.where(share > 0, seconds * share, 0.0)
