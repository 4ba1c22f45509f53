"""Tell what a page needs to open: the city, its place, its tile layers, where it is live."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.live.messages import PROTOCOL
from api.routes.answers import Names
from api.rows import Row
from layers.tiles import TILE_LAYERS
from twin.access.roles import DataClass
from twin.zones import timezone_of

router = APIRouter()


class AreaStep(BaseModel):
    """One step from the whole to the part."""

    code: str
    name: Names
    level: str


class TileLayerAnswer(BaseModel):
    """A vector-tile layer; ask with ``?v=version``."""

    version: int
    minzoom: int
    maxzoom: int


class LiveAnswer(BaseModel):
    """Where the live protocol is spoken."""

    path: str
    protocol: int


class SceneAnswer(BaseModel):
    """What a page needs to open."""

    name: str
    name_en: str | None
    breadcrumb: list[AreaStep]
    bounds: tuple[float, float, float, float]
    center: tuple[float, float]
    zoom: float
    pitch: float
    bearing: float
    attribution: str
    simulated: bool
    timezone: str
    data_date: datetime | None
    tile_layers: dict[str, TileLayerAnswer]
    live: LiveAnswer


# Where things are thick is what a wall shows: the middle of the buildings, not of a border that is cut.
_EXTENT: Final = """
    WITH body AS (
        SELECT count(*) AS n, ST_Extent(geom) AS box,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY ST_X(ST_Centroid(geom))) AS lon,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY ST_Y(ST_Centroid(geom))) AS lat
        FROM building WHERE valid_to IS NULL),
    ground AS (
        SELECT coalesce((SELECT ST_Extent(geom) FROM area WHERE valid_to IS NULL),
                        (SELECT ST_Extent(geom) FROM road WHERE valid_to IS NULL),
                        (SELECT ST_Extent(geom) FROM device WHERE valid_to IS NULL)) AS box)
    SELECT ST_XMin(b) AS west, ST_YMin(b) AS south, ST_XMax(b) AS east, ST_YMax(b) AS north,
           body.lon, body.lat
    FROM body, ground, LATERAL (SELECT coalesce(body.box, ground.box) AS b) AS chosen"""

_TOP: Final = """
    SELECT id, code, name, name_en, level FROM area
    WHERE valid_to IS NULL AND level IN ('city', 'district', 'street')
    ORDER BY array_position(ARRAY['city', 'district', 'street'], level), code"""

_DATASETS: Final = """
    SELECT string_agg(DISTINCT attribution, ' · ') AS attribution, min(data_date) AS data_date,
           (SELECT EXISTS (SELECT 1 FROM device
            WHERE (simulated OR readings_simulated) AND valid_to IS NULL)) AS simulated
    FROM dataset WHERE NOT simulated"""

WORLD: Final = (-180.0, -85.0, 180.0, 85.0)


@router.get("/api/scene", tags=["scene"])
async def get_scene(caller: Annotated[Caller, needs(reads(DataClass.PLACE))]) -> SceneAnswer:
    """Return what a page needs to open; an empty database gives the whole world."""
    extent = await caller.fetch_one(_EXTENT)
    areas = await caller.fetch(_TOP)
    datasets = await caller.fetch_one(_DATASETS)
    west, south, east, north = WORLD
    center = (0.0, 20.0)
    if extent is not None and extent["west"] is not None:
        west, south, east, north = (extent[side] for side in ("west", "south", "east", "north"))
        center = (
            (west + east) / 2 if extent["lon"] is None else extent["lon"],
            (south + north) / 2 if extent["lat"] is None else extent["lat"],
        )
    # One area of a level is where we are; several are what the page shows inside.
    steps: list[Row] = []
    for level in ("city", "district", "street"):
        found = [area for area in areas if area["level"] == level]
        if len(found) != 1:
            break
        steps.append(found[0])
    last = steps[-1] if steps else None
    return SceneAnswer(
        name=str(last["name"]) if last else "GridTwin",
        name_en=(str(last["name_en"]) if last["name_en"] else None) if last else None,
        breadcrumb=[
            AreaStep(code=s["code"], name=Names(zh=s["name"], en=s["name_en"]), level=s["level"])
            for s in steps
        ],
        bounds=(west, south, east, north),
        center=center,
        zoom=_zoom(west, south, east, north),
        pitch=55.0,
        bearing=-17.0,
        attribution=(datasets or {}).get("attribution") or "",
        simulated=bool((datasets or {}).get("simulated")),
        timezone=timezone_of(*center),
        data_date=(datasets or {}).get("data_date"),
        tile_layers={
            layer.name: TileLayerAnswer(
                version=caller.running.tiles.versions[layer.name],
                minzoom=layer.min_zoom,
                maxzoom=layer.max_zoom,
            )
            for layer in TILE_LAYERS
        },
        live=LiveAnswer(path="/live", protocol=PROTOCOL),
    )


def _zoom(west: float, south: float, east: float, north: float) -> float:
    """Return the zoom at which the box fills a screen of 1,920 by 1,080 CSS pixels (512-pixel tiles)."""

    def y(latitude: float) -> float:
        return math.log(math.tan(math.pi / 4 + math.radians(max(-85.0, min(85.0, latitude))) / 2)) / math.tau

    wide = max(1e-9, (east - west) / 360.0)
    tall = max(1e-9, y(north) - y(south))
    zoom = min(math.log2(1920 / 512 / wide), math.log2(1080 / 512 / tall))
    # At a city's whole width nothing can be told apart: begin close enough to see single things.
    return round(min(17.0, max(zoom + 0.6, 14.6 if zoom > 9 else zoom)), 2)
