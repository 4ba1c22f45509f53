"""Draw a simulated day: who works where and when, and which cases come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from bench.dispatch.district import COLUMNS, GRID_M, GRIDS, ROWS, District, Ways
from twin.dispatch.network.roads import Bools, Floats, Integers
from twin.errors import InvalidError

MINUTE: Final = 60.0
HOUR: Final = 3600.0

FIRST_S, LAST_S = 7.75 * HOUR, 20.75 * HOUR
"""Cases come in between, seconds of the day."""
PEAKS_S: Final = (9.33 * HOUR, 15.0 * HOUR, 19.17 * HOUR)
_PEAK_WIDTH_S: Final = 30 * MINUTE
_IN_PEAKS: Final = 0.65

MINUTE_PRICE: Final = np.array([8.0, 3.0, 1.0, 0.3])
DUE_MIN: Final = np.array([10.0, 30.0, 120.0, 480.0])
_PRIORITY_SHARE: Final = (0.05, 0.20, 0.55, 0.20)

HELD_BY: Final = (0.40, 0.35, 0.30, 0.25, 0.20)
"""Share of the workers who hold each special skill."""
_SPECIAL: Final = 0.4
"""Share of the cases that need one of them."""

WORK_MIN: Final = np.array([15.0, 17.0, 19.0, 21.0, 23.0, 18.0])
"""Expected minutes of work by skill; the last is of cases that need none."""
WORK_SIGMA: Final = 0.5
"""Of the logarithm of the true ones."""

DAY_SHIFT, EVENING_SHIFT = (8.0 * HOUR, 17.5 * HOUR), (12.0 * HOUR, 21.5 * HOUR)
BREAK_S: Final = 45 * MINUTE
TURNOUT_S: Final = MINUTE
"""From order to setting out; e-bikes take a minute more from standing."""
KMH: Final = (4.5, 15.0)

STORM_GRIDS, STORM_CASES, STORM_S = 15, 80, HOUR


@dataclass(frozen=True)
class Day:
    """w workers and n cases in a district, all times in seconds of the day.

    Targets of `ways` are the places of the n cases, then the patrol posts of the w workers.

    Attributes
    ----------
    work_s
        True durations, shape (n,): for the simulator and the clairvoyant only.
    """

    seed: int
    ways: Ways
    begin_s: Floats
    end_s: Floats
    break_s: Floats
    metres_per_s: Floats
    bike_s: Floats
    skills: Bools
    home_grid: Integers
    release_s: Floats
    priority: Integers
    skill: Integers
    grid: Integers
    work_s: Floats

    @property
    def cases(self) -> int:
        return len(self.release_s)

    @property
    def workers(self) -> int:
        return len(self.begin_s)

    @property
    def due_s(self) -> Floats:
        return self.release_s + DUE_MIN[self.priority - 1] * MINUTE

    @property
    def expected_s(self) -> Floats:
        """Return how long work at each case is expected to take, shape (n,)."""
        return WORK_MIN[self.skill] * MINUTE

    @property
    def home(self) -> Integers:
        """Return the node of each patrol post, shape (w,)."""
        return self.ways.target[self.cases :]


def draw_day(
    district: District,
    seed: int,
    workers: int,
    cases: int = 400,
    *,
    storm: bool = False,
    places: tuple[Floats, Floats] | None = None,
) -> Day:
    """Draw a day.

    Parameters
    ----------
    storm
        A mobilisation on top: 80 cases within an hour in 15 grids beside one another.
    places
        Metres (m, 2) and seconds of the day (m,) of real incidents from which cases are drawn, instead of
        hot spots and peaks.

    Raises
    ------
    InvalidError
        More cases are wanted than there are real incidents.
    """
    rng = np.random.default_rng((seed, workers, cases))
    if places is None:
        release, node = _times(rng, cases), _hot(rng, district, cases)
    else:
        if cases > len(places[1]):
            raise InvalidError(f"there are only {len(places[1])} real incidents", hint="fewer --cases")
        chosen = np.sort(rng.choice(len(places[1]), cases, replace=False))
        release, node = places[1][chosen], _nearest_nodes(district, places[0][chosen])
    if storm:
        when, where = _storm(rng, district)
        release, node = np.r_[release, when], np.r_[node, where]
    order = np.argsort(release, kind="stable")
    release, node, n = release[order], node[order], len(order)
    skill = np.where(rng.random(n) < _SPECIAL, rng.integers(0, len(HELD_BY), n), -1)
    work = rng.lognormal(np.log(WORK_MIN[skill] * MINUTE) - WORK_SIGMA**2 / 2, WORK_SIGMA)
    home_grid = np.concatenate([rng.permutation(GRIDS) for _ in range(-(-workers // GRIDS))])[:workers]
    home = np.array([rng.choice(np.flatnonzero(district.grid == grid)) for grid in home_grid])
    late_shift = rng.permutation(workers) < round(0.35 * workers)
    begin = np.where(late_shift, EVENING_SHIFT[0], DAY_SHIFT[0])
    bike = rng.random(workers) < 0.4
    return Day(
        seed=seed,
        ways=district.ways_to(np.r_[node, home]),
        begin_s=begin,
        end_s=np.where(late_shift, EVENING_SHIFT[1], DAY_SHIFT[1]),
        break_s=begin + rng.uniform(3.5, 5.5, workers) * HOUR,
        metres_per_s=np.where(bike, KMH[1], KMH[0]) / 3.6,
        bike_s=np.where(bike, MINUTE, 0.0),
        skills=rng.random((workers, len(HELD_BY))) < np.array(HELD_BY),
        home_grid=home_grid,
        release_s=release,
        priority=rng.choice(4, n, p=_PRIORITY_SHARE) + 1,
        skill=skill,
        grid=district.grid[node],
        work_s=work,
    )


def _times(rng: np.random.Generator, n: int) -> Floats:
    """Return n moments of the day, half of them in three peaks."""
    peak = np.asarray(PEAKS_S)[rng.integers(0, len(PEAKS_S), n)]
    at = np.where(rng.random(n) < _IN_PEAKS, rng.normal(peak, _PEAK_WIDTH_S), rng.uniform(FIRST_S, LAST_S, n))
    return np.clip(at, FIRST_S, LAST_S)


def _hot(rng: np.random.Generator, district: District, n: int) -> NDArray[np.int64]:
    """Return n nodes, of which some grids have far more than others."""
    heat = rng.gamma(1.0, size=GRIDS)
    weight = (heat / np.bincount(district.grid, minlength=GRIDS))[district.grid]
    return rng.choice(len(weight), n, p=weight / weight.sum())


def _storm(rng: np.random.Generator, district: District) -> tuple[Floats, NDArray[np.int64]]:
    """Return when and where cases come in 5 x 3 grids within an hour."""
    column, row = rng.integers(0, COLUMNS - 4), rng.integers(0, ROWS - 2)
    at = np.array([column, row]) * GRID_M
    inside = ((district.xy >= at) & (district.xy < at + np.array([5, 3]) * GRID_M)).all(axis=1)
    begin = rng.uniform(10.0, 17.0) * HOUR
    return begin + rng.uniform(0, STORM_S, STORM_CASES), rng.choice(np.flatnonzero(inside), STORM_CASES)


def _nearest_nodes(district: District, xy: Floats) -> NDArray[np.int64]:
    return np.asarray(KDTree(district.xy).query(xy)[1])
