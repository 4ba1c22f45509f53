"""Give devices and gateways an account at the broker, replace its secret, and close it again."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, text

from twin.access.scope import EVERYWHERE, Scope
from twin.errors import ConflictError, InvalidError, NotFoundError

Kind = Literal["device", "gateway"]

CHANNEL: Final = "publishers"
"""PostgreSQL notification channel: an account or a secret was made, replaced or closed."""

OVERLAP_DAYS: Final = 7
"""For how long an old secret goes on beside the one that replaces it."""

_NAME: Final = re.compile(r"[0-9A-Za-z_-]{4,64}", re.ASCII)
_ROUNDS: Final = 101  # the password is 256 random bits: there is nothing to guess that rounds would slow

_INSERT: Final = text(
    "INSERT INTO publisher (name, kind, low, high) VALUES (:name, :kind, :low, :high) "
    "ON CONFLICT DO NOTHING RETURNING name"
)
_SECRET: Final = text(
    "INSERT INTO publisher_secret (publisher, slot, secret_hash, mqtt_hash) "
    "VALUES (:name, :slot, :secret, :mqtt) ON CONFLICT (publisher, slot) DO UPDATE "
    "SET secret_hash = excluded.secret_hash, mqtt_hash = excluded.mqtt_hash, made_at = now(), valid_to = NULL"
)
_SLOTS: Final = text(
    "SELECT slot, valid_to IS NULL OR valid_to > now() AS valid FROM publisher_secret "
    "WHERE publisher = :name ORDER BY made_at DESC, slot FOR UPDATE"
)
_END_OTHER: Final = text(
    "UPDATE publisher_secret SET valid_to = least(valid_to, now() + make_interval(days => :days)) "
    "WHERE publisher = :name AND slot <> :slot"
)
_KNOWN: Final = text(
    "SELECT p.name, s.secret_hash FROM publisher AS p JOIN publisher_secret AS s ON s.publisher = p.name "
    "WHERE p.name = ANY(:names) AND p.disabled_at IS NULL AND p.kind = :kind "
    "AND (p.low, p.high) = (:low, :high) AND s.slot = 1 AND s.valid_to IS NULL"
)
_REOPEN: Final = text(
    "INSERT INTO publisher (name, kind, low, high) VALUES (:name, :kind, :low, :high) "
    "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, low = excluded.low, high = excluded.high, "
    "disabled_at = NULL"
)
_DISABLE: Final = text(
    "UPDATE publisher SET disabled_at = now() WHERE name = :name AND kind = :kind AND disabled_at IS NULL "
    "RETURNING name"
)
_ENABLE: Final = text(
    "UPDATE publisher SET disabled_at = NULL WHERE name = :name AND kind = :kind AND disabled_at IS NOT NULL "
    "RETURNING name"
)
_LIST: Final = text(
    """
    SELECT p.name, p.kind, p.low, p.high, p.created_at, p.disabled_at,
           count(s.slot) FILTER (WHERE s.valid_to IS NULL OR s.valid_to > now()) AS secrets
    FROM publisher AS p LEFT JOIN publisher_secret AS s ON s.publisher = p.name
    WHERE p.kind = :kind GROUP BY p.name ORDER BY p.name
    """
)


@dataclass(frozen=True, slots=True)
class PublisherRow:
    """An account at the broker: from when, whether it is closed, how many secrets open it.

    A gateway reports for devices whose area codes lie from ``low`` to ``high``.
    """

    name: str
    kind: Kind
    low: int
    high: int
    created_at: datetime
    disabled_at: datetime | None
    secrets: int


@dataclass(frozen=True, slots=True)
class Token:
    """What a publisher signs in with, shown once: the user name at the broker, and the password."""

    name: str
    user_name: str
    secret: str


def user_name(name: str, slot: int) -> str:
    """Return the user name of a publisher's secret; a dot is in no publisher's name, so none is another's."""
    return name if slot == 1 else f"{name}.{slot}"


def add_publisher(connection: Connection, name: str, kind: Kind, scope: Scope = EVERYWHERE) -> Token:
    """Make an account and its first secret.

    Parameters
    ----------
    connection
        As the owner of the database; the caller's transaction makes it whole.
    name
        Uid of a device, or what a gateway calls itself.
    scope
        One range of area codes a gateway may report within.

    Raises
    ------
    InvalidError
        The name cannot be one, or the scope is not one range.
    ConflictError
        There is an account of this name.
    """
    _require_name(name)
    row = {"name": name, "kind": kind, **_range(scope)}
    if connection.execute(_INSERT, row).first() is None:
        raise ConflictError(
            f"there is a publisher “{name}” already",
            where="name",
            hint="gridtwin device token replaces its secret",
        )
    secret = secrets.token_urlsafe(32)
    connection.execute(_SECRET, _hashes(name, 1, secret))
    return Token(name, user_name(name, 1), secret)


