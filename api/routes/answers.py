"""Describe the pieces that many answers share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api.rows import Row
from twin.access.masking import mask_address, mask_name, mask_text
from twin.catalog import Catalog, DeviceKind, ObservedProperty
from twin.live.sight import WORKERS
from twin.partition.households import LEVEL_HEIGHT_M, RESIDENTIAL_KINDS
from twin.partition.options import DivisionOptions
from twin.states import State

DeviceId = Annotated[
    int, Path(alias="id", ge=1, le=2**31 - 1, description="number of the device on the wire")
]
RowId = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]


class Names(BaseModel):
    """A name in Chinese and English; null where it is not known."""

    zh: str | None
    en: str | None


class RevealRequest(BaseModel):
    """Why somebody must be known; the reason goes on the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")


class LimitAnswer(BaseModel):
    """The value at which a state begins."""

    state: str
    above: float | None
    below: float | None


class AreaRef(BaseModel):
    """An area in short."""

    id: int
    code: str
    name: Names
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


def device_names(
    catalog: Catalog, kind: str, uid: str, name: str | None, name_en: str | None, *, own: bool = False
) -> Names:
    """Return what a device is called: its own name, else its kind and its number.

    A tracker is named after the worker who carries it: that name is masked, but for the worker (``own``).
    """
    row = catalog.by_name.get(kind)
    if row is not None and row.layer == WORKERS and not own:
        name, name_en = mask_name(name), mask_name(name_en)
    short = uid.rsplit("-", 1)[-1][-8:]
    zh = name or f"{row.zh if row else kind} {short}"
    en = name_en or (name if name and name.isascii() else None) or f"{row.en if row else kind} {short}"
    return Names(zh=zh, en=en)


def case_title(zh: str | None, en: str | None) -> Names:
    """Return the title of a case; numbers of persons that somebody wrote into it are masked."""
    return Names(zh=mask_text(zh), en=mask_text(en))


def shown_address(address: str | None) -> str | None:
    """Return an address without its room and without numbers to call, which its writer may have put there."""
    return mask_text(mask_address(address))


def area_columns(table: str, prefix: str) -> str:
    """Return the columns of a joined area under a prefix of their own, for `area_ref`."""
    return ", ".join(
        f"{table}.{column} AS {prefix}_{column}" for column in ("id", "code", "name", "name_en", "level")
    )


AREA_COLUMNS = ", ".join(area_columns(table, table) for table in ("ug", "rg", "cm"))
"""Columns of the areas of a thing, for `areas_of`."""


def property_names(kind: DeviceKind, observed: ObservedProperty) -> Names:
    """Return what is observed by which kind of device: 摄像机·帧率, Camera·Frame rate.

    Where one of the two names holds the other, the longer one says it all: 燃气浓度, not 燃气浓度·燃气浓度.
    """
    return Names(zh=_told_once(kind.zh, observed.zh), en=_told_once(kind.en, observed.en))


def _told_once(kind: str, observed: str) -> str:
    short, long = sorted((kind, observed), key=len)
    return long if short.lower() in long.lower() else f"{kind}·{observed}"


AREA_JOINS = """
    LEFT JOIN area AS ug ON ug.id = {thing}.unit_grid_id
    LEFT JOIN area AS rg ON rg.id = {thing}.responsibility_grid_id
    LEFT JOIN area AS cm ON cm.id = coalesce(rg.parent_id, ug.parent_id)"""
"""Joins of the areas of a thing that has both grids; both grids' parent is the community."""

AREA_JOINS_BY_POINT = """
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'unit_grid'
        AND area.geom && {point} AND ST_Intersects(area.geom, {point}) LIMIT 1) AS ug ON true
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'responsibility_grid'
        AND area.geom && {point} AND ST_Intersects(area.geom, {point}) LIMIT 1) AS rg ON true
    LEFT JOIN LATERAL (SELECT * FROM area WHERE valid_to IS NULL AND level = 'community'
        AND area.geom && {point} AND ST_Intersects(area.geom, {point}) LIMIT 1) AS cm ON true"""
"""Joins of the areas at a point."""


HOUSEHOLDS: Final = """CASE WHEN b.kind = ANY(:dwellings) THEN round(b.footprint_m2
               * coalesce(b.levels, greatest(round((b.height_m / :level_m)::numeric), 1))
               / :household_m2)::int ELSE 0 END"""
"""Estimates the households of a building ``b`` by its floor area; asked with `HOUSEHOLDS_BY`."""

HOUSEHOLDS_BY: Final[dict[str, object]] = {
    "dwellings": list(RESIDENTIAL_KINDS),
    "level_m": LEVEL_HEIGHT_M,
    "household_m2": DivisionOptions().floor_area_per_household_m2,
}


def areas_of(row: Row) -> AreasOfThing:
    """Return the areas from the columns `AREA_COLUMNS`."""
    return AreasOfThing(
        community=area_ref(row, "cm"),
        unit_grid=area_ref(row, "ug"),
        responsibility_grid=area_ref(row, "rg"),
    )


def area_ref(row: Row, prefix: str) -> AreaRef | None:
    """Return the area from the columns `area_columns`; None where nothing was joined."""
    if row[f"{prefix}_id"] is None:
        return None
    return AreaRef(
        id=row[f"{prefix}_id"],
        code=row[f"{prefix}_code"],
        name=Names(zh=row[f"{prefix}_name"], en=row[f"{prefix}_name_en"]),
        level=row[f"{prefix}_level"],
    )


def escaped_like(words: str) -> str:
    """Return words as they stand in a pattern of LIKE that takes them literally."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def finite(value: Any) -> float | None:
    """Return a number for JSON: None for NaN, infinite and missing."""
    if value is None:
        return None
    number = float(value)
    return number if number - number == 0.0 else None


def _is_no_number(value: object) -> object:
    # Pydantic takes a number, and text that is one, for seconds since 1970, which no schema says.
    try:
        float(value)  # type: ignore[arg-type]  # what it cannot take is no number
    except (TypeError, ValueError):
        return value
    raise ValueError("write date, time and zone, as 2026-01-31T08:00:00Z")


def _has_a_year(moment: datetime) -> datetime:
    # At the ends of the calendar the same moment has no year in another zone.
    if not 1 < moment.year < 9999:
        raise ValueError("a moment lies in the years 2 to 9998")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_has_a_year)]
"""A moment with its zone, which can be said in any other zone."""

GivenMoment = Annotated[Moment, BeforeValidator(_is_no_number)]
"""A moment that a caller sends: ISO 8601 with its zone."""


def moment(us: int) -> datetime | None:
    """Return Unix microseconds as a time; None for 0, which is never."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us) if us else None
