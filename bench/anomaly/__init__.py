"""Measure the learned rule on labelled traffic, its parameters chosen on the other half of the series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.anomaly.judging import LOADS, Chosen, Outcome, Variant, choose, evaluate, found_at_loads
from bench.anomaly.libraries import score_with_libraries
from bench.anomaly.nab import DATA, HALVES, LabelledSeries, load
from bench.anomaly.ours import fixed_limits, learned, measure_cost
from bench.anomaly.planted import KINDS, planted
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError

__all__ = ["Options", "run", "tables"]

OURS, NAIVE = "learned rule", "fixed percentiles"
NEAREST = ("river StandardAbsoluteDeviation", "river GaussianScorer")
"""Libraries that find about as many windows as ours: they are asked for planted anomalies too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """Where the labelled series are, beside whom they are scored, and how many series the cost is for."""

    series: str = option(str(DATA), "folder with realTraffic/ and combined_windows.json of NAB")
    peers: bool = option(True, "score with the libraries too (installs them once)")
    planted: bool = option(True, "look for anomalies planted into made series too")
    cost_series: int = option(50_000, "series whose processor time and memory are measured")
    cost_batches: int = option(200, "batches of readings that are timed")

    def __post_init__(self) -> None:
        if self.cost_series < 1 or self.cost_batches < 1:
            raise InvalidError("--cost-series and --cost-batches must be at least 1")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Score all series with every contender, choose on one half, report on the other, and turn round."""
    every = load(Path(options.series))
    progress("anomaly: scoring with the learned rule")
    result: dict[str, Any] = {"contenders": {}, "planted": {}}
    known = planted() if options.planted else {}
    contenders: dict[str, tuple[list[Variant], dict[str, Any]]] = {
        OURS: (learned(every), {}),
        NAIVE: (fixed_limits(every), {}),
    }
    of_planted = {OURS: learned(known)} if known else {}
    if options.peers:
        with workplace(options) as base:
            folder = base / "anomaly"
            folder.mkdir(exist_ok=True)
            for name, library in score_with_libraries(every, folder, progress).items():
                cost = {
                    "us_per_reading": round(library.us_per_reading, 1),
                    "bytes_per_series": library.bytes_per_series,
                }
                contenders[name] = library.variants, cost
            if known:
                nearest = score_with_libraries(known, folder, progress, NEAREST)
                of_planted |= {name: library.variants for name, library in nearest.items()}
    for name, (variants, cost) in contenders.items():
        progress(f"anomaly: choosing and judging {name}")
        result["contenders"][name] = {**_two_folds(every, variants), **cost}
    on_all = {name: choose(list(every.values()), contenders[name][0]) for name in (OURS, *of_planted)}
    result["chosen_on_all"] = on_all[OURS].as_json()
    for name, variants in of_planted.items():
        chosen = on_all[name]
        result["planted"][name] = {"chosen": chosen.as_json(), **_find_planted(known, variants, chosen)}
    progress(f"anomaly: cost for {options.cost_series:,} series")
    result["cost"] = [
        measure_cost(options.cost_series, batch, options.cost_batches) for batch in (100, 1_000)
    ]
    return result


def _two_folds(every: Mapping[str, LabelledSeries], variants: Sequence[Variant]) -> dict[str, Any]:
    """Choose on each half, report on the other; ``series`` has only figures of series not chosen on."""
    halves = {half: [every[name] for name in names] for half, names in HALVES.items()}
    found: dict[str, Any] = {"chosen_on": {}, "reported_on": {}, "series": {}}
    together, at_loads = Outcome(), [0] * len(LOADS)
    for half, other in (("a", "b"), ("b", "a")):
        chosen = choose(halves[half], variants)
        found["chosen_on"][half] = {**chosen.as_json(), **chosen.outcome.as_json()}
        settings = chosen.variant, chosen.begins, chosen.quiet_min
        outcome = evaluate(halves[other], *settings)
        found["reported_on"][other] = outcome.as_json()
        for one in halves[other]:
            figures = evaluate([one], *settings).as_json()
            size = {"half": other, "readings": len(one.value), "days": round(one.days, 1)}
            found["series"][one.name] = {**size, **figures}
        together += outcome
        at_loads = [a + b for a, b in zip(at_loads, found_at_loads(halves[other], chosen), strict=True)]
    return {**found, "both": together.as_json(), "found_at_loads": at_loads}


def _find_planted(
    known: Mapping[str, LabelledSeries], variants: Sequence[Variant], chosen: Chosen
) -> dict[str, Any]:
    """Give the outcome of each kind, with what was chosen on all labelled series."""
    variant = next(one for one in variants if one.parameters == chosen.variant.parameters)
    found = {}
    for kind in KINDS:
        series = [one for name, one in known.items() if name.startswith(kind)]
        found[kind] = evaluate(series, variant, chosen.begins, chosen.quiet_min).as_json()
    return {"kinds": found}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the figures per series, the contenders side by side, what was chosen, and the cost."""
    contenders = result["contenders"]
    made = [_per_series(contenders), _side_by_side(contenders), _choices(contenders)]
    if result["planted"]:
        made.append(_planted(result["planted"]))
    rows = [
        (
            f"{row['series']:,} series, {row['batch']} readings a batch",
            show(row["us_per_reading"], 2),
            show(row["core_share_percent"], 2, "%"),
            show(row["bytes_per_series"]),
            show(row["mib"], 1, "MiB"),
        )
        for row in result["cost"]
    ]
    header = ("learned rule", "µs a reading", "of a core, a reading a minute each", "bytes a series", "all")
    return [*made, Table("Cost", header, rows)]


