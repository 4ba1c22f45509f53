"""Read real requests of New York's 311, and say which of them repeat others as far as the data tell."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.machine import ROOT
from twin.cases.likeness import Said, Terms, load_terms
from twin.errors import SetupError

DATA: Final = ROOT.parent / "shared" / "data" / "nyc311" / "nyc311_1k_20191231.csv.gz"

HALVES: Final = {"a": ("BROOKLYN", "BRONX"), "b": ("QUEENS", "MANHATTAN", "STATEN ISLAND")}
"""Whole boroughs, so that neighbours are in one half."""

_SAYS_REPEAT: Final = (
    "is a duplicate of a condition already reported",
    "is a duplicate of another complaint on file",
    "is a duplicate of a previously filed complaint",
    "received an earlier complaint about the same location",
)
"""How an agency closes what repeats another request; the police, two of three requests, never say so."""

KIND_OF: Final = {
    "Noise": "06028",
    "Blocked Driveway": "09009",
    "Illegal Parking": "09009",
    "Abandoned Vehicle": "09009",
    "HEAT/HOT WATER": "53002",
    "PLUMBING": "53003",
    "General Construction/Plumbing": "53003",
    "WATER LEAK": "53003",
    "Water System": "06030",
    "Sewer": "06030",
    "Street Condition": "06013",
    "Sidewalk Condition": "06013",
    "Curb Condition": "06013",
    "Traffic Signal Condition": "01",
    "Street Light Condition": "01",
    "Broken Parking Meter": "01",
    "Request Large Bulky Item Collection": "06035",
    "Electronics Waste Appointment": "06035",
    "Missed Collection (All Materials)": "06010",
    "Dirty Conditions": "06010",
    "Sanitation Condition": "06010",
    "Litter Basket / Request": "06042",
}
"""Of ours, whose radius and relatives a kind of theirs has, by the beginning of its name; others: none."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request: what was said, how long it was open, what it is about as far as known.

    ``home`` is kind and lot of what it is about: of a planted one, of what it repeats. ``about`` numbers what
    it is about; requests with the same number are repeats of one another.
    """

    key: str
    said: Said
    until: datetime | None
    half: str
    home: tuple[str, str]
    about: str
    planted: bool = False

    def is_open(self, at: datetime) -> bool:
        return self.until is None or self.until > at


def load(file: Path) -> tuple[list[Request], Terms]:
    """Read the requests that have a place, in the order in which they came, and our terms for their kinds.

    Raises
    ------
    SetupError
        The file is not there.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["latitude"] and row["longitude"]]
    except OSError as error:
        raise SetupError(
            f"the requests cannot be read: {error}",
            where=str(file),
            hint="take 311 Service Requests of data.cityofnewyork.us as gzipped CSV: --requests FILE",
        ) from None
    rows.sort(key=lambda row: (row["created_date"], row["unique_key"]))
    names = sorted({row["complaint_type"] for row in rows})
    codes = {name: f"{70_000 + number}" for number, name in enumerate(names)}
    found = [_request(row, codes) for row in rows if _half_of(row) is not None]
    return _told_repeats(rows, found), terms_for(codes)


def terms_for(codes: dict[str, str]) -> Terms:
    """Return our table of repeats with rows for the kinds of theirs, each as the one of ours it is like."""
    ours = load_terms()
    like: dict[str, list[str]] = defaultdict(list)
    for name, code in codes.items():
        known = next((kind for begin, kind in KIND_OF.items() if name.startswith(begin)), None)
        like[known or ""].append(code)
    radius = [
        {"m": ours.radius_m(known or "99999") / ours.score.scale, "codes": of} for known, of in like.items()
    ]
    related = [{"codes": of} for known, of in like.items() if known and len(of) > 1]
    rest = msgspec.to_builtins(ours.radius[-1])
    return msgspec.convert(msgspec.to_builtins(ours) | {"radius": [*radius, rest], "related": related}, Terms)


def with_score(terms: Terms, **score: float) -> Terms:
    """Return terms that score by other figures."""
    return msgspec.structs.replace(terms, score=msgspec.structs.replace(terms.score, **score))


def _half_of(row: dict[str, str]) -> str | None:
    return next((half for half, boroughs in HALVES.items() if row["borough"] in boroughs), None)


def _request(row: dict[str, str], codes: dict[str, str]) -> Request:
    half = _half_of(row)
    assert half is not None
    words = " ".join(row[name] for name in ("descriptor", "location_type") if row[name])
    said = Said(
        codes[row["complaint_type"]],
        float(row["longitude"]),
        float(row["latitude"]),
        _moment(row["created_date"]),
        words or None,
    )
    # The lot: the same house is written in several ways (90-14 PARK LN SOUTH, 90-14 PARK LANE SOUTH).
    place = row["bbl"] or row["incident_address"] or f"{row['latitude']},{row['longitude']}"
    home = row["complaint_type"], f"{row['borough']} {place}"
    until = _moment(row["closed_date"]) if row["closed_date"] else None
    return Request(row["unique_key"], said, until, half, home, row["unique_key"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _told_repeats(rows: Iterable[dict[str, str]], requests: Sequence[Request]) -> list[Request]:
    """Let those of which an agency says so repeat the first request of their kind at their lot."""
    says = {
        row["unique_key"]
        for row in rows
        if any(words in row["resolution_description"] for words in _SAYS_REPEAT)
    }
    first: dict[tuple[str, str], str] = {}
    told = []
    for one in requests:
        about = first.setdefault(one.home, one.key)
        told.append(replace(one, about=about) if one.key in says else one)
    return told
