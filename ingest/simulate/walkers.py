"""Let workers walk: along the street network, at walking speed, with stops, satellite noise and gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.footpaths import Footpaths
from ingest.simulate.parameters import WalkParameters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_STEP_S = 1.0
"""Longest step in which speed is held constant."""

_LONGEST_PAUSE_S = 60.0
"""A machine that slept does not make its workers run: at most this much is walked in one step."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a walker is, in metres of the local frame: the truth, and what the satellite receiver says.

    ``seen`` is False where there is no reception (under ground, inside a building): no report is sent.
    """

    x_m: float
    y_m: float
    true_x_m: float
    true_y_m: float
    speed_mps: float
    seen: bool


class Walker:
    """One worker on foot; `advance` moves them and says where they are.

    Parameters
    ----------
    paths
        The network.
    neighbourhood
        Nodes the worker goes to (those of the responsibility grid and around), not empty, all connected.
    parameters
        Speeds, stops and noise, from ``data/simulation.toml``.
    random
        The worker's own generator, so that one worker's fate does not depend on another's.
    """

    def __init__(
        self,
        paths: Footpaths,
        neighbourhood: Integers,
        parameters: WalkParameters,
        random: np.random.Generator,
    ) -> None:
        self._paths = paths
        self._nodes = neighbourhood
        self._walk = parameters
        self._random = random
        self._here = int(random.choice(neighbourhood))
        self._xy = paths.xy[[self._here]]
        self._reach_m = np.zeros(1)
        self._covered = np.zeros(0, bool)
        self._done_m = 0.0
        self._speed_mps = parameters.speed_mps
        self._rest_s = float(random.uniform(0.0, parameters.stop_s[1]))
        self._indoors = False
        self._clock_s = 0.0
        self._noise = random.normal(0.0, parameters.noise_m, 2)

    def walk_to(self, unix_s: float) -> Fix:
        """Walk until a time and return the fix there; the first call only says where the walker stands."""
        elapsed_s = unix_s - self._clock_s if self._clock_s else 0.0
        self._clock_s = unix_s
        return self.advance(min(max(elapsed_s, 0.0), _LONGEST_PAUSE_S))

    def advance(self, elapsed_s: float) -> Fix:
        """Walk for a time and return the fix at its end."""
        left = elapsed_s
        moved = 0.0
        while left > 1e-9:
            step = min(left, _STEP_S)
            moved += self._step(step)
            left -= step
        self._drift_noise(elapsed_s)
        x, y, covered = self._position()
        return Fix(
            x + float(self._noise[0]),
            y + float(self._noise[1]),
            x,
            y,
            moved / elapsed_s if elapsed_s > 0 else 0.0,
            not (covered or self._indoors),
        )

    def _step(self, step_s: float) -> float:
        if self._rest_s > 0.0:
            self._rest_s = max(0.0, self._rest_s - step_s)
            return 0.0
        self._indoors = False
        if self._done_m >= self._reach_m[-1] and not self._leave():
            self._rest_s = self._walk.stop_s[1]
            return 0.0
        walk = self._walk
        # Speed is an Ornstein-Uhlenbeck process: people quicken and slow down over some ten seconds.
        keep = math.exp(-step_s / walk.speed_memory_s)
        kick = walk.speed_deviation_mps * math.sqrt(1.0 - keep * keep)
        speed = walk.speed_mps + (self._speed_mps - walk.speed_mps) * keep + kick * self._random.normal()
        self._speed_mps = min(max(speed, walk.speed_range_mps[0]), walk.speed_range_mps[1])
        before = self._done_m
        self._done_m = min(self._done_m + self._speed_mps * step_s, float(self._reach_m[-1]))
        if self._done_m >= self._reach_m[-1]:
            self._rest_s = float(self._random.uniform(*walk.stop_s))
            self._indoors = bool(self._random.random() < walk.indoors_share)
        elif self._random.random() < walk.pause_per_hour * step_s / 3600.0:
            self._rest_s = float(self._random.uniform(*walk.pause_s))
        return self._done_m - before

    def _leave(self) -> bool:
        """Choose a target and the way there; False where none was found in a few tries."""
        for _ in range(4):
            target = int(self._random.choice(self._nodes))
            if target == self._here:
                continue
            way = self._paths.route(self._here, target, self._walk.longest_way_m)
            if way is None:
                continue
            self._xy = self._paths.xy[way]
            self._reach_m = np.r_[0.0, np.hypot(*np.diff(self._xy, axis=0).T).cumsum()]
            self._covered = self._paths.is_covered(way)
            self._done_m = 0.0
            self._here = target
            return True
        return False

    def _position(self) -> tuple[float, float, bool]:
        if len(self._xy) == 1:
            return float(self._xy[0, 0]), float(self._xy[0, 1]), False
        leg = min(int(np.searchsorted(self._reach_m, self._done_m, side="right")) - 1, len(self._xy) - 2)
        span = self._reach_m[leg + 1] - self._reach_m[leg]
        part = (self._done_m - self._reach_m[leg]) / span if span > 0 else 0.0
        x, y = self._xy[leg] + part * (self._xy[leg + 1] - self._xy[leg])
        return float(x), float(y), bool(self._covered[leg])

    def _drift_noise(self, elapsed_s: float) -> None:
        # Errors of satellite positions hang together over half a minute; white noise would jitter in place.
        keep = math.exp(-elapsed_s / self._walk.noise_memory_s)
        kick = self._walk.noise_m * math.sqrt(1.0 - keep * keep)
        self._noise = self._noise * keep + kick * self._random.normal(size=2)


def neighbourhood(paths: Footpaths, x_m: float, y_m: float, radius_m: float) -> Integers:
    """Return the nodes of the largest component around a point, or around the one nearest to it."""
    main = paths.main_component()
    if not len(main):
        return main
    near: Integers = main[np.hypot(*(paths.xy[main] - (x_m, y_m)).T) <= radius_m]
    if len(near) >= 2:
        return near
    # A worker whose grid has no footpath starts from the nearest, and walks around there.
    at = paths.xy[paths.nearest(x_m, y_m, main)]
    around: Integers = main[np.hypot(*(paths.xy[main] - at).T) <= radius_m]
    return around
