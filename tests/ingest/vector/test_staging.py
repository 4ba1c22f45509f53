"""A newer file updates what it changes, closes what it lacks and keeps what was; grids follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from city_files import City, ask, everything, small_city
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules
from twin.errors import ConflictError
from twin.store.engine import create_engine


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
