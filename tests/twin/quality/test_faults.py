"""One planted fault a test: the checks find it, and nothing else."""

from __future__ import annotations

import pytest
import shapely
from sqlalchemy import text

from twin.model import Base
from twin.quality import report_quality, run_checks
from twin.quality.orphans import CLOSED_LINKS

pytestmark = pytest.mark.postgis
CENTRE = (104.06, 30.66)


def test_every_finding_says_what_where_and_what_to_do(checked) -> None:
    with checked as city:
        city.camera("cam-away", (900, 900), bearing_deg=0.0, bearing_source="measured")
    for finding in run_checks(checked.engine):
        assert finding.count == len(finding.examples)
        assert finding.message
        assert finding.hint
        assert all(e.subject and e.lon is not None and e.lat is not None for e in finding.examples)


def test_checks_change_nothing_and_put_errors_first(checked) -> None:
    with checked as city:
        city.sql("UPDATE area SET parent_id = NULL WHERE level = 'unit_grid' AND code LIKE '%001'")
        city.camera("cam-away", (900, 900))
    order = [finding.severity for finding in run_checks(checked.engine)]
    assert order == sorted(order, key=["error", "warning", "info"].index)
    assert set(order) == {"error", "warning", "info"}


def test_an_empty_database_has_no_findings(database) -> None:
    from twin.store.engine import create_engine

    engine = create_engine(database.fresh().url)
    assert run_checks(engine) == []
    engine.dispose()


def test_a_camera_far_away_is_outside_and_without_direction(checked) -> None:
    with checked as city:
        city.camera("cam-away", (900, 900))
    assert checked.found == {"device_outside_grids": 1, "camera_without_direction": 1}
    assert checked.findings["device_outside_grids"].examples[0].subject == "device cam-away"


def test_estimated_directions_are_counted(checked) -> None:
    assert checked.findings["camera_direction_estimated"].count == 1
    assert checked.findings["camera_direction_estimated"].severity == "info"


def test_a_camera_with_a_wall_before_it_sees_next_to_nothing(checked) -> None:
    with checked as city:
        view = "SRID=4326;POLYGON((104.06 30.66,104.06001 30.66,104.06 30.66001,104.06 30.66))"
        city.camera(
            "cam-wall",
            (150, 95),
            bearing_deg=0,
            bearing_source="measured",
            field_of_view_deg=90,
            range_m=40,
            sight=view,
            unit_grid_id=city.connection.execute(
                text("SELECT unit_grid_id FROM device LIMIT 1")
            ).scalar_one(),
        )
    assert checked.found == {"camera_view_blocked": 1}


def test_a_device_noted_in_the_wrong_grid(checked) -> None:
    with checked as city:
        city.sql("UPDATE device SET unit_grid_id = (SELECT max(id) FROM area WHERE level = 'unit_grid')")
    assert checked.found == {"device_in_wrong_grid": 1}


def test_a_building_and_a_service_point_outside(checked) -> None:
    with checked as city:
        city.building("way/out", shapely.box(700, 700, 720, 720))
        city.imported("service_point", "node/out", shapely.Point(700, 0), category="clinic")
    assert checked.found == {"building_outside_grids": 1, "service_point_outside_grids": 1}


def test_an_address_without_its_building(checked) -> None:
    with checked as city:
        city.address("node/lost", (20, 150), None)
    assert checked.found == {"address_without_building": 1}
    assert checked.findings["address_without_building"].examples[0].subject == "address node/lost"


def test_a_grid_without_community_leaves_a_gap(checked) -> None:
    with checked as city:
        city.sql("UPDATE area SET parent_id = NULL WHERE level = 'unit_grid' AND code = '510105001001001'")
    assert checked.found == {"grid_without_community": 1, "unit_grid_gap": 1}


def test_a_community_that_was_never_divided(checked) -> None:
    with checked as city:
        city.area("community", "510105001003000", shapely.box(650, 0, 700, 50), city.street)
    assert checked.found == {"community_without_grids": 1}


def test_two_devices_in_one_place(checked) -> None:
    with checked as city:
        city.sql(
            "INSERT INTO device (uid, kind, geom, height_m, simulated, position_source, dataset_id,"
            " source_ref, content_hash, bearing_deg, bearing_source, unit_grid_id)"
            " SELECT 'cam-twin', kind, geom, height_m, false, 'measured', dataset_id, 'twin', content_hash,"
            " bearing_deg, 'measured', unit_grid_id FROM device"
        )
    assert checked.found == {"device_duplicate": 1}
    assert "cam-twin" in checked.findings["device_duplicate"].examples[0].subject


