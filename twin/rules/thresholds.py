"""Judge limits and rates of change: a number beyond a threshold, with hysteresis and hold time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from twin.rules.conditions import Rate, Threshold
from twin.rules.evaluating import (
    NO_CHANGES,
    Changes,
    Flat,
    Floats,
    Index,
    LookBack,
    Mask,
    Readings,
    Times,
    in_turns,
    joined_changes,
)
from twin.rules.rule import Rule

_STEPS: Final = 16
"""Readings kept of a window of `Rate` lie at least its share of so many apart."""

_KEPT: Final = _STEPS + 2


class Thresholds(Flat):
    """What limits and rates have in common: from numbers in time order to changes.

    Of a watch that is, or may come to be, beyond its threshold ``since_us`` is since when (0: it is not),
    ``last`` its newest value, ``worst`` the furthest number since then, times the sign of its side.
    """

    DTYPE = np.dtype([("on", "?"), ("on_us", "<i8"), ("since_us", "<i8"), ("last", "<f8"), ("worst", "<f8")])

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay the thresholds out; where a rule has no such side nothing reaches it."""
        found = [rule.condition for rule in rules if isinstance(rule.condition, Threshold)]
        self.above = np.array([np.inf if c.above is None else c.above for c in found])
        self.below = np.array([-np.inf if c.below is None else c.below for c in found])
        back = np.array([c.hysteresis for c in found])
        self.above_ends, self.below_ends = self.above - back, self.below + back
        self.hold_us = np.array([round(c.hold_s * 1e6) for c in found], np.int64)
        self.sign = np.where(np.isfinite(self.above), 1.0, -1.0)

    def beyond(self, watch: Index, number: Floats) -> Mask:
        """Say which numbers, shape (n,), are at or beyond the threshold of their watch."""
        rule = self.rule[watch]
        mask: Mask = (number >= self.above[rule]) | (number <= self.below[rule])
        return mask

    def step(self, watch: Index, number: Floats, value: Floats, time_us: Times) -> Changes:
        """Take one more number of each of n watches; NaN is not known, and changes nothing that holds."""
        rule, sign = self.rule[watch], self.sign[self.rule[watch]]
        on, since = self.state["on"][watch], self.state["since_us"][watch]
        known = ~np.isnan(number)
        over = self.beyond(watch, number)
        since = np.where(over, np.where(since > 0, since, time_us), 0)
        begins = over & ~on & (time_us - since >= self.hold_us[rule])
        near = (number > self.above_ends[rule]) | (number < self.below_ends[rule])
        ends = on & known & ~over & ~near
        before = np.where(on | (self.state["since_us"][watch] > 0), self.state["worst"][watch], -np.inf)
        worst = np.where(known, np.maximum(before, sign * number), before)
        self.state["since_us"][watch], self.state["worst"][watch] = since, worst
        self.state["last"][watch] = value
        return joined_changes(
            [
                self.changed(watch[which], state, time_us[which], value[which], (sign * worst)[which])
                for which, state in ((ends, False), (begins, True))
            ]
        )

    def due(self, watch: Index, before_us: Times | int) -> Changes:
        """Let those of watches begin whose hold time ran out before a time, at the time it did."""
        since = self.state["since_us"][watch]
        at = since + self.hold_us[self.rule[watch]]
        which = (since > 0) & ~self.state["on"][watch] & (at < before_us)
        if not which.any():
            return NO_CHANGES
        watch = watch[which]
        return self.changed(watch, True, at[which], self.state["last"][watch].copy(), self.worst(watch))

    def worst(self, watch: Index) -> Floats:
        """Return the furthest number since watches have been beyond, shape (n,)."""
        furthest: Floats = self.sign[self.rule[watch]] * self.state["worst"][watch]
        return furthest


