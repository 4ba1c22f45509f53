"""Measure the rule of density on made cities with planted gatherings, its terms chosen on another city."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np

from bench.gatherings.made import QUIET_WEEKS, SIZES, WEEKS, City, Planted, made
from bench.report import Table, show
from bench.workplace import CommonOptions, option
from twin.errors import InvalidError
from twin.rules.density import Cells, Density, DensityTerms, count_cells, hour_of
from twin.rules.fixes import Bools, Integers

__all__ = ["Options", "run", "tables"]

GEOMETRIES: Final = ((9, 0), (10, 0), (10, 1))
SURPRISES: Final = (3.0, 4.0, 6.0, 8.0)
LEAST: Final = (10, 14)
FIXED: Final = (10, 14, 20, 30, 40, 60, 80)
RULE, NAIVE = "density rule", "fixed number"
_AFTER_US: Final = 6 * 60 * 1_000_000
_NEAR_M: Final = 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """Which cities are made."""

    seeds: str = option("1,2", "seeds of two cities: each is judged with the terms chosen on the other")

    def __post_init__(self) -> None:
        if len(set(self.seeds.split(","))) != 2:
            raise InvalidError("--seeds must be two different whole numbers", hint="as 1,2")


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the city: when, which hour of which kind of day, and how many are in each cell."""

    time_us: int
    hour: tuple[int, int]
    cell: Cells
    count: Integers


