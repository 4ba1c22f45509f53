"""Row-level security does not keep spatial questions from the spatial index, whoever asks."""

from __future__ import annotations

import psycopg
import pytest

from twin.access.grants import grants_of
from twin.access.scope import EVERYWHERE, Scope
from twin.store.roles import APP, role_url

pytestmark = pytest.mark.postgis

BUILDINGS = 20_000
SCOPES = {
    "whole": EVERYWHERE,
    "city": Scope.of_area("510100000000000", "city"),
    "street": Scope.of_area("510101001000000", "street"),
    "grid": Scope.of_area("510101001001001", "responsibility_grid"),
}
BOX = "ST_MakeEnvelope(104.10, 30.10, 104.11, 30.11, 4326)"
QUESTIONS = {
    "box": f"SELECT count(*) FROM building WHERE geom && {BOX} AND ST_Intersects(geom, {BOX})",
    "around": f"SELECT count(*) FROM building WHERE geom && {BOX} AND valid_to IS NULL "
    "AND ST_DWithin(geom::geography, 'SRID=4326;POINT(104.105 30.105)'::geography, 100)",
    "tile": "SELECT count(*) FROM building WHERE geom_3857 && ST_TileEnvelope(16, 51718, 26940)",
    "nearest": "SELECT id FROM building ORDER BY geom <-> 'SRID=4326;POINT(104.1 30.1)'::geometry LIMIT 5",
}


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture(scope="module")
def crowded(database):
    """20,000 buildings over 40 grids of four streets; their codes are set as an import would leave them."""
    fresh = database.fresh()
    with psycopg.connect(plain(fresh.url), autocommit=True) as connection:
        dataset = connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs) VALUES ('crowd', 'osm', 'EPSG:4326') RETURNING id"
        ).fetchone()
        connection.execute("ALTER TABLE building DISABLE TRIGGER set_scope_code")
        connection.execute(
            """INSERT INTO building (dataset_id, source_ref, content_hash, geom, kind, height_m, min_height_m,
                                     height_source, footprint_m2, scope_code)
               SELECT %s, n, '', ST_Multi(ST_MakeEnvelope(x, y, x + 0.0005, y + 0.0005, 4326)), 'house', 9, 0,
                      'estimated', 1, 510101001001001 + (n %% 4) * 1000000 + (n / 4 %% 10)
               FROM (SELECT n, 104 + (n %% 200) * 0.001 AS x, 30 + (n / 200) * 0.001 AS y
                     FROM generate_series(1, %s) AS n) AS t""",
            [dataset[0] if dataset else None, BUILDINGS],
        )
        connection.execute("ALTER TABLE building ENABLE TRIGGER set_scope_code")
        connection.execute("ANALYZE building")
    with psycopg.connect(plain(role_url(fresh.url, APP))) as connection:
        yield connection


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", ["operator", "planner", "worker", "wall"])
def test_spatial_questions_use_the_spatial_index(crowded, role, scope, question):
    with crowded.transaction(force_rollback=True):
        for name, value in grants_of([(role, SCOPES[scope])]).settings().items():
            crowded.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])
        plan = "\n".join(
            row[0] for row in crowded.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {QUESTIONS[question]}")
        )
    assert "Seq Scan on building" not in plan, plan
    if question in ("box", "around") and scope == "grid":
        # Two hundred rows of a grid are few: the planner may take the index of scopes instead.
        assert "ix_building_geom" in plan or "ix_building_scope_code" in plan, plan
    elif question == "tile":
        assert "ix_building_geom_3857" in plan, plan
    else:
        assert "ix_building_geom" in plan or "ix_building_scope_code" in plan, plan


def test_without_leakproof_the_index_would_be_lost(crowded):
    """The decision is needed: take it back, and the whole table is read."""
    with psycopg.connect(
        host=crowded.info.host, port=crowded.info.port, user="gridtwin", dbname=crowded.info.dbname
    ) as connection:
        connection.execute("ALTER FUNCTION geometry_overlaps(geometry, geometry) NOT LEAKPROOF")
        connection.execute(f"SET LOCAL ROLE {APP}")
        for name, value in grants_of([("operator", SCOPES["city"])]).settings().items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {QUESTIONS['box']}"))
        connection.rollback()
    assert "ix_building_geom" not in plan
