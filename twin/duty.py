"""Begin and end the duty of a worker: with consent, for a time known beforehand, and on the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.record import SERVER, Actor, Entry, write
from twin.errors import ConflictError, InvalidError, NotFoundError


class EndedBy(StrEnum):
    """Who or what ended a duty."""

    WORKER = "worker"
    STAFF = "staff"
    """Somebody who may end duties in the worker's area; the record says who, the duty why."""
    PLAN = "plan"
    """The end that was planned when it began."""
    LIMIT = "limit"
    """It lasted as long as one may, and no end was planned before that."""
    COMMAND_LINE = "command line"
    SIMULATION = "simulation"


@dataclass(frozen=True, slots=True)
class DutyRow:
    """One duty. ``ends_at`` lies ahead while ``ended_by`` is None; of simulated ones it may be None."""

    client_id: UUID
    starts_at: datetime
    ends_at: datetime | None
    planned_end_at: datetime | None
    consent_at: datetime
    ended_by: EndedBy | None
    end_reason: str
    simulated: bool


# A duty that ran out is over before the server has noted why.
_COLUMNS: Final = """
    client_id, starts_at, ends_at, planned_end_at, consent_at, end_reason, simulated,
    coalesce(ended_by, CASE WHEN ends_at > now() OR ends_at IS NULL THEN NULL
        WHEN planned_end_at <= ends_at THEN 'plan' ELSE 'limit' END) AS ended_by
"""
_BEGIN: Final = text(
    """
    INSERT INTO duty (worker_id, client_id, starts_at, ends_at, planned_end_at, consent_at)
    VALUES (:worker_id, :client_id, now(),
            least(CAST(:planned AS timestamptz), now() + CAST(:longest AS interval)),
            CAST(:planned AS timestamptz), now())
    ON CONFLICT DO NOTHING RETURNING client_id
    """
)
_ONE: Final = text(f"SELECT {_COLUMNS} FROM duty WHERE worker_id = :worker_id AND client_id = :client_id")
_LIST: Final = text(
    f"SELECT {_COLUMNS} FROM duty WHERE worker_id = :worker_id "
    "AND (ends_at IS NULL OR ends_at > now() - make_interval(days => :days)) ORDER BY starts_at DESC"
)
# Not before it began: this transaction may be older than the one that began it.
_END: Final = text(
    """
    UPDATE duty SET ends_at = greatest(starts_at, now()), ended_by = :ended_by, end_reason = :reason
    WHERE worker_id = :worker_id AND client_id = coalesce(CAST(:client_id AS uuid), client_id)
      AND ended_by IS NULL AND (ends_at IS NULL OR ends_at > now())
    RETURNING client_id
    """
)
_NOTE: Final = text(
    """
    UPDATE duty SET ended_by = CASE WHEN planned_end_at <= ends_at THEN 'plan' ELSE 'limit' END
    WHERE ended_by IS NULL AND ends_at <= now() RETURNING worker_id, client_id, ended_by
    """
)


async def begin(
    connection: AsyncConnection,
    by: Actor,
    worker_id: int,
    client_id: UUID,
    longest: timedelta,
    planned_end: datetime | None = None,
) -> DutyRow:
    """Begin a duty now; the worker has consented now that the place of their tracker is known meanwhile.

    Parameters
    ----------
    connection
        A transaction of whoever may begin the duties of this worker: the own account, or the owner.
    client_id
        Chosen by who asks. Asked again with the same one, the duty is as it is by now, over or not.
    longest
        It ends after this time.
    planned_end
        It ends then, if that is sooner.

    Raises
    ------
    InvalidError
        The planned end is past.
    ConflictError
        Another duty of this worker lasts.
    """
    known = await _find(connection, worker_id, client_id)
    if known is not None:
        return known
    if planned_end is not None:
        await _require_ahead(connection, planned_end)
    asked = {"worker_id": worker_id, "client_id": client_id, "longest": longest, "planned": planned_end}
    begun = (await connection.execute(_BEGIN, asked)).first()
    found = await _find(connection, worker_id, client_id)
    if found is None:
        raise ConflictError(
            "another duty of this worker lasts",
            where="client_id",
            hint="end it first: GET /api/duty tells it",
        )
    if begun is not None:  # else the same was asked twice at once
        detail = {"client_id": client_id, "consent": True, "ends_at": found.ends_at}
        await write(connection, by, Entry("duty.begun", f"worker/{worker_id}", detail=detail))
    return found


async def end(
    connection: AsyncConnection,
    by: Actor,
    worker_id: int,
    ended_by: EndedBy,
    client_id: UUID | None = None,
    reason: str = "",
) -> DutyRow:
    """End a duty now; one that is over stays as it ended.

    Parameters
    ----------
    connection
        A transaction in which this worker's duties may be ended.
    client_id
        Which one; None ends the one that lasts.
    reason
        Why; the worker can read it.

    Raises
    ------
    NotFoundError
        There is no such duty, or none lasts.
    """
    asked = {"worker_id": worker_id, "client_id": client_id, "ended_by": ended_by.value, "reason": reason}
    done = (await connection.execute(_END, asked)).scalar_one_or_none()
    found = None
    if done is not None or client_id is not None:
        found = await _find(connection, worker_id, done or client_id)
    if found is None:
        what = "this worker is not on duty" if client_id is None else f"there is no duty {client_id}"
        raise NotFoundError(what, where="worker" if client_id is None else "client_id")
    if done is not None:
        detail = {"client_id": done, "by": ended_by.value}
        await write(connection, by, Entry("duty.ended", f"worker/{worker_id}", reason=reason, detail=detail))
    return found


async def list_duties(connection: AsyncConnection, worker_id: int, days: int) -> list[DutyRow]:
    """Return the duties of a worker that last or ended within these days, the newest first."""
    return [_row(row) for row in await connection.execute(_LIST, {"worker_id": worker_id, "days": days})]


async def note_ends(connection: AsyncConnection) -> int:
    """Note of the duties that ran out what ended them, and put it on the record; return how many."""
    ended = (await connection.execute(_NOTE)).all()
    for row in ended:
        detail = {"client_id": row.client_id, "by": row.ended_by}
        await write(connection, SERVER, Entry("duty.ended", f"worker/{row.worker_id}", detail=detail))
    return len(ended)


async def _require_ahead(connection: AsyncConnection, planned_end: datetime) -> None:
    now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
    if planned_end <= now:
        raise InvalidError(
            f"a duty that begins now cannot end at {planned_end.isoformat(timespec='seconds')}",
            where="planned_end_at",
            hint="plan its end ahead, or none",
        )


async def _find(connection: AsyncConnection, worker_id: int, client_id: UUID | None) -> DutyRow | None:
    row = (await connection.execute(_ONE, {"worker_id": worker_id, "client_id": client_id})).first()
    return None if row is None else _row(row)


def _row(row: Row[tuple[object, ...]]) -> DutyRow:
    named = row._mapping
    ended_by = None if named["ended_by"] is None else EndedBy(named["ended_by"])
    return DutyRow(**{**named, "ended_by": ended_by})
