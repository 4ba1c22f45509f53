"""Which rows a tile holds at which zoom."""

from __future__ import annotations

import math

import pytest

from bench.live.database import connect
from bench.mvt import feature_ids
from layers.tiles import TILE_LAYER_BY_NAME, tile_sql

pytestmark = pytest.mark.postgis


def screen_pixel_m(zoom: float, latitude: float) -> float:
    """Give the side of a screen pixel on the ground (512-pixel tiles)."""
    return 40_075_016.7 * math.cos(math.radians(latitude)) / 2**zoom / 512


@pytest.mark.parametrize("latitude", [30.66, 60.17, -33.9])
def test_only_a_roof_under_a_pixel_where_its_tile_gives_way_is_left_out(database, latitude: float) -> None:
    lon = 104.06
    sides_m = {13: screen_pixel_m(14, latitude), 14: screen_pixel_m(15, latitude)}
    wanted = [side * share for side in sides_m.values() for share in (0.95, 1.05)] + [12.0]
    with connect(database.fresh().url) as connection:
        connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) "
            "VALUES ('t', 'vector', 'EPSG:4326', true)"
        )
        for side_m in wanted:
            connection.execute(
                """INSERT INTO building (dataset_id, source_ref, content_hash, geom, kind, height_m,
                                         min_height_m, height_source, footprint_m2)
                   SELECT 1, %(ref)s, '', ST_Multi(geom), 'residential', 9, 0, 'levels',
                          ST_Area(geom::geography)
                   FROM ST_Expand(ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4326),
                                  %(dx)s, %(dy)s) AS geom""",
                {
                    "ref": str(side_m),
                    "lon": lon,
                    "lat": latitude,
                    "dx": side_m / 111_320 / math.cos(math.radians(latitude)) / 2,
                    "dy": side_m / 111_132 / 2,
                },
            )

        def held(zoom: int) -> list[int | None]:
            x = int((lon + 180) / 360 * 2**zoom)
            y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * 2**zoom)
            sql = tile_sql((TILE_LAYER_BY_NAME["building"],), zoom)
            for name, value in (("$1", zoom), ("$2", x), ("$3", y)):
                sql = sql.replace(name, str(value))
            ((tile,),) = connection.execute(sql).fetchall()
            return sorted(feature_ids(bytes(tile)).get("building", []))

        assert held(13) == [2, 5]
        assert held(14) == [1, 2, 4, 5]
        assert held(15) == [1, 2, 3, 4, 5]
