"""Decode JSON of a foreign platform by a table that says where its fields lie."""

from __future__ import annotations

import re
from datetime import timezone
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np

from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import NAN, DecodeError, Readings, RefusedReading, place_of
from ingest.decoders.times import from_iso, from_milliseconds, from_seconds, parse_zone
from twin import crs
from twin.errors import InvalidError

MAX_BYTES: Final = 262_144
"""Largest message that is read."""

MAX_ITEMS: Final = 5_000
"""Most things in one message."""

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d{1,4})\]")
_MISSING: Final = object()
_YES: Final = frozenset({"true", "on", "yes", "open", "是", "开"})
_NO: Final = frozenset({"false", "off", "no", "closed", "否", "关"})

Path = Annotated[
    str, msgspec.Meta(pattern=r"^([^.\[\]]+|\[\d{1,4}\])(\.[^.\[\]]+|\[\d{1,4}\])*$", max_length=200)
]
"""Where a value lies in an object: names with dots between them, places in lists in brackets."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of an item: which property of the device it is, where it lies, in which unit.

    ``factor`` and ``offset`` are applied first: property = value × factor + offset.
    """

    property: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    path: Path
    unit: Annotated[str, msgspec.Meta(max_length=32)] = ""
    factor: float = 1.0
    offset: float = 0.0


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the place of a thing that moves lies, and in which system its numbers are."""

    lon: Path
    lat: Path
    system: Literal["wgs84", "gcj02", "bd09"] = "wgs84"


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a foreign platform writes what.

    Parameters
    ----------
    device
        The number of the device, text or whole number.
    time
        When it was observed.
    time_form
        How the time is written; a time in ISO 8601 without a zone is in ``zone``.
    values
        What is read of each item; one that an item lacks is left out.
    items
        The list of items; left out where the message is one item, or is the list itself.
    prefix
        Written before the platform's number to make ours.
    devices
        Our number for those that no prefix makes, by the platform's.
    place
        Of things that move.
    """

    device: Path
    time: Path
    values: Annotated[list[Value], msgspec.Meta(min_length=1, max_length=32)]
    time_form: Literal["milliseconds", "seconds", "iso"] = "milliseconds"
    zone: str = ""
    items: Path | None = None
    prefix: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z_-]{0,32}$")] = ""
    devices: Annotated[dict[str, str], msgspec.Meta(max_length=10_000)] = {}
    place: Place | None = None


def read_mapping(content: object) -> Mapping:
    """Check a mapping that a person wrote.

    Raises
    ------
    InvalidError
        It is wrong; the error names the field.
    """
    try:
        mapping = msgspec.convert(content, Mapping)
        if mapping.zone:
            parse_zone(mapping.zone)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidError(f"the mapping is wrong: {error}", where="mapping") from error
    names = [value.property for value in mapping.values]
    if len(set(names)) != len(names):
        raise InvalidError("two values are of the same property", where="mapping.values")
    return mapping


def decode(message: Envelope, into: Readings) -> None:
    """Decode a message by the mapping of its feed.

    What is wrong with one item is refused with it; the others are taken.

    Raises
    ------
    DecodeError
        Nothing of the message can be used.
    """
    mapping = message.mapping
    if not isinstance(mapping, Mapping):
        raise DecodeError("decoder_failed", "this feed has no mapping")
    if len(message.payload) > MAX_BYTES:
        raise DecodeError(
            "too_large", f"a message of {len(message.payload)} bytes; at most {MAX_BYTES} are read"
        )
    items = _items(message.payload, mapping)
    before, refused = len(into.uid), len(into.refused)
    zone = parse_zone(mapping.zone) if mapping.zone else None
    for index, item in enumerate(items):
        try:
            _take(into, item, mapping, zone, message.uid, index)
        except DecodeError as error:
            where = place_of(_find(item, mapping.device), index)
            payload = msgspec.json.encode(item)[:4000]
            into.refused.append(RefusedReading(error.reason, error.what, payload, where, error.hint))
    if len(into.uid) == before and len(into.refused) == refused:
        raise DecodeError("empty", "the message holds no reading that the mapping finds")
    _to_wgs84(into, before, mapping)


