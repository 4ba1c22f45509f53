"""Say what a number of the wall is: how it is measured, and which rows stand behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.access.caller import Caller
from api.counting import Counting
from api.rows import Row
from twin.access.roles import DataClass

Columns = tuple[tuple[str, str, str], ...]
"""Key, zh and en of each column."""

Listed = tuple[Columns, list[Row], int]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, of how many, and its past, oldest first; ``withheld`` where it is too small to be told."""

    value: float | None
    of: float | None
    trend: list[float | None]
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number of the wall, of what the caller sees; `measure` answers None when nothing stands behind it.

    ``data`` is the class of what is counted: who may only count it is given the number, and no rows.
    """

    key: str
    data: DataClass
    zh: str
    en: str
    unit: str
    note_zh: str
    note_en: str
    measure: Callable[[Counting], Awaitable[Measured | None]]
    rows: Callable[[Caller, int], Awaitable[Listed]]


def last_of(counting: Counting, counts: list[Row]) -> Measured:
    """Return the last of the counts with all of them as its past."""
    trend = [None if told is None else float(told) for told in (counting.told(row["n"]) for row in counts)]
    return Measured(trend[-1], None, trend, withheld=trend[-1] is None)


def without_total(rows: list[Row]) -> int:
    """Take ``total``, which rows have alike, out of them and return it; 0 where there are none."""
    total = 0
    for row in rows:
        total = row.pop("total")
    return total
