from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import text

from tests.twin.partition.cities import (
    add_building,
    add_case,
    add_community,
    add_dataset,
    add_road,
    add_worker,
    degrees,
    grids,
    links,
    replace_community,
    shapes,
    small_city,
)
from twin.partition import divide
from twin.quality import run_checks
from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis


@pytest.fixture
def engine(database):
    made = create_engine(database.fresh().url)
    yield made
    made.dispose()


def test_a_city_is_divided_exactly(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        summary = divide(connection)
    assert (summary.communities, summary.divided) == (2, 2)
    with engine.connect() as connection:
        units = grids(connection, "unit_grid")
        resp = grids(connection, "responsibility_grid")
        assert [r.code[-6:] for r in units] == [f"{c:03d}{n:03d}" for c in (1, 2) for n in range(1, 7)]
        assert shapely.coverage_is_valid(shapes(units))
        assert shapely.coverage_is_valid(shapes(resp))
        for level, rows in (("unit_grid", units), ("responsibility_grid", resp)):
            for community in ("west", "east"):
                own = shapes([r for r in rows if r.parent_id == ids[community]])
                border = connection.execute(
                    text("SELECT ST_AsBinary(geom) FROM area WHERE id = :i"), {"i": ids[community]}
                ).scalar_one()
                border = shapely.get_geometry(shapely.from_wkb(bytes(border)), 0)
                union = shapely.coverage_union_all(own)
                assert shapely.equals_exact(union.normalize(), border.normalize(), 0.0), level
        # PostGIS agrees: no overlap, and the areas are those of the ground.
        sql = (
            "SELECT count(*) FROM area a JOIN area b ON a.id < b.id AND a.level = 'unit_grid'"
            " AND b.level = a.level AND ST_Relate(a.geom, b.geom, 'T********')"
        )
        assert connection.execute(text(sql)).scalar_one() == 0
        assert sum(r.area_m2 for r in units) == pytest.approx(120_000, rel=2e-3)
        # Six houses of 60 m × 50 m with 6 levels: 200 households each, so 600 on either side.
        assert sum(r.households for r in units) == pytest.approx(1200, abs=6)
        assert {r.households_source for r in units} == {"estimated"}
        assert len(resp) == 4
        assert all(190 <= r.households <= 410 for r in resp)
        assert resp[0].name == "西社区第1网格"
        device = connection.execute(
            text("SELECT uid, unit_grid_id, responsibility_grid_id FROM device ORDER BY uid")
        )
        inside, outside = device.all()
        assert inside.unit_grid_id == units[0].id
        assert inside.responsibility_grid_id in {r.id for r in resp[:2]}
        assert (outside.unit_grid_id, outside.responsibility_grid_id) == (None, None)


def all_rows(connection):
    tables = ("area", "device", "feature_history", "import_run", "dataset")
    return [
        connection.execute(text(f"SELECT to_jsonb(t)::text FROM {name} t ORDER BY id")).all()
        for name in tables
    ]


def test_the_same_city_again_changes_nothing(engine) -> None:
    with engine.begin() as connection:
        small_city(connection)
        divide(connection)
        before = all_rows(connection)
    with engine.begin() as connection:
        summary = divide(connection)
        assert all_rows(connection) == before
    assert not summary.changed
    assert summary.divided == 0
    assert summary.unit_grids.unchanged == 12
    assert summary.responsibility_grids.unchanged == 4


def test_a_new_road_closes_old_grids_and_keeps_the_neighbours(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
        old = {r.code: r.id for r in grids(connection, "unit_grid")}
    with engine.begin() as connection:
        connection.execute(text("UPDATE road SET valid_to = now() WHERE source_ref = 'way/x500'"))
        add_road(
            connection, ids["dataset"], "way/x480", degrees(shapely.LineString([(480, -50), (480, 250)]))
        )
        summary = divide(connection)
    assert summary.divided == 2  # the other one touches it
    with engine.connect() as connection:
        now = grids(connection, "unit_grid")
        assert shapely.coverage_is_valid(shapes(now))
        assert {r.code: r.id for r in now if r.parent_id == ids["west"]} == {
            c: i for c, i in old.items() if c[9:12] == "001"
        }
        closed = grids(connection, "unit_grid", present=False)
        assert closed
        assert {r.parent_id for r in closed} == {ids["east"]}
        assert summary.unit_grids.closed == len(closed)
    with engine.begin() as connection:
        assert not divide(connection).changed


def test_a_community_that_ends_takes_its_grids_along(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
    with engine.begin() as connection:
        connection.execute(text("UPDATE area SET valid_to = now() WHERE id = :i"), {"i": ids["west"]})
        summary = divide(connection)
    assert summary.unit_grids.closed == 6
    with engine.connect() as connection:
        assert {r.parent_id for r in grids(connection, "unit_grid")} == {ids["east"]}
        assert (
            connection.execute(text("SELECT unit_grid_id FROM device WHERE uid='cam-0001'")).scalar_one()
            is None
        )


def test_one_more_house_changes_figures_but_no_border(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
        before = [r.geom for r in grids(connection, "responsibility_grid")]
    with engine.begin() as connection:
        house = degrees(shapely.box(30, 120, 50, 140))
        add_building(connection, ids["dataset"], "way/new", house, levels=4.0)
        summary = divide(connection)
        assert [r.geom for r in grids(connection, "responsibility_grid")] == before
    assert (summary.unit_grids.updated, summary.responsibility_grids.updated) == (1, 1)
    assert summary.unit_grids.closed == summary.responsibility_grids.closed == 0


def test_drawn_grids_are_left_alone(engine) -> None:
    with engine.begin() as connection:
        small_city(connection)
        divide(connection)
        connection.execute(
            text("UPDATE area SET made_by = 'drawn' WHERE level IN ('unit_grid', 'responsibility_grid')")
        )
    with engine.begin() as connection:
        connection.execute(text("UPDATE road SET valid_to = now() WHERE source_ref = 'way/x500'"))
        assert not divide(connection).changed


def test_a_database_without_communities_is_left_as_it_is(engine) -> None:
    with engine.begin() as connection:
        summary = divide(connection)
    assert (summary.communities, summary.changed) == (0, False)


def test_chengdu_goes_through_the_database(engine) -> None:
    spec = importlib.util.spec_from_file_location("chengdu", Path(__file__).with_name("chengdu.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["chengdu"] = module
    spec.loader.exec_module(module)
    city = module.read_chengdu()
    with engine.begin() as connection:
        d = add_dataset(connection)
        for n, (name, border) in enumerate(zip(city.names, city.borders, strict=True)):
            add_community(connection, d, n + 1, border, name)
        for ref, kind, line in city.roads:
            add_road(connection, d, ref, line, kind)
        for ref, kind, levels, shape in city.buildings:
            add_building(connection, d, ref, shape, kind, levels)
        first = divide(connection)
    with engine.begin() as connection:
        assert not divide(connection).changed
        for level in ("unit_grid", "responsibility_grid", "community"):
            rows = grids(connection, level)
            parts = np.concatenate([shapely.get_parts(shapely.from_wkb(bytes(r.geom))) for r in rows])
            assert shapely.coverage_is_valid(parts), level
    assert first.unit_grids.inserted > 250
    assert 20 < first.responsibility_grids.inserted < 120
    assert first.elapsed_s < 30


def test_workers_and_open_cases_follow_a_new_division_and_closed_cases_do_not(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
        former = [r for r in grids(connection, "responsibility_grid") if r.parent_id == ids["west"]]
        for grid in former:
            add_worker(connection, f"W-{grid.code}", grid.id)
        for number, closed in (("open", False), ("closed", True)):
            add_case(connection, number, degrees(shapely.Point(50, 150)), closed=closed)
    with engine.begin() as connection:
        replace_community(connection, ids, degrees(shapely.box(0, 0, 300, 220)))
        summary = divide(connection)
    assert (summary.links.workers, summary.links.cases) == (2, 1)
    with engine.connect() as connection:
        now = [r for r in grids(connection, "responsibility_grid") if r.parent_id == ids["west"]]
        assert {r.id for r in now}.isdisjoint({r.id for r in former})
        shape = {r.id: shapely.from_wkb(bytes(r.geom)) for r in (*former, *now)}
        for grid in former:
            linked = connection.execute(
                text("SELECT responsibility_grid_id FROM worker WHERE code = :c"), {"c": f"W-{grid.code}"}
            ).scalar_one()
            best = max(now, key=lambda r: shape[r.id].intersection(shape[grid.id]).area)
            assert linked == best.id
        cases = links(connection, "case_file", "unit_grid_id", "responsibility_grid_id")
        assert not any(code.endswith("closed") for code in cases["open"])
        assert all(code.endswith("closed") for code in cases["closed"])
        inside = connection.execute(
            text(
                "SELECT bool_and(ST_Intersects(a.geom, c.geom)) FROM case_file c JOIN area a"
                " ON a.id IN (c.unit_grid_id, c.responsibility_grid_id) WHERE c.number = 'open'"
            )
        )
        assert inside.scalar_one()
    assert "link_to_closed_area" not in {finding.check for finding in run_checks(engine)}
    with engine.begin() as connection:
        assert not divide(connection).changed


def test_a_worker_whose_grid_is_gone_gets_that_of_the_base_point_or_none(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
        gone = next(r for r in grids(connection, "responsibility_grid") if r.parent_id == ids["west"])
        add_worker(connection, "far", gone.id)
        add_worker(connection, "based-east", gone.id, degrees(shapely.Point(550, 50)))
    with engine.begin() as connection:
        connection.execute(text("UPDATE area SET valid_to = now() WHERE id = :i"), {"i": ids["west"]})
        divide(connection)
    with engine.connect() as connection:
        found = links(connection, "worker", "responsibility_grid_id")
        east = {r.code for r in grids(connection, "responsibility_grid") if r.parent_id == ids["east"]}
        assert found["far"] == (None,)
        assert found["based-east"][0] in east


def test_grids_have_an_english_name_and_follow_their_community_s(engine) -> None:
    with engine.begin() as connection:
        ids = small_city(connection)
        divide(connection)
        names = {r.code: r.name_en for r in named_grids(connection)}
        assert names["510105001001001"] in {"西社区 grid 1", "西社区 unit grid 001"}
        assert all(" grid " in name for name in names.values())
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE area SET name = '新社区', name_en = 'New' WHERE id = :i"), {"i": ids["west"]}
        )
        summary = divide(connection)
        west = [r for r in named_grids(connection) if r.parent_id == ids["west"]]
        assert all(r.name.startswith("新社区") and r.name_en.startswith("New ") for r in west)
    assert summary.unit_grids.closed == summary.responsibility_grids.closed == 0
    with engine.begin() as connection:
        assert not divide(connection).changed


def named_grids(connection):
    sql = (
        "SELECT code, parent_id, name, name_en FROM area"
        " WHERE valid_to IS NULL AND level IN ('unit_grid', 'responsibility_grid')"
    )
    return connection.execute(text(sql)).all()