def _items(payload: bytes, mapping: Mapping) -> list[Any]:
    try:
        content = msgspec.json.decode(payload)
    except RecursionError as error:
        raise DecodeError("malformed", "the JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError("malformed", f"not JSON: {error}") from error
    found = content if mapping.items is None else _find(content, mapping.items)
    if found is _MISSING:
        raise DecodeError("missing_field", f"nothing lies at “{mapping.items}”")
    items = found if isinstance(found, list) else [found]
    if len(items) > MAX_ITEMS:
        raise DecodeError("too_large", f"{len(items)} items in one message; at most {MAX_ITEMS} are read")
    return items


def _take(
    out: Readings, item: Any, mapping: Mapping, zone: timezone | None, own_uid: str | None, index: int
) -> None:
    uid = _uid(item, mapping)
    if own_uid is not None and uid != own_uid:
        raise DecodeError("wrong_device", f"{own_uid} may only report for itself, not for {uid[:64]}")
    time_us = _time_us(item, mapping, zone)
    lon, lat = _place(item, mapping)
    found = [(value, _find(item, value.path)) for value in mapping.values]
    read = [(value, _number(raw, value)) for value, raw in found if raw is not _MISSING and raw is not None]
    for value, number in read:
        out.uid.append(uid)
        out.time_us.append(time_us)
        out.name.append(value.property)
        out.value.append(number)
        out.unit.append(value.unit)
        out.lon.append(lon)
        out.lat.append(lat)
        out.index.append(index)
    if not read:
        paths = ", ".join(value.path for value in mapping.values)
        raise DecodeError("missing_field", f"the item has none of {paths}"[:300])


def _uid(item: Any, mapping: Mapping) -> str:
    raw = _find(item, mapping.device)
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise DecodeError("missing_field", f"no number of a device lies at “{mapping.device}”")
    return mapping.devices.get(str(raw)) or f"{mapping.prefix}{raw}"


def _time_us(item: Any, mapping: Mapping, zone: timezone | None) -> int:
    raw = _find(item, mapping.time)
    if mapping.time_form == "iso":
        if not isinstance(raw, str):
            raise DecodeError("bad_time", f"no ISO 8601 time lies at “{mapping.time}”")
        return from_iso(raw, zone)
    try:
        number = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else NAN
    except (ValueError, OverflowError):
        number = NAN
    return from_milliseconds(number) if mapping.time_form == "milliseconds" else from_seconds(number)


def _place(item: Any, mapping: Mapping) -> tuple[float, float]:
    if mapping.place is None:
        return NAN, NAN
    lon, lat = _find(item, mapping.place.lon), _find(item, mapping.place.lat)
    if lon in (None, _MISSING) and lat in (None, _MISSING):
        return NAN, NAN
    try:
        return float(lon), float(lat)
    except (TypeError, ValueError) as error:
        raise DecodeError("bad_position", "a place has a longitude and a latitude, both numbers") from error


def _number(raw: Any, value: Value) -> float:
    if isinstance(raw, str):
        word = raw.strip().lower()
        raw = 1.0 if word in _YES else 0.0 if word in _NO else word
    try:
        number = float(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise DecodeError(
            "wrong_type", f"what lies at “{value.path}” is no number: {str(raw)[:40]}"
        ) from error
    return number * value.factor + value.offset


def _to_wgs84(out: Readings, begin: int, mapping: Mapping) -> None:
    if mapping.place is None or mapping.place.system == "wgs84" or begin == len(out.lon):
        return
    convert = crs.converter_to_storage(mapping.place.system)
    lon, lat = np.array(out.lon[begin:]), np.array(out.lat[begin:])
    there = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)  # the judge refuses the others as they came
    lon[there], lat[there] = convert(lon[there], lat[there])
    out.lon[begin:], out.lat[begin:] = lon.tolist(), lat.tolist()


def _find(content: Any, path: str) -> Any:
    """Return what lies at a path, or `_MISSING`."""
    for step in _STEP.finditer(path):
        name, place = step.groups()
        if name is not None:
            if not isinstance(content, dict) or name not in content:
                return _MISSING
            content = content[name]
        else:
            if not isinstance(content, list) or int(place) >= len(content):
                return _MISSING
            content = content[int(place)]
    return content
