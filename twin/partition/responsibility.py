"""Merge neighbouring unit grids into responsibility grids of about equal weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Adjacency = Sequence[dict[int, float]]
"""For each cell its neighbours and the length of the shared edge."""


def group_cells(
    weight: NDArray[np.float64], centre: NDArray[np.float64], neighbours: Adjacency, count: int
) -> NDArray[np.int64]:
    """Divide cells into contiguous groups of about equal weight.

    Seeds are spread over the cells, groups grow from them (the lightest first, by the cell nearest to its
    seed), and cells on the rim between two groups change sides while that makes the two more equal and
    leaves both in one piece. Where the cells themselves are in several pieces, each piece has its own
    groups, in number by its weight, at least one.

    Parameters
    ----------
    weight
        Of each cell, shape (n,), not negative.
    centre
        Of each cell in metres, shape (n, 2).
    neighbours
        Cells that share an edge.
    count
        Aimed number of groups.

    Returns
    -------
    Array of shape (n,) with the number of the group of each cell, 0 and up.
    """
    # A cell without households still has to be walked: it weighs a little, so that empty ground is spread.
    weight = weight + max(float(weight.sum()), 1.0) * 0.05 / max(len(weight), 1)
    out = np.full(len(weight), -1, dtype=np.int64)
    made = 0
    total = float(weight.sum())
    for piece in _pieces(range(len(weight)), neighbours):
        share = float(weight[piece].sum()) / total
        k = max(1, min(len(piece), round(count * share)))
        _grow(out, piece, _seeds(piece, weight, centre, k), made, weight, centre, neighbours)
        _balance(out, piece, weight, neighbours)
        made += k
    return out


def _pieces(cells: Sequence[int] | range, neighbours: Adjacency) -> list[list[int]]:
    left, out = set(cells), []
    for start in cells:
        if start not in left:
            continue
        left.discard(start)
        piece, waiting = [start], [start]
        while waiting:
            for j in neighbours[waiting.pop()]:
                if j in left:
                    left.discard(j)
                    piece.append(j)
                    waiting.append(j)
        out.append(sorted(piece))
    return out


def _seeds(
    piece: list[int], weight: NDArray[np.float64], centre: NDArray[np.float64], count: int
) -> list[int]:
    """Return cells spread by weight: k-means from the farthest points, deterministic."""
    points, mass = centre[piece], weight[piece]
    middle = (points * mass[:, None]).sum(axis=0) / mass.sum()
    chosen = [int(((points - middle) ** 2).sum(axis=1).argmax())]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count:
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    means = points[chosen].copy()
    for _ in range(20):
        nearest = ((points[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
        moved = means.copy()
        for k in range(count):
            own = nearest == k
            if own.any():
                moved[k] = (points[own] * mass[own, None]).sum(axis=0) / mass[own].sum()
        if np.allclose(moved, means):
            break
        means = moved
    seeds: list[int] = []
    for mean in means:
        by_distance = np.argsort(((points - mean) ** 2).sum(axis=1), kind="stable")
        seeds.append(next(piece[i] for i in by_distance if piece[i] not in seeds))
    return seeds


def _grow(
    out: NDArray[np.int64],
    piece: list[int],
    seeds: list[int],
    first: int,
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    neighbours: Adjacency,
) -> None:
    load = [float(weight[s]) for s in seeds]
    rim: list[set[int]] = []
    for k, seed in enumerate(seeds):
        out[seed] = first + k
    for seed in seeds:
        rim.append({j for j in neighbours[seed] if out[j] < 0})
    left = len(piece) - len(seeds)
    while left:
        for cells in rim:
            cells.difference_update([j for j in cells if out[j] >= 0])
        k = min((k for k in range(len(seeds)) if rim[k]), key=lambda k: (load[k], k))
        origin = centre[seeds[k]]
        j = min(rim[k], key=lambda j: (float(((centre[j] - origin) ** 2).sum()), j))
        out[j] = first + k
        load[k] += float(weight[j])
        rim[k].update(neighbours[j])
        left -= 1


def _balance(
    out: NDArray[np.int64], piece: list[int], weight: NDArray[np.float64], neighbours: Adjacency
) -> None:
    load: dict[int, float] = {}
    for i in piece:
        load[int(out[i])] = load.get(int(out[i]), 0.0) + float(weight[i])
    # Every move makes the sum of squared loads smaller, so this ends; the limit is for time only.
    for _ in range(8 * len(piece)):
        best: tuple[float, int, int] | None = None
        for i in piece:
            a = int(out[i])
            for j in neighbours[i]:
                b = int(out[j])
                gain = float(weight[i]) * (load[a] - load[b] - float(weight[i]))
                better = gain > (1e-9 * load[a] ** 2 if best is None else best[0] * (1.0 + 1e-12))
                if b != a and better and _holds_without(out, i, neighbours):
                    best = (gain, i, b)
        if best is None:
            return
        _, i, b = best
        load[int(out[i])] -= float(weight[i])
        load[b] += float(weight[i])
        out[i] = b


def _holds_without(out: NDArray[np.int64], i: int, neighbours: Adjacency) -> bool:
    """Whether the group of a cell stays in one piece, and not empty, when the cell leaves it."""
    group = out[i]
    beside = [j for j in neighbours[i] if out[j] == group]
    if not beside:
        return False  # the group's only cell
    reached, waiting, wanted = {beside[0]}, [beside[0]], set(beside[1:])
    while waiting and wanted:
        for j in neighbours[waiting.pop()]:
            if j != i and out[j] == group and j not in reached:
                reached.add(j)
                wanted.discard(j)
                waiting.append(j)
    return not wanted
