"""Find in the journal what partners are owed, and keep what came of telling them.

The journal is the outbox: acting on a case writes nothing for partners, and waits for none. A partner keeps
the number of the journal up to which everything is done with. What came of telling is kept only where people
have not changed the partner meanwhile (``version``): else what they decided stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.exchange.partners import Partner
from twin.exchange.retrying import Failure
from twin.exchange.telling import Owed
from twin.store.journal import newest_change

MOST_AT_ONCE: Final = 100
MOST_COUNTED: Final = 10_000
"""More that wait are not counted."""

_ORGANISATION: Final = "CAST(:organisation AS text)"

# Who has the case after an event, and who had it before: told by the newest event that changed it. A case
# that was taken away from an organisation is news for that organisation too.
_HAS: Final = " ".join(
    f"LEFT JOIN LATERAL ({newest_change('organisation_id', until)}) AS {name} ON {_ORGANISATION} IS NOT NULL"
    for name, until in {"has": "<=", "had": "<"}.items()
)
_OWED: Final = f"""
    FROM journal AS j {_HAS}
    WHERE j.seq > :after AND j.seq <= :until AND j.kind LIKE 'case.%'
      AND NOT starts_with(j.kind, 'case.worker_')
      AND j.scope_code BETWEEN :low AND :high
      AND (CAST(:events AS text[]) IS NULL OR j.kind = ANY (CAST(:events AS text[])))
      AND (CAST(:categories AS text[]) IS NULL OR EXISTS (
          SELECT FROM unnest(CAST(:categories AS text[])) AS begins
          WHERE starts_with(j.data ->> 'category', begins)))
      AND ({_ORGANISATION} IS NULL OR {_ORGANISATION} IN (has.id, had.id))
"""
_READ: Final = text(
    f"SELECT j.seq, j.at, j.kind, j.data, has.id AS has, had.id AS had {_OWED} ORDER BY j.seq LIMIT :most"
)
_WAITING: Final = text(f"SELECT count(*) FROM (SELECT j.seq {_OWED} LIMIT :most) AS waiting")
_PARKED: Final = text("SELECT count(*) FROM partner_parked WHERE partner_id = :id")
_PARK: Final = text(
    "INSERT INTO partner_parked (partner_id, seq, error, status) "
    "SELECT CAST(:id AS uuid), seq, :error, CAST(:status AS smallint) "
    "FROM unnest(CAST(:seqs AS bigint[])) AS seq ON CONFLICT DO NOTHING"
)
_STANDS: Final = "WHERE id = CAST(:id AS uuid) AND version = :version"
_PASS: Final = text(f"UPDATE partner SET sent_seq = :seq {_STANDS}")
_PASS_WELL: Final = text(
    f"UPDATE partner SET sent_seq = :seq, tries = 0, failing_since = NULL, next_try_at = NULL {_STANDS}"
)
_DONE: Final = text(
    "UPDATE partner SET sent_seq = :seq, tries = 0, failing_since = NULL, next_try_at = NULL, "
    f"last_success_at = :now {_STANDS}"
)
# What a crash takes away of this is told once more; nobody waits for the disk, and the disk for nobody.
_NEED_NOT_WAIT: Final = text("SET LOCAL synchronous_commit = off")
_FAILED: Final = text(
    "UPDATE partner SET tries = :tries, failing_since = coalesce(failing_since, :now), next_try_at = :next, "
    f"last_error = :error, last_status = CAST(:status AS smallint), last_error_at = :now {_STANDS}"
)
_END: Final = text(
    "UPDATE partner SET paused_at = :now, paused_by = 'server', pause_reason = :reason, "
    f"version = version + 1 {_STANDS}"
)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a message did not arrive: the status of the answer, and how long the partner asks to wait."""

    failure: Failure
    status: int | None = None
    asked_s: float | None = None


async def read_owed(
    connection: AsyncConnection, partner: Partner, after: int, until: int, most: int = MOST_AT_ONCE
) -> list[Owed]:
    """Return what a partner is owed of the events after one number up to another, in their order."""
    rows = await connection.execute(_READ, {**_values(partner, after, until), "most": most})
    own = None if partner.organisation_id is None else str(partner.organisation_id)
    return [
        Owed(
            row.seq,
            row.at,
            row.kind,
            int(row.data["case_id"]),
            row.data,
            given=own is not None and row.has == own,
            taken=own is not None and row.has != own and row.had == own,
        )
        for row in rows
    ]


async def count_waiting(connection: AsyncConnection, partner: Partner, until: int) -> int:
    """Return how many events up to a number wait for a partner, `MOST_COUNTED` where there are more."""
    values = {**_values(partner, partner.sent_seq, until), "most": MOST_COUNTED}
    return int((await connection.execute(_WAITING, values)).scalar_one())


async def count_parked(connection: AsyncConnection, partner: Partner) -> int:
    """Return of how many events a partner was not told, and will not be unless somebody sends them again."""
    return int((await connection.execute(_PARKED, {"id": partner.id})).scalar_one())


def _values(partner: Partner, after: int, until: int) -> dict[str, Any]:
    own = partner.organisation_id
    return {
        "after": after,
        "until": until,
        "low": partner.low,
        "high": partner.high,
        "events": partner.events,
        "categories": partner.categories,
        "organisation": None if own is None else str(own),
    }


async def note_passed(connection: AsyncConnection, partner: Partner, seq: int) -> bool:
    """Keep that nothing is owed up to a number; say whether nobody changed the partner meanwhile."""
    values = {"id": str(partner.id), "version": partner.version, "seq": seq}
    return bool((await connection.execute(_PASS, values)).rowcount)


async def note_told(connection: AsyncConnection, partner: Partner, seq: int, now: datetime) -> bool:
    """Keep that a partner was told of all up to a number; say whether nobody changed it meanwhile."""
    await connection.execute(_NEED_NOT_WAIT)
    values = {"id": str(partner.id), "version": partner.version, "seq": seq, "now": now}
    return bool((await connection.execute(_DONE, values)).rowcount)


async def note_failed(
    connection: AsyncConnection, partner: Partner, failed: Failed, tries: int, now: datetime, again: datetime
) -> bool:
    """Keep that telling failed, and when it is tried again; say whether nobody changed the partner."""
    values = {
        "id": str(partner.id),
        "version": partner.version,
        "tries": tries,
        "now": now,
        "next": again,
        "error": failed.failure.value,
        "status": failed.status,
    }
    return bool((await connection.execute(_FAILED, values)).rowcount)


async def park(
    connection: AsyncConnection, partner: Partner, seqs: list[int], failed: Failed, *, is_well: bool
) -> bool:
    """Give events up, up to the last of them; say whether nobody changed the partner meanwhile.

    ``is_well`` says that the partner itself is there, and only these events are not for it.
    """
    values = {"id": str(partner.id), "version": partner.version, "seq": seqs[-1]}
    if not (await connection.execute(_PASS_WELL if is_well else _PASS, values)).rowcount:
        return False
    values = {"id": str(partner.id), "seqs": seqs, "error": failed.failure.value, "status": failed.status}
    await connection.execute(_PARK, values)
    return True


async def note_gone(connection: AsyncConnection, partner: Partner, reason: str, now: datetime) -> bool:
    """Pause a partner that says that nothing more shall be sent; say whether nobody changed it meanwhile."""
    values = {"id": str(partner.id), "version": partner.version, "reason": reason, "now": now}
    return bool((await connection.execute(_END, values)).rowcount)