def test_two_cameras_on_one_pole_that_look_apart_are_no_duplicates(checked) -> None:
    with checked as city:
        city.sql("UPDATE device SET bearing_deg = 10, bearing_source = 'measured'")
        grid = city.connection.execute(text("SELECT unit_grid_id FROM device")).scalar_one()
        city.camera("cam-pair", (150, 90), bearing_deg=190, bearing_source="measured", unit_grid_id=grid)
    assert checked.found == {}


def test_a_building_drawn_twice(checked) -> None:
    with checked as city:
        city.building("way/again", shapely.box(30, 20, 70, 60.5))
    assert checked.found == {"building_duplicate": 1}
    assert checked.findings["building_duplicate"].examples[0].subject == "building way/h0 × way/again"


def test_buildings_in_each_other_unless_one_is_above(checked) -> None:
    with checked as city:
        city.building("way/into", shapely.box(60, 20, 90, 60))
        city.building("way/above", shapely.box(160, 20, 190, 60), min_height_m=18, height_m=30, levels=None)
    assert checked.found == {"building_overlap": 1}
    example = checked.findings["building_overlap"].examples[0]
    assert float(example.detail.split()[0]) == pytest.approx(400, rel=0.02)


def test_doubtful_buildings_and_roads(checked) -> None:
    with checked as city:
        city.building("way/tiny", shapely.box(10, 150, 11, 151))
        city.building("way/flat", shapely.box(20, 150, 30, 160), height_m=10, levels=10)
        city.building("way/tower", shapely.box(40, 150, 60, 160), height_m=300, levels=100)
        city.road("way/point", [(100, 100), (100, 100)])
    assert checked.found == {
        "building_tiny": 1,
        "height_contradicts_levels": 1,
        "height_outlier": 1,
        "road_without_length": 1,
    }
    assert checked.findings["height_contradicts_levels"].examples[0].subject == "building way/flat"


def test_an_invalid_geometry(checked) -> None:
    with checked as city:
        bow = shapely.Polygon([(0, 120), (20, 140), (20, 120), (0, 140)])
        # The import refuses it; ground cover of another maker may not have been checked.
        city.sql("ALTER TABLE ground_cover DROP CONSTRAINT ck_ground_cover_geom_valid")
        city.imported("ground_cover", "way/bow", bow, multi=True, cover="green")
    assert checked.found == {"geometry_invalid": 1}
    assert "Self-intersection" in checked.findings["geometry_invalid"].examples[0].detail


def test_an_island_of_roads(checked) -> None:
    with checked as city:
        city.road("way/i1", [(20, 170), (60, 170)])
        city.road("way/i2", [(20, 170), (20, 190)])
        # Crosses a street without a shared vertex, as a bridge does.
        city.road("way/over", [(280, 180), (320, 180)])
        # One walks over a gap of 20 m to a path; at its end nothing leads on.
        city.road("way/near", [(520, 170), (560, 170)])
    assert checked.found == {"road_island": 1, "road_joint": 2}
    (island,) = checked.findings["road_island"].examples
    assert (island.subject, island.detail) == ("road way/i1", "2 roads, 60 m, 40 m from road way/0")
    joints = {one.detail for one in checked.findings["road_joint"].examples}
    assert joints == {"0.0 m to road way/over", "20.0 m to road way/2"}
    streets = report_quality(checked.engine).streets
    # Three streets of 300 m, one of 700 m, and what was added.
    assert streets.metres == pytest.approx(1600 + 60 + 40 + 40 + 20, abs=1)
    assert streets.share_main == pytest.approx(1 - 60 / streets.metres, abs=1e-3)
    (one,) = streets.islands
    assert (one.roads, one.metres, one.gap_m) == (2, pytest.approx(60, abs=0.1), pytest.approx(40, abs=0.1))


