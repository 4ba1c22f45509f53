"""Read roads and what no link may cross from the database, in metres of a frame of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.crs import Converter, to_local_metres
from twin.dispatch.network.roads import Floats, Roads

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


async def read_roads(connection: AsyncConnection) -> tuple[Roads, Frame]:
    """Return all present roads, and the frame their metres are in: around the middle of them."""
    rows = (await connection.execute(_ROADS)).all()
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


async def read_obstacles(connection: AsyncConnection, frame: Frame) -> NDArray[np.object_]:
    """Return buildings and water as polygons in metres."""
    found = (await connection.execute(_OBSTACLES)).scalars().all()
    return np.asarray(shapely.transform(_shapes(found), frame.metres), object)


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
