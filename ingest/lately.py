"""Count what happened lately, in equal stretches of time."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LEAST_LAG_S: Final = 1e-3
_MOST_LAG_S: Final = 30 * 86_400.0
_STEP: Final = 1.05
_EDGES: Final = np.geomspace(
    _LEAST_LAG_S, _MOST_LAG_S, round(np.log(_MOST_LAG_S / _LEAST_LAG_S) / np.log(_STEP)) + 1
)


class Lately:
    """Counts of the last so many stretches of time; older ones are forgotten.

    Parameters
    ----------
    stretches, stretch_s
        How many there are, the one that runs included, and how long each is.
    width
        How many things are counted apart.
    """

    def __init__(self, stretches: int, stretch_s: float, width: int = 1) -> None:
        self._stretch_s = stretch_s
        self._counts: NDArray[np.int64] = np.zeros((stretches, width), np.int64)
        self._newest = 0

    def running(self) -> NDArray[np.int64]:
        """Return the counts of the stretch that runs, shape (width,), to add to."""
        row: NDArray[np.int64] = self._counts[self._turn() % len(self._counts)]
        return row

    def counts(self) -> NDArray[np.int64]:
        """Return the counts of all stretches, shape (stretches, width), the oldest first."""
        return np.roll(self._counts, -(self._turn() % len(self._counts)) - 1, axis=0)

    def total(self) -> NDArray[np.int64]:
        """Return the counts of all stretches together, shape (width,)."""
        self._turn()
        return np.asarray(self._counts.sum(axis=0), np.int64)

    def _turn(self) -> int:
        """Forget what is too old, and return the number of the stretch that runs."""
        now = int(time.monotonic() / self._stretch_s)
        begun = min(now - self._newest, len(self._counts))
        for stretch in range(now - begun + 1, now + 1):
            self._counts[stretch % len(self._counts)] = 0
        self._newest = now
        return now


class LagLately:
    """How long observations of the last minute took from their devices to us, as a histogram.

    A bucket ends 5 % above where it begins, so that a median is off by at most 2.5 %.
    """

    def __init__(self) -> None:
        self._lately = Lately(60, 1.0, len(_EDGES) + 1)

    def add(self, lag_s: NDArray[np.floating[Any]]) -> None:
        """Count lags, shape (n,)."""
        buckets = np.searchsorted(_EDGES, lag_s, side="right")
        self._lately.running()[:] += np.bincount(buckets, minlength=len(_EDGES) + 1)

    def median_s(self) -> float | None:
        """Return the median, 0 where the clocks of most devices are ahead; None where nothing came."""
        sums = np.cumsum(self._lately.total())
        if not sums[-1]:
            return None
        bucket = int(np.searchsorted(sums, (sums[-1] + 1) // 2))
        if bucket == 0:
            return 0.0
        return float(_EDGES[bucket - 1] * _STEP**0.5)
