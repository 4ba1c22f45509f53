"""Read a mapping: where a foreign platform writes what, as a person wrote it down."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal

import msgspec

from ingest.decoders.paths import Path
from ingest.decoders.times import parse_zone
from twin.errors import InvalidError

MOST_VALUES: Final = 32
"""Most properties that are read of an item."""

MOST_DEVICES: Final = 10_000
"""Most numbers that are translated one by one."""

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)


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
    values: Annotated[list[Value], msgspec.Meta(min_length=1, max_length=MOST_VALUES)]
    time_form: Literal["milliseconds", "seconds", "iso"] = "milliseconds"
    zone: str = ""
    items: Path | None = None
    prefix: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z_-]{0,32}$")] = ""
    devices: Annotated[
        dict[
            Annotated[str, msgspec.Meta(min_length=1, max_length=128)],
            Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z_-]{1,64}$")],
        ],
        msgspec.Meta(max_length=MOST_DEVICES),
    ] = {}
    place: Place | None = None


def read_mapping(content: object) -> Mapping:
    """Check a mapping that a person wrote.

    Raises
    ------
    InvalidError
        It is wrong; ``where`` names the field, as ``mapping.values[0].path``.
    """
    try:
        mapping = msgspec.convert(content, Mapping)
    except (msgspec.ValidationError, RecursionError) as error:
        told = _AT.fullmatch(str(error))
        what, at = (told["what"], told["path"] or "") if told else (str(error), "")
        raise InvalidError(f"the mapping is wrong: {what}", where=f"mapping{at}"[:300]) from error
    if mapping.zone:
        try:
            parse_zone(mapping.zone)
        except ValueError as error:
            raise InvalidError(f"the mapping is wrong: {error}", where="mapping.zone") from error
    before: set[str] = set()
    for index, value in enumerate(mapping.values):
        where = f"mapping.values[{index}]"
        if value.property in before:
            raise InvalidError("two values are of the same property", where=f"{where}.property")
        before.add(value.property)
        if not (math.isfinite(value.factor) and math.isfinite(value.offset)) or value.factor == 0.0:
            raise InvalidError(
                "a factor is a finite number and not 0, an offset a finite number", where=where
            )
    _require_storable(mapping)
    return mapping


def _require_storable(mapping: Mapping) -> None:
    """Refuse signs that no database and no message can hold: a zero byte, half of a surrogate pair."""
    try:
        kept = b"\\u0000" not in msgspec.json.encode(mapping)
    except UnicodeEncodeError:
        kept = False
    if not kept:
        raise InvalidError("the mapping holds a sign that is none of any text", where="mapping")
