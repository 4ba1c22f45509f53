"""Plant anomalies that are known to be there into series that are known to have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from bench.anomaly.nab import Floats, LabelledSeries, Times

DAYS: Final = 28
PER_DAY: Final = 288
EACH: Final = 8
"""Series of each kind of anomaly, one anomaly in each."""

_MONDAY_US: Final = 1_704_067_200_000_000
_STEP_US: Final = 300_000_000
# The readings of the day at which anomalies begin: 3 o'clock and noon.
_NIGHT, _NOON, _HOUR = 36, 144, 12
_SPREAD: Final = 1.0


def _usual(chance: np.random.Generator) -> Floats:
    """Low at night, high by day, a third less on days off; noise of spread 1."""
    at = np.arange(DAYS * PER_DAY)
    by_day = 8 - 8 * np.cos(at % PER_DAY / PER_DAY * 2 * np.pi)
    day_off = at // PER_DAY % 7 >= 5
    return np.asarray(10 + by_day * np.where(day_off, 2 / 3, 1.0) + chance.normal(0, _SPREAD, len(at)))


def _noon_by_night(value: Floats, midnight: int) -> slice:
    place = slice(midnight + _NIGHT, midnight + _NIGHT + _HOUR)
    value[place] = value[midnight + _NOON : midnight + _NOON + _HOUR]
    return place


def _night_at_noon(value: Floats, midnight: int) -> slice:
    place = slice(midnight + _NOON, midnight + _NOON + _HOUR)
    value[place] = value[midnight + _NIGHT : midnight + _NIGHT + _HOUR]
    return place


def _one_spike(value: Floats, midnight: int) -> slice:
    place = slice(midnight + _NOON, midnight + _NOON + 1)
    value[place] += 12 * _SPREAD
    return place


def _small_but_lasting(value: Floats, midnight: int) -> slice:
    place = slice(midnight + _NOON, midnight + _NOON + 3 * _HOUR)
    value[place] += 4 * _SPREAD
    return place


def _nothing(_value: Floats, midnight: int) -> slice:
    return slice(midnight, midnight)


KINDS: Final[dict[str, Callable[[Floats, int], slice]]] = {
    "an hour at 3 o'clock as at noon": _noon_by_night,
    "an hour at noon as at 3 o'clock": _night_at_noon,
    "one reading 12 spreads too high": _one_spike,
    "three hours 4 spreads too high": _small_but_lasting,
    "nothing": _nothing,
}


def planted() -> dict[str, LabelledSeries]:
    """Return series named after what is in them; an anomaly on one of the last five working days.

    A window reaches half an hour beyond its anomaly. Seeded: the same every time.
    """
    chance = np.random.default_rng(20_261_122)
    time_us: Times = _MONDAY_US + np.arange(DAYS * PER_DAY, dtype=np.int64) * _STEP_US
    made = {}
    for kind, plant in KINDS.items():
        for number in range(EACH):
            value = _usual(chance)
            place = plant(value, (21 + number % 5) * PER_DAY)
            window = [time_us[place.start], time_us[place.stop - 1] + 6 * _STEP_US]
            windows = np.array([window] if place.stop > place.start else [], np.int64).reshape(-1, 2)
            name = f"{kind} {number}"
            made[name] = LabelledSeries(name, time_us, value, windows)
    return made
