"""Take the polygons of a fence from an area or compound, and refuse what lies outside the city."""

from __future__ import annotations

from typing import Any, Final

import shapely
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import CoordinateError, InvalidError
from twin.rules.conditions import Geofence, read_condition, write_condition
from twin.rules.places import MOST_VERTICES, read_polygons

_AREA: Final = text(
    "SELECT ST_AsBinary(geom) FROM area WHERE code = :key AND valid_to IS NULL ORDER BY id LIMIT 1"
)
_COMPOUND: Final = text("SELECT ST_AsBinary(geom) FROM compound WHERE id = :key AND valid_to IS NULL")
_CITY: Final = text(
    """
    SELECT ST_XMin(extent), ST_YMin(extent), ST_XMax(extent), ST_YMax(extent)
    FROM (SELECT ST_Extent(geom) AS extent FROM area WHERE valid_to IS NULL) AS city WHERE extent IS NOT NULL
    """
)
_FINEST_DEG: Final = 1e-6


async def settle(connection: AsyncConnection, content: Any) -> Any:
    """Return a condition as it is to be kept; all but fences as they are.

    A fence that names an ``area`` or a ``compound`` gets its border as it is now, with as many corners as a
    fence may have: when the border is changed later, the rule is to be written anew.

    Parameters
    ----------
    connection
        Shows the areas and compounds that whoever writes the rule may see.
    content
        JSON as Python objects.

    Raises
    ------
    InvalidError
        It names both, or one that is not there, or lies outside of all areas.
    CoordinateError
        It lies in the city when latitude and longitude are exchanged.
    """
    if not isinstance(content, dict) or content.get("type") != "fence":
        return content
    named = {name: content[name] for name in ("area", "compound") if content.get(name) is not None}
    if len(named) > 1:
        raise InvalidError(
            "a fence is of an area or of a compound", where="condition", hint="name one of them"
        )
    for name, key in named.items():
        content = {**content, "polygons": await _border(connection, name, key)}
    condition = read_condition(content)
    assert isinstance(condition, Geofence)
    shape = read_polygons(condition.polygons)
    city = (await connection.execute(_CITY)).one_or_none()
    if city is not None:
        _require_inside(shape, shapely.box(*city))
    return write_condition(condition)


async def _border(connection: AsyncConnection, name: str, key: Any) -> list[Any]:
    where = f"condition.{name}"
    known = isinstance(key, str if name == "area" else int) and not isinstance(key, bool)
    found = None
    if known and (name == "area" or 0 < key <= 2**62):
        found = await connection.scalar(_AREA if name == "area" else _COMPOUND, {"key": key})
    if found is None:
        raise InvalidError(f"there is no {name} {key!r}", where=where, hint="name one that you see")
    border, grain = shapely.from_wkb(bytes(found)), _FINEST_DEG
    while shapely.get_num_coordinates(border) > MOST_VERTICES:
        border, grain = shapely.simplify(border, grain), 2 * grain
    parts = shapely.get_parts(border).tolist()
    rings = [[part.exterior, *part.interiors] for part in parts]
    return [[[list(xy) for xy in ring.coords] for ring in part] for part in rings]


def _require_inside(shape: shapely.MultiPolygon, city: shapely.Geometry) -> None:
    if shape.intersects(city):
        return
    exchanged = shapely.transform(shape, lambda xy: xy[:, ::-1])
    if exchanged.intersects(city):
        raise CoordinateError(
            "the fence lies in the city only when latitude and longitude are exchanged",
            where="condition.polygons",
            hint="write longitude first",
        )
    raise InvalidError(
        "the fence lies outside of all areas",
        where="condition.polygons",
        hint="draw it where something moves",
    )
