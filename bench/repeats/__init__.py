"""Judge which requests are taken for repeats, on real ones with planted repeats, half against half."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.repeats.judging import Outcome, choose, judge
from bench.repeats.nyc311 import DATA, HALVES, Request, load, with_score
from bench.repeats.planted import crowded, plant
from bench.report import Table, show
from bench.workplace import option
from twin.cases.likeness import Terms, load_terms
from twin.errors import InvalidError

__all__ = ["Options", "run", "tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the requests are, and how often repeats are planted."""

    requests: str = option(str(DATA), "311 requests of New York, gzipped CSV")
    plantings: int = option(5, "times repeats are planted, each with a seed of its own")

    def __post_init__(self) -> None:
        if self.plantings < 1:
            raise InvalidError("--plantings must be at least 1")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Choose on one half, report on the other, and turn round; then the table of the product on both."""
    requests, terms = load(Path(options.requests))
    of_half = {half: [one for one in requests if one.half == half] for half in HALVES}
    laid = {"as they lie": of_half, "crowded": {half: crowded(of) for half, of in of_half.items()}}
    planted = {
        (how, half): [plant(requests, terms, seed) for seed in range(options.plantings)]
        for how, halves in laid.items()
        for half, requests in halves.items()
    }
    result: dict[str, Any] = {
        "requests": {half: len(of) for half, of in of_half.items()},
        "chosen": {},
        "reported": {},
        "product": {},
        "unplanted": {},
        "product_score": msgspec.to_builtins(load_terms().score),
    }
    for half, other in (("a", "b"), ("b", "a")):
        progress(f"repeats: choosing on half {half}, judging half {other}")
        chosen = choose(planted["crowded", half], terms)
        result["chosen"][half] = chosen
        for how in laid:
            row = f"half {other}, {how}"
            result["reported"][row] = _outcome(planted[how, other], with_score(terms, **chosen)).as_json()
            result["product"][row] = _outcome(planted[how, other], terms).as_json()
            result["unplanted"][row] = judge(laid[how][other], terms).as_json()
    return result


def _outcome(plantings: Sequence[Sequence[Request]], terms: Terms) -> Outcome:
    return sum((judge(requests, terms) for requests in plantings), Outcome())


_HEADER = (
    "repeats",
    "linked",
    "right",
    "precision",
    "strict",
    "recall",
    "offered",
    "right",
    "precision",
    "found in all",
    "told by agencies: found",
)


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Return what was chosen, and what came of it."""
    chosen = [
        (f"half {half}", ", ".join(f"{name} {value:g}" for name, value in of.items()))
        for half, of in result["chosen"].items()
    ]
    product = ", ".join(f"{name} {value:g}" for name, value in result["product_score"].items())
    header = ("requests", *_HEADER)
    titles = {
        "reported": "Repeats linked and offered, figures chosen on the other half, crowded",
        "product": "With the table of the product",
        "unplanted": "With the table of the product, nothing planted",
    }
    return [
        Table("Chosen on each half", ("half", "figures"), [*chosen, ("the product", product)]),
        *(
            Table(title, header, [(row, *_figures(of)) for row, of in sorted(result[name].items())])
            for name, title in titles.items()
        ),
    ]


def _figures(of: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        show(of["repeats"]),
        show(of["linked"]),
        show(of["linked_right"]),
        show(of["precision_linked"], 3),
        show(of["precision_linked_strict"], 3),
        show(of["recall_linked"], 3),
        show(of["offered"]),
        show(of["offered_right"]),
        show(of["precision_offered"], 3),
        show(of["recall_found"], 3),
        f"{of['told_found']} of {of['told']}",
    )
