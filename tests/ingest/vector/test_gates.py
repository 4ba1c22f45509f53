"""Gates of maps and registers: what their tags mean, which stand on roads, what is refused and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest
from city_files import PLAIN, City, ask, small_city
from sqlalchemy import Engine, text

from ingest.vector.gate_tags import Hours, gate_kind, judge_gate, read_hours
from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.vector_file import VectorOptions, import_vector
from twin.dispatch.gate_kinds import KEYS, load_gate_kinds
from twin.errors import InvalidError
from twin.model import PASSING
from twin.model.worker import Organisation, Worker

STAFF = load_gate_kinds().private_keys


@pytest.mark.parametrize(
    ("tags", "passing", "keys"),
    [
        ({"barrier": "gate"}, "open open open", ("public",)),
        ({"barrier": "gate", "access": "private"}, "key key key", STAFF),
        ({"barrier": "gate", "access": "private", "foot": "yes"}, "always key key", STAFF),
        ({"barrier": "gate", "motor_vehicle": "no"}, "open open never", ("public",)),
        ({"barrier": "gate", "access": "no", "bicycle": "designated"}, "never open never", ("public",)),
        ({"barrier": "gate", "locked": "yes"}, "key key key", ()),
        ({"barrier": "gate", "locked": "yes", "access": "private"}, "key key key", STAFF),
        ({"barrier": "gate", "opening_hours": "06:00-23:00"}, "open open open", STAFF),
        ({"barrier": "gate", "opening_hours": "24/7"}, "open open open", ("public",)),
        ({"barrier": "lift_gate"}, "always always open", ("public",)),
        ({"barrier": "lift_gate", "access": "private"}, "key key key", STAFF),
        ({"barrier": "lift_gate", "motor_vehicle": "private"}, "always always key", STAFF),
        ({"barrier": "lift_gate", "locked": "yes"}, "always always key", ()),
        ({"barrier": "bollard"}, "always always never", ("public",)),
        ({"barrier": "bollard", "access": "yes"}, "always always never", ("public",)),
        ({"barrier": "bollard", "access": "private"}, "key key never", STAFF),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, "always always open", ("public",)),
        ({"barrier": "turnstile", "access": "permissive"}, "open never never", ("public",)),
    ],
)  # fmt: skip
def test_tags_say_who_passes_and_who_has_a_key(tags, passing, keys) -> None:
    kind = gate_kind(tags)
    assert kind is not None
    judged = judge_gate(kind, tags)
    assert (" ".join((judged.foot, judged.bike, judged.car)), judged.keys) == (passing, keys)


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        (None, Hours()),
        ("06:00-23:00", Hours(time(6), time(23))),
        ("Mo-Su 6:30 - 22:00", Hours(time(6, 30), time(22))),
        ("20:00-06:00", Hours(time(20), time(6))),
        ("05:00-24:00", Hours(time(5), time(0))),
        ("20:00-26:00", Hours(unread=True)),
        ("00:00-24:00", Hours(always=True)),
        ("24/7", Hours(always=True)),
        ("Mo-Fr 06:00-23:00", Hours(unread=True)),
        ("06:00-08:00,17:00-19:00", Hours(unread=True)),
        ("6:75-8:00", Hours(unread=True)),
        ("sunrise-sunset", Hours(unread=True)),
    ],
)
def test_hours_of_every_day_are_read_and_others_are_not_guessed(said, hours) -> None:
    assert read_hours(said) == hours


def test_keys_are_roles_of_workers_and_kinds_of_organisations() -> None:
    said = [str(c.sqltext) for table in (Worker, Organisation) for c in table.__table__.constraints
            if hasattr(c, "sqltext")]  # fmt: skip
    assert all(any(f"'{key}'" in one for one in said) for key in KEYS if key != "public")
    kinds = load_gate_kinds().kinds
    assert all({kind.foot, kind.bike, kind.car} <= set(PASSING) for kind in kinds)


def test_barriers_on_roads_become_gates_and_the_rest_is_counted(
    engine: Engine, plain: OsmOptions, city: Callable[[City], Path]
) -> None:
    made = small_city()
    made.node(0, 200, id_=9001)
    made.node(50, 200, {"barrier": "gate", "opening_hours": "06:00-22:00", "name": "东门"}, 9002)
    made.node(60, 200, {"barrier": "kerb"}, 9003)
    made.node(70, 200, {"barrier": "gate", "opening_hours": "Mo-Fr 06:00-22:00"}, 9004)
    made.node(80, 200, {"barrier": "catflap"}, 9005)
    made.node(100, 200, {"barrier": "lift_gate", "access": "private"}, 9006)
    made.node(100, 300, {"barrier": "gate"}, 9007)
    made.way([9001, 9002, 9003, 9004, 9005, 9006], {"highway": "service"}, 9010)
    summary = import_osm(engine, city(made), options=plain)
    counts = summary.targets["gate"]
    assert (counts.inserted, counts.skipped) == (3, 3)
    assert {reason: n for (_, reason), n in counts.reasons.items()} == {
        "on no road": 1, "keeps nobody from passing": 1, "barrier=catflap is not known": 1,
    }  # fmt: skip
    assert any("1 gates have opening hours that are not the same every day" in w for w in summary.warnings)
    assert ask(
        engine, "SELECT source_ref, kind, name, foot, car, keys, opens, closes FROM gate ORDER BY 1"
    ) == [
        ("node/9002", "gate", "东门", "open", "open", list(STAFF), time(6), time(22)),
        ("node/9004", "gate", None, "open", "open", ["public"], None, None),
        ("node/9006", "lift_gate", None, "key", "key", list(STAFF), None, None),
    ]
    assert ask(engine, "SELECT tags ->> 'opening_hours' FROM gate WHERE source_ref = 'node/9004'") == [
        ("Mo-Fr 06:00-22:00",)
    ]
    # A newer file without one closes it.
    again = small_city()
    again.line([(0, 200), (100, 200)], {"highway": "service"})
    assert import_osm(engine, city(again), options=plain).targets["gate"].closed == 3


def _register(path: Path, *rows: dict[str, object]) -> Path:
    features = [
        {"type": "Feature", "properties": row,
         "geometry": {"type": "Point", "coordinates": [104.06 + n / 1e3, 30.66]}}
        for n, row in enumerate(rows)
    ]  # fmt: skip
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), "utf-8"
    )
    return path


def _import(engine: Engine, path: Path):
    return import_vector(engine, path, options=VectorOptions(kind="gate", rules=PLAIN))


def test_register_of_gates_is_read_with_keys_and_hours_and_told_what_is_wrong(engine, tmp_path) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO dataset (name, kind, declared_crs) VALUES ('d', 'devices', '')"))
        connection.execute(
            text(
                "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom) "
                "SELECT 1, uid, '', uid, 'gate', ST_SetSRID(ST_MakePoint(lon, 30.66), 4326) "
                "FROM (VALUES ('far-1', 104.09), "
                "('near-1', 104.06103)) AS d (uid, lon)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO compound (dataset_id, source_ref, content_hash, name, geom) "
                "VALUES (1, 'c', '', '苑', "
                "ST_Multi(ST_MakeEnvelope(104.0605, 30.6595, 104.0615, 30.6605, 4326)))"
            )
        )
    path = _register(
        tmp_path / "gates.geojson",
        {"id": "a", "类型": "道闸", "keys": "物业，保安", "device": "far-1"},
        {"id": "b", "类型": "gate", "hours": "22:00-06:00", "car": "禁止"},
        {"id": "c", "类型": "door", "keys": "none"},
        {"id": "d", "类型": "moat"},
        {"id": "e", "类型": "gate", "keys": "property,king"},
        {"id": "f", "类型": "gate", "hours": "Mo-Fr 8-9"},
        {"id": "g", "类型": "gate", "foot": "hop"},
        {"id": "h"},
    )
    summary = _import(engine, path)
    columns = "source_ref, kind, foot, bike, car, keys, opens, closes, device_id, compound_id"
    assert ask(engine, f"SELECT {columns} FROM gate ORDER BY 1") == [
        ("a", "lift_gate", "always", "always", "open", ["property", "security"], None, None, 1, None),
        ("b", "gate", "open", "open", "never", list(STAFF), time(22), time(6), 2, 1),
        ("c", "door", "open", "open", "never", [], None, None, None, None),
    ]
    refused = ask(engine, "SELECT source_ref, reason, detail FROM import_reject ORDER BY 1")
    assert [(ref, reason) for ref, reason, _ in refused] == [
        ("d", "bad_kind"), ("e", "bad_keys"), ("f", "bad_hours"), ("g", "bad_foot"), ("h", "missing_kind"),
    ]  # fmt: skip
    details = {ref: detail for ref, _, detail in refused}
    assert "“moat” is no kind of gate: one of gate (大门)" in details["d"]
    assert "“king” has no keys: name grid_worker" in details["e"]
    assert "not hours of every day as 06:00-23:00" in details["f"]
    assert summary.targets["gate"].refused == 5
    assert not _import(engine, path).changed, "the same file again changes nothing"


def test_same_word_for_two_kinds_is_refused(tmp_path) -> None:
    from twin.dispatch import gate_kinds

    shown = gate_kinds.FILE.read_text("utf-8").replace('osm = ["door"]', 'osm = ["gate"]')
    (tmp_path / "kinds.toml").write_text(shown, "utf-8")
    with pytest.raises(InvalidError, match="“gate” stands twice"):
        load_gate_kinds(tmp_path / "kinds.toml")
