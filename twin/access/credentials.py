"""Give out opaque secrets, find whom one belongs to, and take them back; only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.grants import Grants, grants_of
from twin.access.record import SERVER, Entry, write
from twin.access.scope import Scope

CHANNEL: Final = "access"
"""PostgreSQL notification channel: the payload is the id of an account whose rights or secrets changed."""


class CredentialKind(StrEnum):
    """What a secret is for."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 (a kind, no secret)  # nosec B105
    KIOSK = "kiosk"
    TICKET = "ticket"
    ENROLMENT = "enrolment"
    SECOND = "second"


LIFETIMES: Final[dict[CredentialKind, timedelta]] = {
    CredentialKind.SESSION: timedelta(hours=12),
    CredentialKind.TOKEN: timedelta(days=365),
    CredentialKind.KIOSK: timedelta(days=365),
    CredentialKind.TICKET: timedelta(seconds=30),
    CredentialKind.ENROLMENT: timedelta(minutes=15),
    CredentialKind.SECOND: timedelta(minutes=5),
}
IDLE: Final = timedelta(minutes=30)
"""A session in which no person did anything for this long is over, whatever its lifetime."""

UNUSED_ACCOUNT: Final = timedelta(days=90)
"""An account nobody used for this long is closed until somebody opens it again."""

_SEEN_SHARE: Final = 60
"""When somebody did something is written down to this part of the idle time, not with each request."""

_CLEAR: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

_INSERT = text(
    """
    INSERT INTO credential (account_id, kind, secret_hash, parent_id, expires_at, address, agent, note)
    VALUES (:account_id, :kind, :hash, :parent_id, :expires_at, :address, :agent, :note) RETURNING id
    """
)
_HELD: Final = """
    (SELECT device_id FROM worker WHERE worker.id = a.worker_id) AS tracker_id,
    coalesce((SELECT jsonb_agg(jsonb_build_array(m.role, m.low, m.high)) FROM membership AS m
              WHERE m.account_id = a.id AND m.valid_from <= now()
                AND (m.valid_to IS NULL OR m.valid_to > now())), '[]') AS held
"""
_GRANTS = text(f"SELECT a.worker_id, a.organisation_id, {_HELD} FROM account AS a WHERE a.id = :id")
_GRANTS_BY_NAME = text(
    f"SELECT a.worker_id, a.organisation_id, {_HELD} FROM account AS a "
    "WHERE a.name = :name AND a.disabled_at IS NULL"
)
_FIND = text(
    f"""
    SELECT c.id, c.kind, c.expires_at, c.seen_at, c.parent_id, a.id AS account_id, a.name, a.display_name,
           a.kind AS account_kind, a.must_change_password, a.worker_id, a.organisation_id, a.demo, {_HELD}
    FROM credential AS c JOIN account AS a ON a.id = c.account_id
    LEFT JOIN credential AS parent ON parent.id = c.parent_id
    WHERE c.secret_hash = :hash AND c.kind = ANY(:kinds) AND c.revoked_at IS NULL AND c.expires_at > now()
      AND (c.kind <> 'session' OR c.seen_at > now() - CAST(:idle AS interval))
      AND (parent.id IS NULL OR (parent.revoked_at IS NULL AND parent.expires_at > now()
           AND (parent.kind <> 'session' OR parent.seen_at > now() - CAST(:idle AS interval))))
      AND a.disabled_at IS NULL
    """
)
_TOUCH = text(
    """
    UPDATE credential SET seen_at = now() WHERE id = :id AND seen_at < now() - CAST(:every AS interval)
    RETURNING seen_at
    """
)
_CONSUME = text("DELETE FROM credential WHERE id = :id RETURNING id")
_REVOKE = text(
    """
    UPDATE credential SET revoked_at = now() WHERE revoked_at IS NULL AND (id = :id OR parent_id = :id)
    RETURNING account_id
    """
)
_REVOKE_ALL = text(
    """
    UPDATE credential SET revoked_at = now()
    WHERE account_id = :account_id AND revoked_at IS NULL AND id IS DISTINCT FROM :but RETURNING id
    """
)
_NOTIFY = text("SELECT pg_notify('access', :account_id)")
_STILL_GOOD = text(
    """
    SELECT c.id FROM credential AS c JOIN account AS a ON a.id = c.account_id
    WHERE c.id = ANY(:ids) AND c.revoked_at IS NULL AND c.expires_at > now() AND a.disabled_at IS NULL
      AND (c.kind <> 'session' OR c.seen_at > now() - CAST(:idle AS interval))
    """
)
_END_OVERDUE = text(
    """
    UPDATE credential AS c SET revoked_at = now() FROM account AS a
    WHERE a.id = c.account_id AND c.kind = 'session' AND c.revoked_at IS NULL
      AND (c.expires_at <= now() OR c.seen_at <= now() - CAST(:idle AS interval))
    RETURNING a.name, c.expires_at <= now() AS is_old
    """
)
_SWEEP = text("DELETE FROM credential WHERE expires_at < now() - interval '1 day'")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a secret belongs to, and what that account may see and do now.

    ``idle_at`` is when a session ends should nobody do anything; None for what idleness does not end.
    """

    credential_id: UUID
    kind: CredentialKind
    expires_at: datetime
    parent_id: UUID | None
    account_id: UUID
    name: str
    display_name: str
    account_kind: str
    must_change_password: bool
    demo: bool
    grants: Grants
    idle_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When the secret is of no use any more, as things stand."""
        return self.expires_at if self.idle_at is None else min(self.expires_at, self.idle_at)


