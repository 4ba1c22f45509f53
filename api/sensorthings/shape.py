"""Say what an entity is: its properties, its links, the query it is, and what its ids stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, TextClause, and_, text

from api.sensorthings.kinds import SLOTS_OF_A_DEVICE

Expression = ColumnElement[Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Type(Enum):
    """What a property holds."""

    NUMBER = auto()
    TEXT = auto()
    BOOL = auto()
    TIME = auto()
    GEO = auto()
    JSON = auto()
    RESULT = auto()
    """A number or, in rare cases, any JSON."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an entity. ``columns`` are its columns in the subquery: two for an interval of time."""

    name: str
    type: Type
    columns: tuple[str, ...]
    computed: Callable[[Any], tuple[Expression, ...]] | None = None
    """Gives the values of ``columns`` where they are worked out only when they are asked for."""
    optional: bool = False
    """Whether it is left out of an answer where it is null."""

    def of(self, table: Any) -> tuple[Expression, ...]:
        """Return its values in a row of a subquery."""
        if self.computed is not None:
            return self.computed(table)
        return tuple(table.c[name] for name in self.columns)


@dataclass(frozen=True, slots=True)
class Link:
    """A way from an entity to others. ``on`` joins a row of the one with rows of the others."""

    name: str
    target: str
    many: bool
    on: Callable[[Any, Any], ColumnElement[bool]]
    keys: tuple[str, ...]
    """Columns of the row it starts from that ``on`` reads."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A set of entities. ``key`` are the columns it is ordered by, and by which its pages go on."""

    name: str
    singular: str
    source: TextClause
    types: Mapping[str, Any]
    properties: Mapping[str, Property]
    links: Mapping[str, Link]
    key: tuple[str, ...] = ("id",)
    id_is_text: bool = False
    inner: Mapping[str, tuple[str, Type]] = field(default_factory=dict)
    """Members of ``properties`` that have a column of their own."""

    def table(self) -> Subquery:
        """Return the subquery under a name of its own."""
        return self.source.columns(**self.types).subquery()

    def key_of(self, given: int | str) -> tuple[Any, ...] | None:
        """Return the values of the key columns that an id stands for; None where it can be no id here."""
        if self.name == "Observations":
            return observation_key(given) if isinstance(given, str) else None
        if not isinstance(given, int) or abs(given) >= 1 << 62:
            return None
        if self.name == "Datastreams":
            device, slot = divmod(given, SLOTS_OF_A_DEVICE)
            return (device, slot) if 0 <= device < 1 << 31 else None
        return (given,)

    def is_one(self, table: Any, given: int | str) -> ColumnElement[bool]:
        """Return the condition that a row has an id."""
        key = self.key_of(given)
        if key is None:
            return text("false")  # type: ignore[return-value]
        return and_(*(table.c[name] == value for name, value in zip(self.key, key, strict=True)))


def observation_id(device_id: int, slot: int, at: datetime) -> str:
    """Return the id of an observation: its datastream, and its moment in Unix µs."""
    return f"{device_id * SLOTS_OF_A_DEVICE + slot}-{(at - _EPOCH) // timedelta(microseconds=1)}"


def observation_key(given: str) -> tuple[int, int, datetime] | None:
    """Return device, property and moment of the id of an observation; None where it is none."""
    stream, dash, moment = given.partition("-")
    if not (dash and stream.isdecimal() and moment.isdecimal() and len(stream) <= 13 and len(moment) <= 18):
        return None
    device, slot = divmod(int(stream), SLOTS_OF_A_DEVICE)
    if device >= 1 << 31:
        return None
    try:
        return device, slot, _EPOCH + timedelta(microseconds=int(moment))
    except OverflowError:
        return None


def moment(at: datetime) -> str:
    """Return a moment as ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def period(begin: datetime | None, end: datetime | None, *, always: bool = False) -> str | None:
    """Return a moment, or ``begin/end`` where there is an end (``always``: where there is a begin)."""
    if begin is None:
        return None
    if end is None:
        return f"{moment(begin)}/{moment(begin)}" if always else moment(begin)
    return f"{moment(begin)}/{moment(end)}"
