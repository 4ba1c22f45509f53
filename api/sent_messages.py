"""Show what a device sent as it came: what of it was stored, and what was refused and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.reading import REMEMBERED_S
from api.runtime import Runtime
from ingest.newest import Kept
from ingest.transports.topics import beginning_of
from twin.access.record import Entry, write
from twin.errors import NotFoundError
from twin.live.sight import WORKERS
from twin.store import refused

_DEVICE: Final = text(
    "SELECT uid FROM device WHERE id = :id AND valid_to IS NULL "
    "AND scope_code <@ (SELECT gt_scope('may_device_manage'))"
)
_WHO: Final = text("SELECT id FROM worker WHERE device_id = ANY(:ids) ORDER BY id")

Withheld = Literal["other_areas", "refused_in_part", "persons"]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message, or one reading of it that was refused; ``id`` is its number in the quarantine."""

    received_at: datetime
    feed: str | None
    source: str
    outcome: Literal["stored", "refused"]
    payload: str | None
    encoding: Literal["text", "base64"] | None
    withheld: Withheld | None = None
    id: int | None = None
    reason: str | None = None
    detail: str | None = None
    said: dict[str, Any] | None = None


async def sent_by(caller: Caller, device_id: int, most: int) -> tuple[str, list[SentMessage]]:
    """Return the number in the world of a device and its newest messages, the newest first.

    Where persons are is shown while they are on duty, to those who may see them, and on the record.

    Raises
    ------
    NotFoundError
        There is no such device where the caller may manage devices.
    """
    running = caller.running
    async with caller.transaction() as connection:
        uid = (await connection.execute(_DEVICE, {"id": device_id})).scalar_one_or_none()
    if uid is None:
        raise NotFoundError("there is no such device", where=f"device {device_id}")
    stored = running.ingest.delivery.newest.of(device_id, most)
    shown = [_stored(caller, one) for one in stored]
    shown += [_refused(caller, device_id, row) for row in await _rows(running, uid, most)]
    shown = sorted(shown, key=lambda one: one.received_at, reverse=True)[:most]
    devices = np.unique(np.concatenate([np.array([device_id], np.int32), *(one.devices for one in stored)]))
    if any(one.payload for one in shown):
        await _record(caller, device_id, _persons(running, devices), shown[-1].received_at)
    return uid, shown


def _stored(caller: Caller, kept: Kept) -> SentMessage:
    payload, withheld = kept.payload, _withheld(caller, kept.devices)
    if payload is None:
        withheld = "refused_in_part"
    words, encoding = refused.shown(payload) if payload is not None and withheld is None else (None, None)
    at = datetime.fromtimestamp(kept.received_s, UTC)
    return SentMessage(at, kept.feed, kept.source, "stored", words, encoding, withheld)


def _refused(caller: Caller, device_id: int, row: Row[Any]) -> SentMessage:
    feed, _ = caller.running.ingest.replay.origin(row.source)
    withheld = _withheld(caller, np.array([device_id], np.int32))
    words, encoding = refused.shown(bytes(row.payload)) if withheld is None else (None, None)
    return SentMessage(
        row.received_at,
        None if feed is None else feed.name,
        row.source,
        "refused",
        words,
        encoding,
        withheld,
        row.id,
        row.reason,
        row.detail,
        row.said,
    )


def _withheld(caller: Caller, devices: np.ndarray) -> Withheld | None:
    """Say why a message of these devices may not be shown; None where it may."""
    board = caller.running.twin.board
    rows = np.array([board.row_of_id.get(one, -1) for one in devices.tolist()], np.int32)
    if (rows < 0).any() or not caller.sees(rows).all():
        return "other_areas"
    if ((board.layer[rows] == WORKERS) & (board.room[rows] == 0)).any():
        return "persons"
    return None


def _persons(running: Runtime, devices: np.ndarray) -> list[int]:
    """Return those of the devices that workers carry."""
    board = running.twin.board
    rows = {one: board.row_of_id[one] for one in devices.tolist() if one in board.row_of_id}
    return [one for one, row in rows.items() if board.layer[row] == WORKERS]


async def _rows(running: Runtime, uid: str, most: int) -> list[Row[Any]]:
    """Return what was refused of a device: messages it sent itself, and its readings in those of gateways.

    The quarantine belongs to no area, so it is asked by the server itself, for one device that the caller may
    manage; every row is looked at again, because the text of a refusal may quote what somebody sent.
    """
    feeds = [feed for feed in running.ingest.feeds.values() if feed.sender == "device"]
    sources = [f"{feed.name} {uid}" for feed in feeds if feed.transport == "http"]
    beginnings = [beginning_of(feed, uid) for feed in feeds if feed.transport == "mqtt"]
    async with running.own.connect() as connection:
        found = await refused.list_of_device(connection, uid, sources, beginnings, most)
    return [row for row in found if row.is_own or (_is_cut(running, row) and _names(bytes(row.payload), uid))]


def _is_cut(running: Runtime, row: Row[Any]) -> bool:
    """Whether single readings of the messages of a feed are kept; foreign ones are kept as they came."""
    feed, _ = running.ingest.replay.origin(row.source)
    return feed is not None and feed.format != "mapped"


class _Reading(msgspec.Struct):
    d: str


def _names(payload: bytes, uid: str) -> bool:
    """Whether bytes are one reading of a device, as it is written down when it is refused."""
    try:
        return msgspec.json.decode(payload, type=_Reading).d == uid
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


async def _record(caller: Caller, device_id: int, trackers: Sequence[int], since: datetime) -> None:
    """Put on the record that somebody reads where persons were, as a look at their track."""
    if not trackers:
        return
    async with caller.transaction() as connection:
        workers = await _workers(connection, trackers)
        read = caller.identity.credential_id, "messages", device_id, tuple(workers)
        if caller.running.reads.is_known(read):
            return
        minutes = round((datetime.now(UTC) - since).total_seconds() / 60, 1)
        about = f"worker/{workers[0]}" if len(workers) == 1 else f"device/{device_id}"
        detail = {"workers": workers, "minutes": minutes, "for_s": REMEMBERED_S, "messages_of": device_id}
        await write(connection, caller.actor, Entry("track.read", about, detail=detail))
    caller.running.reads.remember(read)


async def _workers(connection: AsyncConnection, trackers: Sequence[int]) -> list[int]:
    return list((await connection.execute(_WHO, {"ids": list(trackers)})).scalars())
