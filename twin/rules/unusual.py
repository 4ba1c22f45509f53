"""Judge by the learned rule: values that are unusual for their own series, hour and kind of day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from twin.calendar import WorkingCalendar, calendar_for
from twin.rules.conditions import Learned
from twin.rules.evaluating import (
    NO_CHANGES,
    Changes,
    Flat,
    Floats,
    Index,
    Open,
    Readings,
    Times,
    in_turns,
    joined_changes,
)
from twin.rules.learned import SERIES, LearnedTable, judge, new_series
from twin.rules.rule import Rule, Watched, properties_of
from twin.states import State
from twin.zones import timezone_of

_QUARTER_US: Final = 900_000_000


class Unusual(Flat):
    """Judges how far out values are of what is usual for their series.

    ``series`` is what was learned, of `twin.rules.learned.SERIES`; ``worst`` the highest score since then.
    """

    DTYPE = np.dtype([("on", "?"), ("on_us", "<i8"), ("worst", "<f8"), ("series", SERIES)])

    def __init__(self) -> None:
        super().__init__()
        self._calendar: WorkingCalendar | None = None
        self._hours: dict[int, int] = {}

    def fresh(self, count: int) -> NDArray[np.void]:
        """Return watches that learned nothing."""
        state = super().fresh(count)
        state["series"] = new_series(count)
        return state

    def watch(
        self, rules: Sequence[Rule], watched: Watched, opened: Collection[Open] = (), *, waits: bool = False
    ) -> None:
        """Take other rules or devices; the hours are those of the place where the devices are."""
        self._catalog = watched.catalog
        there = np.flatnonzero((watched.device_id != 0) & np.isfinite(watched.lon))
        if len(there):
            zone = timezone_of(float(watched.lon[there].mean()), float(watched.lat[there].mean()))
            if self._calendar is None or self._calendar.zone.key != zone:
                self._calendar, self._hours = calendar_for(zone), {}
        super().watch(rules, watched, opened, waits=waits)

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay the parameters out, with the physical range of each property."""
        rows = []
        for rule in rules:
            assert isinstance(rule.condition, Learned)
            found = [observed for _, observed in properties_of(rule, self._catalog)]
            low, high = min(one.minimum for one in found), max(one.maximum for one in found)
            rows.append(msgspec.structs.replace(rule.condition.row(), minimum=low, maximum=high))
        self.table = LearnedTable.of(rows) if rows else None

    def take(self, readings: Readings) -> Changes:
        """Judge readings; see `twin.rules.evaluating`."""
        watch, at = self.sorted_watches(readings)
        parts: list[Changes] = []
        if self.table is None or not len(watch):
            return NO_CHANGES
        hours = self._hours_of(readings.time_us[at])
        for turn in in_turns(watch):
            mine, value, time_us = watch[turn], readings.value[at[turn]], readings.time_us[at[turn]]
            states, scores = judge(
                self.table, self.state["series"], mine, self.rule[mine], hours[turn], value, time_us
            )
            parts.append(self._step(mine, states >= State.WARNING, scores, value, time_us))
        return joined_changes(parts)

    def _step(
        self, watch: Index, far: NDArray[np.bool_], score: Floats, value: Floats, time_us: Times
    ) -> Changes:
        on = self.state["on"][watch]
        worst = np.where(on, np.maximum(self.state["worst"][watch], score), score)
        self.state["worst"][watch] = worst
        return joined_changes(
            [
                self.changed(watch[which], state, time_us[which], value[which], worst[which])
                for which, state in ((on & ~far, False), (far & ~on, True))
            ]
        )

    def tick(self, _now_us: int) -> Changes:
        """Change nothing: a gap is no anomaly."""
        return NO_CHANGES

    def worst(self, watch: Index) -> Floats:
        """Return the highest scores since watches hold, shape (n,)."""
        scores: Floats = self.state["worst"][watch]
        return scores

    def _hours_of(self, time_us: Times) -> NDArray[np.integer[Any]]:
        """Return the hours of `twin.rules.learned.SERIES`: holidays are days off, moved days are worked."""
        quarters, back = np.unique(time_us // _QUARTER_US, return_inverse=True)
        return np.array([self._hour(quarter) for quarter in quarters.tolist()], np.int64)[back]

    def _hour(self, quarter: int) -> int:
        hour = self._hours.get(quarter)
        if hour is None:
            calendar = self._calendar or calendar_for("UTC")
            local = datetime.fromtimestamp(quarter * _QUARTER_US / 1e6, calendar.zone)
            hour = local.hour + (0 if calendar.is_working_day(local.date()) else 24)
            if len(self._hours) > 10_000:
                self._hours.clear()
            self._hours[quarter] = hour
        return hour
