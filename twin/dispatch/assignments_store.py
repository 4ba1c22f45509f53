"""Store assignments: one of several who assign the same worker wins, and each step is told to the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, RowMapping, TextClause, text

from twin.access.masking import mask_name
from twin.dispatch.assignments import (
    COLUMNS,
    STEPS,
    Assigned,
    Choice,
    Stand,
    Step,
    changes_between,
    read,
    require_step,
)
from twin.dispatch.needs import load_needs
from twin.errors import ConflictError, InvalidError
from twin.store.journal import Event, area_code_of

_FIELDS: Final = ", ".join(COLUMNS)
_CURRENT: Final = "'asked', 'accepted', 'departed', 'arrived'"
_GIVEN: Final = (
    "case_id, worker_id, way_s, profile, network_version, policy, rank, account_id, chosen_by, "
    "override_reason, follows, simulated"
)
_VALUES: Final = (
    ":case_id, :worker_id, :way_s, :profile, :network_version, :policy, :rank, :account_id, :chosen_by, "
    ":override_reason, CAST(:follows AS bigint), "
    ":simulated OR (SELECT simulated FROM worker WHERE id = :worker_id)"
)

# Whoever comes second waits here for the first to commit, and then finds the worker taken up.
_ASK: Final = text(
    f"""
    INSERT INTO assignment (state, asked_at, answer_by, {_GIVEN})
    VALUES ('asked', clock_timestamp(), clock_timestamp() + make_interval(secs => :answer_s), {_VALUES})
    ON CONFLICT (worker_id) WHERE state IN ({_CURRENT}) DO NOTHING RETURNING {_FIELDS}
    """
)
_QUEUE: Final = text(
    f"""
    INSERT INTO assignment (state, queued_at, {_GIVEN}) VALUES ('queued', clock_timestamp(), {_VALUES})
    ON CONFLICT (case_id, worker_id) WHERE ended_at IS NULL DO NOTHING RETURNING {_FIELDS}
    """
)
_OPEN: Final = text(
    f"SELECT {_FIELDS} FROM assignment WHERE case_id = :case_id AND ended_at IS NULL ORDER BY id FOR UPDATE"
)
_HOLD: Final = text(f"SELECT {_FIELDS} FROM assignment WHERE id = :id FOR UPDATE")
_IS_OPEN: Final = text(
    "SELECT EXISTS (SELECT FROM assignment "
    "WHERE case_id = :case_id AND worker_id = :worker_id AND ended_at IS NULL)"
)
_BUSY: Final = text(
    f"""
    SELECT a.state, a.chosen_by, a.asked_at, c.number, w.name, w.name_en
    FROM worker AS w LEFT JOIN assignment AS a ON a.worker_id = w.id AND a.state IN ({_CURRENT})
    LEFT JOIN case_file AS c ON c.id = a.case_id WHERE w.id = :worker_id
    """
)


def _step(sets: str) -> TextClause:
    """Return the statement by which a step is stored, on the clock of the database."""
    return text(f"UPDATE assignment SET {sets} WHERE id = :id RETURNING {_FIELDS}")


_SET: Final = {
    "ask": _step(
        "state = 'asked', asked_at = clock_timestamp(), "
        "answer_by = clock_timestamp() + make_interval(secs => :answer_s)"
    ),
    "accept": _step("state = 'accepted', accepted_at = clock_timestamp()"),
    "depart": _step(
        "state = 'departed', departed_at = clock_timestamp(), "
        "accepted_at = coalesce(accepted_at, clock_timestamp())"
    ),
    "arrive": _step(
        "state = 'arrived', arrived_at = clock_timestamp(), arrival = :arrival, "
        "arrival_m = CAST(:arrival_m AS float8), reason = :reason"
    ),
    "finish": _step("state = 'done', ended_at = clock_timestamp()"),
    "decline": _step("state = 'declined', ended_at = clock_timestamp(), reason = :reason"),
    "lapse": _step("state = 'lapsed', ended_at = clock_timestamp()"),
    "withdraw": _step("state = 'withdrawn', ended_at = clock_timestamp(), reason = :reason"),
}


class BusyError(ConflictError):
    """Somebody is taken up who was to be assigned: the message says by whom they were sent where."""


def send(connection: Connection, case: Row[Any], worker_id: int, choice: Choice, actor: str) -> list[Event]:
    """Assign a worker to a case in the caller's transaction; returns what is to be told to the journal.

    Parameters
    ----------
    case
        A row of `twin.cases.acting.READ`.
    actor
        Who does it, as the journal tells it.

    Raises
    ------
    BusyError
        The worker is taken up, and ``choice`` does not say to queue behind that.
    ConflictError
        The worker is assigned to this case already.
    """
    if connection.execute(_IS_OPEN, {"case_id": case.id, "worker_id": worker_id}).scalar_one():
        raise ConflictError("this worker is assigned to this case already", where="worker_id")
    given = {
        "case_id": case.id,
        "worker_id": worker_id,
        "way_s": choice.way_s,
        "profile": choice.profile,
        "network_version": choice.network_version,
        "policy": choice.policy,
        "rank": choice.rank,
        "account_id": choice.account_id,
        "chosen_by": actor,
        "override_reason": choice.override_reason,
        "follows": choice.follows,
        "simulated": case.simulated,
    }
    asking = given | {"answer_s": load_needs().answers_within_s(case.priority)}
    row = connection.execute(_ASK, asking).mappings().first()
    step = "ask"
    if row is None:
        if not choice.behind:
            raise _busy(connection, worker_id)
        row, step = connection.execute(_QUEUE, given).mappings().first(), "queue"
        if row is None:
            raise ConflictError("this worker is assigned to this case already", where="worker_id")
    return [event_of(case, STEPS[step], None, _read(row), actor)]


def hold_open(connection: Connection, case_id: int) -> list[Assigned]:
    """Hold the open assignments of a case to the end of the transaction."""
    return [_read(row) for row in connection.execute(_OPEN, {"case_id": case_id}).mappings()]


def hold_one(connection: Connection, assignment_id: int) -> Assigned | None:
    """Hold one assignment to the end of the transaction; None where the caller may do nothing with it."""
    row = connection.execute(_HOLD, {"id": assignment_id}).mappings().first()
    return None if row is None else _read(row)


def take_step(
    connection: Connection,
    case: Row[Any],
    assigned: Assigned,
    name: str,
    actor: str,
    *,
    reason: str | None = None,
    arrival: str | None = None,
    arrival_m: float | None = None,
) -> tuple[Assigned, Event]:
    """Store a step of an assignment that is held; returns how it stands, and what to tell the journal.

    Raises
    ------
    ConflictError
        It does not stand where this may happen.
    """
    step = STEPS[name]
    require_step(assigned, step)
    if reason is not None and len(reason) > 2_000:
        raise InvalidError(f"{len(reason)} letters", where="reason", hint="at most 2,000")
    asked = {
        "id": assigned.id,
        "reason": reason,
        "arrival": arrival,
        "arrival_m": arrival_m,
        "answer_s": load_needs().answers_within_s(case.priority),
    }
    after = _read(connection.execute(_SET[name], asked).mappings().one())
    return after, event_of(case, step, assigned, after, actor)


def event_of(case: Row[Any], step: Step, before: Assigned | None, after: Assigned, actor: str) -> Event:
    """Return what the journal is told of a step: of the case, with what changed of the assignment."""
    changes = changes_between(before, after)
    data = {
        "case_id": case.id,
        "number": case.number,
        "title": case.title,
        "title_en": case.title_en,
        "lon": case.lon,
        "lat": case.lat,
        "simulated": after.simulated,
        "assignment": {"id": after.id, "worker_id": after.worker_id, "changes": changes},
    }
    told = {"reason": after.reason or after.override_reason}
    if told["reason"] and ("reason" in changes or "override_reason" in changes):
        data["told"] = told
    return Event(step.event, f"case/{case.id}", data, area_code=area_code_of(case.scope_code), actor=actor)


def _read(row: RowMapping) -> Assigned:
    return read({str(name): value for name, value in row.items()})


def _busy(connection: Connection, worker_id: int) -> BusyError:
    row = connection.execute(_BUSY, {"worker_id": worker_id}).first()
    hint = "choose somebody else, or send it with “behind” to have it wait until that has ended"
    if row is None or row.number is None:  # at a case that the caller does not see
        return BusyError("this worker is taken up elsewhere", where="worker_id", hint=hint)
    return BusyError(
        f"{mask_name(row.name)} was sent to {row.number} by {row.chosen_by} at "
        f"{row.asked_at.isoformat(timespec='seconds')}",
        where="worker_id",
        hint=hint,
    )


def finish_all(
    connection: Connection, case: Row[Any], open_ones: Sequence[Assigned], actor: str, did: int | None = None
) -> list[Event]:
    """End open assignments of a case that are needed no more; returns what to tell the journal.

    Done is who was there, and ``did``, the worker who did the work, where they had accepted; others are
    called off.
    """
    events = []
    for one in open_ones:
        worked = one.worker_id == did and one.state in (Stand.ACCEPTED, Stand.DEPARTED)
        step = "finish" if worked or one.state is Stand.ARRIVED else "withdraw"
        events.append(take_step(connection, case, one, step, actor)[1])
    return events
