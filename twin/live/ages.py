"""Say how old the data of each layer is, and whether that is still live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
        mine = layer == code
        count, stale = int(mine.sum()), int(silent[mine].sum())
        heard = int(heard_us[mine].max(initial=0))
        expected = float(np.median(expected_s[mine])) if count else 0.0
        newest = max(0.0, (now_us - heard) * 1e-6) if heard else None
        state: Literal["live", "late", "dead"] = "live"
        late_s, dead_s = _patience(heard_us[mine], expected)
        if count and (newest is None or newest > dead_s):
            state = "dead"
        elif count and newest is not None and (newest > late_s or stale * 2 > count):
            state = "late"
        ages[name] = LayerAge(newest, lag_s.get(code) if count else None, count, stale, expected, state)
    return ages


def _patience(heard_us: NDArray[np.int64], expected_s: float) -> tuple[float, float]:
    """Return after how many seconds without a message a layer is late, and dead."""
    late_s, dead_s = LATE_INTERVALS * expected_s, DEAD_INTERVALS * expected_s
    # Each device's last message within one interval before the newest; who spoke again since is missing, so
    # the pauses found are rather too long than too short. An outage is forgotten after one interval.
    since_us = heard_us.max(initial=0) - int(expected_s * 1e6)
    times_us = np.unique(heard_us[heard_us > max(0, since_us)])
    if len(times_us) < LEAST_ARRIVALS:
        return late_s, dead_s
    pause_s = float(np.diff(times_us).max()) * 1e-6
    return (
        min(late_s, max(LEAST_LATE_S, LATE_GAPS * pause_s)),
        min(dead_s, max(LEAST_DEAD_S, DEAD_GAPS * pause_s)),
    )
