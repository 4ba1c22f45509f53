"""Work out what viewers with the same rights see of the board, so that it is encoded once for all of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.live.ledger import Keys, Ledger, Rows, Step
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.live.board import WORKERS, in_scope

Mask = NDArray[np.bool_]

_NO_ROWS: Final = np.empty(0, np.int32)


def sight(grants: Grants) -> tuple[object, ...]:
    """Return what decides which things of the board are seen; equal for viewers who share an audience."""
    place, worker = grants.scope(DataClass.PLACE), grants.scope(DataClass.WORKER)
    return place.ranges, worker.ranges, None if worker.whole else grants.tracker_id


class Audience:
    """Viewers who see the same things.

    A key (room and layer) is *full* when all that is in it is seen: its blocks are those made once for all.
    Of other keys, which lie at the border of a scope, the audience gets blocks of its own. What stands
    still is sorted out again only when something was installed, moved to another room or got another scope
    code; what walks is looked at row by row, for it is little.

    Parameters
    ----------
    ledger
        Whose rows are seen.
    grants
        Of any of the viewers: `sight` is the same for all.
    """

    def __init__(self, ledger: Ledger, grants: Grants) -> None:
        self._ledger = ledger
        self._grants = grants
        self._all_workers = grants.scope(DataClass.WORKER).whole
        self.whole = grants.scope(DataClass.PLACE).whole and self._all_workers
        """Everything is seen: nothing is worked out, and all blocks are those made once for all."""
        self.snapshots: dict[int, tuple[int, bytes]] = {}
        """Of keys that are not full: the tick in which the key changed last, and the block."""
        self._placements = -1
        self._layout = (-1, -1)
        self._seen: Mask = np.empty(0, np.bool_)
        self._rows: Rows = _NO_ROWS
        self._standing: Rows = _NO_ROWS
        self._walking: Rows = _NO_ROWS
        self._hidden: Rows = _NO_ROWS
        self._full: Mask = np.empty(0, np.bool_)
        self._some: Mask = np.empty(0, np.bool_)

    # things

    def rows(self) -> Rows:
        """Return the rows of the things that are seen, shape (n,)."""
        board = self._ledger.board
        if self.whole:
            return np.flatnonzero(board.device_id[: board.count]).astype(np.int32)
        self._look()
        return self._rows

    def sees(self, rows: Rows) -> Mask:
        """Say for rows of the board, shape (n,), which ones are seen."""
        if self.whole:
            return np.asarray(self._ledger.board.device_id[rows] != 0)
        self._look()
        return self._seen[rows]

    def _look(self) -> None:
        board = self._ledger.board
        if self._placements == board.placements:
            return
        self._placements = board.placements
        everything = np.arange(board.count, dtype=np.int32)
        self._seen = board.in_scope(everything, self._grants)
        walks = board.layer[everything] == WORKERS
        self._rows = everything[self._seen]
        self._standing = everything[self._seen & ~walks]
        self._walking = everything[self._seen & walks]
        self._hidden = everything[~self._seen & ~walks & (board.device_id[everything] != 0)]
        self._layout = (-1, -1)

    # keys

    def full(self) -> Mask:
        """Say for each key whether all that is in it is seen."""
        if self.whole:
            return np.ones(len(self._ledger.key_tick), np.bool_)
        self._arrange()
        return self._full

    def occupied(self) -> Mask:
        """Say for each key whether something that is seen is in it; where all is seen, or ever was."""
        if self.whole:
            return np.asarray(self._ledger.key_tick > 0)
        self._arrange()
        occupied = self._some.copy()
        occupied[self._keys_of(self._walking)] = True
        return occupied

    def _arrange(self) -> None:
        self._look()
        ledger = self._ledger
        layout = (ledger.layout, len(ledger.key_tick))
        if self._layout == layout:
            return
        self._layout = layout
        self._full = np.ones(len(ledger.key_tick), np.bool_)
        self._full[self._keys_of(self._hidden)] = False
        self._full[WORKERS::2] = self._all_workers
        self._some = np.zeros(len(ledger.key_tick), np.bool_)
        self._some[self._keys_of(self._standing)] = True

    def _keys_of(self, rows: Rows) -> Keys:
        """Return the keys of those rows that the ledger knows already."""
        keys: Keys = self._ledger.key[rows[rows < len(self._ledger.key)]]
        return keys[keys >= 0]

    # changes

    def told(self, step: Step) -> Step:
        """Leave out of a step what is not seen.

        A departure is told to whoever saw the thing where it was, and not when it is seen there again: it is
        among the moved things then.
        """
        gone = step.departures
        if not len(gone.ids):
            updated, moved = step.updated, step.moved
            return Step(updated[self.sees(updated)], moved[self.sees(moved)], gone)
        back = self._ledger.are_back(gone) & self.sees(gone.rows)
        if self.whole:
            return Step(step.updated, step.moved, gone.only(~back))
        seen = in_scope(self._grants, gone.ids, gone.keys & 1, gone.codes)
        updated, moved = step.updated, step.moved
        return Step(updated[self.sees(updated)], moved[self.sees(moved)], gone.only(seen & ~back))

    def own(self, step: Step, looked: Mask) -> Step:
        """Return what of a step is encoded for this audience alone: rows of keys that are not full.

        All departures are: that a room is full now does not say that who left it was seen.

        Parameters
        ----------
        step
            Of this tick.
        looked
            Keys that anybody of this audience looks at, bool by key: at the rest nothing is done.
        """
        border, key = looked & ~self.full(), self._ledger.key
        updated, moved = (rows[border[key[rows]]] for rows in (step.updated, step.moved))
        return self.told(Step(updated, moved, step.departures))
