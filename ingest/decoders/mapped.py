"""Decode JSON of a foreign platform by a mapping that says where its fields lie."""

from __future__ import annotations

from datetime import timezone
from typing import Any, Final

import msgspec
import numpy as np

from ingest.decoders.envelope import Envelope
from ingest.decoders.mapping import Mapping, Value
from ingest.decoders.misfit import MisfitError, misfit_at
from ingest.decoders.paths import NOTHING, find
from ingest.decoders.readings import NAN, DecodeError, Readings, RefusedReading, place_of
from ingest.decoders.times import from_iso, from_milliseconds, from_seconds, parse_zone
from twin import crs

MAX_BYTES: Final = 262_144
"""Largest message that is read."""

MAX_ITEMS: Final = 5_000
"""Most things in one message."""

MAX_READINGS: Final = 20_000
"""Most values that are looked for in one message: the same few bytes may be meant by 32 of a mapping."""

_YES: Final = frozenset({"true", "on", "yes", "open", "是", "开"})
_NO: Final = frozenset({"false", "off", "no", "closed", "否", "关"})


def decode(message: Envelope, into: Readings) -> None:
    """Decode a message by the mapping of its feed.

    What is wrong with one item is refused with it; the others are taken. What is refused has no bytes: the
    message is kept as it came, so that it can be decoded by a mended mapping.

    Raises
    ------
    DecodeError
        Nothing of the message can be used.
    """
    mapping = message.mapping
    if not isinstance(mapping, Mapping):
        raise DecodeError("mapping_unreadable")
    for index, device, misfit in read(message.payload, mapping, into, message.uid):
        where = place_of(device, index)
        into.refused.append(RefusedReading(misfit.fault, b"", where))


def read(
    payload: bytes, mapping: Mapping, into: Readings, own_uid: str | None = None
) -> list[tuple[int, object, MisfitError]]:
    """Append what a message says to columns.

    Parameters
    ----------
    own_uid
        The device that speaks for itself; None where the message may speak of any.

    Returns
    -------
    misfits
        Of each item that does not fit: its place in the message, what lies where the device's number should,
        and what is wrong.

    Raises
    ------
    MisfitError
        Nothing of the message can be used; the columns are as they were.
    """
    items = _items(payload, mapping)
    before = len(into.uid)
    zone = parse_zone(mapping.zone) if mapping.zone else None
    misfits: list[tuple[int, object, MisfitError]] = []
    for index, item in enumerate(items):
        try:
            _take(into, item, mapping, zone, own_uid, index)
        except MisfitError as misfit:
            misfits.append((index, find(item, mapping.device), misfit))
    _to_wgs84(into, before, mapping)
    return misfits


def parse(payload: bytes) -> Any:
    """Return the JSON of a message.

    Raises
    ------
    MisfitError
        It is too long, or no JSON.
    """
    if len(payload) > MAX_BYTES:
        raise MisfitError("foreign_too_long", found=f"{len(payload)} B", most=MAX_BYTES)
    try:
        return msgspec.json.decode(payload)
    except RecursionError as error:
        raise MisfitError("foreign_too_deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MisfitError("foreign_not_json", found=str(error)[:200]) from error


def _items(payload: bytes, mapping: Mapping) -> list[Any]:
    content = parse(payload)
    found = content if mapping.items is None else find(content, mapping.items)
    if mapping.items is not None and not isinstance(found, list | dict):
        raise misfit_at("no_items", content, mapping.items, found)
    items = found if isinstance(found, list) else [found]
    if not items:
        raise MisfitError("no_readings", mapping.items or "")
    most = min(MAX_ITEMS, MAX_READINGS // len(mapping.values))
    if len(items) > most:
        raise MisfitError("too_many", mapping.items or "", str(len(items)), most=most)
    return items


def _take(
    out: Readings, item: Any, mapping: Mapping, zone: timezone | None, own_uid: str | None, index: int
) -> None:
    uid = _uid(item, mapping)
    if own_uid is not None and uid != own_uid:
        raise MisfitError("not_itself", mapping.device, uid[:64])
    time_us = _time_us(item, mapping, zone)
    lon, lat = _place(item, mapping)
    found = [(value, find(item, value.path)) for value in mapping.values]
    read = [
        (value, _number(item, raw, value)) for value, raw in found if raw is not NOTHING and raw is not None
    ]
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
        first = mapping.values[0].path
        raise misfit_at("no_values", item, first, find(item, first), paths=paths[:300])


def _uid(item: Any, mapping: Mapping) -> str:
    raw = find(item, mapping.device)
    if isinstance(raw, bool) or not isinstance(raw, str | int) or raw == "":
        raise misfit_at("no_device", item, mapping.device, raw)
    return mapping.devices.get(str(raw)) or f"{mapping.prefix}{raw}"


def _time_us(item: Any, mapping: Mapping, zone: timezone | None) -> int:
    raw = find(item, mapping.time)
    try:
        if mapping.time_form == "iso":
            return from_iso(raw if isinstance(raw, str) else "", zone)
        number = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else NAN
        return from_milliseconds(number) if mapping.time_form == "milliseconds" else from_seconds(number)
    except (DecodeError, ValueError, OverflowError) as error:
        raise misfit_at("no_time", item, mapping.time, raw, form=mapping.time_form) from error


def _place(item: Any, mapping: Mapping) -> tuple[float, float]:
    if mapping.place is None:
        return NAN, NAN
    lon, lat = find(item, mapping.place.lon), find(item, mapping.place.lat)
    if lon in (None, NOTHING) and lat in (None, NOTHING):
        return NAN, NAN
    for path, degrees in ((mapping.place.lon, lon), (mapping.place.lat, lat)):
        if isinstance(degrees, bool) or not _is_number(degrees):
            raise misfit_at("no_place", item, path, degrees)
    return float(lon), float(lat)


def _is_number(raw: Any) -> bool:
    try:
        float(raw)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _number(item: Any, raw: Any, value: Value) -> float:
    meant = raw
    if isinstance(raw, str):
        word = raw.strip().lower()
        meant = 1.0 if word in _YES else 0.0 if word in _NO else word
    if not _is_number(meant):
        raise misfit_at("no_number", item, value.path, raw)
    return float(meant) * value.factor + value.offset


def _to_wgs84(out: Readings, begin: int, mapping: Mapping) -> None:
    if mapping.place is None or mapping.place.system == "wgs84" or begin == len(out.lon):
        return
    convert = crs.converter_to_storage(mapping.place.system)
    lon, lat = np.array(out.lon[begin:]), np.array(out.lat[begin:])
    there = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)  # the judge refuses the others as they came
    lon[there], lat[there] = convert(lon[there], lat[there])
    out.lon[begin:], out.lat[begin:] = lon.tolist(), lat.tolist()
