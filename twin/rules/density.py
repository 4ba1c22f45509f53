"""Say where more people are than is usual there at this hour of such a day, from counts by H3 cell."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.access.roles import SMALLEST_COUNT
from twin.calendar import WorkingCalendar
from twin.errors import InvalidError
from twin.rules.fixes import Bools, Floats, Integers

HOURS: Final = 48
"""Hours of a working day, then hours of a day off."""

_OF_HOURS: Final = ("<f4", (HOURS,))
USUAL: Final = np.dtype(
    [("cell", "<i8"), *((name, *_OF_HOURS) for name in ("mean", "square", "days", "odd_days"))]
)
"""What is usual in one cell, by hour: the mean of the count and of its square, over how many days, and how
many days in a row were too unusual to learn from. Its bytes are what is stored."""

_TODAY: Final = np.dtype([("ticks", "<f8"), ("sum", "<f8"), ("squares", "<f8")])
_STATE: Final = np.dtype([("over_us", "<i8"), ("near_us", "<i8"), ("gathered", "?")])

MOST_SURPRISE: Final = 99.0
# How many people seen weigh as much as the spread of the whole city, where that of one cell is told.
_SPREAD_TRUSTED_AFTER: Final = 20.0
# From a shorter part of an hour, as after a start, nothing is learned.
_LEAST_HEARD_US: Final = 20 * 60 * 1_000_000
_LEAST_KNOWN_MEAN: Final = 1e-6
# Beyond this a negative binomial is a Poisson distribution, and its incomplete beta function loses digits.
_AS_POISSON: Final = 1e7

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityTerms:
    """When many people are too many.

    Parameters
    ----------
    at_least
        Fewer people than this are never a gathering; `SMALLEST_COUNT` or more.
    surprise
        How unlikely the count must be: −log₁₀ of the chance of so many or more. At 6 such a count is expected
        once in a million looks.
    ends
        Part of ``at_least`` and ``surprise`` below which a gathering ends.
    hold_s, quiet_s
        How long it must last before it is told, and how long it must be over before that is told.
    resolution, ring
        H3 resolution of the cells, and how many rings of neighbours are counted with each: 0 or 1.
    learn_days
        How many days an hour of such a day must be known before anything is said of it.
    memory_days
        Older days of an hour fade.
    accept_days
        After so many days in a row an unusual count at this hour is the new usual.
    """

    at_least: int = 10
    surprise: float = 6.0
    ends: float = 0.6
    hold_s: float = 120.0
    quiet_s: float = 300.0
    resolution: int = 10
    ring: int = 0
    learn_days: float = 3.0
    memory_days: float = 20.0
    accept_days: float = 5.0

    def __post_init__(self) -> None:
        if self.at_least < SMALLEST_COUNT:
            raise InvalidError(
                f"a gathering of fewer than {SMALLEST_COUNT} is not told, so that nobody is singled out",
                where="at_least",
                hint=f"{SMALLEST_COUNT} or more",
            )
        if self.ring not in (0, 1):
            raise InvalidError("one ring of neighbours at most", where="ring", hint="0 or 1")


@dataclass(frozen=True, slots=True)
class Gatherings:
    """What is so in cells at one moment, shape (n,) each.

    ``usual`` is the expected count, NaN while it is not known; ``gathered`` says that more are there than
    usual; ``changed`` that this is so, or is over, from now on.
    """

    cell: Cells
    count: Integers
    usual: Floats
    surprise: Floats
    gathered: Bools
    changed: Bools


def surprise(count: Integers | Floats, mean: Floats, size: Floats) -> Floats:
    """Return −log₁₀ P(X ≥ count) of a negative binomial distribution, at most `MOST_SURPRISE`; shape (n,).

    Parameters
    ----------
    count
        How many were counted.
    mean, size
        Mean m and size k of the distribution: its variance is m + m²/k; an infinite size is Poisson.

    Notes
    -----
    P(X ≥ c) is the regularised incomplete beta function I(c, k) at m/(m + k), and for Poisson the regularised
    lower incomplete gamma function P(c, m) (NIST DLMF 8.17.24 and 8.4.9).
    """
    c = np.maximum(np.asarray(count, np.float64), 0.0)
    poisson = size > _AS_POISSON * np.maximum(mean, 1.0)
    k = np.where(poisson, 1.0, size)
    tail = np.where(
        poisson,
        special.gammainc(np.maximum(c, 1.0), mean),
        special.betainc(np.maximum(c, 1.0), k, mean / (mean + k)),
    )
    tail = np.where(c < 1.0, 1.0, np.maximum(tail, 10.0**-MOST_SURPRISE))
    return np.asarray(-np.log10(np.minimum(tail, 1.0)))


def expected(mean: Floats, days: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return mean and size of the distribution of the next count; shape (n,).

    Parameters
    ----------
    mean, days
        Mean count of an hour, and over how many days, above 0.
    spread
        Variance by mean of the counts, 1 for those of people who come independently of each other.

    Notes
    -----
    Of Poisson counts with mean rate λ, known by S people in n days and before that by Jeffreys' prior
    Gamma(½, 0), the next is negative binomial with mean (S + ½)/n and size S + ½ (Gelman et al., Bayesian
    Data Analysis, 3rd ed., section 2.6). People come in company, so the variance is ``spread`` times as
    large, as in the surveillance of diseases (Farrington et al. 1996, J. R. Statist. Soc. A 159, 547-563,
    whose normal tail Noufaily et al. 2013, Statist. Med. 32, 1206-1222, replaced by a negative binomial
    one): V = spread · m (1 + 1/n), and with V = m + m²/k the size is k = m / (spread (1 + 1/n) − 1).
    """
    m = mean + 0.5 / days
    return m, np.asarray(m / (np.maximum(spread, 1.0) * (1.0 + 1.0 / days) - 1.0))


