"""Tell about one area, and list those that can be chosen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.counting import counting
from api.errors import NOT_FOUND
from api.routes.answers import AreaRef, Names, RowId, area_columns, area_ref
from twin.access import areas
from twin.access.roles import DataClass
from twin.errors import NotFoundError

router = APIRouter(tags=["places"], responses=NOT_FOUND)


class AreaAnswer(BaseModel):
    """An area: who lies in it and what happens there, as far as the caller sees it.

    ``open_alarms`` is null where the caller may not count alarms, and with ``withheld`` where there are so
    few that whoever is told counts only is not told these.
    """

    id: int
    code: str
    code_source: str
    name: Names
    level: str
    partition: str
    made_by: str
    area_m2: float
    households: int | None
    households_source: str | None
    valid_from: datetime
    parent: AreaRef | None
    lon: float
    lat: float
    children: int
    devices: int
    open_alarms: int | None
    withheld: bool


class AreaChoice(BaseModel):
    """An area that can be chosen: what it lies in, from the whole to the part, and how many lie in it."""

    code: str
    level: str
    name: Names
    above: list[Names]
    inside: int


AreaWords = Annotated[str, Query(max_length=100, pattern="^[^\\x00]*$")]
AreaAbove = Annotated[str | None, Query(pattern="^[0-9]{15}$")]
MostAreas = Annotated[int, Query(ge=1, le=1_000)]


async def listed_areas(
    connection: AsyncConnection, words: str, under: str | None, limit: int
) -> list[AreaChoice]:
    """Return what has these words, or without words lies right below an area, as a connection sees it."""
    found = (
        await areas.list_matching(connection, words, limit)
        if words
        else await areas.list_inside(connection, under, limit)
    )
    return [
        AreaChoice(
            code=area.code,
            level=area.level,
            name=Names(zh=area.name, en=area.name_en),
            above=[Names(zh=zh, en=en) for zh, en in area.above],
            inside=area.inside,
        )
        for area in found
    ]


@router.get("/api/areas")
async def list_choosable_areas(
    caller: Annotated[Caller, needs(reads(DataClass.PLACE))],
    q: AreaWords = "",
    under: AreaAbove = None,
    limit: MostAreas = 200,
) -> list[AreaChoice]:
    """Return the areas right below one, or all whose name has the words or whose code begins so."""
    async with caller.transaction() as connection:
        return await listed_areas(connection, q.strip(), under, limit)


_AREA: Final = f"""
    SELECT a.id, a.code, a.code_source, a.name, a.name_en, a.level, a.made_by, a.area_m2, a.households,
           a.households_source, a.valid_from, ST_X(a.label_point) AS lon, ST_Y(a.label_point) AS lat,
           {area_columns("p", "parent")},
           (SELECT count(*) FROM area AS c WHERE c.parent_id = a.id AND c.valid_to IS NULL) AS children,
           (SELECT count(*) FROM device AS d
            WHERE d.valid_to IS NULL AND d.geom && a.geom AND ST_Intersects(d.geom, a.geom)) AS devices,
           (SELECT count(*) FROM alarm JOIN device AS d ON d.id = alarm.device_id
            WHERE alarm.cleared_at IS NULL AND d.valid_to IS NULL
              AND d.geom && a.geom AND ST_Intersects(d.geom, a.geom)) AS open_alarms
    FROM area AS a LEFT JOIN area AS p ON p.id = a.parent_id
    WHERE a.id = :id AND a.valid_to IS NULL"""


@router.get("/api/areas/{id}")
async def get_area(caller: Annotated[Caller, needs(reads(DataClass.PLACE))], area_id: RowId) -> AreaAnswer:
    """Return one present area with its counts; devices count where they stand."""
    alarms = counting(caller, DataClass.ALARM)
    row = await (alarms.caller if alarms else caller).fetch_one(_AREA, id=area_id)
    if row is None:
        raise NotFoundError(f"there is no area {area_id}", where="id", hint="search with /api/search?q=")
    open_alarms = alarms.told(row["open_alarms"]) if alarms else None
    own = {"name", "parent", "partition", "open_alarms", "withheld"}
    return AreaAnswer(
        **{key: row[key] for key in AreaAnswer.model_fields if key not in own},
        name=Names(zh=row["name"], en=row["name_en"]),
        partition="unit_grid" if row["level"] == "unit_grid" else "administrative",
        parent=area_ref(row, "parent"),
        open_alarms=open_alarms,
        withheld=alarms is not None and open_alarms is None,
    )
