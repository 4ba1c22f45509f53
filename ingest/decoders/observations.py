"""Decode observation messages of the device schema (`docs/device-schema.md`): JSON, one, many or columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from ingest.decoders.envelope import Envelope
from ingest.decoders.misread import UNREADABLE, misread
from ingest.decoders.readings import NAN, DecodeError, Readings, RefusedReading, place_of
from ingest.decoders.times import LAST_MS, from_iso, from_milliseconds

MAX_BYTES = 262_144
"""Largest message that is read."""

MAX_READINGS = 5_000
"""Most readings in one message."""

_T = TypeVar("_T")

Time = int | str
Words = str | list[str]
Place = float | list[float | None] | None


class _Message(msgspec.Struct):
    """Any form: the value is a number (one reading), an object (several properties) or a list (columns)."""

    t: Time | list[Time]
    v: float | dict[str, float] | list[float]
    p: Words | None = None
    d: Words | None = None
    u: str | list[str] | dict[str, str] | None = None
    lon: Place = None
    lat: Place = None


class _Named(msgspec.Struct):
    """Only whom a reading names."""

    d: Any = None


_MESSAGES = msgspec.json.Decoder(_Message | list[_Message])
_ONE = msgspec.json.Decoder(_Message)
_NAMED = msgspec.json.Decoder(_Named)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANYTHING = msgspec.json.Decoder()


def decode(message: Envelope, into: Readings) -> None:
    """Decode a message of the device schema, of a device or of a gateway."""
    _decode(message.payload, message.uid, into)


def decode_device(uid: str, payload: bytes, into: Readings | None = None) -> Readings:
    """Decode what one device published about itself; ``d`` is not allowed to name another one.

    Parameters
    ----------
    into
        Columns to append to; unchanged after an error. New ones when left out.

    Raises
    ------
    DecodeError
        Nothing of the message can be used.
    """
    return _decode(payload, uid, Readings() if into is None else into)


def decode_gateway(payload: bytes, into: Readings | None = None) -> Readings:
    """Decode what a gateway published about many devices, each named by ``d``; see `decode_device`."""
    return _decode(payload, None, Readings() if into is None else into)


def _decode(payload: bytes, uid: str | None, out: Readings) -> Readings:
    before, refused = len(out.uid), len(out.refused)
    try:
        _read(payload, uid, out)
        n = len(out.uid) - before
        if n > MAX_READINGS:
            raise DecodeError("too_many_readings", count=n, most=MAX_READINGS)
        if n == 0 and len(out.refused) == refused:
            raise DecodeError("no_reading")
    except DecodeError:
        out.cut(before, refused)
        raise
    return out


def _read(payload: bytes, uid: str | None, out: Readings) -> None:
    if len(payload) > MAX_BYTES:
        raise DecodeError("too_long", bytes=len(payload), most=MAX_BYTES)
    try:
        message = _MESSAGES.decode(payload)
    except msgspec.ValidationError as error:
        _salvage(out, payload, uid, error)
        return
    except UNREADABLE as error:
        raise misread(error) from error
    if not isinstance(message, list):
        _take(out, message, uid)
        return
    for i, one in enumerate(message):
        try:
            _take(out, one, uid, i)
        except DecodeError as error:
            who = one.d if uid is None and isinstance(one.d, str) else uid
            _refuse(out, error, who, i, msgspec.json.encode(one))


def _salvage(out: Readings, payload: bytes, uid: str | None, error: msgspec.ValidationError) -> None:
    """Read the good part of a message in which something has the wrong type."""
    try:
        items = _RAW_LIST.decode(payload)
    except RecursionError as deep:  # reading it once more would take ten milliseconds for each 100 kB
        raise misread(deep) from deep
    except (msgspec.DecodeError, UnicodeDecodeError):
        _salvage_columns(out, payload, uid, error)
        return
    for i, item in enumerate(items):
        try:
            _take(out, _ONE.decode(item), uid, i)
        except DecodeError as wrong:
            _refuse(out, wrong, uid or _named(item), i, bytes(item))
        except RecursionError as deep:
            _refuse(out, misread(deep), uid, i, bytes(item)[:1000])
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            _refuse(out, misread(wrong), uid or _named(item), i, bytes(item))


def _salvage_columns(out: Readings, payload: bytes, uid: str | None, error: msgspec.ValidationError) -> None:
    try:
        content = _ANYTHING.decode(payload)
    except UNREADABLE as wrong:
        raise misread(wrong) from wrong
    columns = {k: v for k, v in content.items() if isinstance(v, list)} if isinstance(content, dict) else {}
    n = len(columns.get("v", ()))
    if n == 0 or n > MAX_READINGS or any(len(column) != n for column in columns.values()):
        raise misread(error) from error
    for i in range(n):
        item = {**content, **{k: column[i] for k, column in columns.items()}}
        try:
            _take(out, msgspec.convert(item, _Message), uid, i)
        except DecodeError as wrong:
            _refuse(out, wrong, uid or item.get("d"), i, msgspec.json.encode(item))
        except msgspec.ValidationError as wrong:
            _refuse(out, misread(wrong), uid or item.get("d"), i, msgspec.json.encode(item))


def _refuse(out: Readings, error: DecodeError, who: object, index: int, payload: bytes) -> None:
    where = place_of(who, index)
    out.refused.append(RefusedReading(error.fault, payload, where))


def _named(item: bytes | msgspec.Raw) -> object:
    """Return whom a reading names that has something of a wrong type."""
    try:
        return _NAMED.decode(item).d
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _take(out: Readings, message: _Message, uid: str | None, index: int | None = None) -> None:
    """Append one decoded message to the columns; all of it or, with an error, nothing.

    ``index`` is its place in the list it came in; None where it is the whole message.
    """
    value = message.v
    if isinstance(value, list):
        _take_columns(out, message, value, uid, index)
        return
    if isinstance(message.t, list) or isinstance(message.lon, list) or isinstance(message.lat, list):
        raise DecodeError("lists_without_values")
    who = _who(message.d, uid)
    time_us = _time_us(message.t)
    lon, lat = _place(message.lon, message.lat)
    if isinstance(value, dict):
        units = message.u if isinstance(message.u, dict) else {}
        if not value or isinstance(message.u, str | list) or message.p is not None:
            raise DecodeError("object_of_values")
        names, values = list(value), list(value.values())
        unit = [units.get(name, "") for name in names]
    else:
        if not isinstance(message.p, str) or isinstance(message.u, list | dict):
            raise DecodeError("no_property_named")
        names, values, unit = [message.p], [value], [message.u or ""]
    n = len(names)
    out.uid += [who] * n
    out.time_us += [time_us] * n
    out.name += names
    out.value += values
    out.unit += unit
    out.lon += [lon] * n
    out.lat += [lat] * n
    out.index += [index or 0] * n


def _take_columns(
    out: Readings, message: _Message, value: list[float], uid: str | None, index: int | None
) -> None:
    n = len(value)
    if message.p is None or isinstance(message.u, dict):
        raise DecodeError("columns_without_property")
    if isinstance(message.d, list):
        who: list[str] = _column(message.d, n, "d")
        if uid is not None and any(name != uid for name in who):
            raise DecodeError("for_another", device=uid)
    else:
        who = [_who(message.d, uid)] * n
    if isinstance(message.t, list):
        times = _times_us(_column(message.t, n, "t"))
    else:
        times = [_time_us(message.t)] * n
    names = _column(message.p, n, "p")
    unit = _column(message.u or "", n, "u")
    lon = [NAN if x is None else x for x in _column(message.lon, n, "lon")]
    lat = [NAN if x is None else x for x in _column(message.lat, n, "lat")]
    out.uid += who
    out.time_us += times
    out.name += names
    out.value += value
    out.unit += unit
    out.lon += lon
    out.lat += lat
    out.index += range(n) if index is None else [index] * n


def _column(column: _T | list[_T], n: int, name: str) -> list[_T]:
    """Return a column of n entries; one value stands for all."""
    if not isinstance(column, list):
        return [column] * n
    if len(column) != n:
        raise DecodeError("columns_of_two_lengths", column=name, count=len(column), wanted=n)
    return column


def _who(named: Words | None, uid: str | None) -> str:
    if isinstance(named, list):
        raise DecodeError("devices_without_values")
    if uid is None:
        if named is None:
            raise DecodeError("device_not_named")
        return named
    if named is not None and named != uid:
        raise DecodeError("for_another_named", device=uid, named=named[:64])
    return uid


def _times_us(times: Sequence[Time]) -> list[int]:
    whole = [t for t in times if isinstance(t, int)]
    if len(whole) == len(times) and min(whole, default=0) > 0 and max(whole, default=0) <= LAST_MS:
        return [t * 1000 for t in whole]
    return [_time_us(t) for t in times]


def _time_us(time: Time) -> int:
    return from_milliseconds(time) if isinstance(time, int) else from_iso(time)


def _place(lon: Any, lat: Any) -> tuple[float, float]:
    if (lon is None) != (lat is None):
        raise DecodeError("half_a_place")
    return (NAN, NAN) if lon is None else (float(lon), float(lat))
