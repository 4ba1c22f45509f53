"""Read the imported city as siting and walking need it: geometry in metres around its centre."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from twin.crs import Converter, to_local_metres
from twin.errors import NotFoundError

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]

_STOREY_M = 3.0
"""Storey height where a building's levels are not known (GB 50352: dwellings 2.8-3.0 m)."""


@dataclass(frozen=True, slots=True)
class BuildingFact:
    """What siting needs of a building; ``levels`` is at least 1."""

    id: int
    ref: str
    kind: str
    name: str | None
    name_en: str | None
    address: str | None
    levels: int
    shape: Any


@dataclass(frozen=True, slots=True)
class RoadFact:
    """What siting needs of a road."""

    id: int
    ref: str
    road_class: str
    name: str | None
    name_en: str | None
    width_m: float
    layer: int
    tunnel: bool
    bridge: bool
    foot: bool
    car: bool
    line: Any


@dataclass(frozen=True, slots=True)
class EntranceFact:
    """A door of a building."""

    ref: str
    building_id: int | None
    text: str
    point: Any


@dataclass(frozen=True)
class City:
    """The city in metres; ``extent`` is the union of its grids, or the extent of what was imported."""

    center: tuple[float, float]
    to_metres: Converter
    to_lon_lat: Converter
    extent: Any
    buildings: tuple[BuildingFact, ...]
    roads: tuple[RoadFact, ...]
    entrances: tuple[EntranceFact, ...]
    waters: tuple[tuple[str, Any], ...]
    blocks: tuple[tuple[str, Any], ...]
    kitchens: tuple[tuple[str, str | None, Any], ...]
    cameras: int
    district_code: str
    chinese: bool
    residential: tuple[tuple[str, str | None, Any], ...] = ()
    """Residential land as drawn: name in its source, what it is called, shape."""

    @cached_property
    def building_shapes(self) -> Geometries:
        """Footprints in the order of ``buildings``."""
        return _array([b.shape for b in self.buildings])

    @cached_property
    def building_tree(self) -> Any:
        """Index of the footprints."""
        return shapely.STRtree(self.building_shapes)

    @cached_property
    def surface_roads(self) -> tuple[RoadFact, ...]:
        """Roads under the open sky, on the ground."""
        return tuple(r for r in self.roads if not r.tunnel and not r.bridge and r.layer == 0)

    @cached_property
    def carriageways(self) -> Any:
        """Index of the paved ground of car roads."""
        cars = [r for r in self.surface_roads if r.car]
        return shapely.STRtree(
            shapely.buffer(_array([r.line for r in cars]), np.array([r.width_m / 2.0 for r in cars]))
        )

    @cached_property
    def _named(self) -> tuple[Any, list[RoadFact]]:
        named = [r for r in self.roads if r.name]
        return shapely.STRtree([r.line for r in named]), named

    @cached_property
    def _near(self) -> dict[str, tuple[str, str]]:
        return {}

    def street_near(self, ref: str, shape: Any) -> tuple[str, str]:
        """Return the name, (zh, en), of the street nearest to the thing of a name and geometry."""
        if ref not in self._near:
            tree, named = self._named
            road = named[int(tree.nearest(shape))] if named else None
            self._near[ref] = (
                (road.name or "", road.name_en or road.name or "") if road else ("本辖区", "the district")
            )
        return self._near[ref]

    def free(self, x: Floats, y: Floats, *, off_road: bool) -> NDArray[np.bool_]:
        """Tell which points are inside the city and outside buildings, and if asked off the carriageway."""
        shapely.prepare(self.extent)
        inside = np.asarray(shapely.contains_xy(self.extent, x, y), dtype=bool)
        points = shapely.points(x, y)
        inside[self.building_tree.query(points, predicate="intersects")[0]] = False
        if off_road:
            inside[self.carriageways.query(points, predicate="within")[0]] = False
        return inside

    def lon_lat(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Bring points of the local frame to storage lon/lat, rounded to 1e-7 degrees (1 cm)."""
        lon, lat = self.to_lon_lat(np.asarray(x, np.float64), np.asarray(y, np.float64))
        return np.round(lon, 7), np.round(lat, 7)


def _array(shapes: list[Any]) -> Geometries:
    out = np.empty(len(shapes), dtype=np.object_)
    out[:] = shapes
    return out


_EXTENT = text(
    """
    WITH grids AS (
        SELECT level, geom FROM area WHERE valid_to IS NULL
    ), best AS (
        SELECT 1 AS rank, ST_Union(geom) AS geom FROM grids WHERE level = 'unit_grid'
        UNION ALL SELECT 2, ST_Union(geom) FROM grids WHERE level = 'responsibility_grid'
        UNION ALL SELECT 3, ST_Union(geom) FROM grids WHERE level = 'community'
        UNION ALL SELECT 4, ST_Union(extent) FROM dataset WHERE extent IS NOT NULL AND NOT simulated
        UNION ALL SELECT 5, ST_Buffer(ST_ConvexHull(ST_Collect(geom)), 0.0003) FROM building
                  WHERE valid_to IS NULL
    )
    SELECT ST_AsBinary(geom) FROM best WHERE geom IS NOT NULL AND NOT ST_IsEmpty(geom) ORDER BY rank LIMIT 1
    """
)

# Two datasets may name different things alike (`feature/1`); the older one keeps its plain name.
_REF = """CASE WHEN row_number() OVER (PARTITION BY source_ref ORDER BY dataset_id, id) = 1 THEN source_ref
              ELSE dataset_id || '/' || source_ref END AS source_ref"""

_BUILDINGS = text(
    f"""
    SELECT id, {_REF}, kind, name, name_en, address, levels, height_m, ST_AsBinary(geom) AS geom
    FROM building WHERE valid_to IS NULL AND body <> 'part' ORDER BY source_ref, id
    """
)
_ROADS = text(
    f"""
    SELECT id, {_REF}, road_class, name, name_en, width_m, layer, tunnel, bridge, foot,
           car_forward OR car_backward AS car, ST_AsBinary(geom) AS geom
    FROM road WHERE valid_to IS NULL ORDER BY source_ref, id
    """
)
_ENTRANCES = text(
    f"""
    SELECT {_REF}, building_id, text, ST_AsBinary(geom) AS geom
    FROM address WHERE valid_to IS NULL AND entrance ORDER BY source_ref, id
    """
)
_COVERS = text(
    f"""
    SELECT {_REF}, cover, name, tags ->> 'landuse' AS landuse, ST_AsBinary(geom) AS geom
    FROM ground_cover WHERE valid_to IS NULL AND cover IN ('water', 'block') ORDER BY source_ref, id
    """
)
_KITCHENS = text(
    f"""
    SELECT {_REF}, name, ST_AsBinary(geom) AS geom
    FROM service_point
    WHERE valid_to IS NULL
      AND category IN ('restaurant', 'fast_food', 'cafe', 'food_court', 'canteen', 'bar', 'pub')
    ORDER BY source_ref, id
    """
)
_CAMERAS = text(
    "SELECT count(*) FROM device WHERE valid_to IS NULL AND kind LIKE 'camera%' AND NOT simulated"
)
_DISTRICT = text(
    """
    SELECT substr(code, 1, 6) FROM area WHERE valid_to IS NULL
    ORDER BY (level = 'district') DESC, code LIMIT 1
    """
)


def read_city(connection: Connection) -> City:
    """Read what is present of the imported city; nothing simulated is looked at.

    Raises
    ------
    NotFoundError
        No building and no road is in the database.
    """
    wkb = connection.execute(_EXTENT).scalar()
    if wkb is None:
        raise NotFoundError(
            "there is no city to put devices into",
            where="tables building, area, dataset",
            hint="import one first: gridtwin import osm FILE",
        )
    extent = shapely.from_wkb(bytes(wkb))
    lon, lat = (float(v) for v in shapely.get_coordinates(extent.envelope.centroid)[0])
    to_metres, to_lon_lat = to_local_metres(lon, lat)

    def metres(raw: Any) -> Any:
        shape = shapely.from_wkb(bytes(raw))
        xy = shapely.get_coordinates(shape)
        return shapely.set_coordinates(shape, np.column_stack(to_metres(xy[:, 0], xy[:, 1])))

    def rows(statement: Any) -> list[Any]:
        return list(connection.execute(statement).mappings())

    buildings = tuple(
        BuildingFact(
            r["id"],
            r["source_ref"],
            r["kind"],
            r["name"],
            r["name_en"],
            r["address"],
            max(1, round(r["levels"] or r["height_m"] / _STOREY_M)),
            metres(r["geom"]),
        )
        for r in rows(_BUILDINGS)
    )
    roads = tuple(
        RoadFact(
            r["id"],
            r["source_ref"],
            r["road_class"],
            r["name"],
            r["name_en"],
            r["width_m"],
            r["layer"],
            r["tunnel"],
            r["bridge"],
            r["foot"],
            r["car"],
            metres(r["geom"]),
        )
        for r in rows(_ROADS)
    )
    covered = [(r, metres(r["geom"])) for r in rows(_COVERS)]
    covers = [(r["source_ref"], r["cover"], shape) for r, shape in covered]
    words = "".join(filter(None, (*(r.name for r in roads), *(b.name for b in buildings))))
    return City(
        center=(lon, lat),
        to_metres=to_metres,
        to_lon_lat=to_lon_lat,
        extent=metres(wkb),
        buildings=buildings,
        roads=roads,
        entrances=tuple(
            EntranceFact(r["source_ref"], r["building_id"], r["text"], metres(r["geom"]))
            for r in rows(_ENTRANCES)
        ),
        waters=tuple((ref, shape) for ref, cover, shape in covers if cover == "water"),
        blocks=tuple((ref, shape) for ref, cover, shape in covers if cover == "block"),
        kitchens=tuple((r["source_ref"], r["name"], metres(r["geom"])) for r in rows(_KITCHENS)),
        cameras=int(connection.execute(_CAMERAS).scalar_one()),
        district_code=connection.execute(_DISTRICT).scalar() or "000000",
        residential=tuple(
            (r["source_ref"], r["name"], shape) for r, shape in covered if r["landuse"] == "residential"
        ),
        chinese=sum("\u4e00" <= c <= "\u9fff" for c in words) * 5 > len(words),
    )
