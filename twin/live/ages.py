"""Say how old the data of each layer is, and whether that is still live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LAYERS = ("devices", "workers")
"""Names of layers by their code on the wire."""

LATE_INTERVALS = 3.0
DEAD_INTERVALS = 10.0
LATE_GAPS = 5.0
DEAD_GAPS = 30.0
LEAST_LATE_S = 5.0
LEAST_DEAD_S = 30.0
LEAST_ARRIVALS = 10
"""With fewer different times of arrival there is no pattern to judge by, only the devices' intervals."""


@dataclass(frozen=True, slots=True)
class LayerAge:
    """Age of one layer.

    ``newest_s`` is how long ago its last message came (None: never), ``lag_s`` the usual time from a
    device's clock to ours, of the whole installation (None: not known, or no device), ``stale`` how many of
    ``count`` fell silent, ``expected_s`` the median interval of its devices.
    """

    newest_s: float | None
    lag_s: float | None
    count: int
    stale: int
    expected_s: float
    state: Literal["live", "late", "dead"]


@dataclass(slots=True)
class Lag:
    """Running mean of received minus phenomenon time per layer, seconds."""

    mean_s: dict[int, float] = field(default_factory=dict)

    def measure(
        self, layer: NDArray[np.uint8], time_us: NDArray[np.int64], received_us: NDArray[np.int64]
    ) -> None:
        """Take over the n observations of one commit, shape (n,) each, times in Unix µs."""
        lag_s = (received_us - time_us) * 1e-6
        for code in np.flatnonzero(np.bincount(layer)).tolist():
            # Late deliveries are history, not lag: the median of a commit ignores a few of them.
            median_s = _median(lag_s[layer == code])
            before = self.mean_s.get(code)
            self.mean_s[code] = median_s if before is None else before + 0.1 * (median_s - before)


def layer_ages(
    *,
    layer: NDArray[np.uint8],
    heard_us: NDArray[np.int64],
    expected_s: NDArray[np.float32],
    silent: NDArray[np.bool_],
    lag_s: Mapping[int, float],
    now_us: int,
) -> dict[str, LayerAge]:
    """Return the age of each layer from its n devices, shape (n,) each.

    Thousands of devices that speak once a minute are never silent together for long: a layer is late when
    nothing came for five times the longest pause of its last interval (at least 5 s), and dead after thirty
    times (at least 30 s). Where too few times are known it is three and ten of its intervals; never more. It
    is late too when half of its devices are silent, dead when nothing ever came. A layer without devices is
    live: nothing is expected of it.
    """
    ages: dict[str, LayerAge] = {}
    for code, name in enumerate(LAYERS):
        here = layer == code
        count = int(np.count_nonzero(here))
        if not count:
            ages[name] = LayerAge(None, None, 0, 0, 0.0, "live")
            continue
        mine = slice(None) if count == len(layer) else here
        stale = int(np.count_nonzero(silent[mine]))
        heard = int(heard_us[mine].max(initial=0))
        expected = _median(expected_s[mine])
        newest = max(0.0, (now_us - heard) * 1e-6) if heard else None
        state: Literal["live", "late", "dead"] = "live"
        soon_s = min(LEAST_LATE_S, LATE_INTERVALS * expected)  # nothing is late before that: `_patience`
        late_s = dead_s = soon_s
        if newest is not None and newest > soon_s:
            late_s, dead_s = _patience(heard_us[mine], expected)
        if newest is None or newest > dead_s:
            state = "dead"
        elif newest > late_s or stale * 2 > count:
            state = "late"
        ages[name] = LayerAge(newest, lag_s.get(code), count, stale, expected, state)
    return ages


def _median(values: NDArray[np.floating[Any]]) -> float:
    """Return the median of n > 0 finite values; for a few hundred a quarter of the time of numpy's."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    parted = np.partition(values, (low, high))
    return (float(parted[low]) + float(parted[high])) / 2


def _patience(heard_us: NDArray[np.int64], expected_s: float) -> tuple[float, float]:
    """Return after how many seconds without a message a layer is late, and dead."""
    late_s, dead_s = LATE_INTERVALS * expected_s, DEAD_INTERVALS * expected_s
    # Each device's last message within one interval before the newest; who spoke again since is missing, so
    # the pauses found are rather too long than too short. An outage is forgotten after one interval.
    since_us = heard_us.max(initial=0) - int(expected_s * 1e6)
    pauses_us = np.diff(np.sort(heard_us[heard_us > max(0, since_us)]))
    if np.count_nonzero(pauses_us) + 1 < LEAST_ARRIVALS:
        return late_s, dead_s
    pause_s = float(pauses_us.max()) * 1e-6
    return (
        min(late_s, max(LEAST_LATE_S, LATE_GAPS * pause_s)),
        min(dead_s, max(LEAST_DEAD_S, DEAD_GAPS * pause_s)),
    )
