"""Say when each stage of a case must be over: its limit by the working calendar, and pauses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec

from twin.calendar import Limit, Unit, WorkingCalendar, calendar_for
from twin.cases.states import CaseState, Stage
from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError
from twin.zones import timezone_of

DEFAULT_FILE: Final = DATA_FOLDER / "case_limits.toml"
MOST_URGENT: Final = 1

Pauses = Sequence[tuple[datetime, datetime]]
_Amount = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]


class _Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    amount: _Amount
    unit: Unit


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collected: _Limit
    filed: _Limit
    dispatched: _Limit
    handling: _Limit
    feedback: _Limit
    checking: _Limit
    whole: _Limit
    category: Annotated[str, msgspec.Meta(pattern="^[0-9]{2}([0-9]{3})?$")] | None = None
    priority: Annotated[int, msgspec.Meta(ge=1, le=4)] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    warn_after: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    raise_after_repeats: tuple[Annotated[int, msgspec.Meta(ge=1)], ...]
    raise_after_devices: tuple[Annotated[int, msgspec.Meta(ge=2)], ...]
    limit: tuple[_Row, ...]
    after_photograph: tuple[Annotated[str, msgspec.Meta(pattern="^[0-9]{2}([0-9]{3})?$")], ...] = ()


@dataclass(frozen=True)
class Clocks:
    """The limits of an installation and the calendar they are counted by."""

    calendar: WorkingCalendar
    warn_after: float
    raise_after_repeats: tuple[int, ...]
    _rows: tuple[_Row, ...]
    _after_photograph: tuple[str, ...] = ()

    def wants_after_photograph(self, category_code: str) -> bool:
        """Say whether work on a kind of case is reported as done with a photograph of after it."""
        return category_code.startswith(self._after_photograph)

    def limit(self, category_code: str, priority: int, stage: Stage | None) -> Limit | None:
        """Return how long a stage may take, or with None the whole case; None for the last stage."""
        if stage is Stage.RATED:
            return None
        row = next(
            row
            for row in self._rows
            if (row.category is None or category_code.startswith(row.category))
            and row.priority in (None, priority)
        )
        found: _Limit = row.whole if stage is None else getattr(row, stage)
        return Limit(found.amount, found.unit)

    def due(self, start: datetime, limit: Limit, pauses: Pauses = ()) -> datetime:
        """Return when a limit that began at a time ends, given when the clocks stood still, in order."""
        due = self.calendar.add(start, limit)
        for begun, ended in pauses:
            if ended > start:
                due = self.shifted(due, limit, max(begun, start), ended)
        return due

    def shifted(self, due: datetime, limit: Limit, begun: datetime, ended: datetime) -> datetime:
        """Return when what ends at a time ends after the clock stood still; what was over stays so."""
        left = self.calendar.remaining(begun, due, limit.unit)
        return due if left is None else self.calendar.add(ended, left)

    def started(self, state: CaseState) -> CaseState:
        """Return a case that was just reported, with its clock running."""
        running = dataclasses.replace(state, stage_due_at=self.stage_due(state))
        return dataclasses.replace(running, clock_at=self.next_tell(running))

    def stage_due(self, state: CaseState) -> datetime | None:
        """Return when the present stage of a case must be over."""
        limit = self.limit(state.category_code, state.priority, state.stage)
        if limit is None or state.stage_since is None:
            return None
        return self.due(state.stage_since, limit, state.pauses)

    def case_due(self, state: CaseState) -> datetime | None:
        """Return when a case must be closed; None before it is filed."""
        limit = self.limit(state.category_code, state.priority, None)
        if limit is None or state.filed_at is None:
            return None
        return self.due(state.filed_at, limit, state.pauses)

    def tells(self, state: CaseState) -> tuple[datetime, datetime, datetime] | None:
        """Return when the clock of the present stage warns, is over, and is over by as much again.

        None where it stands still, or nothing waits for it.
        """
        limit = self.limit(state.category_code, state.priority, state.stage)
        since, due = state.stage_since, state.stage_due_at
        still = not state.is_open or state.linked_to is not None or state.parked_at is not None
        if limit is None or since is None or due is None or still:
            return None
        given = self._given(limit.unit, since, due, state.pauses)
        if given is None:
            return due, due, due
        return self._warned(since, given, state.pauses), due, self.due(due, given, state.pauses)

    def warns_at(self, state: CaseState, *, whole: bool = False) -> datetime | None:
        """Return when the clock of the present stage, or of the whole case, warns.

        None where there is none, or it stands still: then nobody knows.
        """
        limit = self.limit(state.category_code, state.priority, None if whole else state.stage)
        since = state.filed_at if whole else state.stage_since
        due = state.due_at if whole else state.stage_due_at
        if limit is None or since is None or due is None or not state.is_open or state.parked_at is not None:
            return None
        given = self._given(limit.unit, since, due, state.pauses)
        return due if given is None else self._warned(since, given, state.pauses)

    def _given(self, unit: Unit, since: datetime, due: datetime, pauses: Pauses) -> Limit | None:
        """Return the time between two times as it counts, of working days their hours; None where none is."""
        hours = self.used(unit, since, due, pauses) / timedelta(hours=1)
        return Limit(hours, Unit.HOURS if unit is Unit.HOURS else Unit.WORKING_HOURS) if hours > 0 else None

    def _warned(self, since: datetime, given: Limit, pauses: Pauses) -> datetime:
        return self.due(since, Limit(given.amount * self.warn_after, given.unit), pauses)

    def told_by(self, state: CaseState, now: datetime) -> int:
        """Return what the clock of the stage says: see `CaseState.clock_events`."""
        return sum(now >= at for at in self.tells(state) or ())

    def next_tell(self, state: CaseState) -> datetime | None:
        """Return when the clock of a case has something to tell that it has not told."""
        left = (self.tells(state) or ())[state.clock_events :]
        return left[0] if left else None

    def raised(self, priority: int, repeats: int) -> int:
        """Return the priority of a case that now has so many repeats and had one less before."""
        return max(MOST_URGENT, priority - 1) if repeats in self.raise_after_repeats else priority

    def used(self, unit: Unit, start: datetime, end: datetime, pauses: Pauses) -> timedelta:
        """Return the time between two times that counts, without the pauses."""

        def between(begun: datetime, ended: datetime) -> timedelta:
            if begun >= ended:
                return timedelta()
            return ended - begun if unit is Unit.HOURS else self.calendar.elapsed(begun, ended)

        stood = (between(max(begun, start), min(ended, end)) for begun, ended in pauses)
        return between(start, end) - sum(stood, timedelta())


def clocks_at(lon: float, lat: float) -> Clocks:
    """Return the clocks of cases at a place (degrees, WGS 84), by the calendar of the zone it lives by."""
    return clocks_for(calendar_for(timezone_of(lon, lat)))


@functools.cache
def clocks_for(calendar: WorkingCalendar, file: Path = DEFAULT_FILE) -> Clocks:
    """Read the limits of cases.

    Raises
    ------
    FileFormatError, InvalidError
        The table is wrong; the error says where.
    """
    table = _read(file)
    return Clocks(calendar, table.warn_after, table.raise_after_repeats, table.limit, table.after_photograph)


def raise_after_devices(file: Path = DEFAULT_FILE) -> tuple[int, ...]:
    """Return how many devices in alarm make a case more urgent by one level each.

    Raises
    ------
    FileFormatError, InvalidError
        As `clocks_for`.
    """
    return _read(file).raise_after_devices


@functools.cache
def _read(file: Path) -> _File:
    table = read_table(file, "the time limits of cases", _File)
    last = table.limit[-1] if table.limit else None
    if last is None or last.category is not None or last.priority is not None:
        raise InvalidError(
            "some cases have no time limit", where=str(file), hint="end with a row for every category"
        )
    for number, row in enumerate(table.limit):
        for name in ("collected", "filed", "dispatched", "handling", "feedback", "checking", "whole"):
            limit: _Limit = getattr(row, name)
            if limit.unit is Unit.WORKING_DAYS and limit.amount != int(limit.amount):
                raise InvalidError(
                    f"{limit.amount:g} working days",
                    where=f"{file} limit[{number}] {name}",
                    hint="whole days",
                )
    return table
