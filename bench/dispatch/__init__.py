"""Run simulated days under each way to choose workers, and hold them against what a clairvoyant could do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.dispatch.day import draw_day
from bench.dispatch.district import district
from bench.dispatch.figures import figures
from bench.dispatch.floors import checks
from bench.dispatch.incidents import real_incidents
from bench.dispatch.offline import best_start, compiled, improve
from bench.dispatch.simulator import simulate
from bench.repeats.nyc311 import DATA
from bench.report import Table, show
from bench.workplace import option
from twin.dispatch.deciding import POLICIES
from twin.dispatch.deciding.prices import Prices
from twin.errors import InvalidError

__all__ = ["Options", "run", "tables"]


@dataclass(frozen=True, slots=True)
class Setting:
    """How many work, and what comes on top or instead of the drawn cases."""

    workers: int
    storm: bool = False
    real: bool = False


SETTINGS: Final = {
    "75": Setting(75),
    "90": Setting(90),
    "120": Setting(120),
    "storm": Setting(90, storm=True),
    "60": Setting(60),
    "real90": Setting(90, real=True),
    "real120": Setting(120, real=True),
    "real60": Setting(60, real=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which days, and how long the clairvoyant thinks."""

    settings: str = option(",".join(SETTINGS), "which of these, with commas between")
    seeds: str = option("0,1,2,3,4,5,6,7", "a day each, with commas between")
    cases: int = option(400, "cases a day")
    moves: int = option(30_000_000, "moves the clairvoyant tries for each day; 0 leaves him out")
    owner: float = option(Prices().owner, "price of sending somebody who does not own the grid")
    requests: str = option(str(DATA), "311 requests of New York, gzipped CSV")

    def __post_init__(self) -> None:
        unknown = set(self.settings.split(",")) - set(SETTINGS)
        if unknown:
            raise InvalidError(f"--settings has no {', '.join(sorted(unknown))}", hint=", ".join(SETTINGS))
        if not all(seed.isdigit() for seed in self.seeds.split(",")):
            raise InvalidError("--seeds must be whole numbers with commas between")
        if self.cases < 1 or self.moves < 0:
            raise InvalidError("--cases must be at least 1, --moves at least 0")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every policy through the same days, then improve the best of them offline."""
    prices = Prices(owner=options.owner)
    names = options.settings.split(",")
    without = options.moves == 0 or compiled() is None
    if without and options.moves:
        progress("dispatch: no C compiler (cc) was found: nothing is held against a clairvoyant")
    days: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        days[name] = []
        for seed in map(int, options.seeds.split(",")):
            progress(f"dispatch: setting {name}, seed {seed}")
            days[name].append(_day(SETTINGS[name], seed, options, prices, offline=not without))
    return {"days": days, "clairvoyant": not without, "checks": checks(days)}


def _day(setting: Setting, seed: int, options: Options, prices: Prices, *, offline: bool) -> dict[str, Any]:
    """Return the figures of each policy and of the clairvoyant on one day."""
    places = real_incidents(Path(options.requests)) if setting.real else None
    day = draw_day(district(), seed, setting.workers, options.cases, storm=setting.storm, places=places)
    out: dict[str, Any] = {"seed": seed}
    orders = []
    for name, policy in POLICIES.items():
        course = simulate(day, policy, prices)
        orders.append(course.order)
        took = course.decision_s * 1e3
        out[name] = figures(day, course.worker, course.arrival_s) | {
            "called_off": float(course.called_off),
            "decisions": float(len(took)),
            "decision_p95_ms": round(float(np.percentile(took, 95)), 3),
        }
    if offline:
        best = improve(day, best_start(day, orders), options.moves)
        out["clairvoyant"] = figures(day, best.worker, best.arrival_s)
    return out


_SHOWN: Final = (
    ("cost", "J a case", 1.0, 1),
    ("response_mean_min", "mean, min", 1.0, 1),
    ("response_p95_min", "p95", 1.0, 0),
    ("emergency_mean_min", "emergency mean", 1.0, 1),
    ("emergency_p95_min", "p95", 1.0, 1),
    ("late_share", "late, %", 100.0, 1),
    ("own_share", "own grid, %", 100.0, 0),
    ("gini", "Gini", 1.0, 2),
    ("unserved", "unserved", 1.0, 2),
    ("called_off", "called off", 1.0, 0),
    ("decision_p95_ms", "decision p95, ms", 1.0, 2),
)


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table a setting, means over the days, and one of what was to be reached."""
    out = [_table(name, days) for name, days in result["days"].items()]
    rows = [
        (f"{of['setting']}: {of['what']}", show(of["got"], 3), of["bound"], show(of["met"]))
        for of in result["checks"]
    ]
    if rows:
        out.append(Table("To be reached", ("what", "got", "bound", "met"), rows))
    return out


def _table(name: str, days: list[dict[str, Any]]) -> Table:
    setting = SETTINGS[name]
    what = (
        "real places and times"
        if setting.real
        else "a mobilisation on top"
        if setting.storm
        else "drawn cases"
    )
    rows = []
    for policy in (*POLICIES, "clairvoyant"):
        if policy not in days[0]:
            continue
        means = {key: float(np.mean([day[policy][key] for day in days])) for key in days[0][policy]}
        cells = [
            show(means[key] * scale, decimals) if key in means else "–" for key, _, scale, decimals in _SHOWN
        ]
        rows.append((policy, *cells, _times(days, policy)))
    header = ("policy", *(title for _, title, _, _ in _SHOWN), "J / clairvoyant")
    return Table(f"{setting.workers} workers, {what}, mean of {len(days)} days", header, rows)


def _times(days: list[dict[str, Any]], policy: str) -> str:
    """Return the mean of the days' ratios to the clairvoyant, and their standard deviation."""
    if "clairvoyant" not in days[0]:
        return "–"
    ratios = np.array([day[policy]["cost"] / day["clairvoyant"]["cost"] for day in days])
    return f"{ratios.mean():.2f} ± {ratios.std(ddof=min(1, len(ratios) - 1)):.2f}"