class Limits(Thresholds):
    """Judges values by limits."""

    def take(self, readings: Readings) -> Changes:
        """Judge readings; see `twin.rules.evaluating`."""
        watch, at = self.sorted_watches(readings)
        # Most have nothing to tell, before or now: a watch is looked at where it has, or one reading does.
        hot = self.beyond(watch, readings.value[at])
        hot |= self.state["on"][watch] | (self.state["since_us"][watch] > 0)
        if not hot.any():
            return NO_CHANGES
        chosen = np.zeros(len(self.rule), np.bool_)
        chosen[watch[hot]] = True
        hot = chosen[watch]
        watch, at = watch[hot], at[hot]
        parts: list[Changes] = []
        for turn in in_turns(watch):
            mine, value, time_us = watch[turn], readings.value[at[turn]], readings.time_us[at[turn]]
            parts += self.due(mine, time_us), self.step(mine, value, value, time_us)
        return joined_changes(parts)

    def tick(self, now_us: int) -> Changes:
        """Let states begin whose hold time ran out although nothing new came."""
        return self.due(np.flatnonzero(self.state["since_us"]), now_us)


class Rates(Thresholds):
    """Judges how fast values change.

    Of a window few readings are kept, so that memory is bounded: one that comes sooner than a 16th of the
    window after the last one kept is judged but not kept. The rate is the change from the oldest kept reading
    within the window, known once that is half a window old. Without readings nothing is known of it: no time
    runs.
    """

    DTYPE = np.dtype(
        [
            *((name, Thresholds.DTYPE[name]) for name in Thresholds.DTYPE.names or ()),
            ("times", "<i8", (_KEPT,)),
            ("values", "<f8", (_KEPT,)),
            ("next", "<i4"),
            ("kept_us", "<i8"),
        ]
    )

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay the thresholds and windows out."""
        super().lay_out(rules)
        found = [rule.condition for rule in rules if isinstance(rule.condition, Rate)]
        self.window_us = np.array([round(c.window_s * 1e6) for c in found], np.int64)
        self.per_us = np.array([c.per_s * 1e6 for c in found])

    def looks_back(self) -> LookBack:
        """Return the readings of the windows of new watches."""
        new = self._new
        return LookBack(int(self.window_us[self.rule[new]].max(initial=0)), self.row[new], self.slot[new])

    def take(self, readings: Readings) -> Changes:
        """Judge readings; see `twin.rules.evaluating`."""
        watch, at = self.sorted_watches(readings)
        parts: list[Changes] = []
        for turn in in_turns(watch):
            mine, value, time_us = watch[turn], readings.value[at[turn]], readings.time_us[at[turn]]
            parts.append(self.step(mine, self._rates(mine, value, time_us), value, time_us))
        return joined_changes(parts)

    def tick(self, _now_us: int) -> Changes:
        """Change nothing."""
        return NO_CHANGES

    def _rates(self, watch: Index, value: Floats, time_us: Times) -> Floats:
        """Return the rates with one more reading of each watch, NaN where not known, and keep the reading."""
        window = self.window_us[self.rule[watch]]
        times = self.state["times"][watch]
        within = np.where(times >= (time_us - window)[:, None], times, np.iinfo(np.int64).max)
        oldest = within.argmin(axis=1)
        each = np.arange(len(watch))
        span = time_us - times[each, oldest]
        known = (within[each, oldest] < time_us) & (2 * span >= window) & (times[each, oldest] > 0)
        change = value - self.state["values"][watch, oldest]
        per = np.where(known, change / np.maximum(span, 1), np.nan) * self.per_us[self.rule[watch]]
        keep = _STEPS * (time_us - self.state["kept_us"][watch]) >= window
        kept, at = watch[keep], self.state["next"][watch[keep]]
        self.state["times"][kept, at], self.state["values"][kept, at] = time_us[keep], value[keep]
        self.state["next"][kept] = (at + 1) % _KEPT
        self.state["kept_us"][kept] = time_us[keep]
        return np.asarray(per)
