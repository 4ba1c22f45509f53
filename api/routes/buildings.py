"""Tell about one building."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import AREA_COLUMNS, AREA_JOINS_BY_POINT, AreasOfThing, Names, RowId, areas_of
from twin.access.roles import DataClass
from twin.errors import NotFoundError

router = APIRouter(tags=["places"], responses=NOT_FOUND)


class BuildingAnswer(BaseModel):
    """A building; `height_source` says how its height is known."""

    id: int
    name: Names
    height_m: float
    min_height_m: float
    levels: float | None
    height_source: str
    kind: str
    address: str | None
    footprint_m2: float
    lon: float
    lat: float
    area: AreasOfThing
    devices: int


@router.get("/api/buildings/{id}")
async def get_building(
    caller: Annotated[Caller, needs(reads(DataClass.PLACE))], building_id: RowId
) -> BuildingAnswer:
    """Return one present building and how many devices are in it."""
    row = await caller.fetch_one(
        f"""
        SELECT b.id, b.name, b.name_en, b.height_m, b.min_height_m, b.levels, b.height_source, b.kind,
               b.address, b.footprint_m2, ST_X(p.geom) AS lon, ST_Y(p.geom) AS lat, {AREA_COLUMNS},
               (SELECT count(*) FROM device WHERE building_id = b.id AND valid_to IS NULL) AS devices
        FROM building AS b, LATERAL (SELECT ST_PointOnSurface(b.geom) AS geom) AS p
        {AREA_JOINS_BY_POINT.format(point="p.geom")}
        WHERE b.id = :id AND b.valid_to IS NULL""",
        id=building_id,
    )
    if row is None:
        raise NotFoundError(
            f"there is no building {building_id}", where="id", hint="search with /api/search?q="
        )
    return BuildingAnswer(
        **{key: row[key] for key in BuildingAnswer.model_fields if key not in {"name", "area"}},
        name=Names(zh=row["name"], en=row["name_en"]),
        area=areas_of(row),
    )
