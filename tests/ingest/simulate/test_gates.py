"""Simulated barriers stand on the road as gates that are marked, and go with the simulation."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ingest.simulate.gates import site_gates
from ingest.simulate.register import ensure_dataset
from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis

_CITY = """
    INSERT INTO dataset (name, kind, declared_crs) VALUES ('osm', 'osm', 'EPSG:4326');
    INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward,
        bike_backward, car_forward, car_backward, width_m)
    SELECT id, 'way/1', '', 'SRID=4326;LINESTRING(104.06 30.66, 104.07 30.66)', 'service', true, true, true,
        true, true, 4 FROM dataset WHERE name = 'osm';
    INSERT INTO gate (dataset_id, source_ref, content_hash, geom, kind, foot, bike, car)
    SELECT id, 'node/1', '', 'SRID=4326;POINT(104.068 30.66)', 'gate', 'open', 'open', 'open'
    FROM dataset WHERE name = 'osm';
"""
_DEVICES = """
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, simulated)
    SELECT :dataset, uid, '', uid, 'gate', ST_SetSRID(ST_MakePoint(lon, lat), 4326), true
    FROM (VALUES ('gate-on', 104.062, 30.66002), ('gate-off', 104.064, 30.661),
        ('gate-there', 104.06802, 30.66)) AS d (uid, lon, lat)
"""


def test_gates_stand_beside_their_barriers_where_the_map_has_none(database) -> None:
    engine = create_engine(database.fresh().url)
    with engine.begin() as connection:
        connection.execute(text(_CITY))
        dataset = ensure_dataset(connection)
        connection.execute(text(_DEVICES), {"dataset": dataset})
        for _ in range(2):
            assert site_gates(connection, dataset) == 1
        rows = connection.execute(
            text(
                "SELECT g.source_ref, g.kind, s.simulated, d.uid, ST_AsText(g.geom, 6) FROM gate g "
                "JOIN dataset s ON s.id = g.dataset_id LEFT JOIN device d ON d.id = g.device_id "
                "WHERE g.valid_to IS NULL ORDER BY g.id"
            )
        ).all()
        assert rows == [
            ("node/1", "gate", False, None, "POINT(104.068 30.66)"),
            ("gate/gate-on", "lift_gate", True, "gate-on", "POINT(104.062 30.66)"),
        ]
        connection.execute(text("UPDATE device SET valid_to = now()"))
        assert site_gates(connection, dataset) == 0
        assert connection.execute(text("SELECT count(*) FROM gate WHERE valid_to IS NULL")).scalar_one() == 1
    engine.dispose()
