"""Find the workers whose place is known: those on duty whose tracker was heard."""

from __future__ import annotations

import numpy as np

from twin.live.board import Board
from twin.live.rooms import Rows
from twin.live.sight import WORKERS


def placed_workers(board: Board) -> Rows:
    """Return their rows of the board, shape (n,); who of them may be seen by whom is not asked."""
    n = board.count
    # A worker who is not on duty stands nowhere, in no room: not where they were last.
    placed = (board.layer[:n] == WORKERS) & (board.device_id[:n] != 0) & (board.room[:n] != 0)
    return np.flatnonzero(placed).astype(np.int32)
