"""Hold the figures of the optimal policy against what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

_RATIO: Final = {"75": 1.60, "90": 1.45, "120": 1.45, "storm": 1.50}
_MOST: Final = {"emergency_mean_min": 8.5, "late_share": 0.08, "gini": 0.40}
"""With 90 workers."""
_OWN_SHARE: Final = 0.35
_DECISION_MS: Final = 5.0


def checks(days: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return each bound that the settings which were run allow to look at."""
    out: list[dict[str, Any]] = []

    def add(setting: str, what: str, got: float, bound: str, met: bool) -> None:
        out.append({"setting": setting, "what": what, "got": round(got, 4), "bound": bound, "met": bool(met)})

    for setting, of in days.items():
        if setting in _RATIO and "clairvoyant" in of[0]:
            got = float(np.mean([day["optimal"]["cost"] / day["clairvoyant"]["cost"] for day in of]))
            add(setting, "J / clairvoyant", got, f"≤ {_RATIO[setting]}", got <= _RATIO[setting])
        _of_setting(setting, of, add)
    return out


def _of_setting(setting: str, of: Sequence[Mapping[str, Any]], add: Callable[..., None]) -> None:
    if setting == "90":
        for key, bound in _MOST.items():
            got = float(np.mean([day["optimal"][key] for day in of]))
            add(setting, key, got, f"≤ {bound}", got <= bound)
        got = float(np.mean([day["optimal"]["own_share"] for day in of]))
        add(setting, "own_share", got, f"≥ {_OWN_SHARE}", got >= _OWN_SHARE)
    got = float(np.mean([day["optimal"]["decision_p95_ms"] for day in of]))
    add(setting, "decision_p95_ms", got, f"< {_DECISION_MS}", got < _DECISION_MS)
    worst = max(day["optimal"]["cost"] / day["owner_first"]["cost"] for day in of)
    add(setting, "worst day, J / owner_first", worst, "≤ 1", worst <= 1)
    left = float(sum(day["optimal"]["emergency_unserved"] for day in of))
    add(setting, "emergencies never served", left, "0", left == 0)
