"""Encode what one tick changed, each block once for all who see it, and deal the blocks out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api.live.encoder import Encoder, run_starts
from api.live.frames import BlockKind
from api.live.ledger import Ledger, Rows, Step
from api.live.onlookers import Numbers, Onlookers
from api.live.parcels import Parcels

_NONE = np.empty(0, np.intp)


class News:
    """What came, moved and changed in one tick, encoded and dealt out to onlookers.

    Who sees all that is in a room gets its block; who looks at it over the border of a scope gets the
    blocks of the bands that are seen. What is in no onlooker's sight is not encoded.

    Parameters
    ----------
    ledger, parcels, encoder
        Of the hub.
    onlookers
        Arranged for this tick.
    step
        What changed.
    """

    def __init__(
        self, ledger: Ledger, parcels: Parcels, encoder: Encoder, onlookers: Onlookers, step: Step
    ) -> None:
        self._ledger = ledger
        self._parcels = parcels
        self._onlookers = onlookers
        self._data: list[bytes] = []
        blocks, lookers = [_NONE], [_NONE]
        for kind, rows in ((BlockKind.MOVED, step.moved), (BlockKind.DELTA, step.updated)):
            for runs, starts, block, looker in (self._in_full(rows), self._at_border(rows)):
                if len(runs):
                    blocks.append(block + len(self._data))
                    lookers.append(looker)
                    self._data += encoder.runs(kind, runs, starts)
        looker = np.concatenate(lookers)
        self._dealt = np.concatenate(blocks)[np.argsort(looker, kind="stable")].tolist()
        self._ends = [0, *np.cumsum(np.bincount(looker, minlength=len(onlookers))).tolist()]

    def of(self, onlooker: int) -> list[bytes]:
        """Return the blocks for an onlooker, in the order in which they go into a frame."""
        mine = self._dealt[self._ends[onlooker] : self._ends[onlooker + 1]]
        return list(map(self._data.__getitem__, mine))

    def _in_full(self, rows: Rows) -> tuple[Rows, Numbers, Numbers, Numbers]:
        """Sort rows into runs by key, and say who gets each: pairs of run and onlooker."""
        lookers = self._onlookers.full
        rows = rows[lookers.any[self._ledger.key[rows]]]
        rows = rows[np.argsort(self._ledger.key[rows], kind="stable")]
        keys = self._ledger.key[rows]
        starts = run_starts(keys)
        return rows, starts, *lookers.of(keys[starts])

    def _at_border(self, rows: Rows) -> tuple[Rows, Numbers, Numbers, Numbers]:
        """Sort rows into runs by key and band, and say who gets each: pairs of run and onlooker."""
        onlookers, lookers = self._onlookers, self._onlookers.border
        rows = rows[lookers.any[self._ledger.key[rows]]]
        if not len(rows):
            return rows, _NONE, _NONE, _NONE
        key, band = self._ledger.key[rows], onlookers.band[self._parcels.of_row[rows]]
        codes: NDArray[np.int64] = key * np.int64(onlookers.sees.shape[1]) + band
        order = np.argsort(codes, kind="stable")
        starts = run_starts(codes[order])
        first = order[starts]
        run, looker = lookers.of(key[first])
        told = onlookers.sees[onlookers.audience_of[looker], band[first][run]]
        run, looker = run[told], looker[told]
        # Bands of the room that are in nobody's sight are left out.
        used = np.bincount(run, minlength=len(starts)) > 0
        lengths = np.diff(starts, append=len(rows))
        rows = rows[order][np.repeat(used, lengths)]
        starts = np.cumsum(lengths[used]) - lengths[used]
        return rows, starts, (np.cumsum(used) - 1)[run], looker
