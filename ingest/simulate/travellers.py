"""Let workers walk and vehicles drive: along roads, with stops, satellite noise and gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.parameters import TravelParameters
from ingest.simulate.paths import Paths

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_STEP_S = 1.0
"""Longest step in which speed is held constant."""

_LONGEST_PAUSE_S = 60.0
"""A machine that slept lets nobody run: at most this much is gone in one step."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a traveller is, in metres of the local frame: the truth, and what the satellite receiver says.

    ``seen`` is False where there is no reception (under ground, inside a building): no report is sent.
    """

    x_m: float
    y_m: float
    true_x_m: float
    true_y_m: float
    speed_mps: float
    seen: bool


class Traveller:
    """One worker on foot or one vehicle; `advance` moves it and says where it is.

    Parameters
    ----------
    paths
        The network.
    neighbourhood
        Nodes it goes to (of a worker those of the responsibility grid and around), not empty, all connected.
    parameters
        Speeds, stops and noise, from ``data/simulation.toml``.
    random
        Its own generator, so that one traveller's fate does not depend on another's.
    """

    def __init__(
        self,
        paths: Paths,
        neighbourhood: Integers,
        parameters: TravelParameters,
        random: np.random.Generator,
    ) -> None:
        self._paths = paths
        self._nodes = neighbourhood
        self._habits = parameters
        self._random = random
        self._here = int(random.choice(neighbourhood))
        self._xy = paths.xy[[self._here]]
        self._reach_m = np.zeros(1)
        self._covered = np.zeros(0, bool)
        self._done_m = 0.0
        self._speed_mps = parameters.speed_mps
        self._rest_s = float(random.uniform(0.0, parameters.stop_s[1]))
        self._indoors = False
        self._errand: tuple[int, float] | None = None
        self._stay_s: float | None = None
        self._clock_s = 0.0
        self._noise = random.normal(0.0, parameters.noise_m, 2)

    def travel_to(self, unix_s: float) -> Fix:
        """Go on until a time and return the fix there; the first call only says where it stands."""
        elapsed_s = unix_s - self._clock_s if self._clock_s else 0.0
        self._clock_s = unix_s
        return self.advance(min(max(elapsed_s, 0.0), _LONGEST_PAUSE_S))

    @property
    def place(self) -> tuple[float, float]:
        """Where it truly is, metres of the local frame."""
        return self._position()[:2]

    @property
    def goal(self) -> int:
        """The node where it goes, or is once it arrived."""
        return self._here

    @property
    def arrived(self) -> bool:
        """Whether it is on no way."""
        return bool(self._done_m >= self._reach_m[-1])

    def send(self, node: int, stay_s: float) -> None:
        """Let it go to a node next, however far that is, and stay there for so long."""
        self._errand = node, stay_s
        if self.arrived:
            self._rest_s = 0.0

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
        if self.arrived and not self._leave():
            self._rest_s = self._habits.stop_s[1]
            return 0.0
        habits = self._habits
        # Speed is an Ornstein-Uhlenbeck process: people quicken and slow down over some ten seconds.
        keep = math.exp(-step_s / habits.speed_memory_s)
        kick = habits.speed_deviation_mps * math.sqrt(1.0 - keep * keep)
        speed = habits.speed_mps + (self._speed_mps - habits.speed_mps) * keep + kick * self._random.normal()
        self._speed_mps = min(max(speed, habits.speed_range_mps[0]), habits.speed_range_mps[1])
        before = self._done_m
        self._done_m = min(self._done_m + self._speed_mps * step_s, float(self._reach_m[-1]))
        if self.arrived:
            stop_s = float(self._random.uniform(*habits.stop_s))
            self._rest_s = stop_s if self._stay_s is None else self._stay_s
            self._indoors = bool(self._random.random() < habits.indoors_share)
        elif self._random.random() < habits.pause_per_hour * step_s / 3600.0:
            self._rest_s = float(self._random.uniform(*habits.pause_s))
        return self._done_m - before

    def _leave(self) -> bool:
        """Choose a target and the way there; False where none was found in a few tries."""
        errand, self._errand, self._stay_s = self._errand, None, None
        if errand is not None and errand[0] != self._here and self._set_out(errand[0], math.inf):
            self._stay_s = errand[1]
            return True
        targets = (int(self._random.choice(self._nodes)) for _ in range(4))
        return any(t != self._here and self._set_out(t, self._habits.longest_way_m) for t in targets)

    def _set_out(self, target: int, limit_m: float) -> bool:
        way = self._paths.route(self._here, target, limit_m)
        if way is None:
            return False
        self._xy = self._paths.xy[way]
        self._reach_m = np.r_[0.0, np.hypot(*np.diff(self._xy, axis=0).T).cumsum()]
        self._covered = self._paths.is_covered(way)
        self._done_m = 0.0
        self._here = target
        return True

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
        keep = math.exp(-elapsed_s / self._habits.noise_memory_s)
        kick = self._habits.noise_m * math.sqrt(1.0 - keep * keep)
        self._noise = self._noise * keep + kick * self._random.normal(size=2)


def neighbourhood(paths: Paths, x_m: float, y_m: float, radius_m: float) -> Integers:
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
