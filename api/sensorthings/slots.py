"""Find the slot of a kind of device that a Datastream is, and check that its unit is the slot's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.sensorthings.bodies import Linked, wrong
from api.sensorthings.kinds import definition, shown_kinds
from twin.catalog import Catalog, ObservedProperty
from twin.model.declared import FIRST_DECLARED
from twin.units import conversion


def in_catalog(catalog: Catalog, phenomenon: Linked) -> int | None:
    """Return the number of the property of a kind that is meant; None where it is no such one."""
    if isinstance(phenomenon.id, int) and phenomenon.id < FIRST_DECLARED:
        return phenomenon.id
    if phenomenon.body is None:
        return None
    for kind in shown_kinds(catalog):
        for observed in kind.properties:
            if phenomenon.body.fields["definition"] == definition(kind.name, observed.name):
                return kind.code * 1000 + observed.slot
    return None


def slot_of(catalog: Catalog, kind: str, catalog_id: int | None) -> ObservedProperty | None:
    """Return the slot of a device's kind that a property is; None where it is none of its own."""
    if catalog_id is None:
        return None
    code, slot = divmod(catalog_id, 1000)
    known = catalog.by_code.get(code)
    if known is None or known not in shown_kinds(catalog) or slot >= len(known.properties):
        raise wrong("ObservedProperty", f"there is no ObservedProperty {catalog_id}")
    return known.properties[slot] if known.name == kind else None


def demand_unit(given: Mapping[str, Any], observed: ObservedProperty) -> None:
    """Check that a unit is the one of a slot.

    Raises
    ------
    InvalidError
        It is another one.
    """
    told = [str(given.get(key) or "").removeprefix("ucum:") for key in ("symbol", "name", "definition")]
    if any(told) and not any(conversion(unit, observed.unit) == (1.0, 0.0) for unit in told if unit):
        raise wrong(
            "unitOfMeasurement",
            f"{observed.name} is in {observed.unit}",
            "send its values in that unit, or use an ObservedProperty of your own",
        )
