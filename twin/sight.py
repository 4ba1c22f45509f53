"""Work out what a camera sees: its bearing towards the street and its field of view cut by buildings.

Everything is computed in metres around the place, seen from above: a building hides what is behind it
whatever its height, because cameras hang lower than roofs. Bearings are clockwise from north.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, text

from twin.crs import STORAGE_SRID, Converter, to_local_metres
from twin.partition.tables import PATH_CLASSES, ROAD_CLASSES
from twin.visibility import visible

MOUNTING_DEPTH_M = 4.0
"""A camera drawn this far inside a footprint hangs on its wall (points and footprints are drawn by hand from
pictures taken aslant); deeper inside, it looks at a room."""

WALL_GAP_M = 0.1
"""How far outside its wall such a camera looks from."""

STREET_REACH_M = 100.0
"""A street farther away is not the one a camera stands at."""

OPTICS = {"fixed": (90.0, 40.0), "panning": (360.0, 60.0), "dome": (360.0, 30.0)}
"""Field of view in degrees and range in metres by OpenStreetMap's ``camera:type``, where nothing is tagged:
our convention (a 2.8–4 mm lens sees 80–100°); a camera that turns is given all that it can turn to."""

OPTICS_UNKNOWN = OPTICS["fixed"]

_CELL_DEG = 0.05
_MARGIN_M = 400.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Footprints and streets around a place, in metres, indexed.

    Footprints that touch are one, so that no camera looks through the wall between two houses.
    """

    forward: Converter
    inverse: Converter
    footprints: shapely.STRtree
    walls: Floats
    wall_start: NDArray[np.int64]
    streets: shapely.STRtree

    @classmethod
    def around(
        cls, lon: float, lat: float, *, roads: Sequence[BaseGeometry], buildings: Sequence[BaseGeometry]
    ) -> Surroundings:
        """Index lines of roads and footprints of buildings, degrees, around a centre, degrees."""
        forward, inverse = to_local_metres(lon, lat)

        def metres(geometries: Any) -> NDArray[np.object_]:
            out = shapely.transform(geometries, lambda c: np.column_stack(forward(c[:, 0], c[:, 1])))
            return np.atleast_1d(np.asarray(out, dtype=object))

        merged = metres(shapely.get_parts(shapely.union_all(_array(buildings))))
        coordinates, owner = shapely.get_coordinates(merged, return_index=True)
        # A ring ends where the next begins; the step between two rings is no wall.
        ring = shapely.get_coordinates(shapely.get_rings(merged), return_index=True)[1]
        same = ring[1:] == ring[:-1]
        walls = np.hstack([coordinates[:-1][same], coordinates[1:][same]]) if len(ring) else np.empty((0, 4))
        start = np.searchsorted(owner[:-1][same] if len(ring) else owner, np.arange(len(merged) + 1))
        return cls(
            forward,
            inverse,
            shapely.STRtree(merged),
            walls,
            start.astype(np.int64),
            shapely.STRtree(metres(_array(roads))),
        )

    def to_metres(self, lon: float, lat: float) -> Floats:
        """Convert a point of degrees to metres, shape (2,)."""
        x, y = self.forward(np.array([lon]), np.array([lat]))
        return np.array([x[0], y[0]])

    def to_degrees(self, geom: Any) -> Any:
        """Convert a geometry of metres to degrees."""
        return shapely.transform(geom, lambda c: np.column_stack(self.inverse(c[:, 0], c[:, 1])))

    def eye(self, point: Floats) -> Floats:
        """Return where a camera looks from: before the wall it hangs on, or where it is."""
        at = shapely.Point(point)
        hits = self.footprints.query(at, predicate="dwithin", distance=WALL_GAP_M / 2.0)
        if len(hits) == 0:
            return point
        rim = shapely.boundary(self.footprints.geometries[hits[0]])
        if at.distance(rim) > MOUNTING_DEPTH_M:
            return point
        foot = shapely.get_coordinates(shapely.shortest_line(rim, at))[0]
        # All ways out of the wall; the one that leads straight on from where the camera is drawn is best.
        turn = np.arange(24) * (2.0 * math.pi / 24.0)
        out = self._outward(foot, point)
        ways = np.column_stack([np.cos(turn + out), np.sin(turn + out)])
        tries = foot + WALL_GAP_M * ways[np.argsort(np.minimum(turn, 2.0 * math.pi - turn), kind="stable")]
        blocked = np.zeros(len(tries), dtype=bool)
        blocked[self.footprints.query(shapely.points(tries), predicate="intersects")[0]] = True
        return np.asarray(point if blocked.all() else tries[~blocked][0], dtype=np.float64)

    def _outward(self, foot: Floats, point: Floats) -> float:
        """Return the mathematical angle that leads out of the wall at ``foot``."""
        away = foot - point
        if np.hypot(*away) > 1e-3 and self.footprints.query(shapely.Point(point), predicate="within").size:
            return math.atan2(away[1], away[0])
        near = self.walls_near(foot, 1.0)
        gap = shapely.distance(shapely.linestrings(near.reshape(-1, 2, 2)), shapely.Point(foot))
        a, b = near[int(gap.argmin())].reshape(2, 2)
        normal = math.atan2(b[1] - a[1], b[0] - a[0]) + math.pi / 2.0
        step = foot + WALL_GAP_M * np.array([math.cos(normal), math.sin(normal)])
        inside = self.footprints.query(shapely.Point(step), predicate="intersects").size > 0
        return normal + math.pi if inside else normal

    def walls_near(self, point: Floats, radius_m: float) -> Floats:
        """Return the walls, shape (n, 4), of which a part is within a distance."""
        hits = self.footprints.query(shapely.Point(point), predicate="dwithin", distance=radius_m)
        if len(hits) == 0:
            return np.empty((0, 4))
        walls = np.concatenate(
            [self.walls[self.wall_start[k] : self.wall_start[k + 1]] for k in np.sort(hits)]
        )
        a, step = walls[:, :2] - point, walls[:, 2:] - walls[:, :2]
        length2 = np.maximum((step**2).sum(axis=1), 1e-18)
        t = np.clip(-(a * step).sum(axis=1) / length2, 0.0, 1.0)
        return np.asarray(walls[((a + t[:, None] * step) ** 2).sum(axis=1) < radius_m**2], dtype=np.float64)


