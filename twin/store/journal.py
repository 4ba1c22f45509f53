"""Write and read the journal: one row an event, numbered in commit order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "journal"
"""PostgreSQL notification channel; the payload is the newest number."""

# The lock is held to the end of the transaction, so numbers are given in the order of commits: a reader
# that has seen n has seen all below n. A bare sequence does not promise that.
_APPEND = text(
    """
    WITH held AS (SELECT pg_advisory_xact_lock(7105301)),
         last AS (SELECT coalesce(max(seq), 0) AS seq FROM held, journal)
    INSERT INTO journal (seq, kind, subject, area_code, actor, data)
    SELECT last.seq + row_number() OVER (ORDER BY e.n), e.kind, e.subject, e.area_code, e.actor, e.data::jsonb
    FROM last, unnest(:kinds ::text[], :subjects ::text[], :area_codes ::text[], :actors ::text[], :data ::text[])
        WITH ORDINALITY AS e (kind, subject, area_code, actor, data, n)
    RETURNING seq, at
    """
)


@dataclass(frozen=True, slots=True)
class Event:
    """One journal row. ``kind`` is a past participle (``alarm.raised``), ``subject`` what it is about."""

    kind: str
    subject: str
    data: dict[str, Any]
    area_code: str | None = None
    actor: str = "system"
    seq: int = 0
    at: datetime | None = None
