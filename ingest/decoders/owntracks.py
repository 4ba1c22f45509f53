"""Decode messages of OwnTracks and of trackers that speak alike (owntracks.org/booklet/tech/json)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ingest.decoders import fixes
from ingest.decoders.envelope import Envelope
from ingest.decoders.fixes import Fix
from ingest.decoders.misread import UNREADABLE, misread
from ingest.decoders.readings import DecodeError, Readings
from ingest.decoders.times import from_seconds

MAX_BYTES: Final = 65_536
"""Largest message that is read; one with a picture of a place of interest is larger and not for us."""

_KMH: Final = 3.6
_WITH_A_PLACE: Final = frozenset({"location", "transition"})
_WITHOUT: Final = frozenset(
    {
        "beacon",
        "card",
        "cmd",
        "configuration",
        "dump",
        "lwt",
        "request",
        "status",
        "steps",
        "waypoint",
        "waypoints",
    }
)


class _Message(msgspec.Struct):
    kind: str = msgspec.field(name="_type", default="")
    lat: float | None = None
    lon: float | None = None
    tst: float | None = None
    acc: float | None = None
    vel: float | None = None
    batt: float | None = None
    topic: str = ""


_MESSAGE: Final = msgspec.json.Decoder(_Message)


def decode(message: Envelope, into: Readings) -> None:
    """Decode one message; of those that hold no place, and of an empty one, nothing is taken.

    The device is the sender. A gateway that speaks for trackers names them by ``d`` in the address or by the
    last part of ``topic``.

    Raises
    ------
    DecodeError
        It is no message of OwnTracks, is encrypted, or a value cannot be used.
    """
    if not message.payload:
        return  # a friend was deleted in the app
    if len(message.payload) > MAX_BYTES:
        raise DecodeError("too_long", bytes=len(message.payload), most=MAX_BYTES)
    found = _read(message.payload)
    if found.kind in _WITHOUT:
        return
    if found.kind == "encrypted":
        raise DecodeError("encrypted")
    if found.kind not in _WITH_A_PLACE:
        raise DecodeError("no_kind_of_owntracks", found=found.kind[:40])
    if found.lat is None or found.lon is None:
        if found.kind == "transition":
            return
        raise DecodeError("location_without_place")
    if found.tst is None:
        raise DecodeError("location_without_time")
    fixes.take(
        Fix(
            uid=message.uid or _named(found, message),
            time_us=from_seconds(found.tst),
            lon=found.lon,
            lat=found.lat,
            speed_mps=None if found.vel is None or found.vel < 0 else found.vel / _KMH,
            accuracy_m=None if found.acc is None or found.acc < 0 else found.acc,
            battery_percent=None if found.batt is None or found.batt < 0 else found.batt,
        ),
        into,
    )


def _read(payload: bytes) -> _Message:
    try:
        return _MESSAGE.decode(payload)
    except UNREADABLE as error:
        raise misread(error) from error


def _named(found: Any, message: Envelope) -> str:
    uid = message.parameters.get("d") or found.topic.rpartition("/")[2]
    if not uid:
        raise DecodeError("tracker_not_named")
    return str(uid)