def _typed_secret() -> str:
    """Make a secret that is typed at a wall: 12 signs that are not taken for one another, about 58 bits.

    It holds for a quarter of an hour and one use, and tries are counted by address.
    """
    signs = "".join(secrets.choice(_CLEAR) for _ in range(12))
    return "-".join((signs[:4], signs[4:8], signs[8:]))


def digest(secret: str) -> bytes:
    """Return what is kept of a secret. It is random, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


async def issue(
    connection: AsyncConnection,
    account_id: UUID,
    kind: CredentialKind,
    *,
    lifetime: timedelta | None = None,
    parent_id: UUID | None = None,
    address: str | None = None,
    agent: str | None = None,
    note: str | None = None,
) -> tuple[str, UUID]:
    """Make a secret of an account; return it, for the only time, and the credential's id."""
    secret = _typed_secret() if kind is CredentialKind.ENROLMENT else secrets.token_urlsafe(32)
    row = await connection.execute(
        _INSERT,
        {
            "account_id": account_id,
            "kind": kind.value,
            "hash": digest(secret),
            "parent_id": parent_id,
            "expires_at": datetime.now(UTC) + (lifetime or LIFETIMES[kind]),
            "address": address,
            "agent": None if agent is None else agent[:200],
            "note": note,
        },
    )
    return secret, row.scalar_one()


async def find_identity(
    connection: AsyncConnection,
    secret: str,
    *kinds: CredentialKind,
    touch: bool = True,
    by_person: bool = True,
    idle: timedelta = IDLE,
) -> Identity | None:
    """Return whom a secret belongs to; None when it is unknown, expired, idle, revoked or of another kind.

    Parameters
    ----------
    connection
        Signed in as the role that sees accounts.
    secret
        As it was brought.
    *kinds
        What it may be.
    touch
        Write down that it was used.
    by_person
        Somebody did something. What a page asks by itself does not keep a session.
    idle
        After how long without that a session is over.
    """
    asked = {"hash": digest(secret), "kinds": [kind.value for kind in kinds], "idle": idle}
    row = (await connection.execute(_FIND, asked)).first()
    if row is None:
        return None
    kind = CredentialKind(row.kind)
    is_session = kind is CredentialKind.SESSION
    seen_at = row.seen_at
    if touch and (by_person or not is_session):
        touched = await connection.execute(_TOUCH, {"id": row.id, "every": idle / _SEEN_SHARE})
        seen_at = touched.scalar_one_or_none() or seen_at
    return Identity(
        credential_id=row.id,
        kind=kind,
        expires_at=row.expires_at,
        parent_id=row.parent_id,
        account_id=row.account_id,
        name=row.name,
        display_name=row.display_name,
        account_kind=row.account_kind,
        must_change_password=row.must_change_password,
        demo=row.demo,
        grants=_grants(row),
        idle_at=seen_at + idle if is_session else None,
    )


