"""Read the kinds of devices, what they observe and when that is abnormal, from `data/device_kinds.toml`."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twin.errors import FileFormatError, InvalidError, NotFoundError
from twin.states import ALARM_STATES, State

SLOTS = 4
"""Observed properties a kind may have; the board keeps one column each."""

DEFAULT_FILE = Path(__file__).resolve().parent.parent / "data" / "device_kinds.toml"


@dataclass(frozen=True, slots=True)
class Limit:
    """The value at which a state begins: reached ``above`` (>=) or ``below`` (<=), one of the two.

    ``hysteresis`` is how far the value must come back before the state ends, in the property's unit;
    ``hold_s`` how long it must be beyond the limit before the state begins.
    """

    state: State
    above: float | None
    below: float | None
    hysteresis: float
    hold_s: float


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    """What one slot of a kind observes: its unit (UCUM), physical range and limits.

    ``words`` are (zh, en) for the values 0, 1, ... of a property that counts states rather than measures.
    """

    slot: int
    name: str
    zh: str
    en: str
    unit: str
    minimum: float
    maximum: float
    decimals: int
    limits: tuple[Limit, ...]
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of device. ``code`` is on the wire, ``name`` in the column ``device.kind``.

    ``layer`` is 0 for devices and 1 for workers; ``moves`` says that its observations carry positions.
    """

    code: int
    name: str
    zh: str
    en: str
    icon: str
    group: str
    layer: int
    moves: bool
    expected_interval_s: float
    mounting_height_m: float
    properties: tuple[ObservedProperty, ...]

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


@dataclass(frozen=True, slots=True)
class Group:
    """A family of kinds, for legends and filters."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All kinds, by name and by code, in the order of the file."""

    by_name: Mapping[str, DeviceKind]
    by_code: Mapping[int, DeviceKind]
    groups: Mapping[str, Group]


