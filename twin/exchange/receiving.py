"""Take what partners say of the cases that were given to their organisation: once, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.record import Actor, Entry, write
from twin.access.roles import Act as Right
from twin.cases.acting import Act, Acted, act_as
from twin.cases.parties import Party, Told
from twin.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from twin.exchange.partners import Partner

MOVES: Final = ("take", "report_done", "return", "note")
"""What a partner may do."""

KEPT: Final = timedelta(days=7)
"""How long the id of a message is known: the same one again does nothing and is answered the same."""

_RIGHTS: Final = frozenset({Right.HANDLE_CASE, Right.NOTE_CASE})

# One that is being done is waited for.
_CLAIM: Final = text(
    "INSERT INTO partner_message (partner_id, message_id, body_sha256, answer) "
    "VALUES (CAST(:partner AS uuid), :id, :digest, CAST(:answer AS jsonb)) ON CONFLICT DO NOTHING"
)
_KNOWN: Final = text(
    "SELECT body_sha256, answer FROM partner_message WHERE partner_id = CAST(:partner AS uuid) "
    "AND message_id = :id"
)
_FORGET: Final = text("DELETE FROM partner_message WHERE received_at < :before")
_CASE: Final = text(
    "SELECT id FROM case_file WHERE number = :number AND organisation_id = :organisation "
    "AND scope_code BETWEEN :low AND :high"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a partner says: of which case, as it was at which version, and what it does with it."""

    number: str
    version: int
    move: str
    reason: str | None = None
    note: str | None = None


async def take(
    connection: AsyncConnection,
    partner: Partner,
    message_id: str,
    body: bytes,
    said: Said,
    *,
    address: str,
    now: datetime,
) -> dict[str, Any]:
    """Do what a partner says, in one transaction of the server's own hand; return what it is answered.

    Parameters
    ----------
    message_id, body
        Of a message whose signature is good.
    address
        Where it came from, for the record.

    Raises
    ------
    ForbiddenError
        The partner acts for no organisation, or may not do this.
    ConflictError
        The same id was another message, or the case does not stand where this may be done.
    StaleError
        The case has gone on since the version that the partner saw.
    NotFoundError
        There is no such case that was given to its organisation.
    InvalidError
        Something that must be said is missing.
    """
    if partner.organisation_id is None or not partner.active:
        raise ForbiddenError("this partner acts on no cases", where="id")
    if said.move not in MOVES:
        raise InvalidError(f"a partner does one of {', '.join(MOVES)}", where="type")
    digest = hashlib.sha256(body).digest()
    key = {"partner": str(partner.id), "id": message_id}
    known = (await connection.execute(_KNOWN, key)).first()
    if known is not None:
        return _again(known, digest)
    found = (
        await connection.execute(
            _CASE,
            {
                "number": said.number,
                "organisation": partner.organisation_id,
                "low": partner.low,
                "high": partner.high,
            },
        )
    ).scalar()
    if found is None:
        raise NotFoundError(f"there is no case {said.number} that was given to you", where="number")
    told = Told(reason=said.reason, note=said.note)
    try:
        done = await act_as(
            connection, Act(found, said.version, said.move, told), lambda row: party(partner, row), now=now
        )
    except (ConflictError, NotFoundError):
        # The case was waited for: it may be this very message, sent again, that was done meanwhile.
        known = (await connection.execute(_KNOWN, key)).first()
        if known is None:
            raise
        return _again(known, digest)
    answer = {"number": done.number, "version": done.state.version, "stage": done.state.stage.value}
    claimed = await connection.execute(_CLAIM, {**key, "digest": digest, "answer": json.dumps(answer)})
    if claimed.rowcount == 0:
        raise ConflictError("this message is being done at this moment", where="webhook-id", hint="wait")
    await _record(connection, partner, done, found, message_id, address)
    return answer


def party(partner: Partner, row: Row[Any]) -> Party:
    """Return a partner as it acts on a case that is held: as its organisation, where that has the case.

    Raises
    ------
    NotFoundError
        The case was given to somebody else meanwhile.
    """
    if row.organisation_id != partner.organisation_id:
        raise NotFoundError(f"there is no case {row.number} that was given to you", where="number")
    return Party(partner.id, partner.name, _RIGHTS, organisation_id=partner.organisation_id)


async def forget_old(connection: AsyncConnection, now: datetime) -> None:
    """Forget the ids of messages that were done a week ago."""
    await connection.execute(_FORGET, {"before": now - KEPT})


def _again(known: Row[Any], digest: bytes) -> dict[str, Any]:
    if bytes(known.body_sha256) != digest:
        raise ConflictError(
            "another message came by this id", where="webhook-id", hint="give each message an id of its own"
        )
    answer: dict[str, Any] = known.answer
    return answer


async def _record(
    connection: AsyncConnection, partner: Partner, done: Acted, case_id: int, message_id: str, address: str
) -> None:
    actor = Actor(partner.name, None, ("partner",), address)
    detail = {"number": done.number, "partner": str(partner.id), "message": message_id}
    await write(connection, actor, Entry(done.event, f"case/{case_id}", detail=detail))
