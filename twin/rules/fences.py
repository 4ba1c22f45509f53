"""Say which moving things entered, left, or stay in a fence: polygons, with the noise of fixes in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.rules.fixes import Bools, Fixes, Floats, Integers, Jumps
from twin.runs import begins_of, lengths_of

PAIR: Final = np.dtype(
    [
        ("key", "<i8"),
        ("inside", "?"),
        ("firing", "?"),
        ("on_us", "<i8"),
        ("against", "<i4"),
        ("against_us", "<i8"),
        ("since_us", "<i8"),
        ("last_us", "<i8"),
        ("stay_us", "<i8"),
        ("stay_x_m", "<f8"),
        ("stay_y_m", "<f8"),
        ("away", "<i4"),
        ("away_us", "<i8"),
    ]
)
"""What is known of a mover and a fence it is, or was, in; ``firing`` is the alarm, since ``on_us``.

``against`` counts the fixes in a row that contradict ``inside``, the first at ``against_us``; ``since_us`` is
when it came in or went out, 0 before it ever was inside. ``stay_``: since when, and around where, it hardly
moves; ``away`` counts the fixes in a row beyond the radius. Times are Unix µs.
"""

_SHIFT: Final = 32
_OF_FENCE: Final = (1 << _SHIFT) - 1


class When(StrEnum):
    """What of a fence is worth an alarm."""

    ENTER = "enter"
    """While a mover is inside."""
    LEAVE = "leave"
    """While a mover that was inside is outside."""
    DWELL = "dwell"
    """While a mover has been inside for longer than a time, hardly moving where a radius is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence, and what is an alarm of it.

    Parameters
    ----------
    fence
        Its number, from 0 below 2³².
    polygon
        Polygon or multipolygon in the metres of the local frame of the fixes.
    movers
        Which movers it looks at, shape (movers,). Fences that look at the same movers should share the
        array.
    margin_m
        How far outside a mover must be found to have left.
    worst_accuracy_m
        A fix that may be further off than this says nothing.
    fixes, seconds
        How many fixes in a row, and over how long, must agree before a mover is believed to be in or out.
    dwell_s
        How long a mover stays before it is an alarm; of `When.DWELL` alone.
    radius_m
        How far it may move meanwhile; None for as far as it likes inside.
    gap_s
        After a silence longer than this nothing is known of what was between: a time that runs begins anew.
        What is an alarm already goes on.
    """

    fence: int
    polygon: shapely.Geometry
    when: When
    movers: Bools
    margin_m: float = 10.0
    worst_accuracy_m: float = 50.0
    fixes: int = 2
    seconds: float = 0.0
    dwell_s: float = 0.0
    radius_m: float | None = None
    gap_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Crossings:
    """Where alarms of fences begin and end, shape (n,) each, in order of time a pair of mover and fence.

    ``firing`` is what holds from ``time_us`` on. ``since_us`` is when the mover came in, went out, or began
    to stay; at an end, of what ends. ``x_m``, ``y_m`` is where it was then, NaN where the clock decided.
    """

    mover: Integers
    fence: Integers
    firing: Bools
    time_us: Integers
    since_us: Integers
    x_m: Floats
    y_m: Floats

    def __len__(self) -> int:
        return len(self.mover)

    def only(self, which: Bools) -> Crossings:
        """Return those of a mask."""
        return Crossings(*(getattr(self, field.name)[which] for field in fields(self)))


class FenceTable:
    """Fences as arrays, found by a tree of their boxes.

    The tree is made anew when a fence comes or goes: for 1,000 fences that is quicker than asking a tree that
    can change (docs/dependencies.md has the figures).

    Parameters
    ----------
    fences
        All of them.
    fleeting
        Movers that nobody may follow for longer than they are heard of, shape (movers,); none when left out.
    """

    def __init__(self, fences: Sequence[Fence], fleeting: Bools | None = None) -> None:
        self.fleeting = fleeting
        fences = sorted(fences, key=lambda fence: fence.fence)
        self.fence = np.array([f.fence for f in fences], np.int64)
        self.polygon = np.array([f.polygon for f in fences], object)
        shapely.prepare(self.polygon)
        self.tree = shapely.STRtree(self.polygon)
        self.dwells = np.array([f.when is When.DWELL for f in fences], np.bool_)
        self.leaves = np.array([f.when is When.LEAVE for f in fences], np.bool_)
        self.margin_m = np.array([f.margin_m for f in fences])
        self.worst_m = np.array([f.worst_accuracy_m for f in fences])
        self.fixes = np.array([f.fixes for f in fences], np.int64)
        self.run_us = np.array([f.seconds * 1e6 for f in fences])
        dwell_us = np.array([f.dwell_s * 1e6 for f in fences]).astype(np.int64)
        self.dwell_us = np.where(self.dwells, dwell_us, 0)
        self.radius_m = np.array([np.inf if f.radius_m is None else f.radius_m for f in fences])
        self.gap_us = np.array([f.gap_s * 1e6 for f in fences])
        masks = {id(f.movers): f.movers for f in fences}
        order = {key: n for n, key in enumerate(masks)}
        self._mask = np.array([order[id(f.movers)] for f in fences], np.intp)
        self._masks = np.array(list(masks.values()), np.bool_)

    def looks_at(self, row: Integers, mover: Integers) -> Bools:
        """Say of n fences (rows) and movers whether the fence looks at the mover."""
        return np.asarray(self._masks[self._mask[row], mover]) if len(row) else np.zeros(0, np.bool_)

    def around(self, fixes: Fixes) -> tuple[Integers, Integers]:
        """Return the pairs (fix, row of a fence) where a fix lies in, or on the edge of, a fence for it."""
        i, row = self.tree.query(shapely.points(fixes.x_m, fixes.y_m))
        lies = self.looks_at(row, fixes.mover[i])
        lies[lies] = shapely.intersects_xy(self.polygon[row[lies]], fixes.x_m[i[lies]], fixes.y_m[i[lies]])
        return i[lies], row[lies]


class FenceWatch:
    """Follows movers through fences, fix by fix.

    What it says depends only on the fixes of each mover in their order, not on how they are cut into calls.

    Parameters
    ----------
    table
        The fences.
    """

    def __init__(self, table: FenceTable) -> None:
        self.table = table
        self.pairs = np.zeros(0, PAIR)
        self._jumps = Jumps()

    def replace(self, table: FenceTable) -> None:
        """Go on with other fences, and forget those that are gone and movers they look at no more."""
        self.table = table
        self.pairs = self.pairs[np.isin(self.pairs["key"] & _OF_FENCE, table.fence)]
        key = self.pairs["key"]
        self.pairs = self.pairs[table.looks_at(self._rows(key), key >> _SHIFT)]

    def take_over(self, other: FenceWatch) -> None:
        """Take over what another one found out of other fences; its fixes are not newer than those here."""
        mine = ~np.isin(self.pairs["key"] & _OF_FENCE, other.table.fence)
        pairs = np.concatenate([self.pairs[mine], other.pairs])
        self.pairs = pairs[np.argsort(pairs["key"])]
        self._jumps.add(other._jumps)

    def follow(self, fixes: Fixes) -> Crossings:
        """Take fixes of any number of movers, and say where alarms begin and end."""
        i, row = self.table.around(fixes)
        begins = begins_of(fixes.mover)
        rank = np.arange(len(fixes)) - np.repeat(begins, lengths_of(begins, len(fixes)))
        found: list[Crossings] = []
        by_rank = np.argsort(rank, kind="stable")
        pair_rank = np.argsort(rank[i], kind="stable")
        ends, pair_ends = (
            np.cumsum(np.bincount(r, minlength=rank.max(initial=-1) + 1)) for r in (rank, rank[i])
        )
        believed = np.zeros(len(fixes), np.bool_)
        start = pair_start = 0
        for end, pair_end in zip(ends.tolist(), pair_ends.tolist(), strict=True):
            now = by_rank[start:end]
            believed[now] = self._jumps.believe(fixes.only(now))
            mine = pair_rank[pair_start:pair_end]
            mine = mine[believed[i[mine]]]
            crossings = self._step(fixes, now[believed[now]], i[mine], row[mine])
            if len(crossings):
                found.append(crossings)
            start, pair_start = end, pair_end
        return _joined(found)

    def ripe(self, now_us: int) -> Crossings:
        """Say who had stayed for long enough, or was lost, before a time in Unix µs, without a new fix."""
        at, now = np.arange(len(self.pairs)), np.full(len(self.pairs), now_us)
        return _joined([self._ripen(at, now), self._lose(at, now)])

    def _ripen(self, at: NDArray[np.intp], now_us: Integers) -> Crossings:
        """Begin alarms that were due before a time, but not of who had been silent for too long by then."""
        pairs = self.pairs[at]
        row = self._rows(pairs["key"])
        due_us = pairs["stay_us"] + self.table.dwell_us[row]
        due = self.table.dwells[row] & pairs["inside"] & ~pairs["firing"] & (pairs["away"] == 0)
        due &= (due_us < now_us) & (due_us - pairs["last_us"] <= self.table.gap_us[row])
        self.pairs["firing"][at[due]], self.pairs["on_us"][at[due]] = True, due_us[due]
        return self._crossings(self.pairs[at[due]], due_us[due])

    def _lose(self, at: NDArray[np.intp], now_us: Integers) -> Crossings:
        """Forget where fleeting movers were of whom nothing was heard for too long before a time."""
        if self.table.fleeting is None:
            return NONE
        pairs = self.pairs[at]
        lost_us = pairs["last_us"] + self.table.gap_us[self._rows(pairs["key"])].astype(np.int64)
        lost = self.table.fleeting[pairs["key"] >> _SHIFT] & (lost_us < now_us)
        ended = lost & pairs["firing"]
        pairs["firing"][ended] = False
        told = self._crossings(pairs[ended], lost_us[ended])
        blank = np.zeros(int(lost.sum()), PAIR)
        blank["key"] = pairs["key"][lost]
        self.pairs[at[lost]] = blank
        return told

    def _crossings(
        self, pairs: NDArray[np.void], time_us: Integers, x: Floats | None = None, y: Floats | None = None
    ) -> Crossings:
        key, nowhere = pairs["key"], np.full(len(pairs), np.nan)
        x, y = (nowhere, nowhere) if x is None or y is None else (x, y)
        since = np.where(pairs["inside"], pairs["stay_us"], pairs["since_us"])
        ended = pairs["on_us"] - self.table.dwell_us[self._rows(key)]
        since = np.where(pairs["firing"], since, ended)
        return Crossings(key >> _SHIFT, key & _OF_FENCE, pairs["firing"].copy(), time_us, since, x, y)

    def _rows(self, key: Integers) -> NDArray[np.intp]:
        return np.searchsorted(self.table.fence, key & _OF_FENCE)

    def _step(self, fixes: Fixes, now: Integers, i: Integers, row: Integers) -> Crossings:
        """Take one fix of each of some movers, and the fences around them (fix, row)."""
        hit = (fixes.mover[i] << _SHIFT) | self.table.fence[row]
        at, fix = self._of_interest(fixes, now, hit)
        ripened, lost = self._ripen(at, fixes.time_us[fix]), self._lose(at, fixes.time_us[fix])
        pairs = self.pairs[at]
        row = self._rows(pairs["key"])
        time_us, x, y = fixes.time_us[fix], fixes.x_m[fix], fixes.y_m[fix]
        accuracy = np.nan_to_num(fixes.accuracy_m[fix])
        is_in = np.isin(pairs["key"], hit)
        is_out = ~is_in
        is_out[is_out] = (
            shapely.distance(self.table.polygon[row[is_out]], shapely.points(x[is_out], y[is_out]))
            > np.maximum(self.table.margin_m[row], accuracy)[is_out]
        )
        said = (is_in | is_out) & (accuracy <= self.table.worst_m[row])
        silent = time_us - pairs["last_us"] > self.table.gap_us[row]
        self._begin_anew(pairs, said & silent & ~pairs["firing"], time_us, x, y)
        self._cross(pairs, row, said, is_in, time_us, x, y)
        self._stay(pairs, row, said, time_us, x, y)
        pairs["last_us"] = np.where(said, time_us, pairs["last_us"])
        stayed = time_us - pairs["stay_us"] >= self.table.dwell_us[row]
        firing = np.where(self.table.leaves[row], ~pairs["inside"] & (pairs["since_us"] > 0), pairs["inside"])
        firing &= ~self.table.dwells[row] | stayed
        changed = said & (firing != pairs["firing"])
        pairs["firing"] = np.where(said, firing, pairs["firing"])
        pairs["on_us"] = np.where(changed & firing, time_us, pairs["on_us"])
        crossings = self._crossings(pairs[changed], time_us[changed], x[changed], y[changed])
        self.pairs[at] = pairs
        # Outside, with nothing to remember: most of the city, most of the time.
        idle = ~pairs["inside"] & (pairs["against"] == 0) & ~pairs["firing"]
        if idle.any():
            self.pairs = np.delete(self.pairs, at[idle])
        return _joined([ripened, lost, crossings])

    def _of_interest(self, fixes: Fixes, now: Integers, hit: Integers) -> tuple[NDArray[np.intp], Integers]:
        """Find the pairs that these fixes say something about, new ones added; each with its fix."""
        keys = self.pairs["key"]
        new = np.unique(hit[~np.isin(hit, keys)])
        if len(new):
            added = np.zeros(len(new), PAIR)
            added["key"] = new
            self.pairs = np.insert(self.pairs, np.searchsorted(keys, new), added)
            keys = self.pairs["key"]
        mover = fixes.mover[now]
        first = np.searchsorted(keys, mover << _SHIFT)
        count = np.searchsorted(keys, (mover + 1) << _SHIFT) - first
        at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
        return at, np.repeat(now, count)

    def _begin_anew(
        self, pairs: NDArray[np.void], which: Bools, time_us: Integers, x: Floats, y: Floats
    ) -> None:
        """After a silence: no run goes on, and nobody knows that the mover stayed."""
        _stay_from(pairs, which, time_us, x, y)
        pairs["against"] = np.where(which, 0, pairs["against"])

    def _cross(
        self,
        pairs: NDArray[np.void],
        row: NDArray[np.intp],
        said: Bools,
        is_in: Bools,
        time_us: Integers,
        x: Floats,
        y: Floats,
    ) -> None:
        """Count what contradicts where a mover is believed to be, and believe it after long enough."""
        contradicts = said & (is_in != pairs["inside"])
        first = contradicts & (pairs["against"] == 0)
        pairs["against_us"] = np.where(first, time_us, pairs["against_us"])
        comes = first & is_in
        _stay_from(pairs, comes, time_us, x, y)
        pairs["against"] = np.where(contradicts, pairs["against"] + 1, np.where(said, 0, pairs["against"]))
        crosses = contradicts & (pairs["against"] >= self.table.fixes[row])
        crosses &= time_us - pairs["against_us"] >= self.table.run_us[row]
        pairs["inside"] ^= crosses
        pairs["since_us"] = np.where(crosses, pairs["against_us"], pairs["since_us"])
        pairs["against"] = np.where(crosses, 0, pairs["against"])

    def _stay(
        self,
        pairs: NDArray[np.void],
        row: NDArray[np.intp],
        said: Bools,
        time_us: Integers,
        x: Floats,
        y: Floats,
    ) -> None:
        """Count what lies beyond the radius, and begin a new stay there after enough of it."""
        far = np.hypot(x - pairs["stay_x_m"], y - pairs["stay_y_m"]) > self.table.radius_m[row]
        far &= said
        pairs["away_us"] = np.where(far & (pairs["away"] == 0), time_us, pairs["away_us"])
        pairs["away"] = np.where(far, pairs["away"] + 1, np.where(said, 0, pairs["away"]))
        moves = far & (pairs["away"] >= self.table.fixes[row])
        _stay_from(pairs, moves, pairs["away_us"].copy(), x, y)
        pairs["away"] = np.where(moves, 0, pairs["away"])


def _stay_from(pairs: NDArray[np.void], which: Bools, time_us: Integers, x: Floats, y: Floats) -> None:
    """Let the stay of some begin at this moment and place."""
    for name, column in (("stay_us", time_us), ("stay_x_m", x), ("stay_y_m", y)):
        pairs[name] = np.where(which, column, pairs[name])


_NO_INTEGERS: Final[Integers] = np.zeros(0, np.int64)
_NO_FLOATS: Final[Floats] = np.zeros(0)
NONE: Final = Crossings(
    _NO_INTEGERS, _NO_INTEGERS, np.zeros(0, np.bool_), _NO_INTEGERS, _NO_INTEGERS, _NO_FLOATS, _NO_FLOATS
)


def _joined(parts: Sequence[Crossings]) -> Crossings:
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else NONE
    names = (field.name for field in fields(Crossings))
    return Crossings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
