"""The network of an installation: read from its roads, read anew when they change."""

from __future__ import annotations

import asyncio

import numpy as np
import psycopg
import pytest

from tests.waiting import until
from twin.dispatch.network.travel import many_to_many
from twin.dispatch.streets import Streets, Traveller
from twin.errors import InvalidError, UnavailableError
from twin.store.engine import create_async_engine

pytestmark = pytest.mark.postgis

_ROADS = """
    INSERT INTO dataset (name, kind, declared_crs) VALUES ('osm', 'osm', 'EPSG:4326');
    INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward,
        bike_backward, car_forward, car_backward, width_m, max_speed_kmh, name)
    SELECT 1, 'way/' || n, '', ST_GeomFromText(line, 4326), 'residential', true, true, true, true, n <> 2, 6,
        NULL, 'street ' || n
    FROM (VALUES (1, 'LINESTRING(104 30.6, 104.01 30.6)'), (2, 'LINESTRING(104.01 30.6, 104.01 30.61)'))
        AS t (n, line)
"""
A, B = (104.0, 30.6), (104.01, 30.61)


def run(database, statement: str) -> None:
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
async def streets(database):
    fresh = database.fresh()
    run(fresh, _ROADS)
    engine = create_async_engine(fresh.async_url)
    made = Streets(engine)
    with pytest.raises(UnavailableError):
        made.snapshot(Traveller())
    following = asyncio.create_task(made.follow_changes())
    await until(lambda: made.version == 1)
    yield made, fresh
    following.cancel()
    await engine.dispose()


async def test_ways_are_those_of_the_roads_and_follow_their_changes(streets) -> None:
    made, database = streets

    def seconds(profile: str) -> np.ndarray:
        snapshot = made.snapshot(Traveller(profile))
        places = made.put(snapshot, [A, B])
        return many_to_many(snapshot, places, places)

    # A hundredth of a degree at this latitude: 958.6 m east, 1,108.6 m north on the ellipsoid.
    assert seconds("foot")[0, 1] == pytest.approx((958.6 + 1108.6) / 4.5 * 3.6, rel=1e-3)
    assert np.isfinite(seconds("car")).tolist() == [[True, True], [False, True]]
    assert made.frame.degrees(made.frame.metres(np.array([A, B]))) == pytest.approx(np.array([A, B]))
    run(database, "UPDATE road SET valid_to = now() WHERE source_ref = 'way/2'")
    await until(lambda: made.version == 2)
    assert not np.isfinite(seconds("foot")[0, 1])
    with pytest.raises(InvalidError, match="nobody travels by “rocket”"):
        made.snapshot(Traveller("rocket"))
