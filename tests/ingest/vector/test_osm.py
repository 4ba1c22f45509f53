"""Import OpenStreetMap files into a real database and account for everything in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from city_files import BEIJING, CHENGDU, City, ask, everything, small_city
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules
from twin.errors import ConflictError
from twin.store.engine import create_engine


def test_chengdu_is_accounted_for_and_twice_changes_nothing(engine: Engine) -> None:
    if not CHENGDU.exists():
        pytest.skip(f"the real city is not here: {CHENGDU}")
    started = time.perf_counter()
    first = import_osm(engine, CHENGDU)
    assert time.perf_counter() - started < 60
    building = first.targets["building"]
    assert building.read == 1034
    assert building.inserted == 1034
    refs = dict(ask(engine, "SELECT split_part(source_ref, '/', 1), count(*) FROM building "
                            "WHERE body <> 'part' GROUP BY 1"))  # fmt: skip
    assert refs == {"way": 1026, "relation": 8}
    road = first.targets["road"]
    assert road.read == 464
    assert road.inserted + road.skipped == 464
    sources = dict(
        ask(engine, "SELECT height_source, count(*) FROM building WHERE body <> 'part' GROUP BY 1")
    )
    # 34 have a height tag; the others have levels or nothing.
    assert sources["measured"] == 34
    assert sources["levels"] + sources["estimated"] == 1000
    rows, history = everything(engine), "SELECT count(*) FROM feature_history"
    assert ask(engine, history) == [(0,)]
    ids = ask(engine, "SELECT id, content_hash, valid_from FROM building ORDER BY id")

    second = import_osm(engine, CHENGDU)
    assert not second.changed
    assert second.links_updated == 0
    assert second.division is not None
    assert second.division["changed"] is False
    for counts in second.targets.values():
        assert (counts.inserted, counts.updated, counts.closed) == (0, 0, 0)
    after = everything(engine)
    assert after.pop("import_run") == rows.pop("import_run") + 1
    after.pop("import_reject"), rows.pop("import_reject")
    assert after == rows
    assert ask(engine, "SELECT id, content_hash, valid_from FROM building ORDER BY id") == ids


def test_chengdu_communities_tile_its_extent(engine: Engine) -> None:
    if not CHENGDU.exists():
        pytest.skip(f"the real city is not here: {CHENGDU}")
    import_osm(engine, CHENGDU, options=OsmOptions(rules=Rules(make_grids=False)))
    gap, overlap = ask(
        engine,
        """
        WITH c AS (SELECT geom FROM area WHERE level = 'community' AND valid_to IS NULL),
             u AS (SELECT ST_Union(geom) AS geom FROM c)
        SELECT ST_Area(ST_Difference(d.extent, u.geom)::geography),
               (SELECT sum(ST_Area(geom::geography)) FROM c) - ST_Area(u.geom::geography)
        FROM u, dataset d
        """,
    )[0]
    assert gap < 0.01
    assert abs(overlap) < 0.01
    parents = dict(
        ask(
            engine,
            "SELECT a.name, p.name FROM area a JOIN area p ON p.id = a.parent_id WHERE a.level <> 'city'",
        )
    )
    assert parents["西华门社区"] == "西御河街道"
    assert parents["西御河街道"] == "青羊区"
    assert parents["春熙路街道"] == "锦江区"
    assert parents["青羊区"] == "成都市"
    codes = dict(ask(engine, "SELECT name, code FROM area"))
    assert codes["成都市"] == "510100000000000"
    assert codes["青羊区"] == "510105000000000"
    assert codes["西华门社区"].startswith("5101059")


def test_beijing_xml(engine: Engine, plain: OsmOptions) -> None:
    if not BEIJING.exists():
        pytest.skip(f"the real city is not here: {BEIJING}")
    summary = import_osm(engine, BEIJING, options=plain)
    assert summary.targets["building"].read == 114
    # Three are points without a footprint.
    assert summary.targets["building"].inserted == 111
    assert summary.targets["building"].reasons[("skipped", "a point, not a footprint")] == 3
    assert ask(engine, "SELECT name, made_by FROM area") == [("未划定社区", "extent")]


def test_helsinki_from_the_registry(engine: Engine, helsinki: Path) -> None:
    summary = import_osm(engine, helsinki)
    assert summary.targets["building"].read == 433 - 1 + 67 + 3
    assert summary.targets["device"].inserted == 221
    address, entrance = summary.targets["address"], summary.targets["entrance"]
    assert address.adds_up
    assert entrance.adds_up
    with_number = ask(engine, "SELECT count(*) FROM address WHERE source_ref LIKE 'node/%' "
                              "AND tags ? 'addr:housenumber'")[0][0]  # fmt: skip
    assert with_number == 1377
    names = {row[0] for row in ask(engine, "SELECT name FROM area WHERE level = 'community'")}
    assert names == {"Kluuvi", "Kamppi", "Kaartinkaupunki", "Kruununhaka", "Punavuori", "Kallio"}
    seen = dict(ask(engine, "SELECT bearing_source, count(*) FROM device GROUP BY 1"))
    assert seen["estimated"] >= 200
    assert ask(engine, "SELECT count(*) FROM device WHERE unit_grid_id IS NULL") == [(0,)]
    assert not import_osm(engine, helsinki).changed


@pytest.fixture
def city(tmp_path: Path) -> Callable[[City], Path]:
    return lambda made: made.write(tmp_path / "city.osm")


def test_a_newer_file_updates_closes_and_keeps_history(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    import_osm(engine, city(small_city()), options=plain)
    before = dict(ask(engine, "SELECT source_ref, id FROM building"))
    newer = City("2026-02-01T00:00:00Z").window(-200, -200, 200, 200)
    newer.line([(-190, 0), (0, 0), (190, 0)], {"highway": "residential", "name": "人民大道"}, 1000)
    newer.line([(0, -190), (0, 190)], {"highway": "service"}, 1001)
    newer.house(30, 30, tags={"building:levels": "9"}, id_=2000)
    newer.house(-60, 30, tags={"building:levels": "2"}, id_=2001)
    newer.house(100, 100, id_=2009)
    summary = import_osm(engine, city(newer), options=plain)
    counts = summary.targets["building"]
    assert (counts.inserted, counts.updated, counts.unchanged, counts.closed) == (1, 1, 1, 2)
    assert summary.targets["road"].updated == 1
    now = dict(ask(engine, "SELECT source_ref, id FROM building WHERE valid_to IS NULL"))
    assert now["way/2000"] == before["way/2000"]
    assert set(now) == {"way/2000", "way/2001", "way/2009"}
    old = ask(engine, "SELECT \"row\"->>'name' FROM feature_history WHERE table_name = 'road'")
    assert old == [("人民路",)]
    levels = ask(engine, "SELECT (\"row\"->>'levels')::float, valid_from < valid_to FROM feature_history "
                         "WHERE table_name = 'building' AND row_id = :id", id=before["way/2000"])  # fmt: skip
    assert levels == [(1.0, True)]


def test_what_comes_back_keeps_its_row(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    full = small_city()
    full.node(10, 10, {"man_made": "surveillance"}, 5000)
    full.node(12, 10, {"highway": "street_lamp"}, 5001)
    import_osm(engine, city(full), options=plain)
    devices = ask(engine, "SELECT id, uid FROM device")
    codes = ask(engine, "SELECT id, code FROM component")
    gone = import_osm(engine, city(small_city()), options=plain)
    assert gone.targets["device"].closed == 1
    back = import_osm(engine, city(full), options=plain)
    assert back.targets["device"].updated == 1
    assert ask(engine, "SELECT id, uid FROM device WHERE valid_to IS NULL") == devices
    assert ask(engine, "SELECT id, code FROM component WHERE valid_to IS NULL") == codes
    assert devices[0][1] == "osm-node-5000"


def test_an_area_with_a_new_border_is_a_new_row_with_the_same_code(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    def with_border(x: float) -> City:
        made = small_city()
        border = made.line([(x, -250), (x, 250)], {"boundary": "administrative"}, 3000)
        for n, name in ((1, "东社区"), (2, "西社区")):
            label = made.node(150 if n == 1 else -150, 100, {"name": name})
            made.relation(
                [("w", border, "outer"), ("n", label, "label")],
                {"type": "boundary", "boundary": "administrative", "admin_level": "10", "name": name},
                4000 + n,
            )
        return made

    import_osm(engine, city(with_border(0)), options=plain)
    before = dict(ask(engine, "SELECT name, code FROM area WHERE level = 'community'"))
    assert set(before) == {"东社区", "西社区"}
    summary = import_osm(engine, city(with_border(40)), options=plain)
    assert summary.targets["area_community"].updated == 2
    rows = ask(engine, "SELECT name, code, valid_to IS NULL, round(area_m2) FROM area ORDER BY id")
    assert len(rows) == 4
    assert {name: code for name, code, present, _ in rows if present} == before
    areas = {name: area for name, _, present, area in rows if present}
    assert areas["东社区"] == pytest.approx(160 * 400, rel=0.01)
    assert areas["西社区"] == pytest.approx(240 * 400, rel=0.01)
    assert not import_osm(engine, city(with_border(40)), options=plain).changed


def test_grids_follow_a_community_that_changed(engine: Engine, city: Callable[[City], Path]) -> None:
    def bordered(x: float) -> City:
        made = small_city()
        for n in range(-3, 4):
            made.line([(-195, n * 60 + 10), (195, n * 60 + 10)], {"highway": "residential"}, 1100 + n)
        border = made.line([(x, -250), (x, 250)], {"boundary": "administrative"}, 3000)
        label = made.node(150, 100, {"name": "东社区"}, 3001)
        made.node(50, 50, {"man_made": "surveillance"}, 3002)
        made.relation(
            [("w", border, "outer"), ("n", label, "label")],
            {"type": "boundary", "boundary": "administrative", "admin_level": "10", "name": "东社区"},
            4001,
        )
        return made

    options = OsmOptions()
    first = import_osm(engine, city(bordered(0)), options=options)
    assert first.division is not None
    assert first.division["unit_grids"] > 4
    import_osm(engine, city(bordered(80)), options=options)
    present = """
        FROM area g LEFT JOIN area c ON c.id = g.parent_id AND c.valid_to IS NULL
        WHERE g.valid_to IS NULL AND g.level IN ('unit_grid', 'responsibility_grid')
    """
    assert ask(engine, f"SELECT count(*) {present} AND c.id IS NULL") == [(0,)]
    assert ask(engine, f"SELECT count(*) {present} AND NOT starts_with(g.code, left(c.code, 12))") == [(0,)]
    # The camera moved from the eastern community to the unassigned one, and its grid with it.
    assert ask(
        engine,
        "SELECT c.name FROM device d JOIN area g ON g.id = d.unit_grid_id JOIN area c ON c.id = g.parent_id "
        "WHERE g.valid_to IS NULL",
    ) == [("未划定社区",)]
    again = import_osm(engine, city(bordered(80)), options=options)
    assert not again.changed
    assert again.division is not None
    assert again.division["changed"] is False


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.integers(0, 8), st.integers(1, 40), min_size=1, max_size=9), min_size=1, max_size=4
    )
)
def test_after_any_row_of_files_the_table_is_the_last_file(
    database: Any, plain: OsmOptions, tmp_path: Path, files: list[dict[int, int]]
) -> None:
    engine = create_engine(database.fresh().url)
    known: dict[int, int] = {}
    for houses in files:
        made = City().window(-200, -200, 200, 200)
        made.line([(-190, 0), (190, 0)], {"highway": "residential"}, 1000)
        for n, levels in houses.items():
            made.house(-190 + n * 40, 20, tags={"building:levels": str(levels)}, id_=2000 + n)
        summary = import_osm(engine, made.write(tmp_path / "city.osm"), options=plain)
        counts = summary.targets["building"]
        assert counts.unchanged == sum(known.get(n) == levels for n, levels in houses.items())
        assert counts.closed == len(known.keys() - houses.keys())
        assert counts.inserted + counts.updated == len(houses) - counts.unchanged
        known = houses
        stored = dict(ask(engine, "SELECT source_ref, levels FROM building WHERE valid_to IS NULL"))
        assert stored == {f"way/{2000 + n}": float(levels) for n, levels in houses.items()}
    engine.dispose()


def test_parts_stand_for_their_outline(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    made = small_city()
    made.house(100, 100, 40, {"height": "60"}, 2100)
    made.ring(
        [(100, 100), (140, 100), (140, 120), (100, 120)], {"building:part": "yes", "height": "60"}, 2101
    )
    made.ring(
        [(100, 120), (140, 120), (140, 140), (100, 140)],
        {"building:part": "yes", "height": "30", "min_height": "5"},
        2102,
    )
    summary = import_osm(engine, city(made), options=plain)
    assert summary.targets["building_part"].inserted == 2
    assert summary.targets["building"].inserted == 5
    rows = ask(
        engine,
        "SELECT source_ref, body, height_m, min_height_m FROM building "
        "WHERE source_ref >= 'way/2100' ORDER BY 1",
    )
    assert rows == [
        ("way/2100", "outline", 60.0, 0.0),
        ("way/2101", "part", 60.0, 0.0),
        ("way/2102", "part", 30.0, 5.0),
    ]


def test_holes_and_broken_rings(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    made = small_city()
    outer = made.ring([(100, 100), (140, 100), (140, 140), (100, 140)], {}, 2100)
    inner = made.ring([(110, 110), (130, 110), (130, 130), (110, 130)], {}, 2101)
    made.relation(
        [("w", outer, "outer"), ("w", inner, "inner")], {"type": "multipolygon", "building": "yes"}, 2102
    )
    # A bow tie whose two triangles are equal: nothing can be told from it.
    made.ring([(-150, 100), (-130, 120), (-130, 100), (-150, 120)], {"building": "yes"}, 2103)
    # A small loop at a corner is mended.
    made.ring(
        [(-150, -100), (-100, -100), (-100, -150), (-101, -149), (-99, -149), (-150, -150)],
        {"building": "yes"},
        2104,
    )
    made.line([(-150, 60), (-140, 60), (-140, 70)], {"building": "yes"}, 2105)
    summary = import_osm(engine, city(made), options=plain)
    counts = summary.targets["building"]
    assert counts.read == 8
    assert counts.reasons == {("refused", "crosses_itself"): 1, ("refused", "not_closed"): 1}
    assert counts.repaired == 1
    assert ask(engine, "SELECT round(footprint_m2) FROM building WHERE source_ref = 'relation/2102'")[0][
        0
    ] == pytest.approx(1200, rel=0.01)
    rejects = ask(engine, "SELECT target, source_ref, reason, raw->>'building' FROM import_reject ORDER BY 2")
    assert rejects == [
        ("building", "way/2103", "crosses_itself", "yes"),
        ("building", "way/2105", "not_closed", "yes"),
    ]


def test_a_thing_that_broke_in_the_newer_file_is_not_closed(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    import_osm(engine, city(small_city()), options=plain)
    broken = City().window(-200, -200, 200, 200)
    broken.line([(-190, 0), (190, 0)], {"highway": "residential"}, 1000)
    broken.ring([(30, 30), (50, 50), (50, 30), (30, 50)], {"building": "yes"}, 2000)
    summary = import_osm(engine, city(broken), options=plain)
    assert summary.targets["building"].refused == 1
    assert summary.targets["building"].closed == 3
    assert ask(engine, "SELECT source_ref FROM building WHERE valid_to IS NULL") == [("way/2000",)]


def test_places_addresses_and_components(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    made = small_city()
    door = made.node(30, 40, {"entrance": "main", "addr:housenumber": "12", "addr:street": "人民路"}, 6000)
    made.node(40, 40, {"amenity": "pharmacy", "name": "同仁堂", "opening_hours": "24/7"}, 6001)
    made.node(0, 5, {"highway": "street_lamp"}, 6002)
    made.node(0, 6, {"emergency": "fire_hydrant"}, 6003)
    made.node(0, 7, {"amenity": "toilets"}, 6004)
    made.node(0, 8, {"addr:street": "人民路"}, 6005)
    assert door == 6000
    summary = import_osm(engine, city(made), options=plain)
    assert summary.targets["address"].reasons == {("skipped", "no house number, house name or full text"): 1}
    assert ask(
        engine,
        "SELECT a.text, a.entrance, b.source_ref FROM address a JOIN building b ON b.id = a.building_id",
    ) == [("人民路12号", True, "way/2000")]
    assert ask(
        engine,
        "SELECT category, opening_hours, b.source_ref FROM service_point s "
        "LEFT JOIN building b ON b.id = s.building_id ORDER BY 1",
    ) == [("pharmacy", "24/7", "way/2000"), ("toilets", None, None)]
    assert ask(engine, "SELECT class_code, name, code FROM component ORDER BY 1") == [
        ("01013", "消防设施", "99000001013000001"),
        ("01037", "路灯", "99000001037000001"),
        ("03001", "公共厕所", "99000003001000001"),
    ]


def test_camera_direction_is_kept_and_missing_ones_are_estimated(
    engine: Engine, city: Callable[[City], Path]
) -> None:
    made = small_city()
    made.node(20, 20, {"man_made": "surveillance", "camera:direction": "NE", "height": "6 m"}, 6001)
    made.node(20, 10, {"man_made": "surveillance"}, 6002)
    made.node(-20, 10, {"man_made": "surveillance", "camera:type": "dome"}, 6003)
    made.node(25, 20, {"man_made": "surveillance", "direction": "90-180"}, 6004)
    import_osm(engine, city(made), options=OsmOptions(rules=Rules(make_grids=False)))
    rows = {
        uid: rest
        for uid, *rest in ask(
            engine, "SELECT uid, bearing_deg, bearing_source, field_of_view_deg, height_m FROM device"
        )
    }
    assert rows["osm-node-6001"][:2] == [45.0, "measured"]
    assert rows["osm-node-6001"][3] == 6.0
    bearing, source, *_ = rows["osm-node-6002"]
    assert source == "estimated"
    assert bearing == pytest.approx(180.0, abs=1.0)  # the road is 10 m to the south
    assert rows["osm-node-6003"][2] == 360.0
    assert rows["osm-node-6004"][:3] == [135.0, "measured", 90.0]
    assert ask(engine, "SELECT count(*) FROM device WHERE sight IS NULL") == [(0,)]


def test_hostile_names_survive(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    made = small_city()
    names = ["O'Brien; DROP TABLE building;--", 'say "hi"\\', "\U0001f3ef\U0002070e社区", "a\tb", "%s {x} $1"]
    for n, name in enumerate(names):
        made.house(100, -150 + n * 30, tags={"name": name}, id_=2200 + n)
    import_osm(engine, city(made), options=plain)
    stored = [
        row[0] for row in ask(engine, "SELECT name FROM building WHERE name IS NOT NULL ORDER BY source_ref")
    ]
    assert stored == [name.replace("\t", " ") if "\t" in name else name for name in names]


def test_duplicate_ids_are_refused(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    made = small_city()
    made.house(100, 100, id_=2000)
    summary = import_osm(engine, city(made), options=plain)
    assert summary.targets["duplicate"].refused == 1
    assert ask(engine, "SELECT source_ref, reason FROM import_reject") == [("way/2000", "duplicate_id")]
    assert ask(engine, "SELECT count(*) FROM building") == [(4,)]


def test_roads_without_buildings_warn(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    made = City().window(-200, -200, 200, 200)
    made.line([(-190, 0), (190, 0)], {"highway": "residential"})
    summary = import_osm(engine, city(made), options=plain)
    assert summary.targets["road"].inserted == 1
    assert any("no buildings" in warning for warning in summary.warnings)


def test_older_data_are_refused(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    import_osm(engine, city(small_city()), options=plain)
    older = small_city()
    for parts in (older.nodes, older.ways):
        parts[:] = [part.replace("2026-01-01", "2020-01-01") for part in parts]
    before = everything(engine)
    with pytest.raises(ConflictError, match="older"):
        import_osm(engine, city(older), options=plain)
    assert everything(engine) == before
    allowed = OsmOptions(rules=Rules(allow_older=True, make_grids=False, see=False))
    assert not import_osm(engine, city(older), options=allowed).changed


def test_another_place_does_not_close_the_city(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    import_osm(engine, city(small_city()), options=plain)
    other = City().window(5000, 5000, 5400, 5400)
    other.line([(5010, 5010), (5300, 5300)], {"highway": "residential"})
    with pytest.raises(ConflictError, match="another place"):
        import_osm(engine, city(other), options=plain)
    assert ask(engine, "SELECT count(*) FROM building WHERE valid_to IS NULL") == [(4,)]


def test_the_run_is_recorded(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    summary = import_osm(engine, city(small_city()), options=plain)
    run = ask(
        engine,
        "SELECT d.name, d.licence, r.file_name, length(r.file_sha256), "
        "r.counts->'targets'->'building'->>'read', "
        "r.finished_at IS NOT NULL FROM import_run r JOIN dataset d ON d.id = r.dataset_id",
    )
    assert run == [("osm", "ODbL 1.0", "city.osm", 64, "4", True)]
    assert any(line.startswith("  building: 4 read = 4 new") for line in summary.lines())


def test_progress_is_told(engine: Engine, plain: OsmOptions, city: Callable[[City], Path]) -> None:
    class Watch:
        phases: list[str] = []  # noqa: RUF012

        def begin(self, what: str, total: int | None) -> None:
            self.phases.append(what)

        def advance(self, steps: int = 1) -> None:
            assert steps >= 0

    watch = Watch()
    import_osm(engine, city(small_city()), options=plain, progress=watch)
    assert "sorting map objects" in watch.phases
    assert "writing to the database" in watch.phases
