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
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        failed: dict[str, str] = {}
        names = list(contenders)
        for number, what in enumerate(question.rounds):
            for name in (*names[number % len(names) :], *names[: number % len(names)]):
                if name in failed or sum(one["seconds"] for one in taken[name]) > ENOUGH_S:
                    continue
                answer = contenders[name].ask(question.do, **what)
                if "error" in answer:
                    failed[name] = answer["error"]
                else:
                    taken[name].append(answer)
        out[question.name] = {
            name: {"error": failed[name]} if name in failed else _figures(rounds, taken[OURS])
            for name, rounds in taken.items()
        }
    return out


def _figures(rounds: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the medians of a contender's rounds, and how many times ours they are, round by round."""
    if not rounds:
        return {"error": "not asked"}
    figures = {"times": len(rounds), **_medians(rounds, ours)}
    apart = [one["apart"] for one in rounds if "apart" in one]
    if apart:
        figures["apart"] = _medians(apart, ours)
    for kept in ("within", "takes_s", "crossed"):
        if kept in rounds[0]:
            figures[kept] = [one[kept] for one in rounds]
    return figures


def _medians(rounds: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    out = {}
    for part, name in (("seconds", ""), ("cpu_s", "cpu_")):
        taken = [one[part] for one in rounds]
        out[f"{name}median_ms"] = statistics.median(taken) * 1e3
        out[f"{name}most_ms"] = max(taken) * 1e3
        out[f"{name}ratio"] = statistics.median(
            one / own[part] for one, own in zip(taken, ours, strict=False)
        )
    return out


def pairs_of(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Return the first half of places, each with one of the second half."""
    half = len(places) // 2
    return list(zip(places[:half], places[half:], strict=True))
