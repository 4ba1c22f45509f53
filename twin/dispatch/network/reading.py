"""Read roads, gates, closures and what no link may cross from the database, in metres of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, text

from twin.crs import Converter, to_local_metres
from twin.dispatch.network.closures import RoadClosure
from twin.dispatch.network.gates import NETWORKS, GateRules
from twin.dispatch.network.roads import Floats, Gates, Roads
from twin.model.gate import PASSING

_ROADS: Final = text(
    """
    SELECT r.id, ST_AsBinary(r.geom) AS geom, d.kind <> 'osm' AS drawn, r.layer, r.foot, r.bike_forward,
        r.bike_backward, r.car_forward, r.car_backward, r.stairs, r.tunnel AS covered,
        coalesce(r.max_speed_kmh, 'NaN') AS max_speed_kmh, r.road_class, r.name, r.name_en
    FROM road AS r JOIN dataset AS d ON d.id = r.dataset_id
    WHERE r.valid_to IS NULL ORDER BY r.id
    """
)
_OBSTACLES: Final = text(
    """
    SELECT ST_AsBinary(geom) FROM building WHERE valid_to IS NULL AND body <> 'part'
    UNION ALL
    SELECT ST_AsBinary(geom) FROM ground_cover WHERE valid_to IS NULL AND cover = 'water'
    """
)

# Of two on one place the later one counts.
_GATES: Final = text(
    """
    SELECT id, ST_X(geom) AS lon, ST_Y(geom) AS lat, foot, bike, car, keys,
        coalesce(device_id, 0) AS device_id,
        coalesce(extract(epoch FROM opens) / 60, 'NaN')::float AS opens_min,
        coalesce(extract(epoch FROM closes) / 60, 'NaN')::float AS closes_min
    FROM gate WHERE valid_to IS NULL ORDER BY id
    """
)
_CLOSURES: Final = text(
    """
    SELECT id, ST_AsBinary(geom) AS geom, layers, road_ids, networks,
        extract(epoch FROM begins_at)::float AS begins_s,
        coalesce(extract(epoch FROM ends_at)::float, 'Infinity') AS ends_s
    FROM closure WHERE ended_at IS NULL AND (ends_at IS NULL OR ends_at > now()) ORDER BY id
    """
)


class Frame:
    """Metres around the middle of what lies there."""

    def __init__(self, lon: float, lat: float) -> None:
        self.lon, self.lat = lon, lat
        self._there, self._back = to_local_metres(lon, lat)

    def metres(self, lon_lat: Floats) -> Floats:
        """Return degrees as metres, shape (n, 2) both."""
        return _paired(self._there, lon_lat)

    def degrees(self, xy: Floats) -> Floats:
        """Return metres as degrees, lon/lat, shape (n, 2) both."""
        return _paired(self._back, xy)


def read_roads(connection: Connection) -> tuple[Roads, Frame]:
    """Return all present roads, and the frame their metres are in: around the middle of them."""
    rows = connection.execute(_ROADS).all()
    line = _shapes([row.geom for row in rows])
    west, south, east, north = shapely.total_bounds(line) if len(rows) else (0.0, 0.0, 0.0, 0.0)
    frame = Frame(round((west + east) / 2, 6), round((south + north) / 2, 6))
    return (
        Roads(
            line=np.asarray(shapely.transform(line, frame.metres), object),
            id=_column(rows, "id", np.int64),
            layer=_column(rows, "layer", np.int16),
            max_speed_kmh=_column(rows, "max_speed_kmh", np.float64),
            **{name: _column(rows, name, np.bool_) for name in _FLAGS},
            **{name: _column(rows, name, object) for name in ("road_class", "name", "name_en")},
        ),
        frame,
    )


def read_obstacles(connection: Connection, frame: Frame) -> NDArray[np.object_]:
    """Return buildings and water as polygons in metres."""
    found = connection.execute(_OBSTACLES).scalars().all()
    return np.asarray(shapely.transform(_shapes(found), frame.metres), object)


def read_gates(connection: Connection, frame: Frame) -> tuple[Gates, GateRules]:
    """Return all present gates: where they are, and how they are passed."""
    rows = connection.execute(_GATES).all()
    numbers = _column(rows, "id", np.int64)
    keys = np.empty(len(rows), object)
    keys[:] = [frozenset(row.keys) for row in rows]
    places = np.array([(row.lon, row.lat) for row in rows], float).reshape(-1, 2)
    passing = [[PASSING.index(getattr(row, network)) for network in NETWORKS] for row in rows]
    return Gates(numbers, frame.metres(places)), GateRules(
        numbers,
        np.array(passing, np.int8).reshape(-1, len(NETWORKS)),
        keys,
        _column(rows, "opens_min", np.float64),
        _column(rows, "closes_min", np.float64),
        _column(rows, "device_id", np.int64),
    )


def read_closures(connection: Connection, frame: Frame) -> list[RoadClosure]:
    """Return the closures that hold or are to come."""
    rows = connection.execute(_CLOSURES).all()
    shapes = shapely.transform(_shapes([row.geom for row in rows]), frame.metres)
    return [
        RoadClosure(
            row.id,
            frozenset(row.networks),
            row.begins_s,
            row.ends_s,
            shape if row.road_ids is None else None,
            frozenset(row.layers or ()),
            frozenset(row.road_ids or ()),
        )
        for row, shape in zip(rows, shapes, strict=True)
    ]


_FLAGS: Final = (
    "drawn",
    "foot",
    "bike_forward",
    "bike_backward",
    "car_forward",
    "car_backward",
    "stairs",
    "covered",
)


def _shapes(found: Sequence[bytes]) -> NDArray[np.object_]:
    return np.asarray(shapely.from_wkb(np.array(found, object)), object)


def _column(rows: Sequence[Row[Any]], name: str, kind: Any) -> Any:
    return np.array([getattr(row, name) for row in rows], dtype=kind)


def _paired(convert: Converter, places: Floats) -> Floats:
    return np.stack(convert(places[:, 0], places[:, 1]), axis=1) if len(places) else places.reshape(-1, 2)
