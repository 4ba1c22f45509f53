"""Number H3 cells and find the ones that a viewport touches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import h3.api.numpy_int as h3
import numpy as np
from numpy.typing import NDArray

from twin.errors import InvalidError

ROOM_RESOLUTION: Final = 9
POINT_ZOOM: Final = 14.0
MAX_POINT_ROOMS: Final = 4_000
"""A viewport with more rooms than this is answered with aggregates at any zoom."""

_COARSEST, _FINEST = 3, 8


def cell_resolution(zoom: float) -> int:
    """Return the H3 resolution of aggregates at a zoom: 3 to 8.

    One step of resolution is a factor of sqrt(7) in length, which is 1.4 zooms; the edge of a cell stays
    between about 50 and 130 CSS pixels.
    """
    return min(_FINEST, max(_COARSEST, _FINEST - math.ceil((12.6 - zoom) / 1.4)))


@dataclass(frozen=True, slots=True)
class Viewport:
    """A box in degrees WGS 84. ``west > east`` crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def parse(cls, values: object, where: str = "bbox") -> Viewport:
        """Read ``[west, south, east, north]``; longitudes may count on past 180 as maps do.

        Raises
        ------
        InvalidError
            Not four finite numbers, or south above north.
        """
        hint = "write [west, south, east, north] in degrees"
        if not isinstance(values, list) or len(values) != 4:
            raise InvalidError("a viewport is four numbers", where=where, hint=hint)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidError("a viewport is four finite numbers", where=where, hint=hint)
        west, south, east, north = (float(value) for value in values)
        if south > north or abs(south) > 90.0 or abs(north) > 90.0:
            raise InvalidError("south must be below north, both within ±90", where=where, hint=hint)
        if west > east or max(abs(west), abs(east)) > 720.0:
            raise InvalidError("west must not be east of east", where=where, hint=hint)
        if east - west >= 360.0:
            return cls(-180.0, south, 180.0, north)
        return cls(_wrapped(west), south, _wrapped(east), north)


def _wrapped(longitude: float) -> float:
    return longitude if -180.0 <= longitude <= 180.0 else (longitude + 180.0) % 360.0 - 180.0


class CellIndex:
    """Cells in the order in which they were first met, each with its bounding box.

    The index only grows: a number given to a cell stays its number.
    """

    def __init__(self) -> None:
        self.cells: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._boxes: NDArray[np.float64] = np.empty((4, 0))
        self._number: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def number(self, cells: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the numbers of cells, int32 of the same shape; new cells get the next ones."""
        unique, inverse = np.unique(cells, return_inverse=True)
        wanted = [int(cell) for cell in unique]
        missing = [cell for cell in wanted if cell not in self._number]
        if missing:
            self._add(missing)
        numbers = np.fromiter((self._number[cell] for cell in wanted), np.int32, len(wanted))
        return numbers[inverse]

    def _add(self, cells: list[int]) -> None:
        boxes = np.empty((4, len(cells)))
        for i, cell in enumerate(cells):
            self._number[cell] = len(self._number)
            boxes[:, i] = _box(cell)
        self.cells = np.concatenate([self.cells, np.array(cells, np.uint64)])
        self._boxes = np.concatenate([self._boxes, boxes], axis=1)

    def touched(self, view: Viewport) -> NDArray[np.bool_]:
        """Return which cells' boxes the viewport touches, bool of the length of the index."""
        west, south, east, north = self._boxes
        tall: NDArray[np.bool_] = (south <= view.north) & (north >= view.south)
        if view.west <= view.east:
            tall &= (west <= view.east) & (east >= view.west)
        else:
            tall &= (east >= view.west) | (west <= view.east)
        return tall


def _box(cell: int) -> tuple[float, float, float, float]:
    boundary = h3.cell_to_boundary(cell)
    latitudes = [latitude for latitude, _ in boundary]
    longitudes = [longitude for _, longitude in boundary]
    if max(longitudes) - min(longitudes) > 180.0:
        return -180.0, min(latitudes), 180.0, max(latitudes)  # it crosses the antimeridian
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def parents(cells: NDArray[np.uint64], resolution: int) -> NDArray[np.uint64]:
    """Return the parents of cells at a coarser resolution."""
    return np.fromiter((h3.cell_to_parent(int(cell), resolution) for cell in cells), np.uint64, len(cells))
