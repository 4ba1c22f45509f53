"""Turn scores into alarms, hold alarms against windows, and choose parameters on one half of the series."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.anomaly.nab import Floats, LabelledSeries, Times

ENDS: Final = 0.5
"""An alarm goes on while the score is above this share of where it began; the same for every contender."""
QUIET_MIN: Final = (0.0, 30.0, 120.0)
"""Minutes that the score must stay below before an alarm ends, of which one is chosen."""
LOADS: Final = (0.02, 0.05, 0.1, 0.2)
"""False alarms a series and day at which contenders are compared."""

_THRESHOLDS: Final = 60
_MIN: Final = 60e6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the alarms of one or several series were worth.

    ``found``: windows in which an alarm began. ``false``: alarms that began in none. ``chance``: windows that
    as many alarms would be expected to find had they begun at readings drawn by lot. ``after_start_min`` and
    ``before_centre_min``: of each window found, how long after its start and before its centre the first
    alarm began.
    """

    windows: int = 0
    found: int = 0
    alarms: int = 0
    false: int = 0
    days: float = 0.0
    chance: float = 0.0
    after_start_min: tuple[float, ...] = ()
    before_centre_min: tuple[float, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def precision(self) -> float | None:
        """Windows found of windows found and false alarms: many alarms in one window count once."""
        return self.found / (self.found + self.false) if self.found + self.false else None

    @property
    def recall(self) -> float:
        return self.found / max(1, self.windows)

    @property
    def f1(self) -> float:
        return 2 * self.found / max(1, self.windows + self.found + self.false)

    def as_json(self) -> dict[str, Any]:
        def mean(values: Sequence[float]) -> float | None:
            return round(float(np.mean(values)), 1) if values else None

        return {
            "windows": self.windows,
            "found": self.found,
            "alarms": self.alarms,
            "false_alarms": self.false,
            "false_alarms_a_day": round(self.false / self.days, 4),
            "precision": None if self.precision is None else round(self.precision, 3),
            "recall": round(self.recall, 3),
            "f1": round(self.f1, 3),
            "found_by_chance": round(self.chance, 2),
            "minutes_after_start": mean(self.after_start_min),
            "minutes_before_centre": mean(self.before_centre_min),
        }


@dataclass(frozen=True, slots=True)
class Variant:
    """One setting of a contender, and the score it gave every reading of every series."""

    parameters: Mapping[str, Any]
    scores: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen: a variant, the score at which an alarm begins, and how long it must be quiet."""

    variant: Variant
    begins: float
    quiet_min: float
    outcome: Outcome = field(default_factory=Outcome)

    def as_json(self) -> dict[str, Any]:
        return {**self.variant.parameters, "begins": round(self.begins, 4), "quiet_min": self.quiet_min}


def alarms(time_us: Times, score: Floats, begins: float, quiet_min: float) -> Times:
    """Return when alarms begin; `twin.rules.learned` makes the same of the same scores."""
    began: list[int] = []
    going, near_us, quiet_us = False, 0, quiet_min * _MIN
    for at, value in zip(time_us.tolist(), score.tolist(), strict=True):
        near = value > ENDS * begins
        going = going and (near or at - near_us < quiet_us)
        if value >= begins and not going:
            going = True
            began.append(at)
        if going and near:
            near_us = at
    return np.array(began, np.int64)


def hold_against(series: LabelledSeries, began_us: Times) -> Outcome:
    """Hold the alarms of a series against its windows."""
    inside = np.zeros(len(began_us), np.bool_)
    after: list[float] = []
    before: list[float] = []
    chance = 0.0
    for start, end in series.windows.tolist():
        within = (began_us >= start) & (began_us <= end)
        inside |= within
        if within.any():
            first = float(began_us[within][0])
            after.append((first - start) / _MIN)
            before.append(((start + end) / 2 - first) / _MIN)
        share = np.mean((series.time_us >= start) & (series.time_us <= end))
        chance += 1 - (1 - float(share)) ** len(began_us)
    return Outcome(
        len(series.windows),
        len(after),
        len(began_us),
        int((~inside).sum()),
        series.days,
        chance,
        tuple(after),
        tuple(before),
    )


def evaluate(series: Sequence[LabelledSeries], variant: Variant, begins: float, quiet_min: float) -> Outcome:
    """Give the outcome of several series together."""
    each = (
        hold_against(one, alarms(one.time_us, variant.scores[one.name], begins, quiet_min)) for one in series
    )
    return sum(each, Outcome())


def sweep(
    series: Sequence[LabelledSeries], variants: Sequence[Variant], quiets: Sequence[float] = QUIET_MIN
) -> list[Chosen]:
    """Evaluate every variant at scores that few readings of these series reach, and every quiet time."""
    found = []
    for variant in variants:
        together = np.concatenate([variant.scores[one.name] for one in series])
        together = together[together > 0]
        reached = 1 - np.geomspace(2e-4, 0.2, _THRESHOLDS)
        thresholds = np.unique(np.quantile(together, reached)) if together.size else np.array([1.0])
        for begins, quiet in itertools.product(thresholds.tolist(), quiets):
            found.append(Chosen(variant, begins, quiet, evaluate(series, variant, begins, quiet)))
    return found


def choose(series: Sequence[LabelledSeries], variants: Sequence[Variant]) -> Chosen:
    """Choose by the highest F1, then the fewest false alarms; of several alike the middle one."""
    tried = sweep(series, variants)
    best = max((one.outcome.f1, -one.outcome.false) for one in tried)
    alike = [one for one in tried if (one.outcome.f1, -one.outcome.false) == best]
    return alike[len(alike) // 2]


def found_at_loads(series: Sequence[LabelledSeries], chosen: Chosen) -> list[int]:
    """Return how many windows are found at each of `LOADS`: where alarms begin is set in hindsight."""
    tried = sweep(series, [chosen.variant], [chosen.quiet_min])
    days = sum(one.days for one in series)
    return [
        max((one.outcome.found for one in tried if one.outcome.false <= load * days), default=0)
        for load in LOADS
    ]
