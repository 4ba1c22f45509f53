"""Know a small city of three siblings on each of five levels: its grids, where they lie, its secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

LON, LAT, STEP = 104.0, 30.0, 0.001
SIBLINGS = (1, 2, 3)
LEVELS = ("city", "district", "street", "community", "responsibility_grid")
MOMENT = datetime.now(UTC)
KEY = b"k" * 32
"""Seals the persons of the world."""

ROOM = "7 栋 2 单元 1501 室"


@dataclass
class World:
    """What was made: for each table the ids of its rows with the code of the grid each lies in (0: none)."""

    rows: dict[str, dict[object, int]] = field(default_factory=dict)
    areas: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, dict[object, str]] = field(default_factory=dict)

    def put(self, table: str, key: object, code: int, kind: str = "") -> None:
        self.rows.setdefault(table, {})[key] = code
        self.kinds.setdefault(table, {})[key] = kind


def phone_of(code: str, kind: str) -> str:
    """A number for the reporter of a case and for the worker of each grid."""
    number = [grid for grid, *_rest in grids()].index(code)
    return f"154{1 if kind == 'case' else 2}000{number:04d}"


def identity_number_of(code: str) -> str:
    """18 signs with a day of birth; the check sign is not looked at for somebody as old as that."""
    return f"99000019600101{[grid for grid, *_rest in grids()].index(code):04d}"


def token_of(code: str) -> str:
    """By which the reporter of the case of a grid asks after it."""
    return f"token-of-{code}"


def secrets_of(code: str) -> list[str]:
    """What no answer may hold of the persons of a grid."""
    return [phone_of(code, "case"), phone_of(code, "worker"), identity_number_of(code), f"报案人{code}"]


def grids() -> list[tuple[str, int, int, int, int]]:
    """Code, and the numbers of district, street, community and grid, west to east."""
    return [
        (f"5101{d:02d}{s:03d}{c:03d}{g:03d}", d, s, c, g)
        for d in SIBLINGS
        for s in SIBLINGS
        for c in SIBLINGS
        for g in SIBLINGS
    ]


def box(first: int, last: int) -> str:
    west, east = LON + first * STEP, LON + (last + 1) * STEP
    return (
        f"SRID=4326;MULTIPOLYGON((({west} {LAT},{east} {LAT},{east} {LAT + STEP},"
        f"{west} {LAT + STEP},{west} {LAT})))"
    )


def centre(number: int, north: float = 0.5) -> str:
    return f"SRID=4326;POINT({LON + (number + 0.5) * STEP} {LAT + north * STEP})"
