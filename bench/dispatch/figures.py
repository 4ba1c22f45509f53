"""Turn the course of a day into the figures that are compared."""

from __future__ import annotations

import numpy as np

from bench.dispatch.day import DUE_MIN, MINUTE, MINUTE_PRICE, Day
from twin.dispatch.network.roads import Floats, Integers

UNSERVED_MIN = 720.0
"""What is never served counts as served so late."""
OUT_OF_GRID = 2.0
LATE = 5.0

FIGURES = (
    "cost", "response_mean_min", "response_p95_min", "emergency_mean_min", "emergency_p95_min", "late_share",
    "own_share", "gini", "unserved", "emergency_unserved",
)  # fmt: skip


def case_cost(day: Day, worker: Integers, arrival_s: Floats) -> Floats:
    """Return the price of each case, shape (n,): w (response + 5 x late) min, + 2 out of the own grid."""
    minute, due = MINUTE_PRICE[day.priority - 1], DUE_MIN[day.priority - 1]
    response = response_min(day, arrival_s)
    served = worker >= 0
    own = served & (day.home_grid[worker] == day.grid)
    return np.asarray(
        minute * (response + LATE * np.maximum(0.0, response - due)) + OUT_OF_GRID * (served & ~own)
    )


def response_min(day: Day, arrival_s: Floats) -> Floats:
    """Return the minutes from a case to arrival, shape (n,)."""
    return np.asarray(np.where(np.isnan(arrival_s), UNSERVED_MIN, (arrival_s - day.release_s) / MINUTE))


def figures(day: Day, worker: Integers, arrival_s: Floats) -> dict[str, float]:
    """Return the figures of a day by the names of `FIGURES`.

    Means and p95 of all cases are of those served; those of emergencies, and what is late, of all.
    """
    served = worker >= 0
    response = response_min(day, arrival_s)
    emergency, pressing = day.priority == 1, day.priority <= 2
    own = day.home_grid[worker[served]] == day.grid[served]
    mean, p95 = _spread(response[served])
    emergency_mean, emergency_p95 = _spread(response[emergency])
    values = (
        float(case_cost(day, worker, arrival_s).mean()),
        mean,
        p95,
        emergency_mean,
        emergency_p95,
        float((response > DUE_MIN[day.priority - 1])[pressing].mean()) if pressing.any() else 0.0,
        float(own.mean()) if len(own) else 0.0,
        gini(np.bincount(worker[served], minlength=day.workers)),
        float((~served).sum()),
        float((~served & emergency).sum()),
    )
    return dict(zip(FIGURES, values, strict=True))


def gini(load: Integers) -> float:
    """Return the Gini coefficient of what each worker did, shape (w,): 0 is alike, 1 is all by one.

    With x sorted: sum of (2 i - w - 1) x_i over w times the sum of x.
    """
    ordered = np.sort(load)
    w, whole = len(ordered), float(ordered.sum())
    return float((2 * np.arange(1, w + 1) - w - 1) @ ordered / (w * whole)) if whole else 0.0


def _spread(minutes: Floats) -> tuple[float, float]:
    """Return mean and p95, nought where there is none."""
    return (float(minutes.mean()), float(np.percentile(minutes, 95))) if len(minutes) else (0.0, 0.0)
