"""Sort the board into parcels: things that everybody sees together or not at all."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.live.ledger import Keys, Ledger, Rows
from twin.access.grants import Grants
from twin.live.sight import WORKERS, in_scope

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int32]

NOBODY: Final = 0
"""The parcel of holes on the board, which nobody sees."""


class Parcels:
    """The parcel of each row of the board.

    What stands still is one parcel by scope code. Each walking thing is a parcel of its own, because its
    bearer sees it anywhere. Worked out anew when something was installed, removed or got another scope code.

    Parameters
    ----------
    ledger
        Whose rows are sorted.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.version = -1
        """Of what is installed, as the board counts it; call `refresh` before reading what follows."""
        self.of_row: Numbers = np.empty(0, np.int32)
        self.walkers: Rows = np.empty(0, np.int32)
        """Rows of what walks; theirs are the last parcels, in this order."""
        self._ids: NDArray[np.int32] = np.empty(0, np.int32)
        self._codes: NDArray[np.int64] = np.empty(0, np.int64)
        self._layers: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._standing: tuple[Keys, Numbers] = (self.of_row, self.of_row)
        self._layout: tuple[int, ...] = ()

    def refresh(self) -> int:
        """Sort again if something was installed; return the version."""
        board = self._ledger.board
        if self.version == board.placements:
            return self.version
        self.version = board.placements
        there = board.device_id[: board.count] != 0
        walks = board.layer[: board.count] == WORKERS
        standing = np.flatnonzero(there & ~walks)
        self.walkers = np.flatnonzero(there & walks).astype(np.int32)
        codes, parcel = np.unique(board.scope_code[standing], return_inverse=True)
        self.of_row = np.full(board.count, NOBODY, np.int32)
        self.of_row[standing] = 1 + parcel
        self.of_row[self.walkers] = 1 + len(codes) + np.arange(len(self.walkers))
        still = np.zeros(1 + len(codes), np.int64)
        self._codes = np.concatenate([still[:1], codes, board.scope_code[self.walkers]])
        self._ids = np.concatenate([still, board.device_id[self.walkers]])
        self._layers = np.concatenate([still, board.layer[self.walkers]])
        return self.version

    def seen(self, grants: Grants) -> Mask:
        """Say for each parcel whether grants let their holder see it."""
        seen = in_scope(grants, self._ids, self._layers, self._codes)
        seen[NOBODY] = False
        return seen

    def standing(self) -> tuple[Keys, Numbers]:
        """Return the parcels of what stands still in each room: pairs of key and parcel, shape (n,) each.

        Only rooms that the ledger knows.
        """
        ledger = self._ledger
        layout = (self.version, ledger.layout, len(ledger.key_tick))
        if self._layout != layout:
            self._layout = layout
            rows = np.arange(min(len(self.of_row), len(ledger.key)))
            parcels = self.of_row[rows]
            known = (ledger.key[rows] >= 0) & (parcels != NOBODY) & (parcels < self.first_walker)
            pairs = np.unique(ledger.key[rows[known]] * np.int64(len(self._codes)) + parcels[known])
            keys, numbers = np.divmod(pairs, len(self._codes))
            self._standing = keys.astype(np.int32), numbers.astype(np.int32)
        return self._standing

    @property
    def first_walker(self) -> int:
        """The first parcel of what walks."""
        return len(self._codes) - len(self.walkers)
