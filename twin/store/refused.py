"""Read and drop what lies in the quarantine."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.quarantine import CUT

COUNTED: Final = 100_000
"""Most messages that are counted by reason, of the newest."""

_CHOSEN: Final = (
    "(:reason = '' OR reason = :reason) AND (:source = '' OR strpos(source, :source) > 0) "
    "AND (:pattern = '' OR source ~ :pattern) "
    "AND received_at >= :since AND (:waiting = false OR replayed_at IS NULL) AND (:id = 0 OR id = :id)"
)
_COLUMNS: Final = "id, received_at, source, reason, detail, said, octet_length(payload) AS bytes, replayed_at"
_LIST: Final = text(
    f"SELECT {_COLUMNS} FROM quarantine WHERE id < :before AND {_CHOSEN} ORDER BY id DESC LIMIT :limit"
)
_COUNT: Final = text(
    f"SELECT reason, count(*) AS n FROM (SELECT reason FROM quarantine WHERE {_CHOSEN} "
    f"ORDER BY id DESC LIMIT {COUNTED}) AS newest GROUP BY reason ORDER BY n DESC, reason"
)
_ONE: Final = text(f"SELECT {_COLUMNS}, payload FROM quarantine WHERE id = :id")
_WAITING: Final = text(
    "SELECT id, received_at, source, payload FROM quarantine WHERE id > :after AND octet_length(payload) > 0 "
    f"AND strpos(detail, '{CUT}') = 0 AND {_CHOSEN} ORDER BY id LIMIT :limit"
)
# A gateway may have the name of a device: then nothing that came under it is the device's own.
_OF_A_DEVICE: Final = text(
    f"""
    SELECT * FROM (
        SELECT id, received_at, source, reason, detail, said, payload,
            (source = ANY(:sources) OR EXISTS (
                SELECT FROM unnest(CAST(:beginnings AS text[])) AS b WHERE starts_with(source, b)))
            AND NOT EXISTS (SELECT FROM publisher WHERE name = :uid AND kind = 'gateway') AS is_own
        FROM (SELECT * FROM quarantine ORDER BY id DESC LIMIT {COUNTED}) AS newest
        WHERE replayed_at IS NULL
    ) AS told WHERE is_own OR strpos(detail, :named) > 0 ORDER BY id DESC LIMIT :limit
    """
)
_DROP: Final = text(f"DELETE FROM quarantine WHERE {_CHOSEN}")
_BEGINNING: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refused messages are meant; "" and 0 choose all.

    Parameters
    ----------
    reason, source
        The reason, and a text that the source holds.
    since
        Received then or later.
    waiting
        Only those that were not taken after all.
    id
        Number of a single one.
    pattern
        A regular expression that the source fits.
    """

    reason: str = ""
    source: str = ""
    since: datetime = _BEGINNING
    waiting: bool = True
    id: int = 0
    pattern: str = ""

    def parameters(self) -> dict[str, Any]:
        """Return it as the parameters of a statement, and for the record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A refused message, or one reading of it, without its bytes.

    ``detail`` is in English, ``said`` the same as `twin.store.quarantine.Refused` keeps it; None of what an
    earlier build kept. ``replayed_at`` is when it was taken after all.
    """

    id: int
    received_at: datetime
    source: str
    reason: str
    detail: str
    said: dict[str, Any] | None
    bytes: int
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedWhole(RefusedMessage):
    """A refused message with its bytes: ``encoding`` is text where they are text, else base64."""

    payload: str
    encoding: str


async def list_refused(
    connection: AsyncConnection, chosen: Filter, limit: int, before: int = 2**63 - 1
) -> list[RefusedMessage]:
    """Return refused messages with numbers below one, the newest first."""
    rows = await connection.execute(_LIST, {**chosen.parameters(), "before": before, "limit": limit})
    return [RefusedMessage(**row) for row in rows.mappings()]


async def count_refused(connection: AsyncConnection, chosen: Filter) -> dict[str, int]:
    """Count refused messages by reason, the most first; of the newest `COUNTED`."""
    return {row.reason: row.n for row in await connection.execute(_COUNT, chosen.parameters())}


async def find_refused(connection: AsyncConnection, number: int) -> RefusedWhole | None:
    """Return a refused message with its bytes, or None."""
    row = (await connection.execute(_ONE, {"id": number})).mappings().first()
    if row is None:
        return None
    payload, encoding = shown(bytes(row["payload"]))
    return RefusedWhole(**{**row, "payload": payload, "encoding": encoding})


async def read_waiting(
    connection: AsyncConnection, chosen: Filter, after: int, limit: int
) -> Sequence[sqlalchemy.Row[Any]]:
    """Return id, received_at, source and payload of those with whole bytes, by number, after one."""
    rows = await connection.execute(_WAITING, {**chosen.parameters(), "after": after, "limit": limit})
    return rows.all()


async def list_of_device(
    connection: AsyncConnection, uid: str, sources: list[str], beginnings: list[str], limit: int
) -> Sequence[sqlalchemy.Row[Any]]:
    """Return what waits of a device among the newest `COUNTED`, the newest first.

    Parameters
    ----------
    sources, beginnings
        Where its own messages come from, whole and as beginnings.

    Returns
    -------
    rows
        With their bytes; ``is_own`` says of which ones it was the sender, the others name it in their detail.
    """
    asked = {
        "uid": uid,
        "named": f"device {uid},",
        "sources": sources,
        "beginnings": beginnings,
        "limit": limit,
    }
    return (await connection.execute(_OF_A_DEVICE, asked)).all()


async def drop_refused(connection: AsyncConnection, chosen: Filter) -> int:
    """Delete refused messages, as their owner; return how many."""
    return (await connection.execute(_DROP, chosen.parameters())).rowcount


def shown(payload: bytes) -> tuple[str, Literal["text", "base64"]]:
    """Return bytes as text a person can read, and how they are written: ``text`` or ``base64``."""
    with contextlib.suppress(UnicodeDecodeError):
        words = payload.decode("utf-8")
        if all(character.isprintable() or character in "\t\r\n" for character in words):
            return words, "text"
    return base64.b64encode(payload).decode("ascii"), "base64"
