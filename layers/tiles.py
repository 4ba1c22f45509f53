"""Declare the vector-tile layers: which rows, which columns, at which zoom."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twin.crs import STORAGE_SRID, TILE_SRID

EXTENT: Final = 4096
"""Tile units along one side (Mapbox Vector Tile 2.1)."""

BUFFER: Final = 64
"""Tile units drawn beyond each side, so that lines and labels do not break at the seam."""

MAX_ZOOM: Final = 16
"""The page draws deeper zooms from tiles of this one."""

_WORLD_M: Final = 40075016.685578488  # side of the web-mercator square, metres


def pixel_m(zoom: int) -> float:
    """Return the side of one tile unit at a zoom in web-mercator metres."""
    return _WORLD_M / (1 << zoom) / EXTENT


_PUBLIC_TABLES: Final = {"road", "ground_cover"}


@dataclass(frozen=True, slots=True)
class TileLayer:
    """One vector-tile layer.

    Parameters
    ----------
    name
        Name in the address and inside the tile.
    tables
        Tables it is cut from; a notice about one of them makes its tiles old.
    min_zoom, max_zoom
        Zooms at which it holds anything. A tile outside is empty, not an error.
    rows
        Gives, for a zoom, the SQL of the rows: ``id``, attributes and ``geom`` in tile units. The common
        table ``tile`` (``env`` in EPSG:3857, ``wide`` with the buffer, ``lonlat`` in storage degrees,
        ``true_share``: square metres on the ground per square metre of web mercator) is in reach.
    """

    name: str
    tables: tuple[str, ...]
    min_zoom: int
    rows: Callable[[int], str]
    max_zoom: int = MAX_ZOOM

    @property
    def public(self) -> bool:
        """Whether all who are signed in see the same: ground and roads are of no area."""
        return set(self.tables) <= _PUBLIC_TABLES


def _mvt(geometry: str) -> str:
    return f"ST_AsMVTGeom({geometry}, tile.env, {EXTENT}, {BUFFER}, true) AS geom"


def _simplified(column: str, zoom: int) -> str:
    # Half a screen pixel: a 512-pixel tile has 4096 units, so a pixel is eight units.
    return column if zoom >= MAX_ZOOM else f"ST_Simplify({column}, {pixel_m(zoom) * 4:.4f}, true)"


def _building(zoom: int) -> str:
    # Left out is only a roof under one screen pixel even at the next zoom, until which this tile is drawn: a
    # 512-pixel tile has 4096 units, so there a pixel is four of its units wide.
    seen = "" if zoom >= 15 else f"AND footprint_m2 >= {(pixel_m(zoom) * 4) ** 2:.3f} * tile.true_share"
    named = ", name" if zoom >= MAX_ZOOM else ""
    # Not simplified: a footprint has few vertices, and the tile's own grid joins those that fall together.
    return f"""
        SELECT id, (round(height_m * 10) / 10)::float4 AS height,
               nullif(round(min_height_m * 10) / 10, 0)::float4 AS min_height{named},
               {_mvt("geom_3857")}
        FROM building, tile
        WHERE valid_to IS NULL AND body <> 'outline' AND geom_3857 && tile.wide {seen}"""


_ROADS_FROM_AFAR: Final = (
    "motorway",
    "trunk",
    "primary",
    "secondary",
    "motorway_link",
    "trunk_link",
    "primary_link",
)
_ROADS_FROM_MID: Final = (
    *_ROADS_FROM_AFAR,
    "secondary_link",
    "tertiary",
    "tertiary_link",
    "residential",
    "unclassified",
    "living_street",
    "pedestrian",
)


def _road(zoom: int) -> str:
    classes = _ROADS_FROM_AFAR if zoom < 13 else _ROADS_FROM_MID if zoom < 15 else ()
    chosen = f"AND road_class IN ({', '.join(repr(name) for name in classes)})" if classes else ""
    named = ", name" if zoom >= 14 else ""
    return f"""
        SELECT id, road_class AS class, round(width_m::numeric, 1)::float4 AS width{named},
               nullif(bridge, false) AS bridge, {_mvt(_simplified("geom_3857", zoom))}
        FROM road, tile
        WHERE valid_to IS NULL AND NOT tunnel AND geom_3857 && tile.wide {chosen}"""


def _ground(covers: tuple[str, ...]) -> Callable[[int], str]:
    def rows(zoom: int) -> str:
        listed = ", ".join(repr(cover) for cover in covers)
        return f"""
            SELECT id, cover AS class, {_mvt(_simplified("geom_3857", zoom))}
            FROM ground_cover, tile
            WHERE valid_to IS NULL AND cover IN ({listed}) AND geom_3857 && tile.wide"""

    return rows


_LEVEL_FROM_ZOOM: Final = (
    ("city", 0),
    ("district", 5),
    ("street", 9),
    ("community", 11),
    ("responsibility_grid", 14),
)
"""The map calls a responsibility grid ``grid``; unit grids have a layer of their own."""


def _levels(zoom: int) -> str:
    return ", ".join(repr(level) for level, from_zoom in _LEVEL_FROM_ZOOM if zoom >= from_zoom)


_LEVEL_COLUMN: Final = "CASE level WHEN 'responsibility_grid' THEN 'grid' ELSE level END AS level"


def _area(zoom: int) -> str:
    return f"""
        SELECT id, {_LEVEL_COLUMN}, name, {_mvt(_simplified("geom_3857", zoom))}
        FROM area, tile
        WHERE valid_to IS NULL AND level IN ({_levels(zoom)}) AND geom_3857 && tile.wide"""


def _area_label(zoom: int) -> str:
    return f"""
        SELECT id, {_LEVEL_COLUMN}, name, name_en, households, households_source,
               (SELECT count(*) FROM area AS child
                WHERE child.parent_id = area.id AND child.level = 'responsibility_grid'
                  AND child.valid_to IS NULL)::int4 AS grids,
               {_mvt(f"ST_Transform(label_point, {TILE_SRID})")}
        FROM area, tile
        WHERE valid_to IS NULL AND level IN ({_levels(zoom)}) AND label_point && tile.lonlat"""


def _place_label(zoom: int) -> str:
    # Rank: larger is drawn first. A park by its area, a landmark by its floor area, a point from near only.
    points = (
        f"""
        UNION ALL
        SELECT id * 4 + 2 AS id, name, name_en, category AS kind, 10 AS rank,
               {_mvt(f"ST_Transform(service_point.geom, {TILE_SRID})")}
        FROM service_point, tile
        WHERE valid_to IS NULL AND name IS NOT NULL AND service_point.geom && tile.lonlat"""
        if zoom >= 16
        else ""
    )
    least = 4_000 if zoom >= 15 else 40_000
    return f"""
        SELECT id * 4 AS id, name, name_en, cover AS kind,
               least(99, 20 + ln(1 + ST_Area(geom_3857)) * 4)::int4 AS rank,
               {_mvt("ST_PointOnSurface(geom_3857)")}
        FROM ground_cover, tile
        WHERE valid_to IS NULL AND name IS NOT NULL AND geom_3857 && tile.env
          AND ST_Area(geom_3857) >= {least} AND ST_PointOnSurface(geom_3857) && tile.env
        UNION ALL
        SELECT id * 4 + 1 AS id, name, name_en, 'building' AS kind,
               least(99, ln(1 + footprint_m2 * height_m) * 5)::int4 AS rank,
               {_mvt("ST_PointOnSurface(geom_3857)")}
        FROM building, tile
        WHERE valid_to IS NULL AND name IS NOT NULL AND geom_3857 && tile.env
          AND footprint_m2 * height_m >= {least * 5} AND ST_PointOnSurface(geom_3857) && tile.env
        {points}"""


def _camera_field(_: int) -> str:
    # `sight` has no index of its own: no camera sees farther than 400 m, so its foot is near.
    return f"""
        SELECT id, (bearing_source = 'estimated') AS estimated,
               {_mvt(f"ST_Transform(sight, {TILE_SRID})")}
        FROM device, tile
        WHERE valid_to IS NULL AND sight IS NOT NULL
          AND device.geom && ST_Transform(ST_Expand(tile.env, 1200), {STORAGE_SRID})"""


def _component(zoom: int) -> str:
    # Lamps and trees are many: their names only where they stand apart.
    named = ", name" if zoom >= MAX_ZOOM else ""
    return f"""
        SELECT id, left(class_code, 2) AS major, state{named},
               {_mvt(f"ST_Transform(component.geom, {TILE_SRID})")}
        FROM component, tile
        WHERE valid_to IS NULL AND component.geom && tile.lonlat"""


def _compound(zoom: int) -> str:
    return f"""
        SELECT id, name, {_mvt(_simplified("geom_3857", zoom))}
        FROM compound, tile
        WHERE valid_to IS NULL AND geom_3857 && tile.wide"""


def _network_line(zoom: int) -> str:
    return f"""
        SELECT id, utility, {_mvt(_simplified("geom_3857", zoom))}
        FROM network_line, tile
        WHERE valid_to IS NULL AND geom_3857 && tile.wide"""


def _network_node(_: int) -> str:
    # Joints are where lines meet: they are seen without a mark of their own.
    return f"""
        SELECT id, utility, kind, nullif(NOT passes, false) AS shut,
               {_mvt(f"ST_Transform(network_node.geom, {TILE_SRID})")}
        FROM network_node, tile
        WHERE valid_to IS NULL AND kind <> 'joint' AND network_node.geom && tile.lonlat"""


def _unit_grid(zoom: int) -> str:
    return f"""
        SELECT id, code, {_mvt(_simplified("geom_3857", zoom))}
        FROM area, tile
        WHERE valid_to IS NULL AND level = 'unit_grid' AND geom_3857 && tile.wide"""


TILE_LAYERS: Final[tuple[TileLayer, ...]] = (
    TileLayer("water", ("ground_cover",), 6, _ground(("water",))),
    TileLayer("green", ("ground_cover",), 9, _ground(("green", "plaza"))),
    TileLayer("road", ("road",), 9, _road),
    TileLayer("building", ("building",), 13, _building),
    TileLayer("area", ("area",), 5, _area),
    TileLayer("unit_grid", ("area",), 14, _unit_grid),
    TileLayer("component", ("component",), 15, _component),
    TileLayer("compound", ("compound",), 12, _compound),
    TileLayer("network_line", ("network_line",), 13, _network_line),
    TileLayer("network_node", ("network_node",), 15, _network_node),
    TileLayer("camera_field", ("device",), 15, _camera_field),
    TileLayer("area_label", ("area",), 5, _area_label),
    TileLayer("place_label", ("ground_cover", "building", "service_point"), 13, _place_label),
)
"""Every tile layer, ground first."""

TILE_LAYER_BY_NAME: Final = {layer.name: layer for layer in TILE_LAYERS}


def _latitude(row: str) -> str:
    return f"degrees(atan(sinh(pi() * (1 - 2.0 * ({row}) / (1 << $1)))))"


def tile_sql(layers: tuple[TileLayer, ...], zoom: int) -> str:
    """Return the SQL that cuts one tile with these layers: parameters z, x, y; one bytea.

    Tiles are protobuf messages of repeated layers, so layers join by joining their bytes. Layers that
    hold nothing at this zoom are left out; with none left the answer is empty bytes.
    """
    shown = [layer for layer in layers if layer.min_zoom <= zoom <= layer.max_zoom]
    if not shown:
        return "SELECT ''::bytea WHERE $1::int4 >= 0 AND $2::int4 >= 0 AND $3::int4 >= 0"
    margin = BUFFER / EXTENT
    # By its formula: asking PROJ for this one box would cost as much as cutting thirty buildings.
    turn = "360.0 / (1 << $1)"
    # ST_AsMVT passes over rows without geometry. A filter on it would be pulled into the rows' own query,
    # where PostgreSQL would cut every geometry twice: once to ask whether it is null, once to write it.
    parts = " || ".join(
        f"(SELECT coalesce(ST_AsMVT(r, '{layer.name}', {EXTENT}, 'geom', 'id'), ''::bytea) "
        f"FROM ({layer.rows(zoom)}) AS r)"
        for layer in shown
    )
    return f"""
        WITH tile AS MATERIALIZED (
            SELECT env, ST_TileEnvelope($1, $2, $3, margin => {margin}) AS wide,
                   ST_MakeEnvelope($2 * {turn} - 180, {_latitude("$3 + 1")},
                                   ($2 + 1) * {turn} - 180, {_latitude("$3")}, {STORAGE_SRID}) AS lonlat,
                   1 / cosh(ST_YMax(env) / {_WORLD_M / math.tau}) ^ 2 AS true_share
            FROM ST_TileEnvelope($1, $2, $3) AS env)
        SELECT {parts}"""
