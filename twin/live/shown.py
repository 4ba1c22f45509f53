"""Remember how each row of the board was shown last, and tell what is different now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.live.rooms import Rows


@dataclass(slots=True)
class Changes:
    """What changed since the last call.

    ``updated``: rows whose value or state changed where they stand. ``moved``: rows that moved, are new, or
    have new metadata. ``left_*``: things that are no longer as they were shown, by id and row, with the room,
    layer and scope code they were shown in; one that is in another room, layer or scope now is also in
    ``moved``. ``hidden``: rows that are in no room any more (`Board.hide`).
    """

    updated: Rows
    moved: Rows
    left_id: NDArray[np.uint32]
    left_room: NDArray[np.uint64]
    left_layer: NDArray[np.uint8]
    left_code: NDArray[np.int64]
    left_row: Rows
    hidden: Rows


class Shown:
    """Room, layer and scope code in which each row was shown last, and which rows are to be looked at.

    Parameters
    ----------
    capacity
        How many rows there may be; see `grow`.
    """

    def __init__(self, capacity: int) -> None:
        self._room: NDArray[np.uint64] = np.zeros(capacity, np.uint64)
        self._layer: NDArray[np.uint8] = np.zeros(capacity, np.uint8)
        self._code: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._updated: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._moved: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._removed: list[tuple[int, int, int, int, int]] = []

    def grow(self, capacity: int) -> None:
        """Make room for so many rows."""
        for name in ("_room", "_layer", "_code", "_updated", "_moved"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(capacity - len(old), old.dtype)]))

    def update(self, rows: Rows) -> None:
        """Note that the value or state of rows is another."""
        self._updated[rows] = True

    def move(self, rows: Rows) -> None:
        """Note that rows moved, are new, or have new metadata."""
        self._moved[rows] = True

    def remove(self, row: int, device_id: int) -> None:
        """Note that a row is a hole from now on."""
        if self._room[row]:
            room, layer, code = self._room[row], self._layer[row], self._code[row]
            self._removed.append((device_id, row, int(room), int(layer), int(code)))
        for column in (self._room, self._layer, self._code, self._updated, self._moved):
            column[row] = 0

    def take(
        self,
        device_id: NDArray[np.int32],
        room: NDArray[np.uint64],
        layer: NDArray[np.uint8],
        scope_code: NDArray[np.int64],
    ) -> Changes:
        """Return everything that changed since the last call, and take these n rows for shown."""
        n = len(device_id)
        moved = np.flatnonzero(self._moved[:n]).astype(np.int32)
        updated = np.flatnonzero(self._updated[:n] & ~self._moved[:n] & (room != 0)).astype(np.int32)
        self._moved[moved] = False
        self._updated[:n] = False
        shown = self._room[moved]
        elsewhere = (
            (shown != room[moved])
            | (self._layer[moved] != layer[moved])
            | (self._code[moved] != scope_code[moved])
        )
        row = moved[elsewhere & (shown != 0)]
        ids, rooms = device_id[row].astype(np.uint32), self._room[row]
        layers, codes = self._layer[row], self._code[row]
        self._room[moved], self._layer[moved] = room[moved], layer[moved]
        self._code[moved] = scope_code[moved]
        if self._removed:
            gone_ids, gone_rows, gone_rooms, gone_layers, gone_codes = zip(*self._removed, strict=True)
            ids = np.concatenate([ids, np.array(gone_ids, np.uint32)])
            row = np.concatenate([row, np.array(gone_rows, np.int32)])
            rooms = np.concatenate([rooms, np.array(gone_rooms, np.uint64)])
            layers = np.concatenate([layers, np.array(gone_layers, np.uint8)])
            codes = np.concatenate([codes, np.array(gone_codes, np.int64)])
            self._removed.clear()
        nowhere = (room[moved] == 0) & (device_id[moved] != 0)
        return Changes(updated, moved[~nowhere], ids, rooms, layers, codes, row, moved[nowhere])
