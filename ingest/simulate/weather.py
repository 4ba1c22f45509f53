"""Let it rain now and then: showers whose times and strength follow from the seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.parameters import RainParameters

_HISTORY_H = 12.0
_STEPS = 240


class Weather:
    """Rain at any time, without memory: the same seed and time give the same answer.

    Each span of ``every_h`` hours holds one shower at a random time in it.
    """

    def __init__(self, parameters: RainParameters, seed: int) -> None:
        self._rain = parameters
        self._seed = seed
        self._showers: dict[int, tuple[float, float, float]] = {}

    def _shower(self, span: int) -> tuple[float, float, float]:
        """Return begin (Unix s), duration (s) and strength of the shower of a span."""
        if span not in self._showers:
            rain = self._rain
            random = np.random.default_rng([self._seed, 77, span])
            duration_s = 3600.0 * float(random.uniform(*rain.duration_h))
            room_s = max(rain.every_h * 3600.0 - duration_s, 0.0)
            begin_s = span * rain.every_h * 3600.0 + float(random.uniform(0.0, room_s))
            self._showers[span] = (begin_s, duration_s, float(random.uniform(*rain.strength)))
        return self._showers[span]

    def intensity(self, unix_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intensity of rain at times, 0 dry to 1 heavy; a shower swells and fades as sin²."""
        out = np.zeros(len(unix_s))
        length_s = self._rain.every_h * 3600.0
        for span in np.unique(np.floor(unix_s / length_s).astype(np.int64)):
            begin_s, duration_s, strength = self._shower(int(span))
            part = (unix_s - begin_s) / duration_s
            inside = (part > 0.0) & (part < 1.0)
            out[inside] = strength * np.sin(np.pi * part[inside]) ** 2
        return out

    def at(self, unix_s: float) -> tuple[float, float]:
        """Return intensity now, and how wet the ground is: rain of the last hours, run off exponentially."""
        step_h = _HISTORY_H / _STEPS
        ago_h = np.arange(_STEPS) * step_h
        rain = self.intensity(np.asarray(unix_s - ago_h * 3600.0, np.float64))
        drained = np.exp(-ago_h / self._rain.drain_h) * step_h / self._rain.drain_h
        return float(rain[0]), float((rain * drained).sum())
