"""Keep the record of acts: one chain of rows, each covering the one before, written with the act itself."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import InvalidError

LEAST_RETENTION_DAYS: Final = 185
"""Network and audit logs are kept six months (网络安全法); six calendar months are at most 184 days."""

_FIRST: Final = bytes(32)
_AT_ONCE: Final = 5_000

_APPEND = text(
    "SELECT audit_append(:actor, :account_id, :roles, :address, :action, :object, :result, :reason, "
    "CAST(:detail AS jsonb))"
)
# The text that was hashed is built anew by this statement, not by the function that wrote it: who changes
# the function does not change what is checked.
_READ = text(
    """
    SELECT seq, prev_hash, hash, jsonb_build_array(
               seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, account_id, roles,
               address, action, object, result, reason, detail, encode(prev_hash, 'hex'))::text AS covered
    FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the name of an account (or ``command line``), its roles, where the request came from."""

    name: str
    account_id: UUID | None = None
    roles: tuple[str, ...] = ()
    address: str = ""


def of_actor(actor: Actor) -> dict[str, Any]:
    """Return an actor as the parameters that the functions of the record take."""
    return {
        "actor": actor.name,
        "account_id": actor.account_id,
        "roles": " ".join(actor.roles),
        "address": actor.address,
    }


COMMAND_LINE: Final = Actor("command line")
"""Whoever may start programs on the server itself."""

SERVER: Final = Actor("server")
"""What happens because its time has come."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One act: ``action`` in the past (``account.disabled``), ``object`` what it was done to."""

    action: str
    object: str
    result: str = "done"
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


async def write(connection: AsyncConnection, actor: Actor, entry: Entry) -> int:
    """Put an act on the record, in the transaction of the act; return its number.

    Everyone else who writes waits until that transaction ends, so write last and commit soon. When this
    fails the act fails with it: there is no way to do the one without the other.
    """
    row = await connection.execute(
        _APPEND,
        {
            **of_actor(actor),
            "action": entry.action,
            "object": entry.object,
            "result": entry.result,
            "reason": entry.reason,
            "detail": json.dumps(entry.detail, ensure_ascii=False, allow_nan=False, default=str),
        },
    )
    return int(row.scalar_one())


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row at a moment, kept outside the database and sealed with a key that is outside too."""

    seq: int
    hash: bytes
    at: datetime

    def line(self, key: bytes) -> str:
        """Return the line that is kept in a file."""
        said = f"{self.at.astimezone(UTC).isoformat()} {self.seq} {self.hash.hex()}"
        return f"{said} {hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"

    @classmethod
    def read(cls, line: str, key: bytes) -> Head | None:
        """Read a line; None when it was not written with this key."""
        said, _, seal = line.strip().rpartition(" ")
        if not hmac.compare_digest(hmac.new(key, said.encode(), hashlib.sha256).hexdigest(), seal):
            return None
        at, seq, digest = said.split(" ")
        return cls(int(seq), bytes.fromhex(digest), datetime.fromisoformat(at))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk over the record found: how many rows are whole, and what is wrong where."""

    rows: int
    first: int
    last: int
    faults: tuple[str, ...]


async def verify(connection: AsyncConnection, heads: tuple[Head, ...] = ()) -> Verdict:
    """Walk the whole record and compare it with the heads kept outside the database.

    A changed row no longer fits its hash; a removed or reordered one no longer fits the row before; a tail
    that was cut off, or a chain written anew, no longer fits a head. The oldest row that is there is taken
    as the beginning, since old rows are deleted after their time (`prune`).
    """
    faults: list[str] = []
    seen, first, last = 0, 0, 0
    before: bytes | None = None
    wanted = {head.seq: head for head in heads}
    while True:
        rows = (await connection.execute(_READ, {"after": last, "limit": _AT_ONCE})).all()
        for row in rows:
            if before is None:
                first = row.seq
                if row.seq == 1 and row.prev_hash != _FIRST:
                    faults.append("row 1 names a row before it")
            elif row.seq != last + 1:
                faults.append(f"rows {last + 1} to {row.seq - 1} are missing")
            elif row.prev_hash != before:
                faults.append(f"row {row.seq} does not follow row {last}: it was moved or written anew")
            if hashlib.sha256(row.covered.encode()).digest() != row.hash:
                faults.append(f"row {row.seq} was changed after it was written")
            head = wanted.pop(row.seq, None)
            if head is not None and head.hash != row.hash:
                faults.append(
                    f"row {row.seq} is not the one that stood there on {head.at:%Y-%m-%d %H:%M} UTC"
                )
            seen, last, before = seen + 1, row.seq, row.hash
        if len(rows) < _AT_ONCE:
            break
    kept_since = datetime.now(UTC) - timedelta(days=LEAST_RETENTION_DAYS)
    for seq, head in sorted(wanted.items()):
        # What is older than the first row was deleted after its time; younger, it was not its time yet.
        if seq > last or seq > first or head.at > kept_since:
            faults.append(f"row {seq} stood at the end on {head.at:%Y-%m-%d %H:%M} UTC and is gone")
    return Verdict(seen, first, last, tuple(faults))


async def newest(connection: AsyncConnection) -> Head | None:
    """Return the newest row as a head; None while there is none."""
    row = (await connection.execute(text("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"))).first()
    return None if row is None else Head(row.seq, row.hash, datetime.now(UTC))


def keep_head(path: Path, head: Head, key: bytes) -> None:
    """Add a head to the file outside the database, unless it is the last one there already."""
    known = read_heads(path, key)[0]
    if known and known[-1].seq == head.seq:
        return
    with path.open("a", encoding="ascii") as file:
        file.write(head.line(key) + "\n")


def read_heads(path: Path, key: bytes) -> tuple[tuple[Head, ...], int]:
    """Return the heads of a file and how many of its lines were not written with this key."""
    if not path.is_file():
        return (), 0
    read = [Head.read(line, key) for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    return tuple(head for head in read if head is not None), sum(head is None for head in read)


async def prune(connection: AsyncConnection, days: int) -> int:
    """Delete rows older than this many days, as their owner; return how many.

    Raises
    ------
    InvalidError
        Fewer days than must be kept.
    """
    if days < LEAST_RETENTION_DAYS:
        raise InvalidError(
            f"the record of acts must be kept at least {LEAST_RETENTION_DAYS} days, not {days}",
            where="retention",
            hint="give a larger number",
        )
    # Only from the beginning of the chain: a gap inside it would be a fault.
    done = await connection.execute(
        text(
            "DELETE FROM audit WHERE seq < (SELECT coalesce(min(seq), 0) FROM audit WHERE at >= :oldest)"
            " AND at < :oldest"
        ),
        {"oldest": datetime.now(UTC) - timedelta(days=days)},
    )
    return done.rowcount
