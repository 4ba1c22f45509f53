"""Judge silence: devices or properties of which nothing was observed for too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.rules.conditions import Silence
from twin.rules.evaluating import (
    NO_CHANGES,
    Changes,
    Flat,
    Floats,
    Index,
    Readings,
    in_turns,
    joined_changes,
)
from twin.rules.rule import WHOLE, Rule
from twin.runs import begins_of


class Silences(Flat):
    """Judges how long nothing was observed, by the times of the observations themselves.

    ``heard_us`` is the newest time of a watch, 0 while nothing ever came: that is unknown, not silent.
    """

    DTYPE = np.dtype([("on", "?"), ("on_us", "<i8"), ("heard_us", "<i8"), ("silent_us", "<i8")])

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay the times out."""
        found = [rule.condition for rule in rules if isinstance(rule.condition, Silence)]
        self.after_us = np.array([round(c.after_s * 1e6) for c in found], np.int64)

    def take(self, readings: Readings) -> Changes:
        """Judge readings; see `twin.rules.evaluating`."""
        # A device as a whole is heard by whatever property came: all of them in order of time.
        whole = np.lexsort((readings.time_us, readings.row))
        watch, at = self.watches_of(readings.row[whole], np.full(len(whole), WHOLE))
        order = np.argsort(watch, kind="stable")
        parts = [self._hear(watch[order], readings, whole[at[order]])]
        parts.append(self._hear(*self._of_properties(readings)))
        return joined_changes(parts)

    def _of_properties(self, readings: Readings) -> tuple[Index, Readings, Index]:
        watch, at = self.sorted_watches(readings)
        return watch, readings, at

    def _hear(self, watch: Index, readings: Readings, at: Index) -> Changes:
        """Hear from watches; sorted by watch and time."""
        if not len(watch):
            return NO_CHANGES
        time_us = readings.time_us[at]
        before = np.empty_like(time_us)
        before[1:] = time_us[:-1]
        begins = begins_of(watch)
        heard = self.state["heard_us"][watch[begins]]
        before[begins] = np.where(heard > 0, heard, time_us[begins])
        gap = time_us - before
        # Silent until this reading, whether a tick has told so already or not.
        told = np.zeros(len(watch), np.bool_)
        told[begins] = self.state["on"][watch[begins]]
        ended = np.flatnonzero((gap > self.after_us[self.rule[watch]]) | (told & (gap >= 0)))
        self.state["heard_us"][watch] = np.maximum(time_us, self.state["heard_us"][watch])
        parts: list[Changes] = []
        for turn in in_turns(watch[ended]):
            mine = ended[turn]
            silent_s = np.maximum(gap[mine], self.state["silent_us"][watch[mine]]) / 1e6
            late = ~told[mine]
            began = before[mine] + self.after_us[self.rule[watch[mine]]]
            parts.append(self.changed(watch[mine][late], True, began[late], silent_s[late], silent_s[late]))
            parts.append(self.changed(watch[mine], False, time_us[mine], silent_s, silent_s))
            self.state["silent_us"][watch[mine]] = 0
        return joined_changes(parts)

    def tick(self, now_us: int) -> Changes:
        """Let silences begin."""
        heard, state = self.state["heard_us"], self.state
        due = heard + self.after_us[self.rule]
        silent = (heard > 0) & (due < now_us)
        state["silent_us"][silent] = now_us - heard[silent]
        watch = np.flatnonzero(silent & ~state["on"])
        silent_s = state["silent_us"][watch] / 1e6
        return self.changed(watch, True, due[watch], silent_s, silent_s)

    def worst(self, watch: Index) -> Floats:
        """Return the seconds of silence as of the last tick, shape (n,)."""
        seconds: Floats = self.state["silent_us"][watch] / 1e6
        return seconds