@dataclass(slots=True)
class Outcome:
    """What was found of what was planted, and what was not there."""

    found: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SIZES, 0))
    planted: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SIZES, 0))
    minutes: list[float] = field(default_factory=list)
    false: int = 0
    days: float = 0.0

    def add(self, other: Outcome) -> None:
        """Add those of another city."""
        for size in SIZES:
            self.found[size] += other.found[size]
            self.planted[size] += other.planted[size]
        self.minutes += other.minutes
        self.false, self.days = self.false + other.false, self.days + other.days

    @property
    def f1(self) -> float:
        """Twice what was found by what was planted, found and false."""
        found = sum(self.found.values())
        return 2 * found / max(sum(self.planted.values()) + found + self.false, 1)

    def as_json(self) -> dict[str, Any]:
        """Give the figures as plain values."""
        found, planted = sum(self.found.values()), sum(self.planted.values())
        return {
            "planted": planted,
            "found": found,
            "by_size": {str(size): [self.found[size], self.planted[size]] for size in SIZES},
            "false": self.false,
            "false_a_day": self.false / max(self.days, 1e-9),
            "precision": found / (found + self.false) if found + self.false else None,
            "recall": found / planted if planted else None,
            "f1": self.f1,
            "minutes_median": float(np.median(self.minutes)) if self.minutes else None,
            "minutes_worst": float(max(self.minutes)) if self.minutes else None,
        }


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Count each city once a geometry, try all terms, choose on one city and report on the other."""
    cities = {seed: made(int(seed)) for seed in options.seeds.split(",")}
    looked: dict[tuple[str, int, int], list[Moment]] = {}
    for seed, city in cities.items():
        progress(f"gatherings: counting city {seed}")
        for geometry, moments in _count(city).items():
            looked[seed, *geometry] = moments
    trials = [
        DensityTerms(resolution=resolution, ring=ring, surprise=surprise, at_least=least)
        for (resolution, ring), surprise, least in itertools.product(GEOMETRIES, SURPRISES, LEAST)
    ]
    fixed = [(geometry, least) for geometry in GEOMETRIES[:2] for least in FIXED]
    found: dict[str, dict[str, list[tuple[str, Outcome]]]] = {RULE: {}, NAIVE: {}}
    tick_ms: list[float] = []
    for seed, city in cities.items():
        progress(f"gatherings: judging city {seed} by {len(trials)} terms")
        found[RULE][seed] = []
        for terms in trials:
            outcome, took_ms = _judge(city, looked[seed, terms.resolution, terms.ring], terms)
            tick_ms.append(took_ms)
            found[RULE][seed].append((_words(terms), outcome))
        found[NAIVE][seed] = [
            (f"{least} people, resolution {geometry[0]}", _fixed(city, looked[seed, *geometry], least))
            for geometry, least in fixed
        ]
    result: dict[str, Any] = {"contenders": {}, "tick_ms": float(np.median(tick_ms))}
    one, other = cities
    for name, by_city in found.items():
        both = Outcome()
        reported, chosen_on = {}, {}
        for chosen, judged in ((one, other), (other, one)):
            best = max(range(len(by_city[chosen])), key=lambda n: by_city[chosen][n][1].f1)
            chosen_on[chosen] = {"terms": by_city[chosen][best][0], "f1": by_city[chosen][best][1].f1}
            reported[judged] = by_city[judged][best][1].as_json()
            both.add(by_city[judged][best][1])
        result["contenders"][name] = {"chosen_on": chosen_on, "reported_on": reported, "both": both.as_json()}
    result["geometries"] = {
        f"resolution {resolution}, {ring} rings": _best_of(found[RULE], resolution, ring)
        for resolution, ring in GEOMETRIES
    }
    return result


def _best_of(
    by_city: Mapping[str, Sequence[tuple[str, Outcome]]], resolution: int, ring: int
) -> dict[str, Any]:
    """Give the outcome of the terms of a geometry that are best on both cities together, in hindsight."""
    together = []
    for rows in zip(*by_city.values(), strict=True):
        if rows[0][0].startswith(f"resolution {resolution}, ring {ring},"):
            outcome = Outcome()
            for _, one in rows:
                outcome.add(one)
            together.append((rows[0][0], outcome))
    words, best = max(together, key=lambda pair: pair[1].f1)
    return {"terms": words, **best.as_json()}


def _words(terms: DensityTerms) -> str:
    return (
        f"resolution {terms.resolution}, ring {terms.ring}, surprise {terms.surprise:g}, "
        f"at least {terms.at_least}"
    )


def _count(city: City) -> dict[tuple[int, int], list[Moment]]:
    looked: dict[tuple[int, int], list[Moment]] = {geometry: [] for geometry in GEOMETRIES}
    for time_us, lon, lat in city.moments():
        hour = hour_of(city.calendar, time_us)
        for geometry, moments in looked.items():
            cell, count = count_cells(lon, lat, DensityTerms(resolution=geometry[0], ring=geometry[1]))
            moments.append(Moment(time_us, hour, cell, count))
    return looked


def _judge(city: City, moments: Sequence[Moment], terms: DensityTerms) -> tuple[Outcome, float]:
    density = Density(replace(terms, hold_s=180.0, quiet_s=360.0))
    begun: list[tuple[int, int]] = []
    started = time.perf_counter()
    for moment in moments:
        now = density.tick(moment.cell, moment.count, moment.hour, moment.time_us)
        begins = now.changed & now.gathered
        begun += [(moment.time_us, cell) for cell in now.cell[begins].tolist()]
    took_ms = (time.perf_counter() - started) * 1e3 / len(moments)
    return _hold_against(city, moments, begun), took_ms


def _fixed(city: City, moments: Sequence[Moment], least: int) -> Outcome:
    """Tell a gathering wherever so many people are for as long, with the same patience at its end."""
    last: dict[int, int] = {}
    since: dict[int, int] = {}
    begun: list[tuple[int, int]] = []
    for moment in moments:
        many: Bools = moment.count >= least
        here = set(moment.cell[many].tolist())
        for cell in [cell for cell in since if cell not in here and cell not in last]:
            del since[cell]
        for cell in here:
            first = since.setdefault(cell, moment.time_us)
            if cell not in last and moment.time_us - first >= 180_000_000:
                begun.append((moment.time_us, cell))
                last[cell] = moment.time_us
            elif cell in last:
                last[cell] = moment.time_us
        for cell in [cell for cell, seen in last.items() if moment.time_us - seen >= 360_000_000]:
            del last[cell]
            since.pop(cell, None)
    return _hold_against(city, moments, begun)


def _hold_against(city: City, moments: Sequence[Moment], begun: Sequence[tuple[int, int]]) -> Outcome:
    """Count as found what is told near it while it goes on; what is told elsewhere is false."""
    quiet_until = moments[0].time_us + QUIET_WEEKS * 7 * 86_400_000_000
    outcome = Outcome(days=(WEEKS - QUIET_WEEKS) * 7.0)
    hits: dict[int, int] = {}
    for time_us, cell in begun:
        if time_us < quiet_until:
            continue
        lat, lon = h3.cell_to_latlng(cell)
        near = [n for n, one in enumerate(city.planted) if _is_of(one, time_us, lat, lon)]
        for n in near:
            hits.setdefault(n, time_us)
        outcome.false += not near
    for n, one in enumerate(city.planted):
        outcome.planted[one.people] += 1
        if n in hits:
            outcome.found[one.people] += 1
            outcome.minutes.append((hits[n] - one.begin_us) / 60e6)
    return outcome


def _is_of(one: Planted, time_us: int, lat: float, lon: float) -> bool:
    if not one.begin_us <= time_us < one.end_us + _AFTER_US:
        return False
    return bool(h3.great_circle_distance((lat, lon), (one.lat, one.lon), unit="m") <= _NEAR_M)


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the figures by city, and those of the geometries."""
    rows = []
    for name, one in result["contenders"].items():
        for city, figures in one["reported_on"].items():
            other = next(key for key in one["chosen_on"] if key != city)
            rows.append((f"{name}, city {city}", one["chosen_on"][other]["terms"], *_cells(figures)))
        rows.append((f"{name}, both", "", *_cells(one["both"])))
    geometries = [
        (name, figures["terms"].split(", ", 2)[2], *_cells(figures))
        for name, figures in result["geometries"].items()
    ]
    notes = (f"One look at a city of 3,000 people takes {show(result['tick_ms'], 2)} ms to judge.",)
    return [
        Table("Per city, terms chosen on the other", ("contender", "terms", *_HEADER), rows, notes),
        Table(
            "Cells and rings, the best terms of each in hindsight", ("cells", "terms", *_HEADER), geometries
        ),
    ]


_HEADER = (
    "planted",
    "found",
    *(f"of {size} people" for size in SIZES),
    "false",
    "false a day",
    "precision",
    "recall",
    "F1",
    "minutes, median",
    "worst",
)


def _cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        show(figures["planted"]),
        show(figures["found"]),
        *(f"{found} of {planted}" for found, planted in figures["by_size"].values()),
        show(figures["false"]),
        show(figures["false_a_day"], 2),
        show(figures["precision"], 2),
        show(figures["recall"], 2),
        show(figures["f1"], 2),
        show(figures["minutes_median"], 0),
        show(figures["minutes_worst"], 0),
    )
