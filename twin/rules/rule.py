"""Say what a rule is: one version of it, and which properties of which devices it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.access.scope import EVERYWHERE, Scope
from twin.catalog import Catalog, DeviceKind, ObservedProperty
from twin.errors import InvalidError, NotFoundError
from twin.live.rooms import Rows
from twin.live.sight import WORKERS
from twin.rules.conditions import Condition, Crowd, Limit, read_condition
from twin.states import State

GATHERING: Final = "gathering"
"""Kind of the devices that the server makes of cells where too many are."""

EXCESS: Final = "excess"
"""Their property that says how many more than usual are there, 0 where it is no gathering."""

PEOPLE: Final = "people"
"""Property of kinds that stand still and tell how many people are there."""

WHOLE = -1
"""Slot of what is about a device as a whole, and of no one property."""


@dataclass(frozen=True, slots=True)
class Area:
    """Where a rule holds: the 15 digits and the level of an area."""

    code: str
    level: str

    @property
    def scope(self) -> Scope:
        """The area codes in it."""
        return Scope.of_area(self.code, self.level)


@dataclass(frozen=True, slots=True)
class RuleName:
    """Which rule in which version, and what it is called."""

    id: int
    version: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule, checked. ``kinds`` empty means every kind but trackers of workers.

    Make it with `read_rule`. ``observed`` is the name of the property: None is about the device as
    a whole. ``area`` None is everywhere. ``category_code`` is the kind of case its alarms raise, None as the
    table of device kinds says.
    """

    id: int
    version: int
    zh: str
    en: str
    state: State
    area: Area | None
    kinds: tuple[str, ...]
    observed: str | None
    condition: Condition
    category_code: str | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Which rule in which version."""
        return self.id, self.version

    @property
    def name(self) -> RuleName:
        """What others call it."""
        return RuleName(self.id, self.version, self.zh, self.en)


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to watch, as columns of shape (rows,); a hole has ``device_id`` 0."""

    catalog: Catalog
    device_id: NDArray[np.integer[Any]]
    kind: NDArray[np.integer[Any]]
    scope_code: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    made_by: NDArray[np.int64] | None = None
    """Id of the rule that made a gathering, 0 for all else."""


def read_rule(
    catalog: Catalog,
    *,
    zh: str,
    en: str,
    state: State,
    area: Area | None,
    kinds: tuple[str, ...],
    observed: str | None,
    condition: Any,
    category_code: str | None = None,
    key: tuple[int, int] = (0, 0),
) -> Rule:
    """Check a rule against the kinds of devices there are.

    Parameters
    ----------
    observed
        Name of the property.
    condition
        JSON as Python objects, see `twin.rules.conditions`.
    category_code
        Taken as it is: of a rule that is kept it may be withdrawn meanwhile.

    Raises
    ------
    InvalidError
        The condition is wrong, a kind is not known, no kind has the property, the property is measured in
        several units, or the limit lies where no value comes.
    """
    read = read_condition(condition)
    rule = Rule(*key, zh, en, state, area, kinds, observed, read, category_code)
    unknown = [name for name in kinds if name not in catalog.by_name]
    if unknown:
        raise InvalidError(
            f"there is no kind of device “{unknown[0]}”",
            where="kinds",
            hint="one of " + ", ".join(catalog.by_name),
        )
    if observed is None:
        if read.needs_property:
            raise InvalidError("this condition is about a property", where="property", hint="name it")
        return rule
    found = properties_of(rule, catalog)
    if not found:
        raise InvalidError(
            f"none of these kinds observes “{observed}”", where="property", hint="see data/device_kinds.toml"
        )
    units = {one.unit for _, one in found}
    if len(units) > 1 and read.needs_property:
        raise InvalidError(
            f"“{observed}” is measured in several units: {', '.join(sorted(units))}",
            where="kinds",
            hint="make one rule for each unit",
        )
    if isinstance(read, Crowd):
        _check_crowd(rule, read, catalog)
    if isinstance(read, Limit):
        at = read.above if read.below is None else read.below
        low, high = min(one.minimum for _, one in found), max(one.maximum for _, one in found)
        if at is not None and not low <= at <= high:
            raise InvalidError(
                f"the limit {at:g} is never met: the range is {low:g} to {high:g}", where="condition"
            )
    return rule


def _check_crowd(rule: Rule, crowd: Crowd, catalog: Catalog) -> None:
    """Refuse to count what neither moves nor counts, and a rule that is not about what is counted."""
    counted = [
        kind.name for kind in catalog.by_name.values() if kind.moves or counting_slot(kind) is not None
    ]
    for name in crowd.of:
        if name not in counted:
            raise InvalidError(
                f"“{name}” is no kind that moves or counts people",
                where="condition.of",
                hint="one of " + ", ".join(counted),
            )
    if (rule.kinds, rule.observed) != ((GATHERING,), EXCESS):
        raise InvalidError(
            "a rule of density is about gatherings",
            where="kinds",
            hint=f"kinds [“{GATHERING}”], property “{EXCESS}”; what is counted is named in the condition",
        )


def counting_slot(kind: DeviceKind) -> int | None:
    """Return the slot in which a kind that stands still tells how many people are there, or None."""
    found = (one.slot for one in kind.properties if one.name == PEOPLE and not kind.moves)
    return next(found, None)


def properties_of(rule: Rule, catalog: Catalog) -> list[tuple[DeviceKind, ObservedProperty]]:
    """Return the kinds a rule is about with its property there, empty where it names none."""
    found = []
    for kind in kinds_of(rule, catalog):
        try:
            found.append((kind, kind.property(rule.observed or "")))
        except NotFoundError:
            continue
    return found


def kinds_of(rule: Rule, catalog: Catalog) -> list[DeviceKind]:
    """Return the kinds a rule names, or all but trackers where it names none."""
    return [
        kind
        for kind in catalog.by_name.values()
        if (kind.name in rule.kinds if rule.kinds else kind.layer != WORKERS)
    ]


def matching(rule: Rule, watched: Watched) -> tuple[Rows, NDArray[np.int64]]:
    """Return the rows and slots, shape (n,) each in the order of rows, that a rule is about."""
    slots = np.full(max(watched.catalog.by_code) + 1, -2, np.int64)
    if rule.observed is None:
        slots[[kind.code for kind in kinds_of(rule, watched.catalog)]] = WHOLE
    else:
        for kind, observed in properties_of(rule, watched.catalog):
            slots[kind.code] = observed.slot
    slot = slots[watched.kind]
    scope = EVERYWHERE if rule.area is None else rule.area.scope
    there = (watched.device_id != 0) & (slot > -2) & scope.contains(watched.scope_code)
    if isinstance(rule.condition, Crowd) and watched.made_by is not None:
        there &= watched.made_by == rule.id
    rows = np.flatnonzero(there)
    return rows.astype(np.int32), slot[rows]
