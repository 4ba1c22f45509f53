"""Say how likely a report repeats a case that is open, by kind, place, time and words, and why."""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec

from twin.data_tables import DATA_FOLDER, read_table
from twin.distance import distance_m
from twin.errors import InvalidError

DEFAULT_FILE: Final = DATA_FOLDER / "case_repeats.toml"

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Code = Annotated[str, msgspec.Meta(pattern="^[0-9]{2}([0-9]{3})?$")]


class Scoring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What counts how much; see the head of `data/case_repeats.toml`."""

    place: _Share
    time: _Share
    words: _Share
    half_life_h: _Positive
    related: _Share
    sure: _Share
    offer: _Share
    scale: _Positive


class _Related(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    codes: tuple[_Code, ...]


class _Radius(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    m: Annotated[float, msgspec.Meta(gt=0, le=1_000)]
    codes: tuple[_Code, ...] = ()


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table of repeats: scoring, kinds that are taken for one another, and radii."""

    version: int
    score: Scoring
    radius: tuple[_Radius, ...]
    related: tuple[_Related, ...] = ()

    def radius_m(self, category_code: str) -> float:
        """Return how near what repeats a report of a kind lies at most."""
        row = next(row for row in self.radius if not row.codes or category_code.startswith(row.codes))
        return row.m * self.score.scale

    def kinds_like(self, category_code: str, every: Iterable[str]) -> list[str]:
        """Return those of some kinds that reports of a kind may repeat: itself, and related ones."""
        prefixes = tuple(
            code for row in self.related if category_code.startswith(row.codes) for code in row.codes
        )
        return [code for code in every if code == category_code or code.startswith(prefixes)]


@dataclass(frozen=True, slots=True)
class Said:
    """What is compared: kind, place (degrees, WGS 84), when it was reported, and its words if any."""

    category_code: str
    lon: float
    lat: float
    at: datetime
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a report is like another: the score and what it is made of; ``words`` None where one has none."""

    score: float
    distance_m: float
    apart: timedelta
    same_kind: bool
    words: float | None

    def reasons(self) -> tuple[str, str]:
        """Return why, in Chinese and English."""
        zh = ["同类案件" if self.same_kind else "相近类别", f"相距 {self.distance_m:.0f} 米"]
        en = ["same kind" if self.same_kind else "related kind", f"{self.distance_m:.0f} m apart"]
        zh.append(f"相隔 {_span(self.apart, '分钟', '小时', '天')}")
        en.append(f"{_span(self.apart, 'min', 'h', 'd')} between")
        if self.words is not None:
            zh.append(f"文字相似 {self.words:.0%}")
            en.append(f"words alike {self.words:.0%}")
        return "，".join(zh), ", ".join(en)


def likeness(report: Said, other: Said, terms: Terms) -> Likeness | None:
    """Return how likely a report repeats another of a kind like its own; None where it lies too far.

    Whether the kinds are alike is asked before, by `Terms.kinds_like`.
    """
    radius = terms.radius_m(report.category_code)
    apart_m = distance_m((report.lon, report.lat), (other.lon, other.lat))
    if apart_m > radius:
        return None
    score, apart = terms.score, abs(report.at - other.at)
    words = words_alike(report.words, other.words)
    parts = [
        (score.place, 1 - apart_m / radius),
        (score.time, 0.5 ** (apart / timedelta(hours=score.half_life_h))),
    ]
    if words is not None:
        parts.append((score.words, words))
    weight = sum(share for share, _ in parts)
    mean = sum(share * part for share, part in parts) / weight if weight else 0.0
    same_kind = report.category_code == other.category_code
    return Likeness(mean * (1.0 if same_kind else score.related), apart_m, apart, same_kind, words)


def words_alike(said: str | None, other: str | None) -> float | None:
    """Return the share of pairs of neighbouring letters that two texts have in common (Dice), 0 to 1.

    Of both, the letters and digits only, wide and small ones alike. None where one has no such pair.
    """
    pairs, others = _pairs(said), _pairs(other)
    if not pairs or not others:
        return None
    return 2 * len(pairs & others) / (len(pairs) + len(others))


@functools.lru_cache(maxsize=4_096)
def _pairs(words: str | None) -> frozenset[str]:
    plain = [c for c in unicodedata.normalize("NFKC", words or "").casefold() if c.isalnum()]
    return frozenset(a + b for a, b in itertools.pairwise(plain))


def _span(apart: timedelta, minutes: str, hours: str, days: str) -> str:
    if apart < timedelta(hours=2):
        return f"{apart / timedelta(minutes=1):.0f} {minutes}"
    if apart < timedelta(days=2):
        return f"{apart / timedelta(hours=1):.0f} {hours}"
    return f"{apart / timedelta(days=1):.0f} {days}"


@functools.cache
def load_terms(file: Path = DEFAULT_FILE) -> Terms:
    """Read and check the table of repeats, once a process.

    Raises
    ------
    FileFormatError, InvalidError
        The table is wrong; the error says where.
    """
    terms = read_table(file, "the table of repeated cases", Terms)
    if not terms.radius or terms.radius[-1].codes:
        raise InvalidError(
            "some kinds have no radius", where=str(file), hint="end with a row without codes, for every kind"
        )
    if terms.score.sure < terms.score.offer:
        raise InvalidError("“sure” lies below “offer”", where=f"{file} score")
    return terms
