"""Read the kinds of devices, what they observe and when that is abnormal, from `data/device_kinds.toml`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from twin.data_tables import DATA_FOLDER, read_table
from twin.errors import InvalidError, NotFoundError
from twin.states import State

SLOTS: Final = 4
"""Observed properties a kind may have; the board keeps one column each."""

DEFAULT_FILE: Final = DATA_FOLDER / "device_kinds.toml"

Text = Annotated[str, Meta(pattern=r"\S")]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The value at which a state begins: reached ``above`` (>=) or ``below`` (<=), one of the two.

    ``hysteresis`` is how far the value must come back before the state ends, in the property's unit;
    ``hold_s`` how long it must be beyond the limit before the state begins.
    """

    begins: Literal["warning", "alarm", "critical"] = msgspec.field(name="state")
    above: float | None = None
    below: float | None = None
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0
    hold_s: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def state(self) -> State:
        """The state that begins."""
        return State[self.begins.upper()]


class CaseOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which case (`twin.cases.categories`) alarms of a property raise, and from which state on."""

    category: Annotated[str, Meta(pattern="^[0-9]{5}$")]
    begins: Literal["warning", "alarm", "critical"] = msgspec.field(name="from")

    @property
    def state(self) -> State:
        """The state from which on."""
        return State[self.begins.upper()]


class ObservedProperty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one slot of a kind observes: its unit (UCUM), physical range and limits.

    ``words`` are (zh, en) for the values 0, 1, ... of a property that counts states rather than measures.
    ``family`` is given where its alarms have other causes than those of its kind; without ``case`` its alarms
    raise none. A value above 0 and below ``least`` is taken as 0: so few people would be somebody.
    """

    slot: Annotated[int, Meta(ge=0, lt=SLOTS)]
    name: Text
    zh: Text
    en: Text
    unit: Text
    minimum: float
    maximum: float
    decimals: Annotated[int, Meta(ge=0, le=9)]
    limits: tuple[Limit, ...] = ()
    words: tuple[tuple[Text, Text], ...] = ()
    family: Text | None = None
    case: CaseOf | None = None
    least: float = 0.0


class DeviceKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of device. ``code`` is on the wire, ``name`` in the column ``device.kind``.

    ``layer`` is 0 for devices and 1 for workers; ``moves`` says that its observations carry positions. Alarms
    of one ``family`` that are near one another have one cause; without one the kind is its own.
    """

    code: Annotated[int, Meta(ge=1, le=65535)]
    name: Text
    zh: Text
    en: Text
    icon: Text
    group: Text
    layer: Literal[0, 1] = 0
    moves: bool = False
    expected_interval_s: Annotated[float, Meta(ge=0.1)]
    mounting_height_m: Annotated[float, Meta(ge=0)]
    family: Text | None = None
    properties: Annotated[tuple[ObservedProperty, ...], Meta(min_length=1)] = msgspec.field(name="property")

    def property(self, name: str) -> ObservedProperty:
        """Return the property of this name.

        Raises
        ------
        NotFoundError
            This kind does not observe it.
        """
        for observed in self.properties:
            if observed.name == name:
                return observed
        raise NotFoundError(
            f"{self.name} has no property “{name}”",
            where="device kind",
            hint="it has " + ", ".join(p.name for p in self.properties),
        )

    def family_of(self, slot: int) -> str:
        """Return the family of the alarms of a slot, which may lie beyond the properties of the kind."""
        own = self.properties[slot].family if slot < len(self.properties) else None
        return own or self.family or self.name


@dataclass(frozen=True, slots=True)
class Group:
    """What several kinds are called together: for legends and filters, or as alarms of one cause."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All kinds, by name and by code, in the order of the file."""

    by_name: Mapping[str, DeviceKind]
    by_code: Mapping[int, DeviceKind]
    groups: Mapping[str, Group]
    families: Mapping[str, Group]
    """What alarms with one cause are called; a kind that is its own family is not among them."""


