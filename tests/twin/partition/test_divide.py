from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import text

from twin.partition import divide
from twin.partition.linework import Scale
from twin.quality import run_checks
from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis

CENTRE = (104.06, 30.66)
SCALE = Scale.at(*CENTRE)


def degrees(metres):
    return shapely.transform(metres, lambda c: c / (SCALE.x_m, SCALE.y_m) + CENTRE)


@pytest.fixture
def engine(database):
    made = create_engine(database.fresh().url)
    yield made
    made.dispose()


def add_dataset(connection) -> int:
    sql = (
        "INSERT INTO dataset (name, kind, declared_crs, simulated) VALUES ('osm', 'osm', 'EPSG:4326', false)"
        " RETURNING id"
    )
    return connection.execute(text(sql)).scalar_one()


def add_community(connection, dataset, number, geom, name="西华门社区") -> int:
    sql = (
        "INSERT INTO area (code, code_source, level, name, geom, label_point, made_by, area_m2, dataset_id,"
        " source_ref, content_hash) VALUES (:code, 'provisional', 'community', :name,"
        " ST_Multi(ST_GeomFromWKB(:g, 4326)), ST_PointOnSurface(ST_GeomFromWKB(:g, 4326)), 'borders', 1, :d,"
        " :code, '\\x00') RETURNING id"
    )
    values = {"code": f"510105001{number:03d}000", "name": name, "g": geom.wkb, "d": dataset}
    return connection.execute(text(sql), values).scalar_one()


def add_road(connection, dataset, ref, geom, road_class="residential", tunnel=False) -> None:
    sql = (
        "INSERT INTO road (geom, road_class, foot, bike_forward, bike_backward, car_forward, car_backward,"
        " width_m, layer, bridge, tunnel, stairs, dataset_id, source_ref, content_hash)"
        " VALUES (ST_GeomFromWKB(:g, 4326), :c, true, true, true, true, true, 6, 0, false, :t,"
        " false, :d, :r, '\\x00')"
    )
    connection.execute(text(sql), {"g": geom.wkb, "c": road_class, "t": tunnel, "d": dataset, "r": ref})


def add_building(connection, dataset, ref, geom, kind="apartments", levels=6.0) -> None:
    sql = (
        "INSERT INTO building (geom, kind, body, height_m, min_height_m, levels, height_source, footprint_m2,"
        " dataset_id, source_ref, content_hash)"
        " VALUES (ST_Multi(ST_GeomFromWKB(:g, 4326)), :k, 'whole', :h, 0, :l, 'levels',"
        " ST_Area(ST_GeomFromWKB(:g, 4326)::geography), :d, :r, :hash)"
    )
    values = {"g": geom.wkb, "k": kind, "h": 3.0 * (levels or 3), "l": levels, "d": dataset, "r": ref}
    connection.execute(text(sql), {**values, "hash": hashlib.sha256(geom.wkb).digest()})


def add_device(connection, dataset, uid, geom) -> None:
    sql = (
        "INSERT INTO device (uid, kind, geom, height_m, simulated, position_source, dataset_id, source_ref,"
        " content_hash)"
        " VALUES (:u, 'camera', ST_GeomFromWKB(:g, 4326), 3, false, 'measured', :d, :u, '\\x00')"
    )
    connection.execute(text(sql), {"u": uid, "g": geom.wkb, "d": dataset})


def grids(connection, level, present=True):
    rows = connection.execute(
        text(
            "SELECT id, code, parent_id, name, ST_AsBinary(geom) AS geom, households, households_source,"
            " floor_area_m2, area_m2 FROM area"
            f" WHERE level = :level AND valid_to IS {'NULL' if present else 'NOT NULL'} ORDER BY code"
        ),
        {"level": level},
    )
    return rows.all()


def shapes(rows):
    return np.array([shapely.get_geometry(shapely.from_wkb(bytes(r.geom)), 0) for r in rows], dtype=object)


def small_city(connection) -> dict[str, int]:
    """Two communities of 300 m × 200 m side by side, streets between blocks of 100 m, six big houses."""
    d = add_dataset(connection)
    west = add_community(connection, d, 1, degrees(shapely.box(0, 0, 300, 200)), "西社区")
    east = add_community(connection, d, 2, degrees(shapely.box(300, 0, 600, 200)), "东社区")
    add_road(connection, d, "way/1", degrees(shapely.LineString([(-50, 103), (650, 97)])))
    for x in (100, 200, 400, 500):
        add_road(connection, d, f"way/x{x}", degrees(shapely.LineString([(x, -50), (x, 250)])))
    add_road(connection, d, "way/subway", degrees(shapely.LineString([(0, 50), (600, 50)])), tunnel=True)
    for k in range(6):
        house = shapely.box(100 * k + 20, 20, 100 * k + 80, 70)
        add_building(connection, d, f"way/h{k}", degrees(house), levels=6.0)
    add_device(connection, d, "cam-0001", degrees(shapely.Point(50, 150)))
    add_device(connection, d, "cam-0002", degrees(shapely.Point(50, 900)))
    return {"dataset": d, "west": west, "east": east}


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


def add_worker(connection, code, grid, base_point=None) -> None:
    sql = (
        "INSERT INTO worker (code, name, responsibility_grid_id, base_point)"
        " VALUES (:c, :c, :g, ST_GeomFromWKB(CAST(:p AS bytea), 4326))"
    )
    point = None if base_point is None else base_point.wkb
    connection.execute(text(sql), {"c": code, "g": grid, "p": point})


def add_case(connection, number, geom, *, closed) -> None:
    """File a case with the grids of today."""
    sql = (
        "INSERT INTO case_file (number, title, category_code, source, geom, unit_grid_id,"
        " responsibility_grid_id, opened_at, closed_at, outcome)"
        " SELECT :n, :n, '20101', 'patrol', g.geom, u.id, r.id,"
        " now() - interval '1 hour', CASE WHEN :closed THEN now() END, CASE WHEN :closed THEN 'void' END"
        " FROM (SELECT ST_GeomFromWKB(:g, 4326) AS geom) g"
        " JOIN area u ON u.level = 'unit_grid' AND u.valid_to IS NULL AND ST_Intersects(u.geom, g.geom)"
        " JOIN area r ON r.level = 'responsibility_grid' AND r.valid_to IS NULL"
        " AND ST_Intersects(r.geom, g.geom)"
    )
    connection.execute(text(sql), {"n": number, "g": geom.wkb, "closed": closed})


def replace_community(connection, ids, geom) -> None:
    """Give the western community another border as an import does: the row ends and another begins."""
    connection.execute(text("UPDATE area SET valid_to = now() WHERE id = :i"), {"i": ids["west"]})
    ids["west"] = add_community(connection, ids["dataset"], 1, geom, "西社区")


def links(connection, table, *columns):
    """By the name of the thing, for each column the code of the area, with "closed" where it is."""
    name = "number" if table == "case_file" else "code"
    picked = ", ".join(
        "(SELECT a.code || CASE WHEN a.valid_to IS NULL THEN '' ELSE ' closed' END"
        f" FROM area a WHERE a.id = t.{column})"
        for column in columns
    )
    rows = connection.execute(text(f"SELECT t.{name}, {picked} FROM {table} t"))
    return {row[0]: tuple(row[1:]) for row in rows}


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
