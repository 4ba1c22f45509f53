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


@dataclass(frozen=True, slots=True)
class LayerAge:
    """Age of one layer.

    ``newest_s`` is how long ago its last message came (None: never), ``lag_s`` the usual time from the
    device's clock to ours (None: not known), ``stale`` how many of ``count`` fell silent, ``expected_s``
    the median interval of its devices.
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

    A layer is late when nothing came for three of its intervals or half of its devices are silent, and dead
    when nothing came for ten or ever. A layer without devices is live: nothing is expected of it.
    """
    ages: dict[str, LayerAge] = {}
    for code, name in enumerate(LAYERS):
        mine = layer == code
        count, stale = int(mine.sum()), int(silent[mine].sum())
        heard = int(heard_us[mine].max(initial=0))
        expected = float(np.median(expected_s[mine])) if count else 0.0
        newest = max(0.0, (now_us - heard) * 1e-6) if heard else None
        state: Literal["live", "late", "dead"] = "live"
        if count and (newest is None or newest > DEAD_INTERVALS * expected):
            state = "dead"
        elif count and newest is not None and (newest > LATE_INTERVALS * expected or stale * 2 > count):
            state = "late"
        ages[name] = LayerAge(newest, lag_s.get(code), count, stale, expected, state)
    return ages