def test_entrances_and_gates_off_the_streets(checked) -> None:
    passing = dict.fromkeys(("foot", "bike", "car"), "open")
    with checked as city:
        city.road("way/i1", [(20, 170), (60, 170)])
        city.address("node/far", (100, 470), None)
        city.address("node/island", (25, 172), None)
        city.imported("gate", "node/on", shapely.Point(300, 150), kind="gate", **passing)
        city.imported("gate", "node/off", shapely.Point(320, 150), kind="gate", **passing)
    found = checked.findings
    assert [found[name].count for name in ("road_island", "entrance_off_streets", "gate_off_road")] == [
        1,
        2,
        1,
    ]
    told = {one.subject: one.detail for one in found["entrance_off_streets"].examples}
    assert told == {
        "entrance node/far": "no street within 200 m",
        "entrance node/island": "beside an island of the streets",
    }
    (gate,) = found["gate_off_road"].examples
    assert (gate.subject, gate.detail) == ("gate node/off", "no road within 3 m")
    streets = report_quality(checked.engine).streets
    assert (streets.entrances, streets.gates) == (6, 2)


def test_a_code_that_is_not_inside_its_parent(checked) -> None:
    with checked as city:
        city.sql("UPDATE area SET code = '510106001002000' WHERE id = :i", i=city.east)
        city.sql(
            "UPDATE area SET code = replace(code, '510105001002', '510106001002') WHERE parent_id = :i",
            i=city.east,
        )
    assert checked.found == {"area_code_outside_parent": 1}
    assert checked.findings["area_code_outside_parent"].examples[0].subject == "community 510106001002000"


def test_an_area_outside_its_parent(checked) -> None:
    with checked as city:
        city.area("street", "510105002000000", shapely.box(850, 0, 1000, 100), city.district)
    assert checked.found == {"area_outside_parent": 1}
    assert checked.findings["area_outside_parent"].examples[0].detail == "66.7 % outside 510105000000000"


def test_old_broken_and_refusing_imports(checked) -> None:
    with checked as city:
        city.sql("UPDATE import_run SET finished_at = now() - interval '40 days' WHERE id = :i", i=city.run)
        city.sql("UPDATE dataset SET data_date = now() - interval '3 years' WHERE id = :i", i=city.dataset)
        city.insert(
            "import_reject",
            run_id=city.run,
            target="building",
            source_ref="way/9",
            reason="invalid",
            detail="-",
        )
        other = city.insert(
            "dataset", name="devices", kind="devices", declared_crs="EPSG:4326", simulated=False
        )
        city.insert(
            "import_run",
            dataset_id=other,
            file_name="d.csv",
            file_sha256="0",
            started_at="2020-01-01T00:00:00Z",
        )
    assert checked.found == {"import_stale": 1, "data_stale": 1, "import_refused": 1, "import_unfinished": 1}
    assert checked.findings["import_refused"].examples[0].detail == "1 things, most often: invalid"


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, column, *_ in CLOSED_LINKS])
def test_what_is_present_and_leads_to_a_closed_area_is_found(checked, table: str, column: str) -> None:
    with checked as city:
        old = city.area("unit_grid", "510105001001900", shapely.box(0, 0, 300, 200), city.west)
    with checked as city:  # in a transaction of its own: nothing ends in the moment it began
        city.sql("UPDATE area SET valid_to = now() WHERE id = :i", i=old)
        if table == "component":
            point = shapely.Point(20, 20)
            code = {"code": "51010501001000001", "class_code": "01001", "name": "井盖"}
            city.imported("component", "node/c", point, **code)
        elif table == "worker":
            city.insert("worker", code="W-1", name="周小明")
        elif table == "case_file":
            point = f"ST_SetSRID(ST_MakePoint({CENTRE[0]}, {CENTRE[1]}), 4326)"
            case = {"title": "井盖缺失", "category_code": "20101", "source": "patrol"}
            ended = {"closed_at": "now", "outcome": "void"}
            city.insert("case_file", point, number="C-1", **case)
            city.insert("case_file", point, number="C-2", **case, **{column: old}, **ended)
        where = (
            " WHERE level = 'street'"
            if table == "area"
            else " WHERE closed_at IS NULL"
            if table == "case_file"
            else ""
        )
        city.sql(f"UPDATE {table} SET {column} = :i{where}", i=old)
    assert checked.found["link_to_closed_area"] == 1
    example = checked.findings["link_to_closed_area"].examples[0]
    assert "510105001001900" in example.detail
    assert example.lon is not None


def test_every_column_that_names_an_area_is_looked_at() -> None:
    named = {
        (table.name, key.parent.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "area"
    }
    assert named == {(table, column) for table, column, *_ in CLOSED_LINKS}
