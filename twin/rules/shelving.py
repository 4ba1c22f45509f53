"""Put groups of alarms and devices aside for a while, and let them come back by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.store.journal import Event, append, area_code_of

SHELVED_MOST: Final = timedelta(hours=8)
REASON_LETTERS: Final = 500

_COLUMNS: Final = (
    "id, group_id, device_id, reason, shelved_by, begins_at, until_at, ended_at, ended_by, scope_code"
)
_KNOWN: Final = {
    "group_id": text("SELECT 1 FROM alarm_group WHERE id = :id AND ended_at IS NULL"),
    "device_id": text("SELECT 1 FROM device WHERE id = :id AND valid_to IS NULL"),
}
# What is over by the clock is no more in the way of a new one than what somebody ended.
_OVER: Final = text(
    f"UPDATE shelving SET ended_at = until_at, ended_by = 'system' "
    f"WHERE ended_at IS NULL AND until_at <= now() RETURNING {_COLUMNS}"
)
_SHELVE: Final = text(
    "INSERT INTO shelving (group_id, device_id, reason, shelved_by, until_at) "
    f"VALUES (:group_id, :device_id, :reason, :by, :until) RETURNING {_COLUMNS}"
)
_END: Final = text(
    f"UPDATE shelving SET ended_at = now(), ended_by = :by WHERE id = :id AND ended_at IS NULL "
    f"RETURNING {_COLUMNS}"
)


@dataclass(frozen=True, slots=True)
class ToShelve:
    """What is put aside: a group or a device, one of the two; why, and until when (aware)."""

    group_id: int | None
    device_id: int | None
    reason: str
    until: datetime


async def shelve(connection: AsyncConnection, what: ToShelve, *, by: str, now: datetime) -> Row[Any]:
    """Put a group or a device aside, and tell the journal; commit soon.

    Parameters
    ----------
    connection
        Inside the transaction of whoever does it: what the database does not let them is not known to them.

    Returns
    -------
    The row of `twin.model.alarm.Shelving`.

    Raises
    ------
    ConflictError
        It is put aside already.
    InvalidError
        There is no reason, or the end lies in the past or more than `SHELVED_MOST` ahead.
    NotFoundError
        There is no such device, or no such group with an open alarm.
    """
    reason = require_reason(what.reason)
    if what.until <= now:
        raise InvalidError(
            "what is put aside comes back in the future", where="until", hint="say when, at most 8 h from now"
        )
    if what.until > now + SHELVED_MOST:
        raise InvalidError(
            "what is put aside comes back within 8 hours",
            where="until",
            hint="put it aside again then, or set a maintenance window",
        )
    key, number = ("group_id", what.group_id) if what.device_id is None else ("device_id", what.device_id)
    if (await connection.execute(_KNOWN[key], {"id": number})).first() is None:
        raise NotFoundError(f"there is no {key.removesuffix('_id')} {number} to put aside", where=key)
    values = {"group_id": what.group_id, "device_id": what.device_id, "reason": reason, "by": by}
    try:
        async with connection.begin_nested():
            row = (await connection.execute(_SHELVE, values | {"until": what.until})).one()
    except IntegrityError as error:
        if "uq_shelving" not in str(error):
            raise
        raise ConflictError(
            "it is put aside already", where=key, hint="bring it back first, then put it aside anew"
        ) from error
    await append(connection, [_event("alarm.shelved", row, by)])
    return row


async def bring_back(connection: AsyncConnection, shelving_id: int, *, by: str) -> Row[Any]:
    """End what was put aside before its time, and tell the journal.

    Raises
    ------
    NotFoundError
        It has ended, or the caller may not.
    """
    row = (await connection.execute(_END, {"id": shelving_id, "by": by})).first()
    if row is None:
        raise NotFoundError(f"nothing is put aside under the number {shelving_id}", where="id")
    await append(connection, [_event("alarm.unshelved", row, by)])
    return row


async def put_back(connection: AsyncConnection) -> int:
    """Note what came back by the clock, and tell the journal; return how many."""
    rows = (await connection.execute(_OVER)).all()
    await append(connection, [_event("alarm.unshelved", row, "system") for row in rows])
    return len(rows)


def require_reason(reason: str) -> str:
    """Return a reason as it is kept.

    Raises
    ------
    InvalidError
        There is none, or it is too long.
    """
    said = reason.strip()
    if not said or len(said) > REASON_LETTERS:
        raise InvalidError(
            "a reason is needed", where="reason", hint=f"say why, in at most {REASON_LETTERS} letters"
        )
    return said


def _event(kind: str, row: Row[Any], by: str) -> Event:
    data = {
        "shelving_id": row.id,
        "group_id": row.group_id,
        "device_id": row.device_id,
        "reason": row.reason,
        "until": row.until_at.isoformat(),
        "by": by,
    }
    subject = f"device/{row.device_id}" if row.device_id else f"alarm_group/{row.group_id}"
    return Event(kind, subject, data, area_code=area_code_of(row.scope_code), actor=by)
