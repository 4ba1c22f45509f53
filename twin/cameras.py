"""Keep the addresses of cameras sealed, and give one out only with its row in the record of acts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access.record import Actor, of_actor
from twin.access.sealing import Sealer
from twin.errors import NotFoundError, TooManyError

CHANNEL: Final = "cameras"
"""Notification channel that tells of changed addresses."""

LOOKS_PER_HOUR: Final = 600
"""Of one account: one every six seconds. More is no looking but recording."""

_LOOK: Final = text(
    "SELECT * FROM look_at_camera(:device_id, :most, :actor, :account_id, :roles, :address, :object, "
    ":reason, CAST(:detail AS jsonb))"
)
_STORE: Final = text(
    """
    INSERT INTO camera_source (device_id, scheme, address_sealed, sign_posted, retention_days)
    VALUES (:device_id, :scheme, :sealed, :sign_posted, :retention_days)
    ON CONFLICT (device_id) DO UPDATE SET scheme = excluded.scheme, set_at = now(),
        address_sealed = excluded.address_sealed, state = 'unknown', reason = NULL, since = NULL,
        sign_posted = coalesce(excluded.sign_posted, camera_source.sign_posted),
        retention_days = coalesce(excluded.retention_days, camera_source.retention_days)
    """
)
_KNOWN: Final = text("SELECT device_id, address_sealed FROM camera_source WHERE device_id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Source:
    """What is kept of the stream of a camera; ``address`` in clear, so it is never shown (repr)."""

    device_id: int
    scheme: str
    address: str
    sign_posted: bool | None = None
    retention_days: int | None = None

    def __repr__(self) -> str:
        return f"<Source of device {self.device_id}>"


@dataclass(frozen=True, slots=True)
class Kept:
    """A source as the server's own hand reads it: sealed, with its state."""

    device_id: int
    sealed: bytes
    state: str
    reason: str | None
    since: datetime | None


def store_sources(connection: Connection, sealer: Sealer, sources: Iterable[Source]) -> int:
    """Seal and keep sources, as the owner of the database; return how many are new or have changed.

    What is there already with the same address stays as it is, and so does its state.
    """
    given = {source.device_id: source for source in sources}
    known = {row.device_id: row.address_sealed for row in connection.execute(_KNOWN, {"ids": list(given)})}
    rows = [
        {
            "device_id": source.device_id,
            "scheme": source.scheme,
            "sealed": sealer.seal(source.address, _place(source.device_id)),
            "sign_posted": source.sign_posted,
            "retention_days": source.retention_days,
        }
        for source in given.values()
        if source.device_id not in known
        or open_address(sealer, source.device_id, known[source.device_id]) != source.address
    ]
    if rows:
        connection.execute(_STORE, rows)
    return len(rows)


async def get_camera(connection: AsyncConnection, uid: str) -> int:
    """Return the number of a present camera, as the owner of the database.

    Raises
    ------
    NotFoundError
        There is no such camera.
    """
    found = await connection.execute(
        text("SELECT id FROM device WHERE uid = :uid AND kind = 'camera' AND valid_to IS NULL"), {"uid": uid}
    )
    number = found.scalar_one_or_none()
    if number is None:
        raise NotFoundError(
            f"there is no camera “{uid[:64]}”", where="UID", hint="gridtwin import cameras FILE"
        )
    return int(number)


@dataclass(frozen=True, slots=True)
class Look:
    """A look that was asked for, as it stands on the record; open it when that is committed."""

    device_id: int
    wait_s: int
    sealed: bytes | None
    made_up: bool

    def address(self, sealer: Sealer) -> str | None:
        """Return the address to be asked; None where pictures are made up.

        Raises
        ------
        TooManyError
            The account looked `LOOKS_PER_HOUR` times in the last hour.
        NotFoundError
            Nobody knows the stream of this camera.
        SetupError
            It was sealed with another key.
        """
        if self.wait_s:
            raise TooManyError(
                f"{LOOKS_PER_HOUR} looks in the last hour are the most · 一小时内查看次数已达上限",
                wait_s=self.wait_s,
                where="cameras",
            )
        if self.sealed is not None:
            return open_address(sealer, self.device_id, self.sealed)
        if not self.made_up:
            raise NotFoundError(
                "the stream of this camera is not known · 未登记取流地址",
                where="stream",
                hint="gridtwin camera set UID --rtsp or --http",
            )
        return None


async def look(
    connection: AsyncConnection, actor: Actor, device_id: int, reason: str, detail: dict[str, Any]
) -> Look:
    """Put a look on the record and return what it gives.

    Permission, record and address are one statement of the database: there is none without the others.

    Raises
    ------
    NotFoundError
        There is no camera of this number where the caller may look.
    """
    values = {
        "device_id": device_id,
        "most": LOOKS_PER_HOUR,
        **of_actor(actor),
        "object": f"camera/{device_id}",
        "reason": reason,
        "detail": json.dumps(detail),
    }
    row = (await connection.execute(_LOOK, values)).first()
    if row is None:
        raise NotFoundError("there is no camera here at which you may look", where="id")
    return Look(device_id, row.wait_s, row.address_sealed, row.made_up)


async def read_sources(connection: AsyncConnection) -> list[Kept]:
    """Return all sources of present cameras, as the server's own hand."""
    rows = await connection.execute(
        text(
            "SELECT s.device_id, s.address_sealed, s.state, s.reason, s.since FROM camera_source AS s "
            "JOIN device AS d ON d.id = s.device_id WHERE d.valid_to IS NULL ORDER BY s.device_id"
        )
    )
    return [Kept(*row) for row in rows]


async def note_state(
    connection: AsyncConnection, device_id: int, state: str, reason: str | None, since: datetime
) -> None:
    """Keep how a stream does from now on, as the server's own hand."""
    await connection.execute(
        text(
            "UPDATE camera_source SET state = :state, reason = :reason, since = :since WHERE device_id = :id"
        ),
        {"id": device_id, "state": state, "reason": reason, "since": since},
    )


def open_address(sealer: Sealer, device_id: int, sealed: bytes) -> str:
    """Open the address of a camera; errors as in `Sealer.open`."""
    return sealer.open(bytes(sealed), _place(device_id))


def _place(device_id: int) -> str:
    return f"camera_source.address/{device_id}"
