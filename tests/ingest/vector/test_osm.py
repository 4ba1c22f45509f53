"""Import OpenStreetMap files into a real database and account for everything in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from city_files import BEIJING, CHENGDU, City, ask, everything, small_city
from sqlalchemy import Engine

from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules


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


def test_roads_without_buildings_warn(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    made = City().window(-200, -200, 200, 200)
    made.line([(-190, 0), (190, 0)], {"highway": "residential"})
    summary = import_osm(engine, city(made), options=plain)
    assert summary.targets["road"].inserted == 1
    assert any("no buildings" in warning for warning in summary.warnings)


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