def bearing_to_street(
    lon: float, lat: float, roads: Sequence[BaseGeometry], buildings: Sequence[BaseGeometry]
) -> float | None:
    """Return the bearing, degrees, from a camera to the nearest point of a street that it can see.

    Parameters
    ----------
    lon, lat
        Of the camera, degrees.
    roads, buildings
        Lines and footprints around it, degrees.

    Returns
    -------
    float or None
        None where no street is within `STREET_REACH_M`, or none that is not behind a building.
    """
    return find_bearing(Surroundings.around(lon, lat, roads=roads, buildings=buildings), lon, lat)


def find_bearing(surroundings: Surroundings, lon: float, lat: float) -> float | None:
    """Return `bearing_to_street` in surroundings that are indexed already.

    A camera on the very line of a street looks along it, in the direction it is drawn.
    """
    eye = surroundings.eye(surroundings.to_metres(lon, lat))
    at = shapely.Point(eye)
    hits = surroundings.streets.query(at, predicate="dwithin", distance=STREET_REACH_M)
    if len(hits) == 0:
        return None
    streets = surroundings.streets.geometries[np.sort(hits)]
    nearest = shapely.get_coordinates(shapely.shortest_line(at, streets))[1::2]
    gap = np.hypot(*(nearest - eye).T)
    if gap.min() < 0.5:
        return _along(streets[int(gap.argmin())], at)
    seen = _first_seen(surroundings, eye, nearest)
    if seen is None:
        # The nearest points are all hidden: some other part of a street may be in view.
        between = shapely.get_coordinates(shapely.segmentize(streets, 2.0))
        between = between[np.hypot(*(between - eye).T) < STREET_REACH_M]
        seen = _first_seen(surroundings, eye, between)
    if seen is None:
        return None
    return math.degrees(math.atan2(seen[0] - eye[0], seen[1] - eye[1])) % 360.0


