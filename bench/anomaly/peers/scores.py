"""Score labelled series with libraries of others; started by an environment that has them, not by ours.

``python scores.py SERIES.json SCORES.json [CONTENDER ...]``; series are ``{name: {minutes, values}}``,
minutes since some Monday. Every reading is scored before anything learns from it.
"""

from __future__ import annotations

import json
import math
import pickle  # nosec B403  # only written, to weigh what a library keeps
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

DAY_MIN = 1440
FIRST_READINGS = 100
FIRST_MIN = 2 * DAY_MIN
"""Nothing is said of a series before so many readings and minutes, as with ours."""
UNIT_MIN = 10
"""Minutes of the regular grid that a state-space model needs."""

Scored = tuple[np.ndarray, Any]


def features(minute: float, value: float, before: float) -> dict[str, float]:
    """Give what tree methods see of a reading: value, change, hour as an angle, day off."""
    angle = minute % DAY_MIN / DAY_MIN * 2 * math.pi
    return {
        "value": value,
        "change": value - before,
        "sine": math.sin(angle),
        "cosine": math.cos(angle),
        "day_off": float(minute // DAY_MIN % 7 >= 5),
    }


def standard_deviations(_minutes: np.ndarray, values: np.ndarray) -> Scored:
    from river.anomaly import StandardAbsoluteDeviation

    model = StandardAbsoluteDeviation()
    scores = np.zeros(len(values))
    for at, value in enumerate(values.tolist()):
        scores[at] = model.score_one(None, value) if at else 0.0
        model.learn_one(None, value)
    return scores, model


def gaussian(_minutes: np.ndarray, values: np.ndarray, window: int) -> Scored:
    from river.anomaly import GaussianScorer

    model = GaussianScorer(window_size=window, grace_period=FIRST_READINGS)
    scores = np.zeros(len(values))
    for at, value in enumerate(values.tolist()):
        # The score is a probability that ends at 1.0 in floating point; its distance from 1 orders better.
        scores[at] = -math.log10(max(1 - model.score_one(None, value), 1e-300))
        model.learn_one(None, value)
    return scores, model


def half_space_trees(minutes: np.ndarray, values: np.ndarray, trees: int, window: int) -> Scored:
    from river.anomaly import HalfSpaceTrees
    from river.compose import Pipeline
    from river.preprocessing import MinMaxScaler

    model = Pipeline(MinMaxScaler(), HalfSpaceTrees(n_trees=trees, height=8, window_size=window, seed=1))
    scores, before = np.zeros(len(values)), float(values[0])
    for at, (minute, value) in enumerate(zip(minutes.tolist(), values.tolist(), strict=True)):
        seen = features(minute, value, before)
        scores[at] = model.score_one(seen)
        model.learn_one(seen)
        before = value
    return scores, model


def predictive(minutes: np.ndarray, values: np.ndarray, deviations: float) -> Scored:
    from river.anomaly import PredictiveAnomalyDetection
    from river.linear_model import LinearRegression
    from river.preprocessing import StandardScaler
    from river.time_series import SNARIMAX

    forecast = SNARIMAX(p=3, d=0, q=0, regressor=StandardScaler() | LinearRegression())
    model = PredictiveAnomalyDetection(forecast, 1, deviations, FIRST_READINGS)
    scores = np.zeros(len(values))
    for at, (minute, value) in enumerate(zip(minutes.tolist(), values.tolist(), strict=True)):
        seen = {name: features(minute, 0.0, 0.0)[name] for name in ("sine", "cosine", "day_off")}
        scores[at] = model.score_one(seen, value)
        model.learn_one(seen, value)
    return scores, model


def isolation_forest(minutes: np.ndarray, values: np.ndarray, trees: int) -> Scored:
    """Fitted anew each midnight to all days before."""
    from sklearn.ensemble import IsolationForest

    before = np.concatenate([values[:1], values[:-1]])
    seen = np.array([list(features(*each).values()) for each in zip(minutes, values, before, strict=True)])
    scores, day, model = np.zeros(len(values)), minutes // DAY_MIN, None
    for today in np.unique(day):
        if (day < today).sum() >= FIRST_READINGS:
            model = IsolationForest(n_estimators=trees, random_state=1).fit(seen[day < today])
            scores[day == today] = -model.score_samples(seen[day == today])
    return scores, (model, seen)


def matrix_profile(_minutes: np.ndarray, values: np.ndarray, length: int) -> Scored:
    """Distance of the newest subsequence to the nearest one before."""
    import stumpy

    model = stumpy.stumpi(values[:FIRST_READINGS], m=length, egress=False)
    scores = np.zeros(len(values))
    for at in range(FIRST_READINGS, len(values)):
        model.update(values[at])
        scores[at] = model.left_P_[-1]
    return scores, (model.T_, model.P_, model.I_, model.left_P_, model.left_I_)


def state_space(minutes: np.ndarray, values: np.ndarray, level: str) -> Scored:
    """A level, a daily shape and an autoregression, fitted anew every seventh day to the 14 days before."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    place = ((minutes - minutes[0]) // UNIT_MIN).astype(int)
    grid = np.full(place[-1] + 1, np.nan)
    grid[place] = values
    grid = (grid - np.nanmean(grid[:200])) / (np.nanstd(grid[:200]) or 1.0)
    a_day = DAY_MIN // UNIT_MIN
    day = (np.arange(len(grid)) + int(minutes[0] // UNIT_MIN)) // a_day
    errors, fitted = np.zeros(len(grid)), None

    def model_of(part: np.ndarray) -> Any:
        daily = [{"period": a_day, "harmonics": 3}]
        fixed = [False]
        return UnobservedComponents(
            part, level=level, freq_seasonal=daily, stochastic_freq_seasonal=fixed, autoregressive=1
        )

    for number, today in enumerate(np.unique(day)):
        start, end = np.searchsorted(day, (today, today + 1))
        first = max(0, start - 14 * a_day)
        if np.isfinite(grid[first:start]).sum() < FIRST_READINGS:
            continue
        if fitted is None or number % 7 == 0:
            fitted = model_of(grid[first:start]).fit(disp=0, maxiter=30, start_params=fitted).params
        error = model_of(grid[first:end]).filter(fitted).standardized_forecasts_error[0]
        errors[start:end] = np.abs(error[start - first :])
    return errors[place], (fitted, grid[-14 * a_day :])


CONTENDERS: tuple[tuple[str, Callable[..., Scored], tuple[dict[str, Any], ...]], ...] = (
    ("river StandardAbsoluteDeviation", standard_deviations, ({},)),
    ("river GaussianScorer", gaussian, ({"window": 500}, {"window": 1500})),
    (
        "river HalfSpaceTrees",
        half_space_trees,
        ({"trees": 10, "window": 100}, {"trees": 10, "window": 250}, {"trees": 25, "window": 250}),
    ),
    ("river PredictiveAnomalyDetection", predictive, tuple({"deviations": n} for n in (3.0, 5.0, 8.0))),
    ("scikit-learn IsolationForest", isolation_forest, ({"trees": 50}, {"trees": 100})),
    ("statsmodels UnobservedComponents", state_space, ({"level": "llevel"}, {"level": "fixed intercept"})),
    ("stumpy stumpi", matrix_profile, ({"length": 6}, {"length": 12}, {"length": 36})),
)


def score_all(every: dict[str, dict[str, list[float]]], names: list[str]) -> Iterator[dict[str, Any]]:
    for name, function, settings in CONTENDERS:
        if names and name not in names:
            continue
        # Once untimed: what is imported and compiled is paid once, not by each reading.
        first = next(iter(every.values()))
        few = slice(4 * FIRST_READINGS)
        function(np.array(first["minutes"][few]), np.array(first["values"][few]), **settings[0])
        for parameters in settings:
            scores, size, begun = {}, 0, time.process_time()
            for series, one in every.items():
                minutes, values = np.array(one["minutes"]), np.array(one["values"])
                score, state = function(minutes, values, **parameters)
                known = (np.arange(len(values)) >= FIRST_READINGS) & (minutes - minutes[0] >= FIRST_MIN)
                scores[series] = np.where(known, np.nan_to_num(score, posinf=0.0), 0.0).tolist()
                size = max(size, len(pickle.dumps(state)))
            readings = sum(len(one["values"]) for one in every.values())
            us = (time.process_time() - begun) / readings * 1e6
            yield {
                "contender": name,
                "parameters": parameters,
                "scores": scores,
                "us_per_reading": us,
                "bytes_per_series": size,
            }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    source, target = (Path(argument) for argument in sys.argv[1:3])
    target.write_text(json.dumps(list(score_all(json.loads(source.read_text()), sys.argv[3:]))))
