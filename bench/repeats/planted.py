"""Plant repeats into real requests: the same trouble, reported once more by somebody else."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bench.repeats.nyc311 import Request
from twin.cases.likeness import Terms

SHARE: Final = 0.25
"""Of the requests that are repeated, each by one to three."""

CROWD_M: Final = 3_000.0

_FIXES: Final = ((0.70, 12.0), (0.95, 35.0), (1.0, 90.0))
"""How far from each other two people say the same trouble is, in metres (spread of a normal distribution to
either side): by the fix of a phone, from across the street, by a wrong house or the corner of the street."""
_MEDIAN_DELAY: Final = timedelta(minutes=45)
_DELAY_SPREAD: Final = 1.6
_OTHER_KIND, _OTHER_WORDS, _NO_WORDS, _SLIP = 0.10, 0.35, 0.20, 0.05
_M: Final = 1 / 111_195


def crowded(requests: Sequence[Request]) -> list[Request]:
    """Return requests laid over one another in a square of `CROWD_M`: many more unrelated ones are near.

    Those of five hours lie too far apart to be mistaken for one another; a service has those of weeks open.
    """
    west, south = (min(getattr(one.said, name) for one in requests) for name in ("lon", "lat"))
    up = CROWD_M * _M
    aside = up / math.cos(math.radians(south))
    return [
        replace(
            one,
            said=replace(
                one.said,
                lon=west + (one.said.lon - west) % aside,
                lat=south + (one.said.lat - south) % up,
            ),
        )
        for one in requests
    ]


def plant(requests: Sequence[Request], terms: Terms, seed: int) -> list[Request]:
    """Return the requests with repeats among them, in the order in which they came.

    A repeat comes while what it repeats is open. Its place is off, one in ten is reported as a kind people
    take it for, one in three has the words of another request of its kind, one in five none.
    """
    chance = random.Random(seed)
    words, kinds = defaultdict(list), sorted({one.said.category_code for one in requests})
    for one in requests:
        words[one.said.category_code].append(one.said.words)
    made = []
    for one in requests:
        if chance.random() < SHARE:
            made += [
                repeat
                for number in range(chance.choice((1, 1, 2, 3)))
                if (repeat := _repeat(one, number, terms, kinds, words, chance)) is not None
            ]
    return sorted([*requests, *made], key=lambda one: (one.said.at, one.key))


def _repeat(
    one: Request,
    number: int,
    terms: Terms,
    kinds: Sequence[str],
    words: dict[str, list[str | None]],
    chance: random.Random,
) -> Request | None:
    said = one.said
    delay = _MEDIAN_DELAY * math.exp(chance.gauss(0, _DELAY_SPREAD))
    if not one.is_open(said.at + delay):
        return None
    roll = chance.random()
    spread = next(metres for share, metres in _FIXES if roll <= share)
    kind = said.category_code
    others = [code for code in terms.kinds_like(kind, kinds) if code != kind]
    if others and chance.random() < _OTHER_KIND:
        kind = chance.choice(others)
    wording = said.words
    if chance.random() < _OTHER_WORDS:
        wording = chance.choice(words[kind])
    if wording is not None:
        wording = "".join(letter for letter in wording if chance.random() >= _SLIP)
    if chance.random() < _NO_WORDS:
        wording = None
    again = replace(
        said,
        category_code=kind,
        lon=said.lon + chance.gauss(0, spread) * _M / math.cos(math.radians(said.lat)),
        lat=said.lat + chance.gauss(0, spread) * _M,
        at=said.at + delay,
        words=wording,
    )
    return replace(one, key=f"{one.key}/{number}", said=again, planted=True)