def away_from_wall(surroundings: Surroundings, lon: float, lat: float) -> float | None:
    """Return the bearing, degrees, straight away from the wall a camera hangs on.

    None where it hangs on no wall, or looks at a room.
    """
    eye = surroundings.eye(surroundings.to_metres(lon, lat))
    at = shapely.Point(eye)
    hits = surroundings.footprints.query(at, predicate="dwithin", distance=MOUNTING_DEPTH_M)
    rims = shapely.boundary(surroundings.footprints.geometries[hits])
    inside = surroundings.footprints.query(at, predicate="within").size > 0
    if len(hits) == 0 or inside:
        return None
    nearest = rims[int(shapely.distance(rims, at).argmin())]
    foot = shapely.get_coordinates(shapely.shortest_line(nearest, at))[0]
    return math.degrees(math.atan2(eye[0] - foot[0], eye[1] - foot[1])) % 360.0


def _first_seen(surroundings: Surroundings, eye: Floats, points: Floats) -> Floats | None:
    """Return the nearest of some points to which no wall is in the way."""
    order = np.argsort(np.hypot(*(points - eye).T), kind="stable")
    points = points[order]
    lines = shapely.linestrings(np.stack([np.broadcast_to(eye, points.shape), points], axis=1))
    hidden = np.zeros(len(points), dtype=bool)
    hidden[surroundings.footprints.query(lines, predicate="intersects")[0]] = True
    return None if hidden.all() else points[~hidden][0]


def _along(street: Any, at: shapely.Point) -> float:
    s = street.project(at)
    a = shapely.get_coordinates(street.interpolate(max(s - 1.0, 0.0)))[0]
    b = shapely.get_coordinates(street.interpolate(min(s + 1.0, street.length)))[0]
    return math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])) % 360.0


def field_of_view(
    lon: float,
    lat: float,
    bearing_deg: float,
    field_of_view_deg: float,
    range_m: float,
    buildings: Sequence[BaseGeometry],
) -> shapely.Polygon:
    """Return the ground a camera sees, degrees: the sector of its view without what buildings hide.

    Parameters
    ----------
    lon, lat
        Of the camera, degrees.
    bearing_deg
        Middle of the view, clockwise from north.
    field_of_view_deg
        Width of the view, above 0 to 360.
    range_m
        How far the view reaches.
    buildings
        Footprints, degrees.
    """
    surroundings = Surroundings.around(lon, lat, roads=(), buildings=buildings)
    return find_view(surroundings, lon, lat, bearing_deg, field_of_view_deg, range_m)


def find_view(
    surroundings: Surroundings,
    lon: float,
    lat: float,
    bearing_deg: float,
    field_of_view_deg: float,
    range_m: float,
) -> shapely.Polygon:
    """Return `field_of_view` in surroundings that are indexed already."""
    eye = surroundings.eye(surroundings.to_metres(lon, lat))
    shape = visible(eye, surroundings.walls_near(eye, range_m), bearing_deg, field_of_view_deg, range_m)
    view: shapely.Polygon = surroundings.to_degrees(shape)
    return view


def update_sight(connection: Connection) -> int:
    """Compute bearing, optics and field of view of present cameras and store what changed.

    A measured bearing is kept; otherwise it is estimated, and marked so: towards the street, where none is
    in view towards a path, where none is either straight away from the wall. Optics that are not known are
    set by the type of the camera (`OPTICS`). Nothing is committed here.

    Returns
    -------
    int
        The number of cameras that changed.
    """
    cameras = connection.execute(
        text(
            "SELECT id, ST_X(geom) AS lon, ST_Y(geom) AS lat, bearing_deg, bearing_source, field_of_view_deg,"
            " range_m, ST_AsBinary(sight) AS sight, tags ->> 'camera:type' AS type FROM device"
            " WHERE kind = 'camera' AND valid_to IS NULL ORDER BY id"
        )
    ).all()
    cells: dict[tuple[int, int], list[Any]] = {}
    for camera in cameras:
        cell = (math.floor(camera.lon / _CELL_DEG), math.floor(camera.lat / _CELL_DEG))
        cells.setdefault(cell, []).append(camera)
    changes: list[dict[str, Any]] = []
    for (i, j), members in cells.items():
        margin_m = max(_MARGIN_M, *(camera.range_m or 0.0 for camera in members))
        streets, any_way = _read_surroundings(connection, i * _CELL_DEG, j * _CELL_DEG, margin_m)
        changes += [new for camera in members if (new := _changed(camera, streets, any_way)) is not None]
    if changes:
        connection.execute(
            text(
                "UPDATE device SET bearing_deg = :bearing_deg, bearing_source = :bearing_source,"
                " field_of_view_deg = :field_of_view_deg, range_m = :range_m,"
                f" sight = ST_GeomFromWKB(:sight, {STORAGE_SRID}) WHERE id = :id"
            ),
            changes,
        )
    return len(changes)


