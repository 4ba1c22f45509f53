"""Hold each request against those before it, as the server does, and count what is linked and offered."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.repeats.nyc311 import Request, with_score
from twin.cases.likeness import Terms, likeness
from twin.cases.repeats import MOST_OFFERED

SURE_BETA, OFFER_BETA = 0.25, 2.0
"""Of the F measures by which figures are chosen: a wrong link costs more than a missed one, which is offered
still; an offer too many costs a glance."""

_SETTINGS: Final = tuple(
    {
        "place": place,
        "words": words,
        "time": round(1 - place - words, 2),
        "half_life_h": half_life,
        "related": related,
        "scale": scale,
    }
    for place, words, half_life, related, scale in itertools.product(
        (0.4, 0.5, 0.6, 0.7), (0.0, 0.1, 0.2, 0.3), (3.0, 12.0, 48.0), (0.7, 0.85), (0.5, 0.75, 1.0, 1.5)
    )
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was linked and offered.

    ``repeats``: requests that repeat one that is open. ``linked``: of all, to something; ``linked_right``: to
    what they repeat; ``linked_open``: to a request of the same kind at the same lot of which the data do not
    say whether it is the same; ``linked_again``: wrongly, where the same two lots were linked wrongly before,
    which tells nothing new (somebody reported one house 26 times). ``offered``, ``offered_right`` and
    ``offered_open`` count offers to requests that were not linked, ``found`` repeats that were linked rightly
    or offered what they repeat. ``told`` and ``told_found`` are those of the repeats that agencies tell of.
    """

    requests: int = 0
    repeats: int = 0
    linked: int = 0
    linked_right: int = 0
    linked_open: int = 0
    linked_again: int = 0
    offered: int = 0
    offered_right: int = 0
    offered_open: int = 0
    found: int = 0
    told: int = 0
    told_linked: int = 0
    told_found: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def as_json(self) -> dict[str, Any]:
        """Give the counts and what follows from them; strictly, what is not said to be a repeat is none."""

        def share(part: int, whole: int) -> float | None:
            return round(part / whole, 3) if whole else None

        return {one.name: getattr(self, one.name) for one in fields(self)} | {
            "precision_linked": share(self.linked_right, self.linked - self.linked_open - self.linked_again),
            "precision_linked_strict": share(self.linked_right, self.linked),
            "recall_linked": share(self.linked_right, self.repeats),
            "precision_offered": share(self.offered_right, self.offered - self.offered_open),
            "precision_offered_strict": share(self.offered_right, self.offered),
            "recall_found": share(self.found, self.repeats),
            "offers_per_request": share(self.offered, self.requests),
        }


