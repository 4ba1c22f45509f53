"""Take trackers off the map whose workers are not on duty, and their last places out of the database."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.duty import note_ends
from twin.live.board import Board
from twin.live.duties import Duties, leave
from twin.live.rooms import Rows
from twin.live.sight import WORKERS


class OffDuty:
    """Sees to it that nobody is on the map who is not on duty.

    Parameters
    ----------
    board
        The map.
    duties
        Who is on duty and when.
    """

    def __init__(self, board: Board, duties: Duties) -> None:
        self._board, self._duties = board, duties
        self._leaving: set[int] = set()

    def hide(self, rows: Rows) -> None:
        """Take those of these rows off the map that are trackers of workers who are not on duty now."""
        board = self._board
        rows = rows[(board.layer[rows] == WORKERS) & (board.room[rows] != 0)]
        if len(rows):
            off = rows[~self._duties.cover(board.device_id[rows], np.full(len(rows), _now_us()))]
            board.hide(off)
            self._leaving.update(board.device_id[off].tolist())

    def hide_all(self) -> None:
        """Do so with all trackers."""
        board, n = self._board, self._board.count
        trackers = (board.device_id[:n] != 0) & (board.layer[:n] == WORKERS)
        self.hide(np.flatnonzero(trackers).astype(np.int32))

    async def end(self, engine: AsyncEngine, turn: asyncio.Lock) -> None:
        """Note duties that are over, and forget the last places of who is off the map.

        Parameters
        ----------
        engine
            Database of the twin.
        turn
            Held by whoever writes observations.
        """
        self.hide_all()
        if self._duties.next_end_us is not None and self._duties.next_end_us <= _now_us():
            async with engine.begin() as connection:
                await note_ends(connection)  # by which the next end is read anew
        if self._leaving:
            ids = sorted(self._leaving)
            async with turn, engine.begin() as connection:
                await leave(connection, ids)
            self._leaving.difference_update(ids)


def _now_us() -> int:
    return time.time_ns() // 1000
