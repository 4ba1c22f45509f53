"""Merge neighbouring faces: slivers into the neighbour with which they share the longest edge."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.partition.linework import Geometries, as_array


class Groups:
    """Faces that grow together, with area, perimeter and shared edges kept up to date.

    Parameters
    ----------
    area_m2, perimeter_m
        Of each face.
    neighbours
        For each face its neighbours and the length in metres of the shared edge.
    """

    def __init__(
        self, area_m2: Sequence[float], perimeter_m: Sequence[float], neighbours: Sequence[dict[int, float]]
    ) -> None:
        self.area_m2 = dict(enumerate(area_m2))
        self.perimeter_m = dict(enumerate(perimeter_m))
        self.neighbours = {i: dict(beside) for i, beside in enumerate(neighbours)}
        self._into = list(range(len(area_m2)))

    def width_m(self, i: int) -> float:
        """Mean width of a group: that of a long strip with its area and perimeter."""
        return 2.0 * self.area_m2[i] / self.perimeter_m[i]

    def merge(self, i: int, j: int) -> None:
        """Let group ``i`` vanish into its neighbour ``j``."""
        shared = self.neighbours[i].pop(j)
        del self.neighbours[j][i]
        for k, metres in self.neighbours.pop(i).items():
            del self.neighbours[k][i]
            self.neighbours[k][j] = self.neighbours[k].get(j, 0.0) + metres
            self.neighbours[j][k] = self.neighbours[j].get(k, 0.0) + metres
        self.area_m2[j] += self.area_m2.pop(i)
        self.perimeter_m[j] += self.perimeter_m.pop(i) - 2.0 * shared
        self._into[i] = j

    def labels(self) -> NDArray[np.int64]:
        """Return for each face the face that its group is named after."""
        out = np.empty(len(self._into), dtype=np.int64)
        for i in range(len(self._into)):
            j = i
            while self._into[j] != j:
                j = self._into[j]
            out[i] = j
        return out


def merge_while(groups: Groups, must_merge: Callable[[int], bool], *, max_area_m2: float) -> None:
    """Merge groups, smallest first, while they must be and have a neighbour.

    The neighbour with the longest shared edge is taken, among those with which the limit is kept if there
    is one, otherwise among all: a sliver is worse than a grid that is somewhat large.
    """
    heap = [(area, i) for i, area in groups.area_m2.items()]
    heapq.heapify(heap)
    while heap:
        area, i = heapq.heappop(heap)
        if groups.area_m2.get(i) != area or not must_merge(i) or not groups.neighbours[i]:
            continue
        beside = groups.neighbours[i]
        # Ties are broken by number, so that the same input gives the same grids on every machine.
        j = max(beside, key=lambda k: (groups.area_m2[k] + area <= max_area_m2, round(beside[k], 3), -k))
        groups.merge(i, j)
        heapq.heappush(heap, (groups.area_m2[j], j))


def merge_to_count(groups: Groups, members: set[int], count: int) -> None:
    """Merge the smallest of some groups into their neighbours until at most ``count`` are left."""
    heap = [(groups.area_m2[i], i) for i in members]
    heapq.heapify(heap)
    left = len(heap)
    while heap and left > count:
        area, i = heapq.heappop(heap)
        if groups.area_m2.get(i) != area or not groups.neighbours[i]:
            continue
        beside = groups.neighbours[i]
        j = min(beside, key=lambda k: (groups.area_m2[k] - beside[k], k))
        groups.merge(i, j)
        left -= 1
        heapq.heappush(heap, (groups.area_m2[j], j))


def dissolve(faces: Geometries, labels: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """Union the faces of each label without touching a vertex; returns shapes and one label for each."""
    names, inverse = np.unique(labels, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(faces[order], np.flatnonzero(np.diff(inverse[order])) + 1) if len(faces) else []
    # The members of a group share edges, so that their union is one polygon.
    shapes: list[Any] = [p[0] if len(p) == 1 else shapely.coverage_union_all(p) for p in parts]
    return as_array(shapes), np.asarray(names, dtype=np.int64)
