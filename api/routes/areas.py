"""Tell about one area."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.counting import counting
from api.errors import NOT_FOUND
from api.routes.answers import AreaRef, Names, RowId, area_columns, area_ref
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
