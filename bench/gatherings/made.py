"""Make up where the phones of a city are for four weeks, with gatherings that are known to be there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from twin.calendar import WorkingCalendar, calendar_for

PEOPLE: Final = 3_000
WEEKS: Final = 4
STEP_MIN: Final = 3
QUIET_WEEKS: Final = 2
"""Nothing is planted in the first weeks: there the usual is learned."""

SIZES: Final = (15, 25, 40, 60)
"""People of the planted gatherings, in turn."""

PER_DAY: Final = 2
ZONE: Final = "Asia/Shanghai"

_START: Final = datetime(2026, 3, 2, tzinfo=ZoneInfo(ZONE))
_LON, _LAT, _M_LON, _M_LAT = 104.066, 30.659, 95_850.0, 110_850.0
_HALF_M: Final = 2_000.0
_HOMES, _OFFICES, _LEISURE = 240, 50, 24
_STEPS_A_DAY: Final = 24 * 60 // STEP_MIN
_WALK_MPS: Final = 1.2
_NOISE_M: Final = 12.0
_HEARD: Final = 0.9
"""Part of the phones that are heard at any time."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Planted:
    """A gathering: when it begins and ends (Unix µs), where (degrees), and of how many people."""

    begin_us: int
    end_us: int
    lon: float
    lat: float
    people: int


@dataclass(frozen=True)
class City:
    """People, where they go day by day, and what was planted."""

    seed: int
    planted: tuple[Planted, ...]
    calendar: WorkingCalendar

    def moments(self) -> Iterator[tuple[int, Floats, Floats]]:
        """Give moment by moment the time in Unix µs, and lon and lat of every phone that is heard."""
        chance = np.random.default_rng([self.seed, 2])
        places, groups = _places(chance), _groups(chance)
        heard = chance.random(PEOPLE) < _HEARD
        error = np.zeros((PEOPLE, 2))
        for day in range(WEEKS * 7):
            date = (_START + timedelta(days=day)).date()
            where = _day(chance, groups, self.calendar.is_working_day(date))
            for step in range(_STEPS_A_DAY):
                time_us = int((_START + timedelta(days=day, minutes=step * STEP_MIN)).timestamp() * 1e6)
                xy = places[where[:, step]].copy()
                self._gather(xy, time_us)
                turned = chance.random(PEOPLE) < 0.02
                heard[turned] = chance.random(int(turned.sum())) < _HEARD
                error = 0.5 * error + chance.normal(0, _NOISE_M * np.sqrt(0.75), error.shape)
                at = (xy + error)[heard]
                yield time_us, _LON + at[:, 0] / _M_LON, _LAT + at[:, 1] / _M_LAT

    def _gather(self, xy: Floats, time_us: int) -> None:
        """Bring those who take part to what goes on: the nearest who are free, walking there and back."""
        for one in self.planted:
            if not one.begin_us <= time_us < one.end_us:
                continue
            target = np.array([(one.lon - _LON) * _M_LON, (one.lat - _LAT) * _M_LAT])
            far = np.hypot(*(xy - target).T)
            who = np.argsort(far, kind="stable")[: one.people]
            there = far[who] <= _WALK_MPS * (time_us - one.begin_us) * 1e-6
            spot = np.random.default_rng([self.seed, one.begin_us // 1_000_000]).normal(
                0, 20, (one.people, 2)
            )
            xy[who[there]] = target + spot[: len(who)][there]


def made(seed: int) -> City:
    """Make a city; the same of the same seed.

    240 houses, 50 workplaces, 24 places of leisure in 4 by 4 km; 3,000 people who work on working days and go
    out in company of one to six; a market every morning, and square dancing by about forty on most evenings.
    Gatherings are anywhere, at any hour, for 30 to 90 minutes.
    """
    chance = np.random.default_rng([seed, 1])
    planted = []
    for day in range(QUIET_WEEKS * 7, WEEKS * 7):
        for minute in np.sort(chance.integers(0, 24 * 60 - 90, PER_DAY)).tolist():
            begin = _START + timedelta(days=day, minutes=minute)
            begin_us, (x, y) = int(begin.timestamp() * 1e6), chance.uniform(-_HALF_M, _HALF_M, 2)
            end_us = begin_us + int(chance.integers(30, 91)) * 60_000_000
            size = SIZES[len(planted) % len(SIZES)]
            planted.append(Planted(begin_us, end_us, _LON + x / _M_LON, _LAT + y / _M_LAT, size))
    return City(seed, tuple(planted), calendar_for(ZONE))


_MARKET, _SQUARE = _HOMES + _OFFICES, _HOMES + _OFFICES + 1


def _places(chance: np.random.Generator) -> Floats:
    """Return where homes, offices and places of leisure are, in metres."""
    return chance.uniform(-_HALF_M, _HALF_M, (_HOMES + _OFFICES + _LEISURE, 2))


def _groups(chance: np.random.Generator) -> dict[str, Places]:
    """Give each person a home, a workplace and company; a third do not work."""
    company = np.repeat(np.arange(PEOPLE), chance.integers(1, 7, PEOPLE))[:PEOPLE]
    home = chance.integers(0, _HOMES, PEOPLE)[company]
    work = _HOMES + chance.integers(0, _OFFICES, PEOPLE)
    works = chance.random(PEOPLE) < 2 / 3
    elders = np.flatnonzero(~works)
    return {
        "company": company,
        "home": home,
        "work": np.where(works, work, -1),
        "shops": chance.permutation(elders)[:150],
        "dances": chance.permutation(elders)[:40],
    }


def _day(chance: np.random.Generator, groups: dict[str, Places], works: bool) -> Places:
    """Return at which place each person is at each step of a day, shape (people, steps)."""
    minute = np.arange(_STEPS_A_DAY) * STEP_MIN
    where = np.repeat(groups["home"][:, None], _STEPS_A_DAY, axis=1)

    def visit(who: Places, place: Places, begin: Floats, end: Floats) -> None:
        there = (minute >= begin[:, None]) & (minute < end[:, None])
        where[who] = np.where(there, place[:, None], where[who])

    if works:
        who = np.flatnonzero(groups["work"] >= 0)
        who = who[chance.random(len(who)) < 0.93]
        visit(who, groups["work"][who], chance.normal(510, 25, len(who)), chance.normal(1090, 40, len(who)))
    # Company goes out together: by day on a day off, in the evening otherwise.
    companies = int(groups["company"].max()) + 1
    out = chance.random(companies) < (0.55 if not works else 0.25)
    begin = chance.normal(840, 150, companies) if not works else chance.normal(1160, 30, companies)
    stay = chance.uniform(40, 160, companies)
    place = _SQUARE + 1 + chance.integers(0, _LEISURE - 2, companies)
    who = np.flatnonzero(out[groups["company"]])
    mine = groups["company"][who]
    visit(who, place[mine], begin[mine], begin[mine] + stay[mine])
    shops = groups["shops"][chance.random(len(groups["shops"])) < 0.6]
    begin = chance.normal(450, 40, len(shops))
    visit(shops, np.full(len(shops), _MARKET), begin, begin + chance.uniform(15, 50, len(shops)))
    if chance.random() < 0.8:  # rain
        dances = groups["dances"][chance.random(len(groups["dances"])) < 0.85]
        begin = chance.normal(1145, 8, len(dances))
        visit(dances, np.full(len(dances), _SQUARE), begin, begin + chance.normal(80, 10, len(dances)))
    return where