def load_catalog(file: Path = DEFAULT_FILE) -> Catalog:
    """Read and check a file of device kinds.

    Raises
    ------
    FileFormatError
        The file cannot be read or is not TOML.
    InvalidError
        A row is wrong; ``where`` names the kind, property and field.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(f"the device kinds cannot be read: {error}", where=str(file)) from error
    groups: dict[str, Group] = {}
    for name, row in _rows(content, "groups", dict, file.name).items():
        fields = _Fields(row, f"{file.name} groups.{name}")
        groups[name] = Group(name, fields.text("zh"), fields.text("en"))
        fields.no_more()
    by_name: dict[str, DeviceKind] = {}
    by_code: dict[int, DeviceKind] = {}
    for index, row in enumerate(_rows(content, "kind", list, file.name)):
        kind = _kind(_Fields(row, f"{file.name} kind[{index}]"), groups)
        where = f"{file.name} kind “{kind.name}”"
        if kind.name in by_name:
            raise InvalidError(f"the name “{kind.name}” is used twice", where=where)
        if kind.code in by_code:
            other = by_code[kind.code].name
            raise InvalidError(f"code {kind.code} is also the code of “{other}”", where=where)
        by_name[kind.name] = by_code[kind.code] = kind
    if not by_name:
        raise InvalidError("there is no kind in the file", where=file.name, hint="add a [[kind]]")
    return Catalog(MappingProxyType(by_name), MappingProxyType(by_code), MappingProxyType(groups))


def _rows(content: dict[str, Any], key: str, shape: type, where: str) -> Any:
    rows = content.get(key, shape())
    if not isinstance(rows, shape):
        raise InvalidError(f"“{key}” has the wrong shape", where=where)
    return rows


class _Fields:
    """Take the fields of one TOML table, saying where when one is missing, wrong or not known."""

    def __init__(self, row: object, where: str) -> None:
        if not isinstance(row, dict):
            raise InvalidError("this must be a table", where=where)
        self.row, self.where, self.taken = row, where, set[str]()

    def _take(self, name: str, default: Any) -> Any:
        self.taken.add(name)
        if name not in self.row and default is None:
            raise InvalidError(f"“{name}” is missing", where=self.where)
        return self.row.get(name, default)

    def wrong(self, name: str, what: str) -> InvalidError:
        return InvalidError(f"“{name}” {what}, it is {self.row.get(name)!r}", where=self.where)

    def text(self, name: str) -> str:
        value = self._take(name, None)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "must be a text")
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f"must be a whole number from {low} to {high}")
        return value

    def number(self, name: str, *, low: float = -math.inf, default: float | None = None) -> float:
        value = self._take(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self.wrong(name, "must be a finite number")
        if value < low:
            raise self.wrong(name, f"must be at least {low:g}")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        self.taken.add(name)
        return self.number(name) if name in self.row else None

    def boolean(self, name: str) -> bool:
        value = self._take(name, default=False)
        if not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def list(self, name: str) -> list[Any]:
        value = self._take(name, ())
        if not isinstance(value, list | tuple):
            raise self.wrong(name, "must be a list")
        return list(value)

    def no_more(self) -> None:
        unknown = sorted(set(self.row) - self.taken)
        if unknown:
            known = ", ".join(sorted(self.taken))
            raise InvalidError(f"“{unknown[0]}” is not known here", where=self.where, hint=f"known: {known}")


def _kind(fields: _Fields, groups: Mapping[str, Group]) -> DeviceKind:
    name = fields.text("name")
    fields.where += f" “{name}”"
    properties = tuple(
        _property(_Fields(row, f"{fields.where} property[{i}]"))
        for i, row in enumerate(fields.list("property"))
    )
    if not properties:
        raise InvalidError("a kind must observe something", where=fields.where, hint="add a property")
    slots = [p.slot for p in properties]
    if slots != list(range(len(slots))):
        raise InvalidError(f"slots must count 0, 1, 2, ..., they are {slots}", where=fields.where)
    if len({p.name for p in properties}) != len(properties):
        raise InvalidError("two properties have the same name", where=fields.where)
    kind = DeviceKind(
        code=fields.integer("code", 1, 65535),
        name=name,
        zh=fields.text("zh"),
        en=fields.text("en"),
        icon=fields.text("icon"),
        group=fields.text("group"),
        layer=fields.integer("layer", 0, 1, 0),
        moves=fields.boolean("moves"),
        expected_interval_s=fields.number("expected_interval_s", low=0.1),
        mounting_height_m=fields.number("mounting_height_m", low=0.0),
        properties=properties,
    )
    if kind.group not in groups:
        raise fields.wrong("group", "must be one of " + ", ".join(groups))
    fields.no_more()
    return kind


def _property(fields: _Fields) -> ObservedProperty:
    name = fields.text("name")
    fields.where += f" “{name}”"
    minimum, maximum = fields.number("minimum"), fields.number("maximum")
    if minimum >= maximum:
        raise fields.wrong("maximum", f"must be above the minimum {minimum:g}")
    limits = tuple(
        _limit(_Fields(row, f"{fields.where} limits[{i}]"), minimum, maximum)
        for i, row in enumerate(fields.list("limits"))
    )
    _check_limits(limits, fields.where)
    words = fields.list("words")
    if any(
        not isinstance(w, list) or len(w) != 2 or not all(isinstance(t, str) and t for t in w) for w in words
    ):
        raise fields.wrong("words", "must be a list of [zh, en]")
    observed = ObservedProperty(
        slot=fields.integer("slot", 0, SLOTS - 1),
        name=name,
        zh=fields.text("zh"),
        en=fields.text("en"),
        unit=fields.text("unit"),
        minimum=minimum,
        maximum=maximum,
        decimals=fields.integer("decimals", 0, 9),
        limits=limits,
        words=tuple((zh, en) for zh, en in words),
    )
    fields.no_more()
    return observed


def _limit(fields: _Fields, minimum: float, maximum: float) -> Limit:
    names = {state.name.lower(): state for state in ALARM_STATES}
    state = fields.text("state")
    if state not in names:
        raise fields.wrong("state", "must be one of " + ", ".join(names))
    above, below = fields.optional_number("above"), fields.optional_number("below")
    if (above is None) == (below is None):
        raise InvalidError("a limit has either “above” or “below”", where=fields.where)
    at = above if above is not None else below
    assert at is not None
    if not minimum <= at <= maximum:
        raise InvalidError(
            f"the limit {at:g} can never be met: the range is {minimum:g} to {maximum:g}", where=fields.where
        )
    limit = Limit(
        state=names[state],
        above=above,
        below=below,
        hysteresis=fields.number("hysteresis", low=0.0, default=0.0),
        hold_s=fields.number("hold_s", low=0.0, default=0.0),
    )
    fields.no_more()
    return limit


def _check_limits(limits: tuple[Limit, ...], where: str) -> None:
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