def hour_of(calendar: WorkingCalendar, now_us: int) -> tuple[int, int]:
    """Return the hour of `USUAL` of a time in Unix µs, and a number of that one hour."""
    local = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(calendar.zone)
    return local.hour + (0 if calendar.is_working_day(local.date()) else 24), int(now_us // 3_600_000_000)


def count_cells(
    lon: Floats, lat: Floats, terms: DensityTerms, people: Integers | None = None
) -> tuple[Cells, Integers]:
    """Count people by cell: cells in order and how many are in each, with its rings.

    Parameters
    ----------
    lon, lat
        Where n are, degrees WGS 84.
    people
        How many are at each place; one where left out.
    """
    find, resolution = h3.latlng_to_cell, terms.resolution
    at = np.array([find(y, x, resolution) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)], np.int64)
    cells, back = np.unique(at, return_inverse=True)
    # Floats hold whole numbers to 2^53 exactly.
    counts = np.bincount(back, people, len(cells)).astype(np.int64)
    if not terms.ring or not len(cells):
        return cells, counts
    around = [disk_of(cell, terms.ring) for cell in cells.tolist()]
    lengths = [len(disk) for disk in around]
    near, back = np.unique(np.concatenate(around), return_inverse=True)
    return near, np.bincount(back, np.repeat(counts, lengths)).astype(np.int64)


@functools.lru_cache(maxsize=100_000)
def disk_of(cell: int, ring: int) -> Cells:
    """Return a cell and its neighbours up to a ring, in order."""
    return np.sort(np.array(h3.grid_disk(cell, ring), np.int64))