async def grants_of_account(connection: AsyncConnection, account_id: UUID) -> Grants:
    """Return what an account may see and do now, whether anybody holds a secret of it or not."""
    return _grants((await connection.execute(_GRANTS, {"id": account_id})).one())


async def grants_of_name(connection: AsyncConnection, name: str) -> Grants | None:
    """Return the same of the account of a name; None where there is none that is open."""
    row = (await connection.execute(_GRANTS_BY_NAME, {"name": name})).first()
    return None if row is None else _grants(row)


def _grants(row: Row[tuple[Any, ...]]) -> Grants:
    held = ((role, Scope.of([(low, high)])) for role, low, high in row.held)
    return grants_of(held, row.worker_id, row.tracker_id, row.organisation_id)


async def consume(
    connection: AsyncConnection, secret: str, kind: CredentialKind, idle: timedelta = IDLE
) -> Identity | None:
    """Return whom a secret of one use belongs to, and make it useless; None when it was used before."""
    identity = await find_identity(connection, secret, kind, touch=False, idle=idle)
    if identity is None:
        return None
    # Of two who bring the same secret at once, one deletes the row and the other finds none.
    gone = (await connection.execute(_CONSUME, {"id": identity.credential_id})).first()
    return identity if gone is not None else None


async def revoke(connection: AsyncConnection, credential_id: UUID) -> bool:
    """Take a secret back, with those made from it; say whether it was there. Servers hear of it at commit."""
    rows = (await connection.execute(_REVOKE, {"id": credential_id})).all()
    for account_id in {row.account_id for row in rows}:
        await announce(connection, account_id)
    return bool(rows)


async def revoke_all(connection: AsyncConnection, account_id: UUID, but: UUID | None = None) -> int:
    """Take all secrets of an account back, one left out; return how many."""
    rows = (await connection.execute(_REVOKE_ALL, {"account_id": account_id, "but": but})).all()
    await announce(connection, account_id)
    return len(rows)


async def announce(connection: AsyncConnection, account_id: UUID) -> None:
    """Tell every server, at commit, to ask anew what an account may do."""
    await connection.execute(_NOTIFY, {"account_id": str(account_id)})


async def still_good(
    connection: AsyncConnection, credential_ids: Sequence[UUID], idle: timedelta = IDLE
) -> set[UUID]:
    """Return those of some credentials that open their door now."""
    found = await connection.execute(_STILL_GOOD, {"ids": list(credential_ids), "idle": idle})
    return set(found.scalars())


async def end_overdue(connection: AsyncConnection, idle: timedelta = IDLE) -> int:
    """End the sessions whose time is over, each on the record of acts; return how many."""
    ended = (await connection.execute(_END_OVERDUE, {"idle": idle})).all()
    for row in ended:
        reason = (
            "its time is over" if row.is_old else f"nobody did anything for {idle.total_seconds() / 60:g} min"
        )
        await write(connection, SERVER, Entry("session.ended", f"account/{row.name}", reason=reason))
    return len(ended)


async def sweep(connection: AsyncConnection) -> int:
    """Delete secrets that ended a day ago; return how many."""
    return (await connection.execute(_SWEEP)).rowcount
