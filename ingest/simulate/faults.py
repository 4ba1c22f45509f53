"""Let a few devices fall silent and a few leave their normal range, slowly, at a steady part of all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.parameters import FaultParameters
from twin.catalog import Catalog, Limit, ObservedProperty

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_NONE, _SILENT = -1, 4


def beyond(observed: ObservedProperty, limit: Limit) -> float:
    """Return a value that is surely in a limit's state and surely not in the next worse one."""
    side = 1.0 if limit.above is not None else -1.0
    start = limit.above if limit.above is not None else limit.below
    assert start is not None  # a limit has one of the two
    worse = [
        at
        for row in observed.limits
        if row.state > limit.state
        and (at := row.above if side > 0 else row.below) is not None
        and at != start
    ]
    end = observed.maximum if side > 0 else observed.minimum
    if worse:
        return start + 0.4 * ((min(worse) if side > 0 else max(worse)) - start)
    step = max(3.0 * limit.hysteresis, 0.2 * abs(start), 10.0**-observed.decimals)
    return float(min(start + step, end) if side > 0 else max(start - step, end))


def smooth(part: Floats) -> Floats:
    """Return the smoothstep of 0..1: no jump in value or slope at either end."""
    x = np.clip(part, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


class Faults:
    """Episodes of single devices: one at a time each, a ramp out of the normal range, a stay, a ramp back.

    Parameters
    ----------
    kinds
        Kind name of each device, shape (n,).
    start_s
        Unix time of the start; episodes that began before it are drawn too, so that the part of abnormal
        devices is right from the first minute.
    settle_s
        How long silent devices still speak at the start, so that they are known before they are lost.
    """

    def __init__(
        self,
        kinds: list[str],
        catalog: Catalog,
        parameters: FaultParameters,
        *,
        seed: int,
        start_s: float,
        settle_s: float = 60.0,
    ) -> None:
        self._rules = parameters
        self._kinds = kinds
        self._catalog = catalog
        self._random = np.random.default_rng([seed, 101])
        count = len(kinds)
        self.slot = np.full(count, _NONE, np.int8)
        self._start = np.zeros(count)
        self._ramp = np.ones(count)
        self._end = np.zeros(count)
        self._target = np.zeros(count)
        limited = {k.name for k in catalog.by_name.values() if any(p.limits for p in k.properties)}
        self._may_fail = np.array([k not in parameters.never for k in kinds], bool)
        self._may_leave = self._may_fail & np.array([k in limited for k in kinds], bool)
        self._wish_silent = round(parameters.silent_share * count)
        self._wish_abnormal = round(parameters.abnormal_share * count)
        self._begin(start_s, age=True, settle_s=settle_s)

    def update(self, unix_s: float) -> None:
        """End what is over and begin as many episodes as keep the parts; call it every few seconds."""
        over = (self.slot != _NONE) & (unix_s >= self._end + self._ramp)
        self.slot[over] = _NONE
        self._begin(unix_s, age=False, settle_s=0.0)

    def silent(self, rows: Rows, unix_s: float) -> NDArray[np.bool_]:
        """Tell which devices send nothing at a time."""
        lost = (self.slot[rows] == _SILENT) & (unix_s >= self._start[rows]) & (unix_s < self._end[rows])
        return np.asarray(lost, bool)

    def bend(self, rows: Rows, values: Floats, unix_s: float) -> None:
        """Bend values of shape (len(rows), 4) in place towards what their episodes say."""
        slot = self.slot[rows]
        hit = np.flatnonzero((slot != _NONE) & (slot != _SILENT))
        if not len(hit):
            return
        row = rows[hit]
        out = smooth((unix_s - self._start[row]) / self._ramp[row])
        back = smooth((unix_s - self._end[row]) / self._ramp[row])
        weight = out * (1.0 - back)
        value = values[hit, slot[hit]]
        values[hit, slot[hit]] = value + weight * (self._target[row] - value)

    def counts(self) -> tuple[int, int]:
        """Return how many episodes run now: silent, beyond a limit."""
        return int((self.slot == _SILENT).sum()), int(((self.slot >= 0) & (self.slot < _SILENT)).sum())

    def _begin(self, unix_s: float, *, age: bool, settle_s: float) -> None:
        silent, abnormal = self.counts()
        for row in self._free(self._wish_silent - silent, self._may_fail):
            self._set(row, _SILENT, 0.0, unix_s + settle_s, age=False)
        for row in self._free(self._wish_abnormal - abnormal, self._may_leave):
            slot, target = self._draw(self._kinds[row])
            self._set(row, slot, target, unix_s, age=age)

    def _free(self, count: int, among: NDArray[np.bool_]) -> Rows:
        if count <= 0:
            return np.empty(0, np.int64)
        free = np.flatnonzero(among & (self.slot == _NONE))
        return self._random.choice(free, min(count, len(free)), replace=False)

    def _set(self, row: int, slot: int, target: float, unix_s: float, *, age: bool) -> None:
        random, rules = self._random, self._rules
        duration_s = 60.0 * float(random.uniform(*rules.duration_min))
        ramp_s = float(random.uniform(*rules.ramp_s))
        start_s = unix_s - float(random.uniform(0.0, duration_s)) if age else unix_s
        self.slot[row], self._target[row] = slot, target
        self._start[row], self._ramp[row], self._end[row] = start_s, ramp_s, start_s + ramp_s + duration_s

    def _draw(self, kind: str) -> tuple[int, float]:
        """Draw a property and how bad it gets; a kind without the drawn state gets its mildest."""
        limits = [(p, row) for p in self._catalog.by_name[kind].properties for row in p.limits]
        states = list(self._rules.severity)
        chances = np.array(list(self._rules.severity.values()))
        drawn = states[int(self._random.choice(len(states), p=chances / chances.sum()))]
        mildest = min(row.state for _, row in limits)
        choice = [x for x in limits if x[1].state.name.lower() == drawn] or [
            x for x in limits if x[1].state == mildest
        ]
        observed, limit = choice[int(self._random.integers(len(choice)))]
        return observed.slot, beyond(observed, limit)