def judge(requests: Sequence[Request], terms: Terms) -> Outcome:
    """Let requests come one after the other; what is linked takes part in nothing more, as in service."""
    counts: dict[str, int] = defaultdict(int)
    roots: list[Request] = []
    mistaken: set[frozenset[tuple[str, str]]] = set()
    before: dict[str, list[Request]] = defaultdict(list)
    for one in requests:
        counts["requests"] += 1
        is_repeat = any(other.is_open(one.said.at) for other in before[one.about])
        is_told = is_repeat and not one.planted
        counts["repeats"] += is_repeat
        counts["told"] += is_told
        before[one.about].append(one)
        roots = [root for root in roots if root.is_open(one.said.at)]
        near = []
        for root in roots:
            if root.said.category_code in terms.kinds_like(one.said.category_code, [root.said.category_code]):
                like = likeness(one.said, root.said, terms)
                if like is not None and like.score >= terms.score.offer:
                    near.append((like, root))
        near.sort(key=lambda pair: -pair[0].score)
        sure = next((root for like, root in near if like.same_kind and like.score >= terms.score.sure), None)
        if sure is not None:
            right = sure.about == one.about
            counts["linked"] += 1
            counts["linked_right"] += right
            counts["linked_open"] += not right and sure.home == one.home
            if not right and sure.home != one.home:
                lots = frozenset((sure.home, one.home))
                counts["linked_again"] += lots in mistaken
                mistaken.add(lots)
            counts["found"] += right
            counts["told_linked"] += right and is_told
            counts["told_found"] += right and is_told
            continue
        roots.append(one)
        offers = [root for _, root in near[:MOST_OFFERED]]
        right = any(root.about == one.about for root in offers)
        counts["offered"] += len(offers)
        counts["offered_right"] += sum(root.about == one.about for root in offers)
        counts["offered_open"] += sum(root.about != one.about and root.home == one.home for root in offers)
        counts["found"] += right
        counts["told_found"] += right and is_told
    return Outcome(**counts)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Every request with every earlier one that was open and near: what their score is made of."""

    repeats: int
    later: NDArray[np.int64]
    radius_m: NDArray[np.float64]
    apart_m: NDArray[np.float64]
    apart_h: NDArray[np.float64]
    words: NDArray[np.float64]
    same_kind: NDArray[np.bool_]
    right: NDArray[np.bool_]
    left_open: NDArray[np.bool_]

    def scores(self, setting: dict[str, float]) -> NDArray[np.float64]:
        """Score as `likeness` does; below nothing where it lies too far."""
        near = self.apart_m / (self.radius_m * setting["scale"])
        said = ~np.isnan(self.words)
        soon = 0.5 ** (self.apart_h / setting["half_life_h"])
        total = setting["place"] * (1 - near) + setting["time"] * soon
        weight = setting["place"] + setting["time"] + np.where(said, setting["words"], 0.0)
        total = total + np.where(said, setting["words"] * np.nan_to_num(self.words), 0.0)
        scored = total / weight * np.where(self.same_kind, 1.0, setting["related"])
        return np.asarray(np.where(near > 1, -1.0, scored))


def _pairs(plantings: Sequence[Sequence[Request]], terms: Terms) -> _Pairs:
    rows: list[tuple[Any, ...]] = []
    widest = with_score(terms, scale=max(setting["scale"] for setting in _SETTINGS))
    repeats = number = 0
    for requests in plantings:
        mistaken: set[frozenset[tuple[str, str]]] = set()
        for at, one in enumerate(requests):
            number += 1
            radius = terms.radius_m(one.said.category_code) / terms.score.scale
            is_repeat = False
            for other in requests[:at]:
                if not other.is_open(one.said.at):
                    continue
                right = other.about == one.about
                is_repeat |= right
                kind = other.said.category_code
                if not terms.kinds_like(one.said.category_code, [kind]):
                    continue
                like = likeness(one.said, other.said, widest)
                if like is not None:
                    hours = like.apart.total_seconds() / 3_600
                    words = np.nan if like.words is None else like.words
                    lots = frozenset((other.home, one.home))
                    left_open = not right and (len(lots) == 1 or lots in mistaken)
                    if not right:
                        mistaken.add(lots)
                    rows.append(
                        (number, radius, like.distance_m, hours, words, like.same_kind, right, left_open)
                    )
            repeats += is_repeat
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return _Pairs(repeats, *columns)


def choose(plantings: Sequence[Sequence[Request]], terms: Terms) -> dict[str, float]:
    """Choose what counts how much, and from which scores on requests are linked and offered.

    The setting and score with the best F measure of links, then the score with the best one of offers. What
    the data leave open counts for neither.
    """
    pairs = _pairs(plantings, terms)
    best: tuple[float, float, dict[str, float]] = (-1.0, 0.0, {})
    for setting in _SETTINGS:
        scores = np.where(pairs.same_kind, pairs.scores(setting), -1.0)
        measure, at = _cut(pairs, _best_of_each(pairs.later, scores), scores, SURE_BETA)
        best = max(best, (measure, at, setting), key=lambda one: one[0])
    _, sure, setting = best
    scores = pairs.scores(setting)
    # Of what stays unlinked, the best ones are offered.
    linked = np.zeros(int(pairs.later.max()) + 1, np.bool_)
    linked[pairs.later[pairs.same_kind & (scores >= sure)]] = True
    offered = np.flatnonzero(~linked[pairs.later] & (scores >= 0))
    _, offer = _cut(pairs, offered, scores, OFFER_BETA)
    return {**setting, "sure": _down(sure), "offer": _down(min(offer, sure))}


def _down(score: float) -> float:
    return float(np.floor(score * 1_000) / 1_000)


def _best_of_each(later: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return of each request the pair with the best score, where it has one."""
    order = np.lexsort((-scores, later))
    first = np.unique(later[order], return_index=True)[1]
    best = order[first]
    return best[scores[best] >= 0]


def _cut(
    pairs: _Pairs, which: NDArray[np.int64], scores: NDArray[np.float64], beta: float
) -> tuple[float, float]:
    """Return the best F measure of pairs from a score on, and that score."""
    which = which[~pairs.left_open[which]]
    order = which[np.argsort(-scores[which], kind="stable")]
    found = np.cumsum(pairs.right[order])
    measure = (1 + beta**2) * found / (np.arange(1, len(order) + 1) + beta**2 * pairs.repeats)
    if not len(order):
        return 0.0, 1.0
    at = int(measure.argmax())
    return float(measure[at]), float(scores[order[at]])
