from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from api.city import city_is_current
from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis


@pytest.fixture
def city(database, tmp_path):
    """A database in which one file was imported completely: (url, file, engine)."""
    fresh = database.fresh()
    file = tmp_path / "city.osm.pbf"
    file.write_bytes(b"one")
    engine = create_engine(fresh.url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dataset (name, kind, declared_crs, simulated) "
                "VALUES ('osm', 'osm', '4326', false)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO import_run (dataset_id, file_name, file_sha256, finished_at) "
                "SELECT id, 'city.osm.pbf', :sha, now() FROM dataset"
            ),
            {"sha": hashlib.sha256(b"one").hexdigest()},
        )
    yield fresh.url, file, engine
    engine.dispose()


def test_empty_database_has_no_city(database):
    assert not city_is_current(database.fresh().url, None)


def test_same_file_needs_no_import_and_a_changed_one_does(city):
    url, file, _engine = city
    assert city_is_current(url, file)
    file.write_bytes(b"two")
    assert not city_is_current(url, file)


def test_an_import_that_was_cut_off_does_not_count(city):
    url, file, engine = city
    with engine.begin() as connection:
        connection.execute(text("UPDATE import_run SET finished_at = NULL"))
    assert not city_is_current(url, file)


def test_any_road_is_a_city(city):
    url, _file, engine = city
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, "
                "bike_forward, "
                "bike_backward, car_forward, car_backward, width_m, layer, bridge, tunnel, stairs) "
                "SELECT id, 'way/1', 'x', 'SRID=4326;LINESTRING(0 0, 1 1)', 'street', "
                "true, true, true, true, true, "
                "5, 0, false, false, false FROM dataset"
            )
        )
    assert city_is_current(url, None)
