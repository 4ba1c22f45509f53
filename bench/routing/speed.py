"""Ask every contender the same questions in turns, and keep what each took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.routing.contenders import OURS, Contender
from bench.routing.streets_of import StreetPieces

Place = tuple[float, float]

ENOUGH_S: Final = 20.0
"""Who took so long for one kind of question is asked it no more."""

_RING_M: Final = 40.0
_TRIES: Final = 60


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked."""

    rounds: int
    workers: int
    rows: int
    columns: int


ONE_LIMIT_S: Final = 900.0
MATRIX_LIMIT_S: Final = 1800.0
REACH_S: Final = (300.0, 600.0, 900.0)


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question and what is asked in each round."""

    name: str
    do: str
    rounds: Sequence[Mapping[str, Any]]


def questions(own: Contender, pieces: StreetPieces, sizes: Sizes, seed: int) -> list[Question]:
    """Draw the places of each round on the largest part of our network."""
    count = max(1 + sizes.workers, sizes.rows + sizes.columns)
    drawn = [
        own.ask("places", count=count, seed=seed + number, main=True)["lon_lat"]
        for number in range(sizes.rounds)
    ]
    rows = sizes.rows
    return [
        Question(
            "one_to_many",
            "one_to_many",
            [{"one": at[0], "many": at[1 : 1 + sizes.workers], "limit_s": ONE_LIMIT_S} for at in drawn],
        ),
        Question(
            "matrix",
            "matrix",
            [
                {"some": at[:rows], "others": at[rows : rows + sizes.columns], "limit_s": MATRIX_LIMIT_S}
                for at in drawn
            ],
        ),
        Question("route", "route", [{"start": at[0], "goal": at[1]} for at in drawn]),
        Question("isochrone", "isochrone", [{"one": at[2], "limits_s": REACH_S} for at in drawn]),
        Question("closure", "closure", _closures(own, pieces, sizes.rounds, seed)),
    ]


def _closures(own: Contender, pieces: StreetPieces, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Draw ways that have another beside them when the streets around their middle are closed."""
    places = own.ask("places", count=2 * _TRIES, seed=seed - 1, main=True)["lon_lat"]
    found: list[dict[str, Any]] = []
    for start, goal in zip(places[:_TRIES], places[_TRIES:], strict=True):
        if len(found) == rounds:
            break
        ring = own.ask("ring_on", start=start, goal=goal, radius_m=_RING_M)["ring"]
        if ring is not None:
            segments = pieces.within(ring)
            found.append({"start": start, "goal": goal, "ring": ring, "segments": segments})
    return found


def ask_in_turns(
    contenders: Mapping[str, Contender], asked: Sequence[Question], progress: Callable[[str], None]
) -> dict[str, Any]:
    """Give what each took, by question and contender: seconds of each round, medians, why there is none."""
    out: dict[str, Any] = {}
    for question in asked:
        progress(f"routing: {question.name}")
        taken: dict[str, dict[str, Any]] = {name: {"seconds": [], "put_s": []} for name in contenders}
        names = list(contenders)
        for number, what in enumerate(question.rounds):
            for name in (*names[number % len(names) :], *names[: number % len(names)]):
                one = taken[name]
                if "error" in one or sum(one["seconds"]) > ENOUGH_S:
                    continue
                answer = contenders[name].ask(question.do, **what)
                if "error" in answer:
                    one["error"] = answer["error"]
                    continue
                one["seconds"].append(answer["seconds"])
                for kept in ("put_s", "within", "takes_s"):
                    if kept in answer:
                        one.setdefault(kept, []).append(answer[kept])
        out[question.name] = {name: _figures(one, taken[OURS]) for name, one in taken.items()}
    return out


def _figures(one: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in one or not one["seconds"]:
        return {"error": one.get("error", "not asked")}
    shared = range(min(len(one["seconds"]), len(ours["seconds"])))
    ratios = [one["seconds"][i] / ours["seconds"][i] for i in shared]
    return {
        "median_ms": statistics.median(one["seconds"]) * 1e3,
        "least_ms": min(one["seconds"]) * 1e3,
        "most_ms": max(one["seconds"]) * 1e3,
        "times": len(one["seconds"]),
        "ratio": statistics.median(ratios),
        "put_ms": statistics.median(one["put_s"]) * 1e3 if one["put_s"] else None,
        "within": one.get("within"),
        "takes_s": [None if s is None else round(float(s), 1) for s in one.get("takes_s", [])],
    }


def pairs_of(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Return the first half of places, each with one of the second half."""
    half = len(places) // 2
    return list(zip(places[:half], places[half:], strict=True))