def load_catalog(file: Path = DEFAULT_FILE) -> Catalog:
    """Read and check a file of device kinds.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong; ``where`` names the kind, property and field.
    """
    content = read_table(file, "the device kinds", _File)
    groups = _named(content.groups)
    families = _named(content.families)
    by_name: dict[str, DeviceKind] = {}
    by_code: dict[int, DeviceKind] = {}
    for kind in content.kind:
        where = f"{file} kind “{kind.name}”"
        if kind.name in by_name:
            raise InvalidError(f"the name “{kind.name}” is used twice", where=where)
        if kind.code in by_code:
            other = by_code[kind.code].name
            raise InvalidError(f"code {kind.code} is also the code of “{other}”", where=where)
        if kind.group not in groups:
            raise InvalidError(
                f"there is no group “{kind.group}”", where=where, hint="one of " + ", ".join(groups)
            )
        for family in (kind.family, *(observed.family for observed in kind.properties)):
            if family is not None and family not in families:
                raise InvalidError(
                    f"there is no family “{family}”", where=where, hint="one of " + ", ".join(families)
                )
        _check_properties(kind, where)
        by_name[kind.name] = by_code[kind.code] = kind
    for name in families.keys() & by_name.keys():
        raise InvalidError(
            f"the family “{name}” bears the name of a kind",
            where=f"{file} families",
            hint="name it otherwise",
        )
    return Catalog(
        MappingProxyType(by_name),
        MappingProxyType(by_code),
        MappingProxyType(groups),
        MappingProxyType(families),
    )


def _named(words: dict[str, _Words]) -> dict[str, Group]:
    return {name: Group(name, both.zh, both.en) for name, both in words.items()}


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zh: Text
    en: Text


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[tuple[DeviceKind, ...], Meta(min_length=1)]
    groups: dict[str, _Words]
    families: dict[str, _Words] = {}


def _check_properties(kind: DeviceKind, where: str) -> None:
    """Refuse slots that do not count from 0, names that are there twice, ranges and limits that cannot be."""
    slots = [observed.slot for observed in kind.properties]
    if slots != list(range(len(slots))):
        raise InvalidError(f"slots must count 0, 1, 2, ..., they are {slots}", where=where)
    if len({observed.name for observed in kind.properties}) != len(slots):
        raise InvalidError("two properties have the same name", where=where)
    for observed in kind.properties:
        at = f"{where} property “{observed.name}”"
        if observed.minimum >= observed.maximum:
            raise InvalidError(
                f"the maximum {observed.maximum:g} must be above the minimum {observed.minimum:g}", where=at
            )
        for limit in observed.limits:
            _check_limit(limit, observed, at)
        _check_order(observed.limits, at)


def _check_limit(limit: Limit, observed: ObservedProperty, where: str) -> None:
    """Refuse a limit without a side, with both, or where no value comes."""
    value = limit.above if limit.below is None else limit.below
    if value is None or (limit.above is not None and limit.below is not None):
        raise InvalidError(f"the limit of {limit.begins} has either “above” or “below”", where=where)
    if not observed.minimum <= value <= observed.maximum:
        raise InvalidError(
            f"the limit {value:g} is never met: the range is {observed.minimum:g} to {observed.maximum:g}",
            where=where,
        )


def _check_order(limits: tuple[Limit, ...], where: str) -> None:
    """Refuse two limits for one state and side, and a worse state that begins before a lesser one."""
    for side, sign in (("above", 1.0), ("below", -1.0)):
        mine = sorted((row for row in limits if getattr(row, side) is not None), key=lambda row: row.state)
        for lesser, worse in itertools.pairwise(mine):
            if lesser.state == worse.state:
                raise InvalidError(f"two limits “{side}” for {worse.state.name.lower()}", where=where)
            if sign * getattr(worse, side) < sign * getattr(lesser, side):
                raise InvalidError(
                    f"{worse.state.name.lower()} begins before {lesser.state.name.lower()}", where=where
                )
