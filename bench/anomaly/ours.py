"""Run the learned rule over labelled series as it runs in service: one reading after the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from bench.anomaly.judging import Variant
from bench.anomaly.nab import Floats, LabelledSeries
from twin.rules.learned import SERIES, LearnedTable, hours_of, judge, load_learned_rules, new_series

SETTINGS: Final = tuple(
    {"lasting_min": lasting, "teaches": teaches}
    for lasting, teaches in itertools.product((15.0, 30.0, 60.0), (2.0, 4.0))
)
"""Settings of the rule that are tried; everything else is as in `data/learned_rules.toml`."""

PERCENTILES: Final = (99.0, 99.5, 99.9, 100.0)
LEARNED_SHARE: Final = 0.15
"""The naive peer learns its two limits from this share of a series; no window of any series lies in it."""


def learned(
    every: Mapping[str, LabelledSeries], settings: Sequence[Mapping[str, float]] = SETTINGS
) -> list[Variant]:
    """Give the scores of the learned rule for each setting, all series side by side."""
    base = load_learned_rules()[0]
    rules = [msgspec.structs.replace(base, **setting) for setting in settings]
    table, shape = LearnedTable.of(rules), (len(every), max(len(one.value) for one in every.values()))
    # Shorter series end in values that are none: they change nothing.
    value, time_us = np.full(shape, np.nan), np.zeros(shape, np.int64)
    for number, one in enumerate(every.values()):
        value[number, : len(one.value)], time_us[number, : len(one.value)] = one.value, one.time_us
    rule = np.repeat(np.arange(len(rules)), len(every))
    row, known = np.arange(len(rule)), new_series(len(rule))
    scores = np.zeros((len(rule), shape[1]))
    for at in range(shape[1]):
        times = np.tile(time_us[:, at], len(rules))
        _, scores[:, at] = judge(
            table, known, row, rule, hours_of(times, 0), np.tile(value[:, at], len(rules)), times
        )
    of_rule = scores.reshape(len(rules), *shape)
    return [
        Variant(
            setting,
            {name: of_rule[n, k, : len(one.value)] for k, (name, one) in enumerate(every.items())},
        )
        for n, setting in enumerate(settings)
    ]


def fixed_limits(every: Mapping[str, LabelledSeries]) -> list[Variant]:
    """Give the naive peer: 1 beyond a high and a low percentile of the beginning of a series, else 0."""

    def score(one: LabelledSeries, percentile: float) -> Floats:
        count = round(LEARNED_SHARE * len(one.value))
        low, high = np.percentile(one.value[:count], [100 - percentile, percentile])
        beyond = (one.value < low) | (one.value > high)
        return np.where(np.arange(len(one.value)) < count, 0.0, beyond)

    return [
        Variant({"percentile": percentile}, {name: score(one, percentile) for name, one in every.items()})
        for percentile in PERCENTILES
    ]


def measure_cost(series: int, batch: int, batches: int) -> dict[str, Any]:
    """Measure processor time and memory of the rule: `series` that report once a minute, in batches.

    They have four days behind them, an hour between readings, so that all of them are judged.
    """
    table, known = LearnedTable.of(load_learned_rules()), new_series(series)
    chance = np.random.default_rng(1)
    monday_us, hour_us = 1_704_067_200_000_000, 3_600_000_000

    def feed(row: Any, at_us: int) -> None:
        times = np.full(len(row), at_us)
        judge(table, known, row, np.zeros_like(row), hours_of(times, 0), chance.normal(size=len(row)), times)

    for hour in range(96):
        feed(np.arange(series), monday_us + hour * hour_us)
    parts = itertools.cycle(np.array_split(chance.permutation(series), max(1, series // batch)))
    begun = time.process_time()
    readings = 0
    for number in range(batches):
        part = next(parts)
        readings += len(part)
        feed(part, monday_us + 96 * hour_us + number * 60_000_000)
    spent = time.process_time() - begun
    us = spent / readings * 1e6
    return {
        "series": series,
        "batch": batch,
        "readings": readings,
        "us_per_reading": round(us, 2),
        "core_share_percent": round(us * series / 60 / 1e6 * 100, 2),
        "bytes_per_series": SERIES.itemsize,
        "mib": round(known.nbytes / 2**20, 1),
        "judged": int((known["state"] != 1).sum()),
    }
