"""Ask the board what the barriers of gates report."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.dispatch.network.gates import NO_WORD, OPEN, SHUT
from twin.dispatch.network.roads import Integers
from twin.live.board import Board
from twin.live.rooms import Rows

KIND: Final = "gate"


class Barriers:
    """What the barriers of gates report now.

    Parameters
    ----------
    board
        None where there is none: nothing is reported.
    """

    def __init__(self, board: Board | None) -> None:
        self._board = board
        self._rows: Rows = np.zeros(0, np.int32)
        kind = None if board is None else board.catalog.by_name.get(KIND)
        slots = {} if kind is None else {one.name: one.slot for one in kind.properties}
        self._open, self._fault = slots.get("open"), slots.get("fault")

    def among(self, rows: Rows) -> bool:
        """Say whether one of the rows is a barrier that was asked about."""
        return bool(len(self._rows)) and bool(np.isin(rows, self._rows).any())

    def reported(self, device_ids: Integers, now_s: float) -> NDArray[np.int8]:
        """Return what the barriers of g gates report, shape (g,); see `twin.dispatch.network.gates`.

        Nobody believes one that is no barrier, never reported, fell silent or has a fault.
        """
        out = np.full(len(device_ids), NO_WORD, np.int8)
        board, slot = self._board, self._open
        if board is None or slot is None:
            return out
        found = np.array([board.row_of_id.get(number, -1) for number in device_ids.tolist()], np.int32)
        at = np.flatnonzero(found >= 0)
        rows = found[at]
        self._rows = rows
        sound = (board.kind[rows] == board.catalog.by_name[KIND].code) & (board.times_us[rows, slot] > 0)
        sound &= ~board.silent(rows, int(now_s * 1e6))
        if self._fault is not None:
            sound &= ~(board.values[rows, self._fault] > 0)
        stands = np.where(board.values[rows, slot] > 0, OPEN, SHUT)
        out[at] = np.where(sound, stands, NO_WORD)
        return out
