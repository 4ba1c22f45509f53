"""Decode what Traccar's and OsmAnd's apps send: a query, a form, or JSON (traccar.org/osmand)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Final
from urllib.parse import parse_qs

import msgspec

from ingest.decoders import fixes
from ingest.decoders.envelope import Envelope
from ingest.decoders.fixes import Fix
from ingest.decoders.misread import UNREADABLE, misread
from ingest.decoders.readings import NAN, DecodeError, Readings
from ingest.decoders.times import from_iso, from_milliseconds, from_seconds

MAX_BYTES: Final = 65_536
"""Largest message that is read."""

_KNOT_MPS: Final = 1852.0 / 3600.0
_BEIJING: Final = timezone(timedelta(hours=8))
_MOST_FIELDS: Final = 100
_SECONDS_BELOW: Final = 2**31


class _Coordinates(msgspec.Struct):
    latitude: float
    longitude: float
    accuracy: float = -1.0
    speed: float = -1.0


class _Battery(msgspec.Struct):
    level: float = -1.0


class _Location(msgspec.Struct):
    timestamp: str
    coords: _Coordinates | None = None
    battery: _Battery | None = None
    mock: bool = False


class _Message(msgspec.Struct):
    location: _Location
    device_id: str | int = ""


class _Named(msgspec.Struct):
    device_id: str | int = ""


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_NAMED: Final = msgspec.json.Decoder(_Named)


def decode(message: Envelope, into: Readings) -> None:
    """Decode one message. The device is the sender; a gateway names it by ``id``.

    A time that is left out is when the message came; one without a zone is Beijing time. Speeds of queries
    are knots, those of JSON metres a second; -1 is not known.

    Raises
    ------
    DecodeError
        It cannot be read, or a value cannot be used.
    """
    if len(message.payload) > MAX_BYTES:
        raise DecodeError("too_long", bytes=len(message.payload), most=MAX_BYTES)
    fix = _of_json(message) if message.content_type == "application/json" else _of_query(message)
    fixes.take(fix, into)


def named_in(message: Envelope) -> str:
    """Return what a message calls its device, "" where it names none or cannot be read."""
    if message.content_type == "application/json":
        try:
            return str(_NAMED.decode(message.payload).device_id)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""
    try:
        fields = _fields(message)
    except DecodeError:
        return ""
    return fields.get("id") or fields.get("deviceid") or ""


def _of_json(message: Envelope) -> Fix:
    try:
        found = _MESSAGE.decode(message.payload)
    except UNREADABLE as error:
        raise misread(error) from error
    where = found.location.coords
    battery = found.location.battery
    return Fix(
        uid=message.uid or _required(str(found.device_id)),
        time_us=from_iso(found.location.timestamp, _BEIJING),
        lon=NAN if where is None else where.longitude,
        lat=NAN if where is None else where.latitude,
        speed_mps=None if where is None or where.speed < 0 else where.speed,
        accuracy_m=None if where is None or where.accuracy < 0 else where.accuracy,
        battery_percent=None if battery is None or battery.level < 0 else battery.level * 100.0,
        mocked=found.location.mock,
    )


def _of_query(message: Envelope) -> Fix:
    fields = _fields(message)
    lon, lat = _place(fields)
    if fields.get("valid", "true").lower() not in ("true", "1"):
        lon = lat = NAN
    speed = _number(fields, "speed")
    accuracy = _number(fields, "accuracy")
    return Fix(
        uid=message.uid or _required(fields.get("id") or fields.get("deviceid") or ""),
        time_us=_time_us(fields.get("timestamp", ""), message.received_us),
        lon=lon,
        lat=lat,
        speed_mps=None if speed is None or speed < 0 else speed * _KNOT_MPS,
        accuracy_m=None if accuracy is None or accuracy <= 0 else accuracy,
        battery_percent=_number(fields, "batt"),
        mocked=fields.get("mock", "").lower() in ("true", "1"),
    )


def _fields(message: Envelope) -> Mapping[str, str]:
    """Return the fields of a query, or of a form where the query has none; the first of a name counts."""
    if message.parameters:
        return message.parameters
    try:
        form = parse_qs(message.payload.decode("utf-8"), max_num_fields=_MOST_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise DecodeError("no_query", error=str(error)[:200]) from error
    return {name: values[0] for name, values in form.items()}


def _required(uid: str) -> str:
    if not uid:
        raise DecodeError("no_id")
    return uid


def _place(fields: Mapping[str, str]) -> tuple[float, float]:
    if "location" in fields:
        lat, _, lon = fields["location"].partition(",")
        fields = {"lat": lat, "lon": lon}
    lon_deg, lat_deg = _number(fields, "lon"), _number(fields, "lat")
    if (lon_deg is None) != (lat_deg is None):
        raise DecodeError("half_a_place")
    return (NAN, NAN) if lon_deg is None or lat_deg is None else (lon_deg, lat_deg)


def _number(fields: Mapping[str, str], name: str) -> float | None:
    raw = fields.get(name)
    if raw is None or not raw.strip():
        return None
    try:
        number = float(raw)
    except ValueError as error:
        raise DecodeError("no_number_in_words", name=name, found=raw[:40]) from error
    if not math.isfinite(number):
        raise DecodeError("not_a_number", name=name, found=raw[:40])
    return number


def _time_us(raw: str, received_us: int) -> int:
    raw = raw.strip()
    if not raw:
        return received_us
    try:
        number = float(raw)
    except ValueError:
        return from_iso(raw, _BEIJING)
    return from_seconds(number) if number < _SECONDS_BELOW else from_milliseconds(number)