def _changed(camera: Any, streets: Surroundings, any_way: Surroundings) -> dict[str, Any] | None:
    """Return the columns of a camera as they shall be, or None when they are so."""
    bearing, source = camera.bearing_deg, camera.bearing_source
    if source != "measured":
        found = find_bearing(streets, camera.lon, camera.lat)
        if found is None:
            found = find_bearing(any_way, camera.lon, camera.lat)
        if found is None:
            found = away_from_wall(streets, camera.lon, camera.lat)
        bearing = None if found is None else round(found, 1) % 360.0
        source = None if found is None else "estimated"
    view_deg, range_m = OPTICS.get(camera.type or "", OPTICS_UNKNOWN)
    view_deg, range_m = camera.field_of_view_deg or view_deg, camera.range_m or range_m
    sight: bytes | None = None
    if bearing is not None or view_deg >= 360.0:
        view = find_view(streets, camera.lon, camera.lat, bearing or 0.0, view_deg, range_m)
        # A centimetre is more than the map needs, and makes the same view the same bytes.
        parts = shapely.get_parts(shapely.set_precision(shapely.simplify(view, 1e-8), 1e-7))
        if len(parts):
            sight = shapely.normalize(max(parts, key=lambda p: float(p.area))).wkb
    old_sight = None if camera.sight is None else bytes(camera.sight)
    old = (camera.bearing_deg, camera.bearing_source, camera.field_of_view_deg, camera.range_m, old_sight)
    if old == (bearing, source, view_deg, range_m, sight):
        return None
    return {
        "id": camera.id,
        "bearing_deg": bearing,
        "bearing_source": source,
        "field_of_view_deg": view_deg,
        "range_m": range_m,
        "sight": sight,
    }


def _read_surroundings(
    connection: Connection, west: float, south: float, margin_m: float
) -> tuple[Surroundings, Surroundings]:
    """Read what stands around a cell: first with streets alone, then with paths as well."""
    lon, lat = west + _CELL_DEG / 2.0, south + _CELL_DEG / 2.0
    margin_lat = margin_m / 110_574.0
    margin_lon = margin_lat / max(math.cos(math.radians(lat)), 0.01)
    box = {
        "west": west - margin_lon,
        "south": south - margin_lat,
        "east": west + _CELL_DEG + margin_lon,
        "north": south + _CELL_DEG + margin_lat,
    }
    inside = f"geom && ST_MakeEnvelope(:west, :south, :east, :north, {STORAGE_SRID}) AND valid_to IS NULL"
    buildings = connection.execute(
        # What hangs above the street (a bridge between two houses) hides nothing of it.
        text(
            f"SELECT ST_AsBinary(geom) AS geom FROM building WHERE {inside} AND body <> 'part'"
            " AND min_height_m < 3 ORDER BY id"
        ),
        box,
    )
    footprints = [shapely.from_wkb(bytes(r.geom)) for r in buildings]
    roads = connection.execute(
        text(
            "SELECT ST_AsBinary(geom) AS geom, road_class = ANY(:streets) AS street FROM road"
            f" WHERE {inside} AND NOT tunnel AND layer >= 0 AND road_class = ANY(:all) ORDER BY id"
        ),
        {**box, "streets": [*ROAD_CLASSES, "service"], "all": [*ROAD_CLASSES, *PATH_CLASSES]},
    ).all()
    lines = [(shapely.from_wkb(bytes(r.geom)), r.street) for r in roads]
    streets = Surroundings.around(
        lon, lat, roads=[line for line, street in lines if street], buildings=footprints
    )
    return streets, Surroundings(
        streets.forward,
        streets.inverse,
        streets.footprints,
        streets.walls,
        streets.wall_start,
        shapely.STRtree(
            shapely.transform(
                _array([line for line, _ in lines]),
                lambda c: np.column_stack(streets.forward(c[:, 0], c[:, 1])),
            )
        ),
    )


def _array(geometries: Sequence[BaseGeometry]) -> NDArray[np.object_]:
    out = np.empty(len(geometries), dtype=object)
    out[:] = list(geometries)
    return out
