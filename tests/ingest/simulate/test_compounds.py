"""Simulated compounds lie beside each other, off the carriageways, and come out the same each time."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import shapely
from sqlalchemy import text

from ingest.simulate.city import City
from ingest.simulate.compounds import LEAST_AREA_M2, plan_compounds, site_compounds
from ingest.simulate.register import ensure_dataset
from ingest.vector.intake import Row
from twin.store.engine import create_engine


@pytest.fixture(scope="module")
def homely(city: City) -> City:
    """The town with dwellings only, and one block drawn as residential land."""
    homes = tuple(dataclasses.replace(b, kind="apartments") for b in city.buildings)
    return dataclasses.replace(city, buildings=homes, residential=(("way/700", "西园", city.blocks[0][1]),))


@pytest.fixture(scope="module")
def rows(homely: City) -> list[Row]:
    return plan_compounds(homely)


def test_land_of_the_map_and_clusters_beside_it_become_compounds(homely: City, rows: list[Row]) -> None:
    assert rows[0].ref == "way/700"
    assert rows[0].values["name"] == "西园（模拟）"
    clusters = [row for row in rows if row.ref.startswith("cluster/")]
    assert clusters
    homes = {b.ref for b in homely.buildings}
    assert {row.ref.removeprefix("cluster/") for row in clusters} <= homes
    assert len({row.ref for row in rows}) == len(rows)


def test_they_do_not_overlap_and_cross_no_carriageway(city: City, rows: list[Row]) -> None:
    def metres(row: Row) -> shapely.Geometry:
        xy = shapely.get_coordinates(row.geom)
        return shapely.set_coordinates(row.geom, list(zip(*city.to_metres(xy[:, 0], xy[:, 1]), strict=True)))

    shapes = [metres(row) for row in rows]
    for a, b in itertools.combinations(shapes, 2):
        assert a.intersection(b).area < 1.0
    for shape in shapes[1:]:
        assert shape.area > LEAST_AREA_M2 - 1.0
        for road in city.surface_roads:
            assert not shape.buffer(-0.5).intersects(road.line) or not road.car


@pytest.mark.postgis
def test_what_is_stored_is_the_same_again_and_goes_with_the_simulation(database, homely: City) -> None:
    engine = create_engine(database.fresh().url)
    wanted = len(plan_compounds(homely))
    for city, present, former in ((homely, wanted, 0), (homely, wanted, 0), (None, 0, wanted)):
        with engine.begin() as connection:
            assert site_compounds(connection, ensure_dataset(connection), city) == present
            there = "SELECT count(*) FILTER (WHERE valid_to IS NULL) FROM compound"
            assert connection.execute(text(there)).scalar_one() == present
            assert connection.execute(text("SELECT count(*) FROM feature_history")).scalar_one() == former
    engine.dispose()
