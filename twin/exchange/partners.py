"""Keep partners: who is told of which cases, where, and by which secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.scope import EVERYWHERE, WHOLE_CODE, Scope
from twin.access.sealing import Sealer
from twin.errors import ConflictError, InvalidError, NotFoundError
from twin.store import journal

CHANNEL: Final = "partners"
"""PostgreSQL notification channel: people changed something about a partner."""

MOST: Final = 50
"""Most partners of an installation."""

_SETTINGS: Final = (
    "name, address, area_code, low, high, categories, events, organisation_id, service_codes, jurisdiction, "
    "active"
)
_OPEN: Final = (
    f"id, kind, {_SETTINGS}, paused_at, paused_by, pause_reason, version, changed_by, changed_at, sent_seq, "
    "begun_at, tries, failing_since, next_try_at, last_error, last_status, last_error_at, last_success_at, "
    "asked_at"
)
_LIST: Final = text(f"SELECT {_OPEN} FROM partner ORDER BY name")
_ONE: Final = text(f"SELECT {_OPEN} FROM partner WHERE id = :id")
_WITH_SECRETS: Final = text(
    f"SELECT {_OPEN}, secret_sealed, receiving_sealed FROM partner WHERE id = CAST(:id AS uuid)"
)
_COUNT: Final = text("SELECT count(*) FROM partner")
_AREA: Final = text(
    "SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid' LIMIT 1"
)
_IS_ORGANISATION: Final = text("SELECT EXISTS (SELECT FROM organisation WHERE id = :id)")
_ADD: Final = text(
    f"INSERT INTO partner (id, kind, {_SETTINGS}, secret_sealed, receiving_sealed, changed_by, sent_seq) "
    "VALUES (:id, :kind, :name, :address, :area_code, :low, :high, CAST(:categories AS jsonb), "
    "CAST(:events AS jsonb), :organisation_id, CAST(:service_codes AS jsonb), :jurisdiction, :active, "
    ":secret_sealed, :receiving_sealed, :by, :sent_seq)"
)
# What waited while it was switched off is not owed; what waits while it is paused is.
_CHANGE: Final = text(
    "UPDATE partner SET name = :name, address = :address, area_code = :area_code, low = :low, high = :high, "
    "categories = CAST(:categories AS jsonb), events = CAST(:events AS jsonb), "
    "organisation_id = :organisation_id, service_codes = CAST(:service_codes AS jsonb), "
    "jurisdiction = :jurisdiction, active = :active, version = version + 1, changed_by = :by, "
    "changed_at = now(), tries = 0, failing_since = NULL, next_try_at = NULL, "
    "sent_seq = CASE WHEN :active AND NOT active THEN :sent_seq ELSE sent_seq END, "
    "begun_at = CASE WHEN :active AND NOT active THEN now() ELSE begun_at END "
    "WHERE id = :id AND version = :version"
)
_PAUSE: Final = text(
    "UPDATE partner SET paused_at = now(), paused_by = :by, pause_reason = :reason, version = version + 1 "
    "WHERE id = :id AND paused_at IS NULL"
)
_RESUME: Final = text(
    "UPDATE partner SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, version = version + 1, "
    "begun_at = now(), tries = 0, failing_since = NULL, next_try_at = NULL "
    "WHERE id = :id AND paused_at IS NOT NULL"
)
_AGAIN: Final = text(
    "UPDATE partner SET sent_seq = :seq - 1, version = version + 1, begun_at = now(), tries = 0, "
    "failing_since = NULL, next_try_at = NULL WHERE id = :id"
)
_UNPARK: Final = text("DELETE FROM partner_parked WHERE partner_id = :id AND seq >= :seq")
_SECRETS: Final = text(
    "UPDATE partner SET secret_sealed = :secret, receiving_sealed = CAST(:receiving AS bytea), "
    "version = version + 1, changed_by = :by, "
    "changed_at = now() WHERE id = :id"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a partner shall be; `None` of ``categories`` and ``events`` is all of them.

    ``scope`` is that of the area, see `scope_of`. ``service_codes`` maps our codes of categories, or their
    beginnings, to services of the partner; the longest that fits is taken, a category without is not sent.
    """

    name: str
    address: str
    area_code: str = WHOLE_CODE
    scope: Scope = EVERYWHERE
    categories: list[str] | None = None
    events: list[str] | None = None
    organisation_id: int | None = None
    service_codes: dict[str, str] | None = None
    jurisdiction: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner as it stands, see `twin.model.partner`; the server's own hand has its secrets too."""

    id: UUID
    kind: str
    name: str
    address: str
    area_code: str
    low: int
    high: int
    categories: list[str] | None
    events: list[str] | None
    organisation_id: int | None
    service_codes: dict[str, str] | None
    jurisdiction: str | None
    active: bool
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    version: int
    changed_by: str
    changed_at: datetime
    sent_seq: int
    begun_at: datetime
    tries: int
    failing_since: datetime | None
    next_try_at: datetime | None
    last_error: str | None
    last_status: int | None
    last_error_at: datetime | None
    last_success_at: datetime | None
    asked_at: datetime | None
    secret_sealed: bytes | None = None
    receiving_sealed: bytes | None = None

    @property
    def is_sending(self) -> bool:
        """Whether it is told of what happens."""
        return self.active and self.paused_at is None

    def __repr__(self) -> str:
        return f"<Partner {self.name}>"

    def secret(self, sealer: Sealer) -> str:
        """Open what messages to it are signed with, or what it knows us by."""
        assert self.secret_sealed is not None
        return sealer.open(bytes(self.secret_sealed), _place(self.id, "secret"))

    def receiving_secret(self, sealer: Sealer) -> str | None:
        """Open what messages from it are signed with; None where it sends none."""
        if self.receiving_sealed is None:
            return None
        return sealer.open(bytes(self.receiving_sealed), _place(self.id, "receiving"))


