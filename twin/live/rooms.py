"""Find the H3 room of a place and keep which rows are in which room."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

ROOM_RESOLUTION = 9
"""H3 resolution of rooms: hexagons of about 0.1 km²."""

_METRES_PER_DEGREE = 111_320.0  # of latitude, and of longitude at the equator; good to 0.6 %
# The inscribed circle is shrunk by this much, so that neither the flat-earth distance nor the great-circle
# edges of the cell can let a thing outside pass as inside.
_INSCRIBED_SAFETY = 0.97


def rooms_of(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return the H3 cells of n points in degrees WGS 84, shape (n,)."""
    find = h3.latlng_to_cell
    cells = [
        find(y, x, ROOM_RESOLUTION)
        for x, y in zip(np.asarray(lon).tolist(), np.asarray(lat).tolist(), strict=True)
    ]
    return np.array(cells, dtype=np.uint64)


class RoomCircles:
    """Know for each room the circle inside which a thing has certainly not left it."""

    def __init__(self) -> None:
        self._circles: dict[int, tuple[float, float, float]] = {}

    def circle(self, room: int) -> tuple[float, float, float]:
        """Return centre lon and lat in degrees and the squared safe radius in m²."""
        known = self._circles.get(room)
        if known is None:
            lat, lon = h3.cell_to_latlng(room)
            ring = np.array(h3.cell_to_boundary(room))
            x = (ring[:, 1] - lon) * _METRES_PER_DEGREE * np.cos(np.radians(lat))
            y = (ring[:, 0] - lat) * _METRES_PER_DEGREE
            x2, y2 = np.roll(x, -1), np.roll(y, -1)
            # Distance from the centre (0, 0) to each edge's line.
            edge = np.abs(x * y2 - x2 * y) / np.hypot(x2 - x, y2 - y)
            known = (lon, lat, float((edge.min() * _INSCRIBED_SAFETY) ** 2))
            self._circles[room] = known
        return known


def surely_inside(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    circle_lon: NDArray[np.float64],
    circle_lat: NDArray[np.float64],
    radius2_m2: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Say for n points whether they are inside their room's safe circle; needs no H3 call."""
    x = (lon - circle_lon) * _METRES_PER_DEGREE * np.cos(np.radians(circle_lat))
    y = (lat - circle_lat) * _METRES_PER_DEGREE
    return np.asarray(x * x + y * y < radius2_m2)


class RoomIndex:
    """Keep the rows of each room as a packed array; adding and removing one row is O(1)."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}
        self._place: dict[int, int] = {}
        self._packed: dict[int, Rows] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, room: int) -> None:
        """Put a row that is in no room into this one."""
        rows = self._rows.setdefault(room, [])
        self._place[row] = len(rows)
        rows.append(row)
        self._packed.pop(room, None)

    def remove(self, row: int, room: int) -> None:
        """Take a row out of the room it is in."""
        rows = self._rows[room]
        place = self._place.pop(row)
        last = rows.pop()
        if last != row:
            rows[place] = last
            self._place[last] = place
        if not rows:
            del self._rows[room]
        self._packed.pop(room, None)

    def rows(self, room: int) -> Rows:
        """Return the rows in a room, shape (n,), in no order, read only; empty when nothing is there."""
        packed = self._packed.get(room)
        if packed is None:
            packed = np.array(self._rows.get(room, ()), dtype=np.int32)
            packed.flags.writeable = False
            if room in self._rows:
                self._packed[room] = packed
        return packed

    def rooms(self) -> NDArray[np.uint64]:
        """Return the rooms that hold something, shape (n,)."""
        return np.fromiter(self._rows, dtype=np.uint64, count=len(self._rows))
