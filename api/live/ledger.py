"""Remember in which tick each row of the board changed, moved or left its room."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from api.live.cells import CellIndex
from twin.live.board import Board
from twin.live.sight import WORKERS

KEPT_TICKS: Final = 600
"""Departures are remembered this many ticks (a minute of steady change); older ones need a snapshot."""

LAYERS: Final = ("devices", "workers")
"""Layers by their code on the wire."""

Rows = NDArray[np.int32]
Keys = NDArray[np.int32]
"""Room number times two plus layer code."""


_NO_ROWS: Final = np.empty(0, np.int32)
_NO_IDS: Final = np.empty(0, np.uint32)
_NO_CODES: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Departures:
    """Things that left a room, or the scope they had there: n of each.

    ``keys`` are the rooms they left, ``codes`` the scope codes they had there, ``rows`` their rows on the
    board, which are holes where the thing was removed.
    """

    ids: NDArray[np.uint32]
    keys: Keys
    codes: NDArray[np.int64]
    rows: Rows

    @classmethod
    def joined(cls, parts: Sequence[Departures]) -> Departures:
        """Return all of these as one."""
        return cls(
            np.concatenate([_NO_IDS, *(part.ids for part in parts)]),
            np.concatenate([_NO_ROWS, *(part.keys for part in parts)]),
            np.concatenate([_NO_CODES, *(part.codes for part in parts)]),
            np.concatenate([_NO_ROWS, *(part.rows for part in parts)]),
        )

    def only(self, which: NDArray[np.bool_]) -> Departures:
        """Return those of a mask of shape (n,)."""
        return Departures(self.ids[which], self.keys[which], self.codes[which], self.rows[which])


@dataclass(frozen=True, slots=True)
class Step:
    """What one tick changed: rows that changed in place, rows that came or moved, departures."""

    updated: Rows
    moved: Rows
    departures: Departures


class Ledger:
    """The board's changes, numbered by tick.

    Parameters
    ----------
    board
        The board; the ledger is the only one who takes its changes.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.rooms = CellIndex()
        self.tick = 0
        self.layout = 0
        """Grows when other things are in some room of layer 0."""
        self.key: NDArray[np.int32] = np.full(0, -1, np.int32)
        self.changed_tick: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.moved_tick: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.key_tick: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._departures: deque[tuple[int, Departures]] = deque()

    @property
    def horizon(self) -> int:
        """The oldest tick from which the present can be told without a snapshot."""
        return max(0, self.tick - KEPT_TICKS)

    def advance(self) -> Step | None:
        """Take the board's changes as one tick; None when there are none."""
        board = self.board
        changes = board.take_changes()
        moved = changes.moved[board.device_id[changes.moved] != 0]
        updated = changes.updated[board.device_id[changes.updated] != 0]
        if not (len(moved) or len(updated) or len(changes.left_id)):
            return None
        self.tick += 1
        self._grow()
        if len(moved):
            keys = self.rooms.number(board.room[moved]) * 2 + board.layer[moved]
            # Workers walk all the time: who of them is seen is not worked out by room (see `Audience`).
            rearranged = (self.key[moved] != keys) & (keys & 1 != WORKERS)
            self.layout += int(rearranged.any())
            self.key[moved] = keys
            self.moved_tick[moved] = self.tick
            self.changed_tick[moved] = self.tick
            updated = updated[self.moved_tick[updated] != self.tick]
        self.key[changes.hidden] = -1
        self.changed_tick[updated] = self.tick
        left_rooms = self.rooms.number(changes.left_room)
        departures = Departures(
            changes.left_id.astype(np.uint32),
            (left_rooms * 2 + changes.left_layer).astype(np.int32),
            changes.left_code,
            changes.left_row,
        )
        if len(departures.ids):
            self._departures.append((self.tick, departures))
        while self._departures and self._departures[0][0] <= self.horizon:
            self._departures.popleft()
        self._grow_keys()
        for keys in (self.key[moved], self.key[updated], departures.keys):
            self.key_tick[keys] = self.tick
        return Step(updated, moved, departures)

    def _grow(self) -> None:
        capacity = len(self.board.device_id)
        old = len(self.key)
        if capacity > old:
            self.key = np.concatenate([self.key, np.full(capacity - old, -1, np.int32)])
            zeros: NDArray[Any] = np.zeros(capacity - old, np.uint32)
            self.changed_tick = np.concatenate([self.changed_tick, zeros])
            self.moved_tick = np.concatenate([self.moved_tick, zeros])

    def _grow_keys(self) -> None:
        missing = 2 * len(self.rooms) - len(self.key_tick)
        if missing > 0:
            self.key_tick = np.concatenate([self.key_tick, np.zeros(missing, np.uint32)])

    def since(self, tick: int, wanted: NDArray[np.bool_], held: NDArray[np.bool_]) -> Step:
        """Return what changed after a tick.

        Parameters
        ----------
        tick
            Not before `horizon`.
        wanted
            Keys whose rows are told, bool by key.
        held
            Keys whose departures are told, bool by key.
        """
        count = self.board.count
        changed = self.changed_tick[:count] > tick
        rows = np.flatnonzero(changed & (self.board.device_id[:count] != 0)).astype(np.int32)
        rows = rows[self.key[rows] >= 0]
        rows = rows[wanted[self.key[rows]]]
        is_moved = self.moved_tick[rows] > tick
        gone = Departures.joined([departures for at, departures in self._departures if at > tick])
        return Step(rows[~is_moved], rows[is_moved], gone.only(held[gone.keys]))

    def are_back(self, departures: Departures) -> NDArray[np.bool_]:
        """Say which things are in the room again that they left; they are among the moved ones, too."""
        rows = departures.rows
        back = (self.key[rows] == departures.keys) & (self.board.device_id[rows] != 0)
        return np.asarray(back)

    def rows_of(self, key: int) -> Rows:
        """Return the rows that are in a room and layer now."""
        rows = self.board.rows_in_room(int(self.rooms.cells[key >> 1]))
        here: Rows = rows[self.board.layer[rows] == key & 1]
        return here
