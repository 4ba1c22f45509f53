"""Count working hours and working days, with holidays and moved working days (调休), and calendar hours."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError

DEFAULT_FILE: Final = DATA_FOLDER / "working_calendar.toml"
LONGEST: Final = timedelta(days=5 * 366)
"""How far ahead is counted; what is longer is a mistake of whoever asks."""

_DAY: Final = timedelta(days=1)


class Unit(StrEnum):
    """What a time limit is counted in."""

    WORKING_HOURS = "working_hours"
    """工作时: time inside the working hours of working days."""
    WORKING_DAYS = "working_days"
    """工作日: ends with the working hours of the n-th working day after the one it begins on."""
    HOURS = "hours"
    """日历时: by the clock on the wall, day and night."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long something may take: an amount above 0, whole for working days, and its unit."""

    amount: float
    unit: Unit


class _Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    year: int
    off: tuple[date, ...]
    on: tuple[date, ...]
    notice: str | None = None
    provisional: bool = False


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    zh: str
    en: str
    zones: tuple[str, ...]
    hours: tuple[tuple[str, str], ...]
    years: tuple[_Year, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    calendar: tuple[_Row, ...]


@dataclass(frozen=True)
class WorkingCalendar:
    """When is worked at one place.

    ``hours`` are local, in order, and do not overlap; ``years_known`` are those somebody arranged, of which
    ``provisional`` still wait for their notice. Other years know no holidays.
    """

    name: str
    zone: ZoneInfo
    hours: tuple[tuple[time, time], ...]
    off: frozenset[date]
    on: frozenset[date]
    years_known: frozenset[int]
    provisional: frozenset[int]

    def is_working_day(self, day: date) -> bool:
        """Return whether a local day is worked."""
        return day in self.on or (day.weekday() < 5 and day not in self.off)

    def is_certain(self, start: datetime, end: datetime) -> bool:
        """Return whether the holidays of every day between two times are those of a notice."""
        years = range(start.astimezone(self.zone).year, end.astimezone(self.zone).year + 1)
        return all(year in self.years_known and year not in self.provisional for year in years)

    def add(self, start: datetime, limit: Limit) -> datetime:
        """Return when a limit that begins at a time ends, in UTC.

        Working days do not count the day they begin on, and end with the working hours of the last one
        (民法典 第二百零一条, 第二百零三条).

        Raises
        ------
        InvalidError
            The amount is not above 0, not whole working days, or ends after `LONGEST`.
        """
        _require(start)
        _check(limit)
        begin = start.astimezone(UTC)
        if limit.unit is Unit.HOURS:
            return begin + timedelta(hours=limit.amount)
        if limit.unit is Unit.WORKING_DAYS:
            return self._after_days(begin, int(limit.amount))
        return self._after_time(begin, timedelta(hours=limit.amount))

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time between two times; 0 where the end is not after the start."""
        _require(start)
        _require(end)
        total = timedelta()
        for opened, closed in self._spans(start.astimezone(UTC)):
            if opened >= end:
                break
            total += min(closed, end) - opened
        return total

    def turn(self, moment: datetime) -> tuple[bool, datetime | None]:
        """Return whether it is worked at a time, and when that is over, in UTC; None where it never is."""
        _require(moment)
        opened, closed = next(self._spans(moment.astimezone(UTC)), (None, None))
        worked = opened is not None and opened <= moment
        return worked, closed if worked else opened

    def remaining(self, now: datetime, due: datetime, unit: Unit) -> Limit | None:
        """Return what is left of a limit that ends at a time; None where nothing is.

        What is given here, added at another time, is the same limit after a pause. Of working days those
        after the day of now are counted; on the last day itself the working hours that are left are.
        """
        if now >= due:
            return None
        if unit is Unit.HOURS:
            return Limit((due - now) / timedelta(hours=1), unit)
        if unit is Unit.WORKING_DAYS:
            days = self.working_days(now.astimezone(self.zone).date(), due.astimezone(self.zone).date())
            if days:
                return Limit(days, unit)
        left = self.elapsed(now, due)
        return Limit(left / timedelta(hours=1), Unit.WORKING_HOURS) if left else None

    def working_days(self, first: date, last: date) -> int:
        """Return how many working days lie after a local day, up to and with another."""
        return sum(self.is_working_day(first + _DAY * n) for n in range(1, (last - first).days + 1))

    def _after_days(self, begin: datetime, days: int) -> datetime:
        day = begin.astimezone(self.zone).date()
        last = day + LONGEST
        while days:
            day += _DAY
            if day > last:
                raise InvalidError(
                    f"no {days} more working days within {LONGEST.days} days", where=f"calendar “{self.name}”"
                )
            days -= self.is_working_day(day)
        return self._at(day, self.hours[-1][1])

    def _after_time(self, begin: datetime, left: timedelta) -> datetime:
        for opened, closed in self._spans(begin):
            if closed - opened >= left:
                return opened + left
            left -= closed - opened
        raise InvalidError(
            f"still {left} of working time left after {LONGEST.days} days", where=f"calendar “{self.name}”"
        )

    def _spans(self, begin: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Find the spans of working time from a time on, in UTC and in order."""
        day = begin.astimezone(self.zone).date()
        for _ in range(LONGEST.days):
            if self.is_working_day(day):
                for opens, closes in self.hours:
                    opened, closed = max(self._at(day, opens), begin), self._at(day, closes)
                    if opened < closed:
                        yield opened, closed
            day += _DAY

    def _at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)