_HEADER = (
    "windows",
    "found",
    "by chance",
    "alarms",
    "false",
    "false a day",
    "precision",
    "recall",
    "min after start",
    "min before centre",
)


def _cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        show(figures["windows"]),
        show(figures["found"]),
        show(figures["found_by_chance"], 2),
        show(figures["alarms"]),
        show(figures["false_alarms"]),
        show(figures["false_alarms_a_day"], 3),
        show(figures["precision"], 2),
        show(figures["recall"], 2),
        show(figures["minutes_after_start"], 0),
        show(figures["minutes_before_centre"], 0),
    )


def _per_series(contenders: Mapping[str, Any]) -> Table:
    rows = []
    for series in contenders[OURS]["series"]:
        for name in (OURS, NAIVE):
            one = contenders[name]["series"][series]
            size = (one["half"], show(one["readings"]), show(one["days"], 1))
            rows.append((f"{series}, {name}", *size, *_cells(one)))
    for name in (OURS, NAIVE):
        for half, figures in contenders[name]["reported_on"].items():
            rows.append((f"half {half}, {name}", half, "", "", *_cells(figures)))
        rows.append((f"both halves, {name}", "", "", "", *_cells(contenders[name]["both"])))
    return Table(
        "Per series, parameters chosen on the other half",
        ("series", "half", "readings", "days", *_HEADER),
        rows,
    )


def _side_by_side(contenders: Mapping[str, Any]) -> Table:
    rows = []
    for name, one in contenders.items():
        both = one["both"]
        rows.append(
            (
                name,
                f"{both['found']} of {both['windows']}",
                show(both["false_alarms"]),
                show(both["precision"], 2),
                show(both["recall"], 2),
                show(both["f1"], 2),
                *(show(found) for found in one["found_at_loads"]),
                show(one.get("us_per_reading"), 1),
                show(one.get("bytes_per_series")),
            )
        )
    loads = tuple(f"found at {load:g} a day" for load in LOADS)
    header = (
        "contender",
        "found",
        "false",
        "precision",
        "recall",
        "F1",
        *loads,
        "µs a reading",
        "bytes a series",
    )
    return Table("Side by side, both halves, each with parameters chosen on the other", header, rows)


def _choices(contenders: Mapping[str, Any]) -> Table:
    rows = []
    for name, one in contenders.items():
        for half, chosen in one["chosen_on"].items():
            settings = {key: value for key, value in chosen.items() if key not in _OUTCOME}
            rows.append((f"{name}, half {half}", _words(settings), show(chosen["f1"], 2)))
    return Table("Chosen on each half", ("contender", "parameters", "F1 where chosen"), rows)


def _planted(planted: Mapping[str, Any]) -> Table:
    rows = []
    for name, one in planted.items():
        kinds = one["kinds"].values()
        found = (f"{kind['found']} of {kind['windows']}" for kind in kinds if kind["windows"])
        rows.append((name, _words(one["chosen"]), *found, show(sum(kind["false_alarms"] for kind in kinds))))
    kinds = tuple(kind for kind in KINDS if kind != "nothing")
    return Table(
        "Planted anomalies found, parameters chosen on all labelled series",
        ("contender", "parameters", *kinds, "false"),
        rows,
    )


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in settings.items()
    )


_OUTCOME = frozenset(Outcome(1, days=1.0).as_json())
