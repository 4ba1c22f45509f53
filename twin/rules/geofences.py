"""Judge geofences: what moves enters a fence, leaves it, or stays in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.crs import Converter, to_local_metres
from twin.live.rooms import Rows
from twin.live.sight import WORKERS
from twin.rules.conditions import Geofence
from twin.rules.evaluating import (
    NO_CHANGES,
    Changes,
    Floats,
    Index,
    LookBack,
    Open,
    Readings,
    Times,
    joined_changes,
)
from twin.rules.fences import PAIR, Crossings, Fence, FenceTable, FenceWatch, When
from twin.rules.fixes import Bools, Fixes
from twin.rules.places import read_polygons
from twin.rules.rule import WHOLE, Rule, Watched, matching

_ACCURACY: Final = "accuracy"
"""Property by which a kind says how far off its place may be, in metres."""


class Geofences:
    """Judges where things that move are; the alarm is of the thing as a whole.

    A mover is its row. A fence is a rule in one version, and its number is given once. Who is followed only
    while on duty is out of every fence when nothing was heard for the gap of the fence.
    """

    def __init__(self) -> None:
        self.rules: Sequence[Rule] = ()
        self._watch = FenceWatch(FenceTable([]))
        self._numbers: dict[tuple[int, int], int] = {}
        self._given = 0
        self._index: NDArray[np.intp] = np.zeros(0, np.intp)
        self._new: dict[int, list[int]] = {}
        self._fences: dict[int, Fence] = {}
        self._metres: Converter | None = None
        self._fleeting: Bools = np.zeros(0, np.bool_)
        self._accuracy: NDArray[np.int64] = np.zeros(0, np.int64)
        self._slots: NDArray[np.int64] = np.zeros(0, np.int64)

    def watch(
        self, rules: Sequence[Rule], watched: Watched, opened: Collection[Open] = (), *, waits: bool = False
    ) -> None:
        """Take other rules or devices; see `twin.rules.evaluating`."""
        self.rules = tuple(rules)
        codes = watched.catalog.by_code
        fleeting = np.zeros(max(codes) + 1, np.bool_)
        accuracy, slots = np.full((2, max(codes) + 1), -1)
        for kind in codes.values():
            fleeting[kind.code], slots[kind.code] = kind.layer == WORKERS, len(kind.properties)
            accuracy[kind.code] = next((p.slot for p in kind.properties if p.name == _ACCURACY), -1)
        self._fleeting, self._accuracy = fleeting[watched.kind], accuracy[watched.kind]
        self._slots = slots[watched.kind]
        masks: dict[object, Bools] = {}
        numbers: dict[tuple[int, int], int] = {}
        fences: dict[int, Fence] = {}
        for rule in rules:
            number = self._numbers.get(rule.key)
            if number is None:
                number, self._given = self._given, self._given + 1
                self._new[number] = [row for rule_id, row, _ in opened if rule_id == rule.id]
            numbers[rule.key] = number
            who = rule.kinds, rule.area
            if who not in masks:
                masks[who] = np.zeros(len(watched.device_id), np.bool_)
                masks[who][matching(rule, watched)[0]] = True
            fences[number] = self._fence(number, rule, masks[who], self._fences.get(number))
        self._numbers, self._fences = numbers, fences
        self._new = {number: rows for number, rows in self._new.items() if number in fences}
        self._index = np.full(self._given, -1, np.intp)
        self._index[list(fences)] = np.arange(len(fences))
        if not waits:
            self._new = {}
        self._begin_judging()

    def _begin_judging(self) -> None:
        """Judge by all fences but those that wait for what came before."""
        ready = [fence for number, fence in self._fences.items() if number not in self._new]
        self._watch.replace(FenceTable(ready, self._fleeting))

    def _fence(self, number: int, rule: Rule, movers: Bools, before: Fence | None) -> Fence:
        condition = rule.condition
        assert isinstance(condition, Geofence)
        polygon = before.polygon if before else self._in_metres(read_polygons(condition.polygons))
        return Fence(
            fence=number,
            polygon=polygon,
            when=When(condition.when),
            movers=movers,
            margin_m=condition.margin_m,
            worst_accuracy_m=condition.worst_accuracy_m,
            fixes=condition.fixes,
            seconds=condition.seconds,
            dwell_s=condition.dwell_s or 0.0,
            radius_m=condition.radius_m,
            gap_s=condition.gap_s,
        )

    def _in_metres(self, polygon: shapely.MultiPolygon) -> shapely.Geometry:
        if self._metres is None:
            centre = polygon.centroid
            self._metres, _ = to_local_metres(centre.x, centre.y)
        forward = self._metres
        return shapely.transform(polygon, lambda xy: np.column_stack(forward(xy[:, 0], xy[:, 1])))

    def _fixes(self, readings: Readings) -> Fixes | None:
        """Return where movers were: a fix may come with several properties, one of them how good it is."""
        at = np.flatnonzero(np.isfinite(readings.lon) & np.isfinite(readings.lat))
        if not len(at) or self._metres is None:
            return None
        row, time_us = readings.row[at].astype(np.int64), readings.time_us[at]
        order = np.lexsort((time_us, row))
        row, time_us, at = row[order], time_us[order], at[order]
        first = np.ones(len(at), np.bool_)
        first[1:] = (row[1:] != row[:-1]) | (time_us[1:] != time_us[:-1])
        says = readings.slot[at] == self._accuracy[row]
        accuracy = np.full(int(first.sum()), np.nan)
        accuracy[(np.cumsum(first) - 1)[says]] = readings.value[at[says]]
        x, y = self._metres(readings.lon[at[first]], readings.lat[at[first]])
        return Fixes(row[first], time_us[first], x, y, accuracy)

    def looks_back(self) -> LookBack:
        """Return which fixes new fences want: those of all they look at, as far back as a stay may reach."""
        new = [self._fences[number] for number in self._new]
        if not new:
            return LookBack()
        row = np.flatnonzero(np.logical_or.reduce([fence.movers for fence in new]))
        counts = self._slots[row]
        slot = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        longest_s = max(fence.dwell_s + fence.seconds + fence.gap_s for fence in new)
        return LookBack(round(longest_s * 1e6), np.repeat(row, counts).astype(np.int32), slot)

    def prime(self, readings: Readings, now_us: int) -> Changes:
        """Let new fences know of fixes that came before; return what is different at the end."""
        back_us = self.looks_back().us
        new, self._new = self._new, {}
        if not new:
            return NO_CHANGES
        self._begin_judging()
        fresh = FenceWatch(FenceTable([self._fences[number] for number in new], self._fleeting))
        opened = np.array(
            sorted((row << 32) | number for number, rows in new.items() for row in rows), np.int64
        )
        pairs = np.zeros(len(opened), PAIR)
        pairs["key"], pairs["firing"] = opened, True
        leaves = np.array(
            [self._fences[int(key & 0xFFFFFFFF)].when is When.LEAVE for key in opened], np.bool_
        )
        pairs["inside"] = ~leaves
        for name in ("since_us", "stay_us", "on_us", "last_us"):
            pairs[name] = now_us - back_us
        fresh.pairs = pairs
        fixes = self._fixes(readings)
        told = [fresh.follow(fixes)] if fixes is not None else []
        told.append(fresh.ripe(now_us))
        self._watch.take_over(fresh)
        firing = fresh.pairs["key"][fresh.pairs["firing"]]
        other = np.setxor1d(firing, opened)
        changes = [self._changes(crossings, only=other) for crossings in told]
        last: dict[tuple[int, int], Changes] = {}
        for one in changes:
            for n in range(len(one)):
                last[int(one.rule[n]), int(one.row[n])] = one.only(np.array([n]))
        return joined_changes(list(last.values()))

    def take(self, readings: Readings) -> Changes:
        """Judge readings; see `twin.rules.evaluating`."""
        fixes = self._fixes(readings)
        return NO_CHANGES if fixes is None else self._changes(self._watch.follow(fixes))

    def tick(self, now_us: int) -> Changes:
        """Judge who has stayed for long enough."""
        return self._changes(self._watch.ripe(now_us))

    def _changes(self, crossings: Crossings, only: NDArray[np.int64] | None = None) -> Changes:
        if only is not None:
            crossings = crossings.only(np.isin((crossings.mover << 32) | crossings.fence, only))
        if not len(crossings):
            return NO_CHANGES
        lasted_s = (crossings.time_us - crossings.since_us) / 1e6
        return Changes(
            self._index[crossings.fence],
            crossings.mover.astype(np.int32),
            np.full(len(crossings), WHOLE, np.int64),
            crossings.firing,
            crossings.time_us,
            lasted_s,
            lasted_s,
        )

    def holding(self) -> tuple[Index, Rows, NDArray[np.int64], Times, Floats]:
        """Return what holds now; the number judged is for how many seconds, as of the last fix."""
        pairs = self._watch.pairs[self._watch.pairs["firing"]]
        since = np.where(pairs["inside"], pairs["stay_us"], pairs["since_us"])
        rows = (pairs["key"] >> 32).astype(np.int32)
        seconds: Floats = np.maximum(pairs["last_us"], pairs["on_us"]) - since
        index = self._index[pairs["key"] & 0xFFFFFFFF]
        return index, rows, np.full(len(rows), WHOLE, np.int64), pairs["on_us"].copy(), seconds / 1e6
