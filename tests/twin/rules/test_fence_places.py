"""Fences taken from areas and compounds of a real database, and those outside the city."""

from __future__ import annotations

import psycopg
import pytest
import shapely

from twin.errors import CoordinateError, InvalidError
from twin.rules.fence_places import settle
from twin.rules.places import MOST_VERTICES, read_polygons
from twin.store.engine import create_async_engine

pytestmark = pytest.mark.postgis

CODE = "510104021001001"
ROUND = shapely.Point(104.062, 30.662).buffer(0.004, quad_segs=1_000)
HOLED = shapely.box(104.061, 30.661, 104.064, 30.664).difference(
    shapely.box(104.062, 30.662, 104.063, 30.663)
)
LANE = [[104.06, 30.66], [104.062, 30.66], [104.062, 30.6602], [104.06, 30.6602], [104.06, 30.66]]
ENTER = {"type": "fence", "when": "enter"}


@pytest.fixture(scope="module")
def furnished(database):
    fresh = database.fresh()
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        found = connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs) VALUES ('t', 'devices', 'EPSG:4326') RETURNING id"
        ).fetchone()
        connection.execute(
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            "    made_by, area_m2) VALUES (%s, 'a', '', %s, 'responsibility_grid', 'a', "
            "    ST_Multi(ST_GeomFromText(%s, 4326)), ST_SetSRID(ST_MakePoint(104.065, 30.665), 4326), "
            "    'drawn', 1000)",
            [found[0], CODE, ROUND.wkt],
        )
        compound = connection.execute(
            "INSERT INTO compound (dataset_id, source_ref, content_hash, name, geom) "
            "VALUES (%s, 'c', '', 'c', ST_Multi(ST_GeomFromText(%s, 4326))) RETURNING id",
            [found[0], HOLED.wkt],
        ).fetchone()
    return fresh, compound[0]


@pytest.fixture
async def connection(furnished):
    engine = create_async_engine(furnished[0].async_url)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def test_a_fence_gets_the_border_of_an_area_with_as_many_corners_as_it_may_have(connection) -> None:
    kept = await settle(connection, ENTER | {"area": CODE})
    shape = read_polygons(tuple(tuple(tuple(tuple(p) for p in r) for r in one) for one in kept["polygons"]))
    assert kept["area"] == CODE
    assert shapely.get_num_coordinates(shape) <= MOST_VERTICES
    assert shape.symmetric_difference(ROUND).area < 1e-3 * ROUND.area


async def test_a_fence_gets_the_border_of_a_compound_with_its_holes(connection, furnished) -> None:
    kept = await settle(connection, ENTER | {"compound": furnished[1], "polygons": [[LANE]]})
    shape = shapely.Polygon(kept["polygons"][0][0], kept["polygons"][0][1:])
    assert shape.equals(HOLED)


async def test_what_is_drawn_stays_and_other_conditions_are_not_touched(connection) -> None:
    kept = await settle(connection, ENTER | {"polygons": [[LANE]]})
    assert [[list(map(list, ring)) for ring in one] for one in kept["polygons"]] == [[LANE]]
    assert kept["margin_m"] == 10
    limit = {"type": "limit", "above": 3}
    assert await settle(connection, limit) is limit
    assert await settle(connection, None) is None


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        ({"area": "510104021001002"}, InvalidError, "no area"),
        ({"area": 5}, InvalidError, "no area 5"),
        ({"compound": 10**30}, InvalidError, "no compound"),
        ({"compound": True}, InvalidError, "no compound"),
        ({"area": CODE, "compound": 1}, InvalidError, "or of a compound"),
        ({"polygons": [[[[y, x - 60] for x, y in LANE]]]}, InvalidError, "outside of all areas"),
        ({}, InvalidError, "at least one polygon"),
    ],
)
async def test_what_is_wrong_is_said(connection, change, error, what) -> None:
    with pytest.raises(error, match=what):
        await settle(connection, ENTER | change)


async def test_exchanged_coordinates_that_could_be_right_elsewhere_are_recognised(database) -> None:
    fresh = database.fresh()
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        connection.execute(
            "WITH d AS (INSERT INTO dataset (name, kind, declared_crs) VALUES ('t', 'devices', 'EPSG:4326') "
            "    RETURNING id) "
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            "    made_by, area_m2) SELECT id, 'a', '', %s, 'city', 'Helsinki', "
            "    ST_Multi(ST_MakeEnvelope(24.9, 60.1, 25.0, 60.2, 4326)), "
            "    ST_SetSRID(ST_MakePoint(24.95, 60.15), 4326), 'drawn', 1000 FROM d",
            ["910000000000000"],
        )
    engine = create_async_engine(fresh.async_url)
    square = [[60.15, 24.92], [60.16, 24.92], [60.16, 24.93], [60.15, 24.92]]
    try:
        async with engine.connect() as reading:
            with pytest.raises(CoordinateError, match="exchanged"):
                await settle(reading, ENTER | {"polygons": [[square]]})
    finally:
        await engine.dispose()