def replace_secret(connection: Connection, name: str) -> Token:
    """Give a publisher another secret; the newest one before it stays good for a week, all others end.

    Raises
    ------
    NotFoundError
        There is no open account of this name.
    """
    _require_open(connection, name)
    slots = connection.execute(_SLOTS, {"name": name}).all()
    slot = 2 if slots and slots[0].slot == 1 and slots[0].valid else 1
    secret = secrets.token_urlsafe(32)
    connection.execute(_SECRET, _hashes(name, slot, secret))
    connection.execute(_END_OTHER, {"name": name, "slot": slot, "days": OVERLAP_DAYS})
    return Token(name, user_name(name, slot), secret)


def has_publisher(connection: Connection, name: str) -> bool:
    """Say whether there is an open account of this name."""
    found = connection.execute(
        text("SELECT 1 FROM publisher WHERE name = :name AND disabled_at IS NULL"), {"name": name}
    )
    return found.first() is not None


def disable_publisher(connection: Connection, name: str, kind: Kind) -> None:
    """Close an account: the broker ends its connection and lets it in no more; the name stays taken.

    Raises
    ------
    NotFoundError
        There is no open account of this name and kind.
    """
    if connection.execute(_DISABLE, {"name": name, "kind": kind}).first() is None:
        raise NotFoundError(f"there is no open account of a {kind} “{name[:64]}”", where="name")


def enable_publisher(connection: Connection, name: str, kind: Kind) -> None:
    """Open a closed account again; the secrets it had are good as far as they have not ended since.

    Raises
    ------
    NotFoundError
        There is no closed account of this name and kind.
    """
    if connection.execute(_ENABLE, {"name": name, "kind": kind}).first() is None:
        raise NotFoundError(f"there is no closed account of a {kind} “{name[:64]}”", where="name")


def list_publishers(connection: Connection, kind: Kind) -> list[PublisherRow]:
    """Return all accounts of a kind, by name."""
    return [PublisherRow(**row._mapping) for row in connection.execute(_LIST, {"kind": kind})]


def ensure_publishers(
    connection: Connection,
    names: Iterable[str],
    kind: Kind,
    known: Mapping[str, str] | None = None,
    scope: Scope = EVERYWHERE,
) -> dict[str, str]:
    """Make sure that many publishers of one program can sign in; return the secret of each by name.

    Parameters
    ----------
    known
        Secrets from before: one that is still good is kept. Other accounts of these names get a new secret.

    Raises
    ------
    InvalidError
        A name cannot be one, or the scope is not one range.
    """
    names = list(names)
    for name in names:
        _require_name(name)
    known = known or {}
    row = {"kind": kind, **_range(scope)}
    good = {
        name
        for name, digest in connection.execute(_KNOWN, {"names": names, **row}).all()
        if name in known and bytes(digest) == _digest(known[name])
    }
    made = {name: secrets.token_urlsafe(32) for name in names if name not in good}
    if made:
        connection.execute(_REOPEN, [{"name": name, **row} for name in made])
        connection.execute(_SECRET, [_hashes(name, 1, secret) for name, secret in made.items()])
    return {name: made.get(name) or known[name] for name in names}


def mqtt_hash(password: str) -> str:
    """Hash a password as mosquitto 2 does: PBKDF2-HMAC-SHA512."""
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 64)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f"“{name[:80]}” cannot be the name of a publisher",
            where="name",
            hint="4 to 64 of: letters A-Z and a-z, digits, _ and -",
        )


def _require_open(connection: Connection, name: str) -> None:
    if not has_publisher(connection, name):
        raise NotFoundError(f"there is no open account of a publisher “{name[:64]}”", where="name")


def _range(scope: Scope) -> dict[str, int]:
    if len(scope.ranges) != 1:
        raise InvalidError("a gateway reports within one range of areas", where="scope")
    ((low, high),) = scope.ranges
    return {"low": low, "high": high}


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _hashes(name: str, slot: int, secret: str) -> dict[str, object]:
    return {"name": name, "slot": slot, "secret": _digest(secret), "mqtt": mqtt_hash(secret)}
