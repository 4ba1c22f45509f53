"""Read what a client sends of an entity: known fields of the right kind, nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from api.sensorthings.syntax import checked, moment
from twin.errors import InvalidError

_LONGEST: Final = 4000
_GEO_JSON: Final = (
    "application/geo+json",
    "application/vnd.geo+json",
    "application/vnd.geo+json; charset=utf-8",
)
_IGNORED: Final = frozenset({"id", "phenomenonTime", "resultTime", "observedArea"})
"""Fields that the server works out itself; where one is written for an entity, it is in its table."""


@dataclass(slots=True)
class Body:
    """One entity as a client sends it: its fields by name, and what it is linked to."""

    fields: dict[str, Any] = field(default_factory=dict)
    links: dict[str, list[Linked]] = field(default_factory=dict)

    def single(self, name: str) -> Linked | None:
        """Return the one entity of a link; None where none is given.

        Raises
        ------
        InvalidError
            There is more than one.
        """
        given = self.links.get(name, [])
        if len(given) > 1:
            raise wrong(name, "at most one can be given here")
        return given[0] if given else None


@dataclass(slots=True)
class Linked:
    """An entity that is there already, by its ``id``, or one that is to be made."""

    id: int | str | None
    body: Body | None


@dataclass(frozen=True, slots=True)
class _Form:
    """What may be sent of an entity: how each field is read, which are needed, and which links it has."""

    fields: Mapping[str, Callable[[Any, str], Any]]
    needed: tuple[str, ...]
    links: Mapping[str, str]


def wrong(where: str, what: str, hint: str = "") -> InvalidError:
    """Make the error of a field."""
    return InvalidError(what, where=where, hint=hint)


def read_json(content: bytes) -> Any:
    """Return the JSON of a body.

    Raises
    ------
    InvalidError
        It is none.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise wrong("body", f"this is not JSON: {str(error)[:100]}") from None


def read_body(given: Any, name: str, where: str = "", *, partial: bool = False) -> Body:
    """Read one entity, and those it holds.

    Parameters
    ----------
    given
        What the JSON holds.
    name
        Set of the entity.
    where
        Its place in the message.
    partial
        Whether fields may be missing: only what is given shall change.

    Raises
    ------
    InvalidError
        A field is wrong, missing or not known; says which.
    """
    form = _FORMS.get(name)
    if form is None:
        raise wrong(where or "body", f"{name} are kept by the server itself")
    if not isinstance(given, dict):
        raise wrong(where or "body", "an object is wanted")
    body = Body()
    for key, value in given.items():
        place = f"{where}.{key}" if where else key
        if key in form.fields:
            if value is not None or key == "result":
                body.fields[key] = form.fields[key](value, place)
            elif partial and key in form.needed:
                raise wrong(place, "this cannot be taken away")
            elif partial:
                body.fields[key] = None
        elif key in form.links:
            body.links[key] = _linked(value, form.links[key], place)
        elif "@iot." not in key and key not in _IGNORED and value not in (None, [], {}):
            known = ", ".join([*form.fields, *form.links])
            raise wrong(place, "this field is not known here", f"known are {known}")
    missing = [key for key in form.needed if key not in body.fields]
    if missing and not partial:
        raise wrong(f"{where}.{missing[0]}" if where else missing[0], "this field is missing")
    return body


def _linked(value: Any, target: str, where: str) -> list[Linked]:
    found = []
    for i, one in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        place = f"{where}[{i}]" if isinstance(value, list) else where
        if not isinstance(one, dict):
            raise wrong(place, "an object is wanted")
        given = one.get("@iot.id", one.get("id") if set(one) <= {"id"} else None)
        if given is None:
            found.append(Linked(None, read_body(one, target, place)))
        elif isinstance(given, bool) or not isinstance(given, int | str):
            raise wrong(place, "an id is a number or a text")
        else:
            found.append(Linked(given, None))
    return found


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or "\x00" in value or len(value) > _LONGEST:
        raise wrong(where, f"a text of at most {_LONGEST} letters is wanted")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(where, "this is no Unicode text") from None
    return value


def _name(value: Any, where: str) -> str:
    text = _text(value, where)
    if not text.strip():
        raise wrong(where, "this must not be empty")
    return text


def _any(value: Any, where: str) -> str:
    """Return JSON as text for the database, which takes no zero bytes in texts."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in written:
        raise wrong(where, "a text holds a zero byte")
    return written


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(where, "an object is wanted")
    _any(value, where)
    return value


def _unit(value: Any, where: str) -> dict[str, Any]:
    unit = _object(value, where)
    for key in ("name", "symbol", "definition"):
        if unit.get(key) is not None and not isinstance(unit[key], str):
            raise wrong(f"{where}.{key}", "a text or null is wanted")
    return unit


def _encoding(value: Any, where: str) -> str:
    if value not in _GEO_JSON:
        raise wrong(where, "only GeoJSON is taken", "send application/geo+json")
    return str(value)


def _geometry(value: Any, where: str) -> BaseGeometry:
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    try:
        return checked(shapely.from_geojson(orjson.dumps(value)))
    except (shapely.errors.GEOSException, ValueError, TypeError) as error:
        raise wrong(where, f"this is no GeoJSON geometry: {str(error)[:120]}") from None


def _moment(value: Any, where: str) -> datetime:
    try:
        return moment(_text(value, where))
    except (ValueError, OverflowError):
        raise wrong(where, "a moment like 2026-01-31T08:00:00Z is wanted") from None


def _period(value: Any, where: str) -> tuple[datetime, datetime | None]:
    begin, slash, end = _text(value, where).partition("/")
    found = _moment(begin, where), _moment(end, where) if slash else None
    if found[1] is not None and found[1] < found[0]:
        raise wrong(where, "it ends before it begins")
    return found


def _result(value: Any, where: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(where, "the number is not finite")
    _any(value, where)
    return value


_NAMED: Final = {"name": _name, "description": _text, "properties": _object}
_PLACE: Final = _NAMED | {"encodingType": _encoding}

_FORMS: Final[Mapping[str, _Form]] = {
    "Things": _Form(
        _NAMED, ("name", "description"), {"Locations": "Locations", "Datastreams": "Datastreams"}
    ),
    "Locations": _Form(
        _PLACE | {"location": _geometry},
        ("name", "description", "encodingType", "location"),
        {"Things": "Things"},
    ),
    "Datastreams": _Form(
        _NAMED | {"observationType": _text, "unitOfMeasurement": _unit},
        ("name", "description", "observationType", "unitOfMeasurement"),
        {
            "Thing": "Things",
            "Sensor": "Sensors",
            "ObservedProperty": "ObservedProperties",
            "Observations": "Observations",
        },
    ),
    "Sensors": _Form(
        _NAMED | {"encodingType": _text, "metadata": _any},
        ("name", "description", "encodingType", "metadata"),
        {"Datastreams": "Datastreams"},
    ),
    "ObservedProperties": _Form(
        _NAMED | {"definition": _text},
        ("name", "definition", "description"),
        {"Datastreams": "Datastreams"},
    ),
    "Observations": _Form(
        {
            "phenomenonTime": _period,
            "result": _result,
            "resultTime": _moment,
            "validTime": _period,
            "resultQuality": _any,
            "parameters": _object,
        },
        ("result",),
        {"Datastream": "Datastreams", "FeatureOfInterest": "FeaturesOfInterest"},
    ),
    "FeaturesOfInterest": _Form(
        _PLACE | {"feature": _geometry},
        ("name", "description", "encodingType", "feature"),
        {},
    ),
}
