"""Act on a case: hold its row, decide, store what changed and tell the journal, all or nothing."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.grants import Grants
from twin.cases.categories import open_category
from twin.cases.clocks import Clocks, clocks_at
from twin.cases.deciding import Decision, decide, decide_clock, decide_end_of_repeat, decide_repeat
from twin.cases.evidence import require_after_photograph
from twin.cases.parties import Party, Told, masked, party_at
from twin.cases.responsible import find_responsible
from twin.cases.states import COLUMNS, CaseState, changes_between, from_row, to_row
from twin.dispatch.assignments import CHOSEN_BY_HAND, Choice
from twin.dispatch.assignments_following import follow_case
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.store.journal import Event, append_now, area_code_of

_log = logging.getLogger("gridtwin.cases")
_JSON: Final = frozenset({"asked", "pauses"})
_FACTS: Final = (
    "id, number, title, title_en, source, scope_code, ST_X(geom) AS lon, ST_Y(geom) AS lat, simulated"
)
_TOLD_OF_EACH: Final = ("number", "title", "title_en", "source", "lon", "lat", "simulated")
READ: Final = f"SELECT {_FACTS}, {', '.join(COLUMNS)} FROM case_file"
"""Asks for cases, with what every event tells of them."""

# Locking a row asks the policy of updates: a case on which the caller may not act is not found. In order, so
# that two who act on the same cases wait for, and not against, each other.
_HOLD_ALL: Final = text(
    f"{READ} WHERE id IN (:id, :other) OR linked_to = :id "
    "OR id = (SELECT linked_to FROM case_file WHERE id = :id) ORDER BY id FOR NO KEY UPDATE"
)
_SET: Final = ", ".join(
    f"{name} = CAST(:{name} AS jsonb)" if name in _JSON else f"{name} = :{name}" for name in COLUMNS
)
_STORE: Final = text(f"UPDATE case_file SET {_SET} WHERE id = :id")
_TELLING: Final = text(
    f"{READ} WHERE clock_at <= :now AND (clock_at, id) > (CAST(:after AS timestamptz), CAST(:id AS bigint)) "
    "ORDER BY clock_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED"
)
_IS_KNOWN: Final = {
    table: text(f"SELECT EXISTS (SELECT FROM {table} WHERE id = :id)") for table in ("worker", "organisation")
}


class StaleError(ConflictError):
    """Somebody acted on a case since the version that another saw; ``version`` is the one it is at."""

    def __init__(self, version: int, seen: int) -> None:
        super().__init__(
            f"somebody acted on this case: it is at version {version}, and you saw {seen}",
            where="version",
            hint="look at what changed, then do it again",
        )
        self.version = version


Decided = tuple[Row[Any], CaseState, Decision]
"""A row of `READ`, how its case stood, and what was decided."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something somebody does with a case.

    ``version`` is the one they looked at: where the case has gone on since, nothing is done. ``choice`` says
    how the worker was chosen, where the act sends one.
    """

    case_id: int
    version: int
    move: str
    told: Told
    choice: Choice = CHOSEN_BY_HAND


@dataclass(frozen=True, slots=True)
class Acted:
    """A case after an act: how it stands, and its place in the journal."""

    number: str
    event: str
    state: CaseState


async def act(
    connection: AsyncConnection, what: Act, grants: Grants, *, account_id: UUID, name: str, now: datetime
) -> Acted:
    """Do something with a case in the caller's transaction; commit soon, see `twin.store.journal.append`.

    Parameters
    ----------
    connection
        Of the caller (`twin.store.scoped`): a case on which they may not act is not found.
    grants, account_id, name
        Of whoever acts, the name as the journal tells it.
    now
        When it happens, aware.

    Raises
    ------
    NotFoundError
        There is no such case, or the caller may not act on it.
    StaleError
        The case has gone on since ``version``.
    ConflictError
        It does not stand where this may be done.
    BusyError
        The worker to whom it is given is taken up (`twin.dispatch.assignments_store.send`).
    ForbiddenError, InvalidError
        See `twin.cases.deciding.decide`.
    """

    def party(row: Row[Any]) -> Party:
        return party_at(
            grants,
            account_id,
            name,
            scope_code=row.scope_code,
            worker_id=row.worker_id,
            organisation_id=row.organisation_id,
        )

    return await act_as(connection, what, party, now=now)


async def act_as(
    connection: AsyncConnection, what: Act, party_of: Callable[[Row[Any]], Party], *, now: datetime
) -> Acted:
    """Do what `act` does as a party that may have no account: the system, or whoever reported a case.

    ``party_of`` is given the row of the case that is held.
    """
    told = masked(what.told)
    rows = await hold(connection, what.case_id, other=told.linked_to)
    row = rows.get(what.case_id)
    if row is None:
        raise NotFoundError(f"there is no case {what.case_id} on which you may act", where="id")
    state = state_of(row)
    if state.version != what.version:
        raise StaleError(state.version, what.version)
    await _require_known(connection, told, now)
    party = party_of(row)
    if what.move == "dispatch" and told.worker_id is None and told.organisation_id is None:
        told = await _to_responsible(connection, told, row)
    decision = decide(state, what.move, party, told, clocks=clocks_of(row), now=now)
    if what.move == "report_done" and clocks_of(row).wants_after_photograph(state.category_code):
        await require_after_photograph(connection, what.case_id, state, told)
    decided = [(row, state, decision), *_of_others(rows, state, decision.state, what.case_id, now)]
    await connection.run_sync(store, decided, told, party.name, what.choice)
    return Acted(row.number, decision.event, decision.state)


async def hold(connection: AsyncConnection, case_id: int, *, other: int | None = None) -> dict[int, Row[Any]]:
    """Hold a case to the end of the transaction, with the one it repeats, those that repeat it, and another.

    Returns the rows of `READ` by their id: those on which the caller may act.
    """
    held = await connection.execute(_HOLD_ALL, {"id": case_id, "other": other})
    return {row.id: row for row in held}


async def _require_known(connection: AsyncConnection, told: Told, now: datetime) -> None:
    """Raise where somebody names a worker, an organisation or a kind of case that is not there."""
    if told.category_code is not None:
        open_category(told.category_code, now.date())
    for table, key in (("worker", told.worker_id), ("organisation", told.organisation_id)):
        if key is not None and not (await connection.execute(_IS_KNOWN[table], {"id": key})).scalar():
            raise InvalidError(f"there is no {table} {key} here", where=f"{table}_id")


async def _to_responsible(connection: AsyncConnection, told: Told, row: Row[Any]) -> Told:
    """Name who answers for a case by the rules, where they say."""
    found = await find_responsible(connection, row.scope_code, row.category_code)
    return told if found is None else dataclasses.replace(told, organisation_id=found.organisation_id)


async def tell_clocks(connection: AsyncConnection, *, now: datetime, most: int = 200) -> int:
    """Tell what the clocks of cases have to tell; return of how many, ``most`` or more if there may be more.

    In the caller's transaction: commit soon. Cases on which somebody acts at this moment are left for the
    next time.
    """
    decided: list[Decided] = []
    asked = {"now": now, "most": most, "after": datetime.min.replace(tzinfo=UTC), "id": 0}
    while len(decided) < most:
        rows = (await connection.execute(_TELLING, asked)).all()
        for row in rows:
            try:
                state = state_of(row)
                decision = decide_clock(state, clocks=clocks_of(row), now=now)
            except Exception:  # the others have their time limits too
                _log.exception("the clock of case %d could not be told", row.id)
                continue
            if decision is not None:
                decided.append((row, state, decision))
        if len(rows) < most:
            break
        # Some have nothing to tell yet, as after the calendar was changed: they are in nobody's way.
        asked |= {"after": rows[-1].clock_at, "id": rows[-1].id}
    await connection.run_sync(store, decided, Told(), "system")
    return len(decided)


def _of_others(
    rows: dict[int, Row[Any]], before: CaseState, after: CaseState, case_id: int, now: datetime
) -> list[Decided]:
    """Decide what an act on one case does to the one it repeats, and to those that repeat it."""
    decided: list[Decided] = []
    changes: tuple[tuple[int | None, Literal[1, -1]], ...] = ((before.linked_to, -1), (after.linked_to, 1))
    for other, change in changes:
        if before.linked_to == after.linked_to or other is None:
            continue
        parent = rows.get(other)
        if change > 0:
            parent = _linkable(parent, other, case_id)
        if parent is not None and parent.outcome is None:
            state = state_of(parent)
            decided.append((parent, state, decide_repeat(state, change, clocks=clocks_of(parent))))
    if after.outcome is not None and before.outcome is None:
        for row in rows.values():
            if row.linked_to == case_id and row.outcome is None:
                state = state_of(row)
                decided.append(
                    (row, state, decide_end_of_repeat(state, after.outcome, clocks=clocks_of(row), now=now))
                )
    return decided


def _linkable(parent: Row[Any] | None, other: int, case_id: int) -> Row[Any]:
    if other == case_id:
        raise InvalidError("a case does not repeat itself", where="linked_to")
    if parent is None:
        raise InvalidError(f"there is no case {other} on which you may act", where="linked_to")
    if parent.outcome is not None or parent.linked_to is not None:
        raise ConflictError(
            f"case {parent.number} has ended, or repeats another itself",
            where="linked_to",
            hint="link to an open case that repeats none",
        )
    return parent


def store(
    connection: Connection, decided: Sequence[Decided], told: Told, actor: str, choice: Choice | None = None
) -> None:
    """Store what was decided of cases that are held and of who goes there, and tell the journal; commit soon.

    ``told`` and ``choice`` belong to the first; the others follow from it.
    """
    events = []
    for row, before, decision in decided:
        after = decision.state
        connection.execute(_STORE, {"id": row.id, **_values(after)})
        events += follow_case(connection, row, before, after, decision.event, actor, choice or CHOSEN_BY_HAND)
        # Last, so that the newest thing told of a case is what was done with it.
        events.append(event_of(row, decision.event, before, after, actor, told))
        told, choice = Told(), None
    if events:
        append_now(connection, events)


def event_of(row: Row[Any], kind: str, before: CaseState, after: CaseState, actor: str, told: Told) -> Event:
    """Return the event by which a case came from one state to another; ``told`` is what was said with it."""
    data = {
        "case_id": row.id,
        **{name: getattr(row, name) for name in _TOLD_OF_EACH},
        "category": after.category_code,
        "stage": after.stage.value,
        "version": after.version,
        "changes": changes_between(before, after),
    }
    if said := told.said():
        data["told"] = said
    return Event(kind, f"case/{row.id}", data, area_code=area_code_of(row.scope_code), actor=actor)


def state_of(row: Row[Any]) -> CaseState:
    """Return how the case of a row of `READ` stands."""
    return from_row(row._asdict())


def _values(state: CaseState) -> dict[str, Any]:
    row = to_row(state)
    return row | {name: None if row[name] is None else json.dumps(row[name]) for name in _JSON}


def clocks_of(row: Row[Any]) -> Clocks:
    """Return the clocks of the place of a case."""
    return clocks_at(row.lon, row.lat)
