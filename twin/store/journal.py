"""Write and read the journal: one row an event, numbered in commit order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.masking import mask_text
from twin.store.locks import Lock

CHANNEL = "journal"
"""PostgreSQL notification channel; the payload is the newest number."""

# The lock is held to the end of the transaction, so numbers are given in the order of commits: a reader
# that has seen n has seen all below n. A bare sequence does not promise that. It is a statement of its own
# because READ COMMITTED takes the snapshot of a statement before it waits: a statement that both waits for
# the lock and reads the newest number would read the one from before the wait and give it out twice. The
# function sees every row, whoever appends: the newest one may lie in an area the caller does not see.
_LOCK = text(f"SELECT pg_advisory_xact_lock({Lock.JOURNAL})")

_APPEND = text(
    """
    WITH added AS (
        INSERT INTO journal (seq, at, kind, subject, area_code, actor, data)
        SELECT (SELECT journal_newest()) + e.n, clock_timestamp(),
               e.kind, e.subject, e.area_code, e.actor, e.data::jsonb
        FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[]), CAST(:area_codes AS text[]),
                    CAST(:actors AS text[]), CAST(:data AS text[]))
            WITH ORDINALITY AS e (kind, subject, area_code, actor, data, n)
        RETURNING seq
    )
    SELECT max(seq), pg_notify('journal', max(seq)::text) FROM added
    """
)


def newest_change(column: str, until: str) -> str:
    """Return SQL for what the events about the subject of a row ``j`` last made of a column of a case.

    It gives a column ``id``, as text: no row where none of them changed it, null where it was emptied.

    Parameters
    ----------
    column
        Of the case table.
    until
        ``<=`` to count the event itself, ``<`` for how it was before.
    """
    return (
        f"SELECT b.data -> 'changes' ->> '{column}' AS id FROM journal AS b "
        # Asked once for each row, before any is read: a device may have thousands of events.
        "WHERE j.kind LIKE 'case.%' "
        f"AND b.subject = j.subject AND b.seq {until} j.seq AND b.data -> 'changes' ? '{column}' "
        "ORDER BY b.seq DESC LIMIT 1"
    )


_HAD: Final = " ".join(
    f"LEFT JOIN LATERAL ({newest_change(column, '<')}) AS {name} ON true"
    for name, column in {"worker": "worker_id", "organisation": "organisation_id"}.items()
)
_READ = text(
    "SELECT seq, at, kind, subject, area_code, actor, data, "
    "worker.id::bigint AS had_worker, organisation.id::bigint AS had_organisation "
    f"FROM (SELECT * FROM journal WHERE seq > :seq ORDER BY seq LIMIT :limit) AS j {_HAD} ORDER BY seq"
)
_NEWEST = text("SELECT journal_newest()")


@dataclass(frozen=True, slots=True)
class Held:
    """To which worker and which organisation a case is given; to nobody where both are None."""

    worker_id: int | None = None
    organisation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One journal row. ``kind`` is a past participle (``alarm.raised``), ``subject`` what it is about.

    ``had`` says who had the case before the event, where it is about one and was read from the journal.
    """

    kind: str
    subject: str
    data: dict[str, Any]
    area_code: str | None = None
    actor: str = "system"
    seq: int = 0
    at: datetime | None = None
    had: Held = Held()

    @property
    def has(self) -> Held:
        """Who has the case after the event."""
        changes = self.data.get("changes") or {}
        return Held(
            changes.get("worker_id", self.had.worker_id),
            changes.get("organisation_id", self.had.organisation_id),
        )


def area_code_of(scope_code: int) -> str | None:
    """Return where an event lies, so that whoever sees what it is about sees it too; None where nowhere."""
    return f"{scope_code:015d}" if scope_code else None


def _told(event: Event) -> str:
    """Return the data as JSON; what is told of a case goes out to many, without the numbers of persons."""
    data = _masked(event.data) if event.kind.startswith("case.") else event.data
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list | tuple) else value


async def append(conn: AsyncConnection, events: Sequence[Event]) -> int:
    """Append events in the caller's transaction; return the number of the last one.

    Everyone else who appends waits until that transaction ends, so append last and commit soon. Listeners
    of the channel ``journal`` are told at commit. Without events the newest number is returned.
    """
    return await conn.run_sync(append_now, events)


def append_now(connection: Connection, events: Sequence[Event]) -> int:
    """Do what `append` does on a connection that waits."""
    if not events:
        return int(connection.execute(_NEWEST).scalar_one())
    connection.execute(_LOCK)
    row = connection.execute(
        _APPEND,
        {
            "kinds": [e.kind for e in events],
            "subjects": [e.subject for e in events],
            "area_codes": [e.area_code for e in events],
            "actors": [e.actor for e in events],
            "data": [_told(e) for e in events],
        },
    )
    return int(row.scalar_one())


async def read_after(conn: AsyncConnection, seq: int, limit: int) -> list[Event]:
    """Return at most ``limit`` events after a number, in order, none left out."""
    rows = await conn.execute(_READ, {"seq": seq, "limit": limit})
    return [
        Event(
            r.kind,
            r.subject,
            r.data,
            area_code=r.area_code,
            actor=r.actor,
            seq=r.seq,
            at=r.at,
            had=Held(r.had_worker, r.had_organisation),
        )
        for r in rows
    ]


async def newest(conn: AsyncConnection) -> int:
    """Return the newest number, 0 for an empty journal."""
    return int((await conn.execute(_NEWEST)).scalar_one())
