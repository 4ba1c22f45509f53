"""Make a small city of three siblings on each of five levels, with one thing of every kind in every grid."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from twin.access.persons import COLUMNS, Person, sealed_row
from twin.access.sealing import Sealer

LON, LAT, STEP = 104.0, 30.0, 0.001
SIBLINGS = (1, 2, 3)
LEVELS = ("city", "district", "street", "community", "responsibility_grid")
MOMENT = datetime.now(UTC)
KEY = b"k" * 32
"""Seals the persons of the world."""

ROOM = "7 栋 2 单元 1501 室"


@dataclass
class World:
    """What was made: for each table the ids of its rows with the code of the grid each lies in (0: none)."""

    rows: dict[str, dict[object, int]] = field(default_factory=dict)
    areas: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, dict[object, str]] = field(default_factory=dict)

    def put(self, table: str, key: object, code: int, kind: str = "") -> None:
        self.rows.setdefault(table, {})[key] = code
        self.kinds.setdefault(table, {})[key] = kind


def phone_of(code: str, kind: str) -> str:
    """A number for the reporter of a case and for the worker of each grid."""
    number = [grid for grid, *_rest in grids()].index(code)
    return f"154{1 if kind == 'case' else 2}000{number:04d}"


def identity_number_of(code: str) -> str:
    """18 signs with a day of birth; the check sign is not looked at for somebody as old as that."""
    return f"99000019600101{[grid for grid, *_rest in grids()].index(code):04d}"


def token_of(code: str) -> str:
    """By which the reporter of the case of a grid asks after it."""
    return f"token-of-{code}"


def secrets_of(code: str) -> list[str]:
    """What no answer may hold of the persons of a grid."""
    return [phone_of(code, "case"), phone_of(code, "worker"), identity_number_of(code), f"报案人{code}"]


def grids() -> list[tuple[str, int, int, int, int]]:
    """Code, and the numbers of district, street, community and grid, west to east."""
    return [
        (f"5101{d:02d}{s:03d}{c:03d}{g:03d}", d, s, c, g)
        for d in SIBLINGS
        for s in SIBLINGS
        for c in SIBLINGS
        for g in SIBLINGS
    ]


def box(first: int, last: int) -> str:
    west, east = LON + first * STEP, LON + (last + 1) * STEP
    return (
        f"SRID=4326;MULTIPOLYGON((({west} {LAT},{east} {LAT},{east} {LAT + STEP},"
        f"{west} {LAT + STEP},{west} {LAT})))"
    )


def centre(number: int, north: float = 0.5) -> str:
    return f"SRID=4326;POINT({LON + (number + 0.5) * STEP} {LAT + north * STEP})"


def make(url: str) -> World:
    """Fill an empty database, as its owner."""
    world = World()
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        _areas(connection, world)
        for number, (code, *_rest) in enumerate(grids()):
            _things(connection, world, code, number)
        _outside(connection, world)
        connection.execute("SELECT assign_scope_codes()")
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        _past(connection, world)
    return world


def _past(connection: psycopg.Connection, world: World) -> None:
    """Give every building, device and road a past."""
    for table in ("building", "device", "road"):
        connection.execute(f"UPDATE {table} SET name_en = 'renamed'")
        for key, code in world.rows[table].items():
            row = _one(
                connection, "SELECT id FROM feature_history WHERE table_name = %s AND row_id = %s", table, key
            )
            world.put("feature_history", row, code, world.kinds[table][key] or table)


def _one(connection: psycopg.Connection, statement: str, *values: object) -> int:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])


def _dataset(connection: psycopg.Connection) -> int:
    return _one(
        connection,
        "INSERT INTO dataset (name, kind, declared_crs) VALUES ('world', 'osm', 'EPSG:4326') "
        "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind RETURNING id",
    )


def _areas(connection: psycopg.Connection, world: World) -> None:
    dataset = _dataset(connection)
    all_grids = grids()
    lengths = {"city": 4, "district": 6, "street": 9, "community": 12, "responsibility_grid": 15}
    for level in LEVELS:
        world.areas[level] = []
        runs: dict[str, list[int]] = {}
        for number, (code, *_rest) in enumerate(all_grids):
            runs.setdefault(code[: lengths[level]].ljust(15, "0"), []).append(number)
        for code, numbers in runs.items():
            key = _area(connection, dataset, level, code, box(numbers[0], numbers[-1]), centre(numbers[0]))
            world.put("area", key, int(code), level)
            world.areas[level].append(code)
    for number, (code, *_rest) in enumerate(all_grids):
        unit = f"{code[:12]}{500 + int(code[12:]):03d}"
        key = _area(connection, dataset, "unit_grid", unit, box(number, number), centre(number))
        world.put("area", key, int(code), "unit_grid")


def _person(connection: psycopg.Connection, person: Person) -> UUID:
    row = sealed_row(Sealer(KEY), uuid4(), person, simulated=True)
    columns, values = ", ".join(COLUMNS), ", ".join(f"%({column})s" for column in COLUMNS)
    connection.execute(f"INSERT INTO person ({columns}) VALUES ({values})", row)
    made: UUID = row["id"]
    return made


def _area(connection: psycopg.Connection, dataset: int, level: str, code: str, geom: str, label: str) -> int:
    return _one(
        connection,
        "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
        "made_by, area_m2) "
        "VALUES (%s, %s, '', %s, %s, %s, ST_GeomFromEWKT(%s), ST_GeomFromEWKT(%s), 'drawn', 1) "
        "RETURNING id",
        dataset,
        f"{level}/{code}",
        code,
        level,
        f"{level} {code}",
        geom,
        label,
    )


def _things(connection: psycopg.Connection, world: World, code: str, number: int) -> None:
    dataset, at = _dataset(connection), centre(number)
    scope = int(code)
    common = "dataset_id, source_ref, content_hash, geom"
    point = "ST_GeomFromEWKT(%s)"
    ref = f"thing/{code}"
    square = "ST_Multi(ST_Envelope(ST_Buffer(ST_GeomFromEWKT(%s), 0.0002)))"
    world.put(
        "building",
        _one(
            connection,
            f"INSERT INTO building ({common}, name, kind, height_m, min_height_m, height_source, "
            "footprint_m2) "
            f"VALUES (%s, %s, '', {square}, %s, 'house', 9, 0, 'estimated', 1) RETURNING id",
            dataset, ref, at, code,
        ),
        scope,
    )  # fmt: skip
    address = _one(
        connection,
        f"INSERT INTO address ({common}, text) VALUES (%s, %s, '', {point}, %s) RETURNING id",
        dataset, ref, at, f"{code} 号",
    )  # fmt: skip
    world.put("address", address, scope)
    plate = _one(
        connection,
        f"INSERT INTO door_plate (code, address_id, geom) VALUES (%s, %s, {point}) RETURNING id",
        code, address, at,
    )  # fmt: skip
    world.put("door_plate", plate, scope)
    world.put(
        "component",
        _one(
            connection,
            f"INSERT INTO component ({common}, code, class_code, name) "
            f"VALUES (%s, %s, '', {point}, %s, '01101', %s) RETURNING id",
            dataset, ref, at, f"{code[:6]}01101{number:06d}", f"井盖 {code}",
        ),
        scope,
    )  # fmt: skip
    world.put(
        "service_point",
        _one(
            connection,
            f"INSERT INTO service_point ({common}, name, category) VALUES (%s, %s, '', {point}, 's', 'x') "
            "RETURNING id",
            dataset, ref, at,
        ),
        scope,
    )  # fmt: skip
    compound = _one(
        connection,
        f"INSERT INTO compound ({common}, name) VALUES (%s, %s, '', {square}, %s) RETURNING id",
        dataset, ref, at, f"小区 {code}",
    )  # fmt: skip
    world.put("compound", compound, scope)
    # All grids hang on one pipe: a break anywhere is a break everywhere.
    before = next(reversed(world.rows.get("network_node", {})), None)
    node = _one(
        connection,
        f"INSERT INTO network_node ({common}, utility, kind, name) "
        f"VALUES (%s, %s, '', {point}, 'water', 'joint', %s) RETURNING id",
        dataset, ref, at, f"阀门 {code}",
    )  # fmt: skip
    world.put("network_node", node, scope)
    line = _one(
        connection,
        f"INSERT INTO network_line ({common}, utility, name, length_m, from_node_id, to_node_id) "
        f"VALUES (%s, %s, '', ST_MakeLine({point}, {point}), 'water', %s, 1, %s, %s) RETURNING id",
        dataset, ref, at, centre(number, 0.7), f"管线 {code}", node, before,
    )  # fmt: skip
    world.put("network_line", line, scope)
    house = next(reversed(world.rows["building"]))
    connection.execute(
        "INSERT INTO service_connection (node_id, building_id, source) VALUES (%s, %s, 'declared')",
        [node, house],
    )
    world.put("service_connection", node, scope)
    devices = {}
    for kind in ("camera", "water_level", "worker"):
        devices[kind] = _one(
            connection,
            f"INSERT INTO device ({common}, uid, kind) VALUES (%s, %s, '', {point}, %s, %s) RETURNING id",
            dataset, f"{ref}/{kind}", at, f"{kind}-{code}", kind,
        )  # fmt: skip
        world.put("device", devices[kind], scope, kind)
        connection.execute(
            "INSERT INTO device_state (device_id, property, phenomenon_time, received_at, value, state) "
            "VALUES (%s, 0, %s, %s, %s, 0)",
            [devices[kind], MOMENT, MOMENT, 25 if kind == "camera" else 1],  # none within a limit
        )
        world.put("device_state", devices[kind], scope, kind)
        connection.execute("SELECT ensure_observation_partition(%s)", [MOMENT.date()])
        connection.execute(
            "INSERT INTO observation (device_id, property, phenomenon_time, received_at, value) "
            "VALUES (%s, 0, %s, %s, 1)",
            [devices[kind], MOMENT, MOMENT],
        )
        world.put("observation", devices[kind], scope, kind)
        connection.execute(
            "INSERT INTO observation_hour VALUES (%s, 0, %s, 1, 1, 1, 1)", [devices[kind], MOMENT]
        )
        world.put("observation_hour", devices[kind], scope, kind)
    # Of a device that is no camera: the cameras' pictures are made up, and nobody is asked for one.
    connection.execute(
        "INSERT INTO camera_source (device_id, scheme, address_sealed) "
        "VALUES (%s, 'rtsp', decode(repeat('00', 40), 'hex'))",
        [devices["water_level"]],
    )
    world.put("camera_source", devices["water_level"], scope, "water_level")
    connection.execute("UPDATE device SET readings_simulated = true WHERE id = %s", [devices["camera"]])
    _declared(connection, world, code, devices["water_level"], at)
    grid = _one(connection, "SELECT id FROM area WHERE code = %s AND level = 'responsibility_grid'", code)
    called = _person(connection, Person(phone=phone_of(code, "worker")))
    world.put("person", called, scope, "worker")
    worker = _one(
        connection,
        "INSERT INTO worker (code, name, responsibility_grid_id, device_id, person_id) "
        "VALUES (%s, %s, %s, %s, %s) RETURNING id",
        code, f"工作 {code}", grid, devices["worker"], called,
    )  # fmt: skip
    duty = _one(
        connection,
        "INSERT INTO duty (worker_id, starts_at, consent_at) "
        "VALUES (%s, now() - interval '1 day', now() - interval '2 days') RETURNING id",
        worker,
    )
    world.put("duty", duty, scope)
    world.put("worker", worker, scope)
    alarm = _one(
        connection,
        "INSERT INTO alarm (device_id, property, state, worst_state, value, raised_at, changed_at) "
        "VALUES (%s, 0, 4, 4, 1, %s, %s) RETURNING id",
        devices["water_level"], MOMENT, MOMENT,
    )  # fmt: skip
    world.put("alarm", alarm, scope)
    phone, identity_number = phone_of(code, "case"), identity_number_of(code)
    reporter = _person(connection, Person(f"报案人{code}", phone, identity_number, f"{code} 号 {ROOM}"))
    world.put("person", reporter, scope, "case")
    case = _one(
        connection,
        f"INSERT INTO case_file (number, title, category_code, source, geom, address, reporter_id) "
        f"VALUES (%s, %s, '01101', 'hotline', {point}, %s, %s) RETURNING id",
        f"C-{code}", f"漏水，来电 {phone}，证件 {identity_number}", at, f"{code} 号 {ROOM}", reporter,
    )  # fmt: skip
    world.put("case_file", case, scope)
    connection.execute(
        "INSERT INTO case_report (case_id, account_id, sent_sha256, token_id, token_sha256, description, "
        "attributes) VALUES (%s, %s, sha256('x'), %s, sha256(%s), %s, '{}')",
        [case, uuid4(), uuid4(), token_of(code).encode(), f"{code} 来电 154****0000"],
    )
    world.put("case_report", case, scope)
    photograph = _one(
        connection,
        "INSERT INTO photograph (case_id, client_id, moment, sent_type, sent_sha256, picture, thumbnail, "
        "width_px, height_px, flags) VALUES (%s, gen_random_uuid(), 'before', 'image/jpeg', sha256('x'), "
        "%s, %s, 1, 1, '[]') RETURNING id",
        case, f"picture {code}".encode(), f"thumbnail {code}".encode(),
    )  # fmt: skip
    world.put("photograph", photograph, scope)
    # The database told the journal of it.
    told = _one(connection, "SELECT max(seq) FROM journal WHERE kind = 'case.photographed'")
    world.put("journal", told, scope, "case.photographed")
    for kind in ("alarm.raised", "case.filed"):
        seq = _one(
            connection,
            "INSERT INTO journal (seq, kind, subject, area_code, actor, data) "
            "SELECT journal_newest() + 1, %s, %s, %s, 'system', %s::jsonb RETURNING seq",
            kind, f"device/{devices['water_level']}", code, json.dumps({"code": code}),
        )  # fmt: skip
        world.put("journal", seq, scope, kind)


def _declared(connection: psycopg.Connection, world: World, code: str, device: int, at: str) -> None:
    """Declare of a device what clients of SensorThings declare."""
    scope = int(code)
    named = f"declared {code}"
    shared = {}
    for table, column in (("sensor", "encoding_type, metadata"), ("observed_property", "definition")):
        more = "'text/plain', '{}'" if table == "sensor" else "'urn:x'"
        shared[table] = _one(
            connection,
            f"INSERT INTO {table} (name, description, scope, {column}) "
            f"VALUES (%s, '', %s::int8multirange, {more}) RETURNING id",
            named, f"{{[{scope},{scope}]}}",
        )  # fmt: skip
        world.put(table, shared[table], scope)
    connection.execute(
        "INSERT INTO datastream (device_id, property, name, description, unit, observation_type, sensor_id, "
        "observed_property_id) VALUES (%s, 4, %s, '', '{}', 'x', %s, %s)",
        [device, named, shared["sensor"], shared["observed_property"]],
    )
    world.put("datastream", device, scope)
    for table in ("declared_place", "feature_of_interest"):
        key = _one(
            connection,
            f"INSERT INTO {table} (name, description, encoding_type, geom) "
            "VALUES (%s, '', 'application/geo+json', ST_GeomFromEWKT(%s)) RETURNING id",
            named, at,
        )  # fmt: skip
        world.put(table, key, scope)
    connection.execute(
        "INSERT INTO observation (device_id, property, phenomenon_time, received_at, value) "
        "VALUES (%s, 4, %s, %s, 'NaN')",
        [device, MOMENT, MOMENT],
    )
    connection.execute(
        "INSERT INTO observation_detail (device_id, property, phenomenon_time, result, feature_id) "
        "VALUES (%s, 4, %s, to_jsonb(%s::text), %s)",
        [device, MOMENT, named, key],
    )
    world.put("observation_detail", device, scope)


def _outside(connection: psycopg.Connection, world: World) -> None:
    """Put a building and a device where no area is, and one road, which is everybody's."""
    dataset = _dataset(connection)
    far = "SRID=4326;POINT(110 35)"
    world.put(
        "device",
        _one(
            connection,
            "INSERT INTO device (dataset_id, source_ref, content_hash, geom, uid, kind) "
            "VALUES (%s, 'far', '', ST_GeomFromEWKT(%s), 'far-away', 'water_level') RETURNING id",
            dataset, far,
        ),
        0,
        "water_level",
    )  # fmt: skip
    road = _one(
        connection,
        "INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward, "
        "bike_backward, car_forward, car_backward, width_m) VALUES (%s, 'road', '', "
        "ST_GeomFromEWKT('SRID=4326;LINESTRING(104 30, 104.1 30)'), 'residential', true, true, true, true, "
        "true, 5) RETURNING id",
        dataset,
    )
    world.put("road", road, 0, "road")
    world.put("dataset", dataset, 0)
    world.put(
        "organisation",
        _one(
            connection,
            "INSERT INTO organisation (code, name, kind) VALUES ('d', '部门', 'department') RETURNING id",
        ),
        0,
    )
    for table, statement in {
        "quarantine": "INSERT INTO quarantine (source, reason, detail, payload) "
        "VALUES ('t', 'malformed', '', '') RETURNING id",
        "feed_pause": "INSERT INTO feed_pause (feed, paused_by, reason) "
        "VALUES ('owntracks-mqtt', 'x', 'x') RETURNING length(feed)",
        "import_run": "INSERT INTO import_run (dataset_id, file_name, file_sha256) "
        "VALUES (%s, 'f', '') RETURNING id",
        "feed_mapping": "INSERT INTO feed_mapping (name, version, zh, en, content, changed_by) "
        "VALUES ('waterworks', 1, '水务', 'Water', '{}', 'x') RETURNING version",
    }.items():
        values = (dataset,) if "%s" in statement else ()
        world.put(table, _one(connection, statement, *values), 0)
