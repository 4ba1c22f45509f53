"""What map objects become: buildings in parts, holes, places, addresses, cameras, hostile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from city_files import City, ask, small_city
from sqlalchemy import Engine

from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules


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
