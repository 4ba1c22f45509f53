"""The truth of a tile is asked without the function that cuts it, and agrees with what is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
import shapely

from bench.live.database import connect
from bench.mvt import feature_ids
from bench.tile_truth import BUFFER, EXTENT, ask_truth
from layers.tiles import TILE_LAYER_BY_NAME, tile_sql

pytestmark = pytest.mark.postgis

X, Y = 12926, 6727  # at zoom 14
BOX = shapely.box(-BUFFER, -BUFFER, EXTENT + BUFFER, EXTENT + BUFFER)


def rectangle(x: float, y: float, width: float, height: float, turn_deg: float = 0.0) -> shapely.Polygon:
    """Give a footprint in units of the tile, `x` and `y` its least corner before it is turned."""
    return shapely.affinity.rotate(shapely.box(x, y, x + width, y + height), turn_deg)


def to_lon_lat(points: np.ndarray, zoom: int, column: int, row: int) -> np.ndarray:
    side = 1 << zoom
    lon = (column + points[:, 0] / EXTENT) / side * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(math.pi * (1 - 2 * (row + points[:, 1] / EXTENT) / side))))
    return np.column_stack((lon, lat))


@pytest.fixture(scope="module")
def ground(database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with connect(database.fresh().url) as connection:
        connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) "
            "VALUES ('t', 'vector', 'EPSG:4326', true)"
        )
        yield connection


def build(
    ground, shapes: list[shapely.Polygon], zoom: int, column: int, row: int
) -> dict[int, shapely.Polygon]:
    """Put up these footprints, given in units of one tile, in place of all others; give them by id."""
    ground.execute("DELETE FROM building")
    made = {}
    for number, shape in enumerate(shapes):
        there = shapely.transform(shape, lambda points: to_lon_lat(points, zoom, column, row))
        ((identity,),) = ground.execute(
            """INSERT INTO building (dataset_id, source_ref, content_hash, geom, kind, height_m, min_height_m,
                                     height_source, footprint_m2)
               VALUES (1, %s, '', ST_Multi(ST_GeomFromText(%s, 4326)), 'residential', 9, 0, 'levels', 500)
               RETURNING id""",
            (str(number), shapely.to_wkt(there, rounding_precision=15)),
        ).fetchall()
        made[int(identity)] = shape
    return made


def cut(ground, zoom: int, column: int, row: int) -> set[int | None]:
    sql = tile_sql((TILE_LAYER_BY_NAME["building"],), zoom)
    for name, value in (("$1", zoom), ("$2", column), ("$3", row)):
        sql = sql.replace(name, str(value))
    ((tile,),) = ground.execute(sql).fetchall()
    return set(feature_ids(bytes(tile)).get("building", []))


def test_a_footprint_less_than_half_a_unit_into_the_buffer_has_nothing_to_draw(ground) -> None:
    edge = EXTENT + BUFFER
    shapes = {
        "inside": rectangle(100, 100, 40, 40),
        "over the seam": rectangle(-20, 500, 40, 40),
        "0.6 units in, above": rectangle(700, -BUFFER - 40, 60, 40.6),
        "0.4 units in, above": rectangle(900, -BUFFER - 40, 60, 40.4),
        "0.4 units in, right": rectangle(edge - 0.4, 300, 60, 40),
        "0.4 units out, below": rectangle(300, edge + 0.4, 60, 40),
        "a third of a unit wide": rectangle(2000.1, 2000.1, 0.3, 0.3),
    }
    ids = dict(zip(shapes, build(ground, list(shapes.values()), 14, X, Y), strict=True))
    truth = ask_truth(ground, 14, X, Y)
    assert truth.drawn == {ids["inside"], ids["over the seam"], ids["0.6 units in, above"]}
    assert truth.edge_only == {
        ids["0.4 units in, above"],
        ids["0.4 units in, right"],
        ids["a third of a unit wide"],
    }
    assert truth.in_tile == {ids["inside"], ids["over the seam"], ids["a third of a unit wide"]}
    assert cut(ground, 14, X, Y) == truth.drawn


def test_what_a_tile_lacks_is_named(ground) -> None:
    first, second = build(ground, [rectangle(9, 9, 40, 40), rectangle(90, 9, 40, 40)], 14, X, Y)
    truth = ask_truth(ground, 14, X, Y)
    assert truth.missing({first}) == {second}
    assert truth.missing({first, second}) == set()


@pytest.mark.parametrize("zoom", [14, 15, 16])
def test_every_footprint_around_the_outer_edge_is_cut_or_too_shallow_to_draw(ground, zoom: int) -> None:
    random = np.random.default_rng(zoom)
    column, row = X << (zoom - 14), Y << (zoom - 14)
    edge = EXTENT + BUFFER
    shapes = []
    for _ in range(600):
        width, height = random.uniform(12, 90, 2)
        along, across = random.uniform(-80, edge + 40), random.uniform(-3, 3)
        side = random.choice([-BUFFER - width + across, edge - across])
        place = (side, along) if random.random() < 0.5 else (along, side)
        shapes.append(rectangle(*place, width, height, random.uniform(-8, 8)))
    made = build(ground, shapes, zoom, column, row)
    truth = ask_truth(ground, zoom, column, row)
    assert cut(ground, zoom, column, row) == truth.drawn
    assert len(truth.drawn) > 100
    assert truth.edge_only
    for identity in truth.edge_only:
        west, south, east, north = shapely.intersection(made[identity], BOX).bounds
        assert min(east - west, north - south) < 0.5, "it lies in the buffer less than half a unit deep"
        laid = shapely.transform(made[identity], np.round)
        assert shapely.intersection(laid, BOX).area == 0