class Density:
    """Knows what is usual in each cell, and says where it is not; learns from what is usual alone.

    Call `tick` about once a minute, in order of time.

    Parameters
    ----------
    terms
        What a gathering is.
    usual
        What was learned before, of `USUAL`; nothing where it begins.
    """

    def __init__(self, terms: DensityTerms, usual: NDArray[np.void] | None = None) -> None:
        self.terms = terms
        self.usual = np.zeros(0, USUAL) if usual is None else usual.copy()
        self.days = self.usual["days"].max(axis=0, initial=0.0)
        """How many days each hour is known, of a cell where nobody ever was."""
        self._today = np.zeros((len(self.usual), 2), _TODAY)
        self._state = np.zeros(len(self.usual), _STATE)
        self._spread = self._spreads()
        self._ticks = 0
        self._hour: tuple[int, int] | None = None
        self._heard_us = (0, 0)

    def tick(self, cell: Cells, count: Integers, hour: tuple[int, int], now_us: int) -> Gatherings:
        """Judge the counts of this moment, then learn from those that are usual.

        Parameters
        ----------
        cell, count
            Cells in order, and how many people are there, shape (n,); in all others nobody is.
        hour
            Of `hour_of`.
        now_us
            The moment, Unix µs.

        Returns
        -------
        What is so in every cell that was ever visited.
        """
        if self._hour is not None and self._hour != hour:
            self._end_hour(self._hour[0])
        begun_us = self._heard_us[0] if self._hour == hour else now_us
        self._hour, self._heard_us = hour, (begun_us, now_us)
        self._add(cell)
        at = np.searchsorted(self.usual["cell"], cell)
        counts = np.zeros(len(self.usual), np.int64)
        counts[at] = count
        usual, far = self._judge(counts, hour[0])
        changed = self._decide(counts, far, now_us)
        # Learned from is what is not near a gathering, and all of it while nothing is known.
        odd = (self._state["near_us"] == now_us).astype(np.intp)
        today = self._today
        rows = np.arange(len(counts))
        today["ticks"][rows, odd] += 1
        today["sum"][rows, odd] += counts
        today["squares"][rows, odd] += counts.astype(np.float64) ** 2
        self._ticks += 1
        return Gatherings(
            self.usual["cell"].copy(), counts, usual, far, self._state["gathered"].copy(), changed
        )

    def known(self, hour: int) -> bool:
        """Say whether anything can be said of an hour yet."""
        return bool(self.days[hour] >= self.terms.learn_days)

    def _add(self, cell: Cells) -> None:
        """Take in cells that were never visited: until now nobody was there."""
        cells = self.usual["cell"]
        at = np.searchsorted(cells, cell)
        there = at < len(cells)
        there[there] = cells[at[there]] == cell[there]
        if there.all():
            return
        new, at = cell[~there], at[~there]
        added = np.zeros(len(new), USUAL)
        added["cell"], added["days"] = new, self.days
        today = np.zeros((len(new), 2), _TODAY)
        today["ticks"][:, 0] = self._ticks
        self.usual = np.insert(self.usual, at, added)
        self._today = np.insert(self._today, at, today, axis=0)
        self._state = np.insert(self._state, at, np.zeros(len(new), _STATE))
        self._spread = self._spreads()

    def _judge(self, counts: Integers, hour: int) -> tuple[Floats, Floats]:
        days = self.usual["days"][:, hour].astype(np.float64)
        known = days >= self.terms.learn_days
        mean, size = expected(
            self.usual["mean"][:, hour].astype(np.float64), np.maximum(days, 1.0), self._spread
        )
        return np.where(known, mean, np.nan), np.where(known, surprise(counts, mean, size), 0.0)

    def _spreads(self) -> Floats:
        """Return variance by mean of each cell over all its hours, near the city's where few were seen."""
        days = np.maximum(self.usual["days"].astype(np.float64), 1.0)
        mean = self.usual["mean"].astype(np.float64)
        off = np.maximum(self.usual["square"] - mean**2, 0.0) * days / np.maximum(days - 1.0, 1.0)
        variance, people = (days * off).sum(axis=1), (days * mean).sum(axis=1)
        city = max(float(variance.sum()) / max(float(people.sum()), _LEAST_KNOWN_MEAN), 1.0)
        return np.asarray((variance + _SPREAD_TRUSTED_AFTER * city) / (people + _SPREAD_TRUSTED_AFTER))

    def _decide(self, counts: Integers, far: Floats, now_us: int) -> Bools:
        """Begin and end gatherings; return where one did."""
        terms, state = self.terms, self._state
        before = state["gathered"].copy()
        over = (counts >= terms.at_least) & (far >= terms.surprise)
        state["over_us"] = np.where(over, np.where(state["over_us"] > 0, state["over_us"], now_us), 0)
        near = (counts >= terms.ends * terms.at_least) & (far >= terms.ends * terms.surprise)
        state["near_us"] = np.where(near, now_us, state["near_us"])
        begins = over & ~before & (now_us - state["over_us"] >= terms.hold_s * 1e6)
        kept = before & (now_us - state["near_us"] < terms.quiet_s * 1e6)
        state["gathered"] = kept | self._foremost(begins, kept, far)
        return np.asarray(state["gathered"] != before)

    def _foremost(self, begins: Bools, kept: Bools, far: Floats) -> Bools:
        """Of cells whose rings overlap, tell one: the one that is told already, else the most surprising."""
        if not self.terms.ring or not begins.any():
            return begins
        cells = self.usual["cell"]
        taken = {
            near for cell in cells[kept].tolist() for near in disk_of(cell, 2 * self.terms.ring).tolist()
        }
        chosen = np.zeros(len(cells), np.bool_)
        rows = np.flatnonzero(begins)
        for row in rows[np.argsort(-far[rows], kind="stable")].tolist():
            if int(cells[row]) not in taken:
                chosen[row] = True
                taken.update(disk_of(int(cells[row]), 2 * self.terms.ring).tolist())
        return chosen

    def _end_hour(self, hour: int) -> None:
        """Learn an hour that is over: the usual part of it, or all of it where it is so day by day."""
        usual, today, memory = self.usual, self._today, self.terms.memory_days
        self._today, self._ticks = np.zeros_like(today), 0
        if self._heard_us[1] - self._heard_us[0] < _LEAST_HEARD_US:
            return
        odd = today["ticks"][:, 1] > today["ticks"][:, 0]
        odd_days = np.where(odd, usual["odd_days"][:, hour] + 1, 0)
        accepted = odd & (odd_days >= self.terms.accept_days)
        part = {
            name: today[name][:, 0] + np.where(accepted, today[name][:, 1], 0.0)
            for name in _TODAY.names or ()
        }
        learns = (~odd | accepted) & (part["ticks"] > 0)
        # What was an anomaly for days is the usual from now on, and what was the usual is not.
        days = np.where(accepted, 0.0, np.minimum(usual["days"][:, hour], memory - 1)) + learns
        weight = np.where(learns, 1.0 / np.maximum(days, 1.0), 0.0)
        ticks = np.maximum(part["ticks"], 1.0)
        for name, value in (("mean", part["sum"] / ticks), ("square", part["squares"] / ticks)):
            usual[name][:, hour] += weight * (value - usual[name][:, hour])
        usual["days"][:, hour] = np.where(
            accepted, self.terms.learn_days, np.where(learns, days, usual["days"][:, hour])
        )
        usual["odd_days"][:, hour] = np.where(accepted, 0, odd_days)
        self.days[hour] = min(self.days[hour], memory - 1) + 1
        self._spread = self._spreads()
