"""Describe the pieces that many answers share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel

from api.rows import Row
from twin.catalog import Catalog, ObservedProperty
from twin.states import State

DeviceId = Annotated[
    int, Path(alias="id", ge=1, le=2**31 - 1, description="number of the device on the wire")
]
RowId = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]


class Names(BaseModel):
    """A name in Chinese and English; null where it is not known."""

    zh: str | None
    en: str | None


class LimitAnswer(BaseModel):
    """The value at which a state begins."""

    state: str
    above: float | None
    below: float | None


class AreaRef(BaseModel):
    """An area in short."""

    id: int
    code: str
    name: str
    level: str


class AreasOfThing(BaseModel):
    """The areas that a thing lies in."""

    community: AreaRef | None
    unit_grid: AreaRef | None
    responsibility_grid: AreaRef | None


def state_name(code: int) -> str:
    """Return the name of a state by its code."""
    return State(code).name.lower()


def limits_of(observed: ObservedProperty) -> list[LimitAnswer]:
    """Return the limits of a property."""
    return [
        LimitAnswer(state=limit.state.name.lower(), above=limit.above, below=limit.below)
        for limit in observed.limits
    ]


def device_names(catalog: Catalog, kind: str, uid: str, name: str | None, name_en: str | None) -> Names:
    """Return what a device is called: its own name, else its kind and its number."""
    row = catalog.by_name.get(kind)
    short = uid.rsplit("-", 1)[-1][-8:]
    zh = name or f"{row.zh if row else kind} {short}"
    en = name_en or (name if name and name.isascii() else None) or f"{row.en if row else kind} {short}"
    return Names(zh=zh, en=en)


AREA_COLUMNS = """
    ug.id AS ug_id, ug.code AS ug_code, ug.name AS ug_name,
    rg.id AS rg_id, rg.code AS rg_code, rg.name AS rg_name,
    cm.id AS cm_id, cm.code AS cm_code, cm.name AS cm_name"""
"""Columns of the areas of a thing, for `areas_of`."""

AREA_JOINS = """
    LEFT JOIN area AS ug ON ug.id = {thing}.unit_grid_id
    LEFT JOIN area AS rg ON rg.id = {thing}.responsibility_grid_id
    LEFT JOIN area AS cm ON cm.id = coalesce(rg.parent_id, ug.parent_id)"""
"""Joins of the areas of a thing that has both grids; both grids' parent is the community."""

AREA_JOINS_BY_POINT = """
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'unit_grid'
        AND ST_Intersects(area.geom, {point}) LIMIT 1) AS ug ON true
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'responsibility_grid'
        AND ST_Intersects(area.geom, {point}) LIMIT 1) AS rg ON true
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'community'
        AND ST_Intersects(area.geom, {point}) LIMIT 1) AS cm ON true"""
"""Joins of the areas at a point."""


def areas_of(row: Row) -> AreasOfThing:
    """Return the areas from the columns `AREA_COLUMNS`."""
    return AreasOfThing(
        community=_area(row, "cm", "community"),
        unit_grid=_area(row, "ug", "unit_grid"),
        responsibility_grid=_area(row, "rg", "responsibility_grid"),
    )


def _area(row: Row, prefix: str, level: str) -> AreaRef | None:
    if row[f"{prefix}_id"] is None:
        return None
    return AreaRef(
        id=row[f"{prefix}_id"], code=row[f"{prefix}_code"], name=row[f"{prefix}_name"], level=level
    )


def finite(value: Any) -> float | None:
    """Return a number for JSON: None for NaN, infinite and missing."""
    if value is None:
        return None
    number = float(value)
    return number if number - number == 0.0 else None


def moment(us: int) -> datetime | None:
    """Return Unix microseconds as a time; None for 0, which is never."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us) if us else None