def _place(partner_id: UUID, what: str) -> str:
    return f"partner.{what}/{partner_id}"


def _of(row: Row[Any]) -> Partner:
    return Partner(**row._asdict())


async def scope_of(connection: AsyncConnection, area_code: str) -> Scope:
    """Return what an area holds, asked as somebody who sees areas, which who manages the system does not.

    Raises
    ------
    InvalidError
        There is no such area.
    """
    if area_code == WHOLE_CODE:
        return EVERYWHERE
    level = (await connection.execute(_AREA, {"code": area_code})).scalar()
    if level is None:
        raise InvalidError(
            f"there is no present area {area_code}", where="area_code", hint="15 digits of an area"
        )
    return Scope.of_area(area_code, level)


async def list_partners(connection: AsyncConnection) -> list[Partner]:
    """Return all partners by name, without their secrets."""
    return [_of(row) for row in await connection.execute(_LIST)]


async def get_partner(connection: AsyncConnection, partner_id: UUID) -> Partner:
    """Return a partner without its secrets.

    Raises
    ------
    NotFoundError
        There is none.
    """
    row = (await connection.execute(_ONE, {"id": partner_id})).first()
    if row is None:
        raise _unknown()
    return _of(row)


async def find_with_secrets(connection: AsyncConnection, partner_id: UUID) -> Partner | None:
    """Return a partner with its secrets, as the server's own hand; None where there is none."""
    row = (await connection.execute(_WITH_SECRETS, {"id": str(partner_id)})).first()
    return None if row is None else _of(row)


async def add_partner(
    connection: AsyncConnection,
    sealer: Sealer,
    wanted: Wanted,
    *,
    kind: str,
    secret: str,
    receiving: str | None,
    by: str,
) -> UUID:
    """Keep a new partner, which is told of what happens from now on; return its id.

    Parameters
    ----------
    secret
        What messages to it are signed with; of one that speaks Open311 the key it gave us.
    receiving
        What messages from it are signed with; None where it sends none.

    Raises
    ------
    InvalidError
        There is no such organisation.
    ConflictError
        The name is taken, or there are too many.
    """
    if (await connection.execute(_COUNT)).scalar_one() >= MOST:
        raise ConflictError(f"there are {MOST} partners already", where="name")
    partner_id = uuid4()
    values = await _values(connection, wanted) | {
        "id": partner_id,
        "kind": kind,
        "secret_sealed": sealer.seal(secret, _place(partner_id, "secret")),
        "receiving_sealed": _sealed(sealer, partner_id, receiving),
        "by": by,
        "sent_seq": await journal.newest(connection),
    }
    try:
        await connection.execute(_ADD, values)
    except IntegrityError as error:
        raise _taken(wanted.name) from error
    return partner_id


