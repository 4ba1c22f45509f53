"""Work out what viewers with the same rights see of the board, so that it is encoded once for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api.live.ledger import Departures, Keys, Ledger, Rows, Step
from api.live.parcels import Parcels
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.live.sight import WORKERS, in_scope

Mask = NDArray[np.bool_]


def sight(grants: Grants) -> tuple[object, ...]:
    """Return what decides which things of the board are seen; equal for viewers who share an audience."""
    place, worker = grants.scope(DataClass.PLACE), grants.scope(DataClass.WORKER)
    return place.ranges, worker.ranges, None if worker.whole else grants.tracker_id


class Audience:
    """Viewers who see the same things.

    A key (room and layer) is *full* when all that is in it is seen: its blocks are those made once for all.
    Other keys lie at the border of a scope. What stands still is sorted out again only when something was
    installed, moved to another room or got another scope code; what walks is looked at row by row, for it is
    little.

    Parameters
    ----------
    ledger
        Whose rows are seen.
    parcels
        Of the same ledger.
    grants
        Of any of the viewers: `sight` is the same for all.
    """

    def __init__(self, ledger: Ledger, parcels: Parcels, grants: Grants) -> None:
        self._ledger = ledger
        self._parcels = parcels
        self._grants = grants
        self._all_workers = grants.scope(DataClass.WORKER).whole
        self.whole = grants.scope(DataClass.PLACE).whole and self._all_workers
        """Everything is seen: nothing is worked out, and all blocks are those made once for all."""
        self.snapshots: dict[int, tuple[int, bytes]] = {}
        """Of keys that are not full: the tick in which the key changed last, and the block."""
        self._version = -1
        self._layout: tuple[int, ...] = ()
        self._seen: Mask = np.empty(0, np.bool_)
        self._rows: Rows | None = None
        self._full: Mask = np.empty(0, np.bool_)
        self._some: Mask = np.empty(0, np.bool_)

    # things

    def parcels(self) -> Mask:
        """Say for each parcel whether it is seen."""
        version = self._parcels.refresh()
        if self._version != version:
            self._version = version
            self._seen = self._parcels.seen(self._grants)
            self._rows = None
        return self._seen

    def rows(self) -> Rows:
        """Return the rows of the things that are seen, shape (n,)."""
        if self.whole:
            board = self._ledger.board
            return np.flatnonzero(board.device_id[: board.count]).astype(np.int32)
        seen = self.parcels()
        if self._rows is None:
            self._rows = np.flatnonzero(seen[self._parcels.of_row]).astype(np.int32)
        return self._rows

    def sees(self, rows: Rows) -> Mask:
        """Say for rows of the board, shape (n,), which ones are seen."""
        if self.whole:
            return np.asarray(self._ledger.board.device_id[rows] != 0)
        return self.parcels()[self._parcels.of_row[rows]]

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
        walkers = self._parcels.walkers[self._seen[self._parcels.first_walker :]]
        keys = self._ledger.key[walkers[walkers < len(self._ledger.key)]]
        occupied[keys[keys >= 0]] = True
        return occupied

    def cut(self, wanted: Mask) -> tuple[Keys, Keys]:
        """Part the keys that are looked at into those that are full and those at the border of the scope.

        Keys in which nothing is seen are in neither; where workers walk there may be something any time.
        """
        full = self.full()
        if self.whole:
            return _numbers(wanted), _numbers(wanted & ~full)
        border = wanted & ~full
        border[0::2] &= self._some[0::2]
        border[WORKERS::2] &= bool(self._seen[self._parcels.first_walker :].any())
        return _numbers(wanted & full), _numbers(border)

    def _arrange(self) -> None:
        seen = self.parcels()
        ledger = self._ledger
        layout = (self._version, ledger.layout, len(ledger.key_tick))
        if self._layout == layout:
            return
        self._layout = layout
        keys, parcels = self._parcels.standing()
        shown = seen[parcels]
        self._full = np.ones(len(ledger.key_tick), np.bool_)
        self._full[keys[~shown]] = False
        self._full[WORKERS::2] = self._all_workers
        self._some = np.zeros(len(ledger.key_tick), np.bool_)
        self._some[keys[shown]] = True

    # changes

    def told(self, step: Step) -> Step:
        """Leave out of a step what is not seen."""
        updated, moved = step.updated, step.moved
        return Step(
            updated[self.sees(updated)], moved[self.sees(moved)], self.told_of_departures(step.departures)
        )

    def told_of_departures(self, gone: Departures) -> Departures:
        """Leave out departures that are not told.

        A departure is told to whoever saw the thing where it was, and not when it is seen there again: it is
        among the moved things then.
        """
        if not len(gone.ids):
            return gone
        back = self._ledger.are_back(gone) & self.sees(gone.rows)
        if self.whole:
            return gone.only(~back)
        seen = in_scope(self._grants, gone.ids, gone.keys & 1, gone.codes)
        return gone.only(seen & ~back)


def _numbers(keys: Mask) -> Keys:
    return np.flatnonzero(keys).astype(np.int32)