@functools.cache
def calendar_for(zone: str, file: Path = DEFAULT_FILE) -> WorkingCalendar:
    """Return the calendar of the zone a city lives by; the one that names no zones where none is kept for it.

    Raises
    ------
    FileFormatError, InvalidError
        The table is wrong; the error says where.
    """
    rows = _read(file).calendar
    row = next((r for r in rows if zone in r.zones), None) or next(r for r in rows if not r.zones)
    return WorkingCalendar(
        row.name,
        ZoneInfo(zone),
        tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in row.hours),
        frozenset(day for year in row.years for day in year.off),
        frozenset(day for year in row.years for day in year.on),
        frozenset(year.year for year in row.years),
        frozenset(year.year for year in row.years if year.provisional),
    )


@functools.cache
def _read(file: Path) -> _File:
    table = read_table(file, "the working calendar", _File)
    for row in table.calendar:
        where = f"{file} calendar “{row.name}”"
        try:
            clocks = [time.fromisoformat(clock) for span in row.hours for clock in span]
        except ValueError as error:
            raise InvalidError(f"working hours: {error}", where=where, hint="write them as 09:00") from error
        if not clocks or any(a >= b for a, b in itertools.pairwise(clocks)):
            raise InvalidError(
                "working hours must follow each other within a day", where=where, hint="as 09:00 to 12:00"
            )
        for year in row.years:
            for day in (*year.off, *year.on):
                if day.year != year.year:
                    raise InvalidError(f"{day} is no day of {year.year}", where=where)
            wrong = [d for d in year.off if d.weekday() >= 5] + [d for d in year.on if d.weekday() < 5]
            if wrong:
                raise InvalidError(
                    f"{wrong[0]} is off, or worked, without being named",
                    where=where,
                    hint="`off` are weekdays, `on` are Saturdays and Sundays",
                )
    if not any(not row.zones for row in table.calendar):
        raise InvalidError("no calendar is for all other zones", where=str(file), hint="give one no zones")
    return table


def _require(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise InvalidError("a time without a zone cannot be counted from", where=str(moment))


def _check(limit: Limit) -> None:
    whole = limit.unit is Unit.WORKING_DAYS
    if not 0 < limit.amount < LONGEST / timedelta(hours=1) or (whole and limit.amount != int(limit.amount)):
        raise InvalidError(
            f"{limit.amount:g} {limit.unit} is no time limit",
            where="limit",
            hint="more than 0, and whole for working days",
        )