async def change_partner(
    connection: AsyncConnection, partner_id: UUID, wanted: Wanted, *, version: int, by: str
) -> None:
    """Change a partner; one that is switched on is told of what happens from now on.

    Raises
    ------
    NotFoundError, InvalidError, ConflictError
        There is no such partner or organisation; somebody changed it since ``version``, or the name
        is taken.
    """
    values = await _values(connection, wanted) | {
        "id": partner_id,
        "version": version,
        "by": by,
        "sent_seq": await journal.newest(connection),
    }
    try:
        done = await connection.execute(_CHANGE, values)
    except IntegrityError as error:
        raise _taken(wanted.name) from error
    if done.rowcount == 0:
        known = await get_partner(connection, partner_id)
        raise ConflictError(
            f"somebody changed this partner: it is at version {known.version}, and you saw {version}",
            where="version",
            hint="read it again, and change that",
        )


async def pause(connection: AsyncConnection, partner_id: UUID, *, by: str, reason: str) -> None:
    """Tell a partner nothing until it is resumed; what happens meanwhile waits.

    Raises
    ------
    NotFoundError, ConflictError
        There is no such partner, or it is paused.
    """
    if (await connection.execute(_PAUSE, {"id": partner_id, "by": by, "reason": reason})).rowcount == 0:
        await get_partner(connection, partner_id)
        raise ConflictError("this partner is paused already", where="id")


async def resume(connection: AsyncConnection, partner_id: UUID) -> None:
    """Tell a partner again, beginning with what waited.

    Raises
    ------
    NotFoundError, ConflictError
        There is no such partner, or it is not paused.
    """
    if (await connection.execute(_RESUME, {"id": partner_id})).rowcount == 0:
        await get_partner(connection, partner_id)
        raise ConflictError("this partner is not paused", where="id")


async def send_again(connection: AsyncConnection, partner_id: UUID, seq: int) -> None:
    """Tell a partner again of everything from a number of the journal on, parked events too.

    Messages have the ids they had: who keeps these does nothing twice.

    Raises
    ------
    NotFoundError, InvalidError
        There is no such partner, or the journal is not that long.
    """
    newest = await journal.newest(connection)
    if not 1 <= seq <= newest:
        raise InvalidError(f"the journal has events 1 to {newest}", where="from_sequence")
    if (await connection.execute(_AGAIN, {"id": partner_id, "seq": seq})).rowcount == 0:
        raise _unknown()
    await connection.execute(_UNPARK, {"id": partner_id, "seq": seq})


async def set_secrets(
    connection: AsyncConnection,
    sealer: Sealer,
    partner_id: UUID,
    *,
    secret: str,
    receiving: str | None,
    by: str,
) -> None:
    """Give a partner other secrets, see `add_partner`.

    Raises
    ------
    NotFoundError
        There is no such partner.
    """
    values = {
        "id": partner_id,
        "secret": sealer.seal(secret, _place(partner_id, "secret")),
        "receiving": _sealed(sealer, partner_id, receiving),
        "by": by,
    }
    if (await connection.execute(_SECRETS, values)).rowcount == 0:
        raise _unknown()


def _sealed(sealer: Sealer, partner_id: UUID, receiving: str | None) -> bytes | None:
    return None if receiving is None else sealer.seal(receiving, _place(partner_id, "receiving"))


async def _values(connection: AsyncConnection, wanted: Wanted) -> dict[str, Any]:
    key = wanted.organisation_id
    if key is not None and not (await connection.execute(_IS_ORGANISATION, {"id": key})).scalar_one():
        raise InvalidError(f"there is no organisation {key} here", where="organisation_id")
    ((low, high),) = wanted.scope.ranges
    return {
        "name": wanted.name,
        "address": wanted.address,
        "area_code": wanted.area_code,
        "low": low,
        "high": high,
        "categories": _json(wanted.categories),
        "events": _json(wanted.events),
        "organisation_id": key,
        "service_codes": _json(wanted.service_codes),
        "jurisdiction": wanted.jurisdiction,
        "active": wanted.active,
    }


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _unknown() -> NotFoundError:
    return NotFoundError("there is no such partner", where="id")


def _taken(name: str) -> ConflictError:
    return ConflictError(f"there is a partner “{name}” already", where="name", hint="choose another name")
