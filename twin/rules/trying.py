"""Say what a rule would have done: the evaluator it runs by live, on readings of the past, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.rules.evaluating import Changes, Floats, Mask, Readings, Times, joined_changes
from twin.rules.judging import EVALUATORS
from twin.rules.rule import Rule, Watched, matching

MOST_CHANGES: Final = 1_000_000
"""Most beginnings and ends of one trial; a rule that has more is known well enough."""

MOST_SHARE: Final = 0.5
"""A rule that holds for more than this share of its devices at once, or of their time, says nothing."""

FEWEST: Final = 4
"""Of fewer devices than this nobody asks how many held at once: of two, one is a half."""

MOST_PER_10_MIN: Final = 10.0
"""Alarms per 10 minutes above which nobody can look at them: a flood (see docs/rules.md)."""

BUSY_PER_10_MIN: Final = 1.0
"""Alarms per 10 minutes that one operator can take."""

_WINDOW_US: Final = 600_000_000


@dataclass(frozen=True, slots=True)
class Episode:
    """From when to when a rule held for a row, Unix µs; ``end_us`` None where it still did at the end."""

    row: int
    slot: int
    begin_us: int
    end_us: int | None
    worst: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule is refused, by a code and in words."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of a rule: good, busy, never, no_readings or refused."""

    code: str
    zh: str
    en: str
    reasons: tuple[Reason, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the rule cannot be switched on."""
        return self.code == "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule would have done from a time up to another, Unix µs.

    ``heard`` of the ``devices`` it is about had readings. ``episodes`` are the longest, of ``fired`` in all.
    Shares are of the devices that were heard, and of their time since the first reading.
    """

    begin_us: int
    end_us: int
    devices: int
    heard: int
    readings: int
    fired: int
    fired_devices: int
    most_at_once: int
    at_once_us: int | None
    share_at_once: float
    share_of_time: float
    per_10_min: float
    most_per_10_min: int
    busiest_us: int | None
    episodes: tuple[Episode, ...]

    @property
    def verdict(self) -> Verdict:
        """What is to be thought of the rule."""
        return verdict_on(self)


class Trial:
    """One rule on readings of the past, which come in time order.

    Parameters
    ----------
    rule, watched
        The rule, and the devices of which readings will come.
    begin_us
        From when on it counts; what comes before is only learned from.
    """

    def __init__(self, rule: Rule, watched: Watched, begin_us: int) -> None:
        self._begin_us = begin_us
        self._evaluator = EVALUATORS[type(rule.condition)]()
        self._evaluator.watch([rule], watched)
        rows, _ = matching(rule, watched)
        self._devices = len(np.unique(rows))
        self._about = np.zeros(len(watched.device_id), np.bool_)
        self._about[rows] = True
        self._heard = np.zeros(len(watched.device_id), np.bool_)
        self._first_us: int | None = None
        self._parts: list[Changes] = []
        self.readings = self.changes = 0

    @property
    def is_full(self) -> bool:
        """Whether so much changed that no more can be kept."""
        return self.changes >= MOST_CHANGES

    def take(self, readings: Readings, until_us: int) -> None:
        """Judge the readings up to a time, all newer than those before; sorted as for `Evaluator.take`."""
        for changes in (self._evaluator.take(readings), self._evaluator.tick(until_us)):
            if len(changes):
                self._parts.append(changes)
                self.changes += len(changes)
        counted = self._about[readings.row] & (readings.time_us >= self._begin_us)
        self._heard[readings.row[counted]] = True
        self.readings += int(counted.sum())
        if self._first_us is None and counted.any():
            self._first_us = int(readings.time_us[counted].min())

    def outcome(self, end_us: int, most: int = 1_000) -> Outcome:
        """Return what the rule would have done up to a time; ``most`` episodes are told one by one."""
        begins, ends, rows, slots, worst, over = self._episodes(end_us)
        told = [
            Episode(row, slot, begin, end if ended else None, judged)
            for row, slot, begin, end, ended, judged in zip(
                *(column.tolist() for column in (rows, slots, begins, ends, over, worst)), strict=True
            )
        ]
        since_us = self._begin_us if self._first_us is None else self._first_us
        return summed_up(
            told,
            self._begin_us,
            end_us,
            since_us,
            devices=self._devices,
            heard=int(self._heard.sum()),
            readings=self.readings,
            most=most,
        )

    def _episodes(self, end_us: int) -> tuple[Times, Times, Times, Times, Floats, Mask]:
        """Return begin, end, row, slot, worst number and whether it is over of each, in order of begin."""
        told = joined_changes(self._parts)
        order = np.lexsort((np.arange(len(told)), told.slot, told.row))
        told = told.only(order)
        begin = np.flatnonzero(told.on)
        after = begin + 1
        inside = after < len(told)
        next_one = np.where(inside, after, 0)
        over = inside & (told.row[next_one] == told.row[begin]) & (told.slot[next_one] == told.slot[begin])
        ends = np.where(over, told.time_us[next_one], end_us)
        worst = np.where(over, told.judged[next_one], told.judged[begin])
        _, row, slot, _, judged = self._evaluator.holding()
        still = dict(zip(zip(row.tolist(), slot.tolist(), strict=True), judged.tolist(), strict=True))
        for i in np.flatnonzero(~over).tolist():
            at = begin[i]
            worst[i] = still.get((int(told.row[at]), int(told.slot[at])), worst[i])
        counted = (told.time_us[begin] >= self._begin_us) & (told.time_us[begin] < end_us)
        chosen = np.flatnonzero(counted)
        chosen = chosen[np.argsort(told.time_us[begin[chosen]], kind="stable")]
        at = begin[chosen]
        return (
            told.time_us[at],
            np.minimum(ends[chosen], end_us),
            told.row[at].astype(np.int64),
            told.slot[at],
            worst[chosen],
            over[chosen],
        )


def summed_up(
    told: Sequence[Episode],
    begin_us: int,
    end_us: int,
    since_us: int,
    *,
    devices: int,
    heard: int,
    readings: int,
    most: int = 1_000,
) -> Outcome:
    """Return what episodes come to, in a time of which readings are there since ``since_us``."""
    begins = np.array([one.begin_us for one in told], np.int64)
    ends = np.array([end_us if one.end_us is None else one.end_us for one in told], np.int64)
    span_us = max(end_us - since_us, _WINDOW_US)
    at_once, at_once_us = _most_at_once(begins, ends)
    windows, counts = np.unique((begins - begin_us) // _WINDOW_US, return_counts=True)
    busiest = int(counts.argmax()) if len(counts) else None
    longest = np.argsort(begins - ends, kind="stable")[:most]
    return Outcome(
        begin_us=begin_us,
        end_us=end_us,
        devices=devices,
        heard=heard,
        readings=readings,
        fired=len(told),
        fired_devices=len({one.row for one in told}),
        most_at_once=at_once,
        at_once_us=at_once_us,
        share_at_once=at_once / heard if heard else 0.0,
        share_of_time=float((ends - begins).sum()) / (heard * span_us) if heard else 0.0,
        per_10_min=len(told) / (span_us / _WINDOW_US),
        most_per_10_min=0 if busiest is None else int(counts[busiest]),
        busiest_us=None if busiest is None else int(begin_us + windows[busiest] * _WINDOW_US),
        episodes=tuple(told[i] for i in longest.tolist()),
    )


def _most_at_once(begins: Times, ends: Times) -> tuple[int, int | None]:
    """Return how many episodes went on together at most, and since when."""
    if not len(begins):
        return 0, None
    times = np.concatenate((begins, ends))
    steps = np.concatenate((np.ones(len(begins), np.int64), -np.ones(len(ends), np.int64)))
    order = np.lexsort((steps, times))  # what ends as another begins was not there with it
    running = np.cumsum(steps[order])
    at = int(running.argmax())
    # Of something that lasts no time at all the end comes first: there was one of it.
    return max(1, int(running[at])), int(times[order[at]])


def verdict_on(outcome: Outcome) -> Verdict:
    """Say what is to be thought of a rule that would have done this."""
    if not outcome.devices:
        reason = Reason("nothing_matches", "没有设备符合这条规则", "the rule is about no device")
        return _refused((reason,))
    if not outcome.readings:
        return Verdict(
            "no_readings",
            f"该时段内 {outcome.devices} 台设备没有任何读数，无法判断",
            f"of its {outcome.devices} devices there are no readings in this time: nothing can be said",
        )
    reasons = []
    if outcome.heard >= FEWEST and outcome.share_at_once > MOST_SHARE:
        reasons.append(
            Reason(
                "half_at_once",
                f"曾同时对 {outcome.heard} 台设备中的 {outcome.most_at_once} 台成立，超过一半",
                f"it held for {outcome.most_at_once} of {outcome.heard} devices at once, more than half",
            )
        )
    if outcome.share_of_time > MOST_SHARE:
        share = f"{100 * outcome.share_of_time:.0f} %"
        reasons.append(
            Reason(
                "half_of_time",
                f"{share} 的时间都成立，超过一半",
                f"it held for {share} of the time, more than half",
            )
        )
    if outcome.per_10_min > MOST_PER_10_MIN:
        rate = f"{outcome.per_10_min:.1f}"
        reasons.append(
            Reason(
                "too_many",
                f"平均每 10 分钟 {rate} 条告警，超过 {MOST_PER_10_MIN:.0f} 条",
                f"{rate} alarms per 10 minutes on average, more than {MOST_PER_10_MIN:.0f}",
            )
        )
    if reasons:
        return _refused(tuple(reasons))
    zh = f"触发 {outcome.fired} 次，涉及 {outcome.fired_devices} 台设备"
    en = f"it would have fired {outcome.fired} times, on {outcome.fired_devices} devices"
    if not outcome.fired:
        return Verdict(
            "never",
            f"该时段内从未触发（{outcome.heard} 台设备，{outcome.readings} 条读数）",
            f"it would never have fired ({outcome.heard} devices, {outcome.readings} readings)",
        )
    if outcome.per_10_min > BUSY_PER_10_MIN:
        rate = f"{outcome.per_10_min:.1f}"
        return Verdict(
            "busy",
            f"{zh}；平均每 10 分钟 {rate} 条，一名值班员难以承受",
            f"{en}; {rate} alarms per 10 minutes are more than one operator can take",
        )
    return Verdict("good", zh, en)


def _refused(reasons: tuple[Reason, ...]) -> Verdict:
    zh = "；".join(reason.zh for reason in reasons)
    en = "; ".join(reason.en for reason in reasons)
    return Verdict("refused", f"不能启用：{zh}", f"it cannot be switched on: {en}", reasons)
