"""Put one thing of every kind into a grid of the world."""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID, uuid4

import psycopg

from tests.access.world import KEY, MOMENT, ROOM, World, centre, identity_number_of, phone_of, token_of
from tests.alarming import raise_sql
from twin.access.persons import COLUMNS, Person, sealed_row
from twin.access.sealing import Sealer

COMMON: Final = "dataset_id, source_ref, content_hash, geom"
POINT: Final = "ST_GeomFromEWKT(%s)"
SQUARE: Final = "ST_Multi(ST_Envelope(ST_Buffer(ST_GeomFromEWKT(%s), 0.0002)))"


def furnish(connection: psycopg.Connection, world: World, code: str, number: int) -> None:
    """Fill one grid: places, network, devices, a worker, an alarm, a case, what the journal tells."""
    at = centre(number)
    _places(connection, world, code, number)
    _network(connection, world, code, number)
    devices = _devices(connection, world, code, at)
    _declared(connection, world, code, devices["water_level"], at)
    _worker(connection, world, code, devices["worker"])
    _alarm(connection, world, code, devices["water_level"])
    _case(connection, world, code, at)
    _journal(connection, world, code, devices["water_level"])


def _places(connection: psycopg.Connection, world: World, code: str, number: int) -> None:
    dataset, at, scope, ref = dataset_of(connection), centre(number), int(code), f"thing/{code}"
    world.put(
        "building",
        one(
            connection,
            f"INSERT INTO building ({COMMON}, name, kind, height_m, min_height_m, height_source, "
            "footprint_m2) "
            f"VALUES (%s, %s, '', {SQUARE}, %s, 'house', 9, 0, 'estimated', 1) RETURNING id",
            dataset, ref, at, code,
        ),
        scope,
    )  # fmt: skip
    address = one(
        connection,
        f"INSERT INTO address ({COMMON}, text) VALUES (%s, %s, '', {POINT}, %s) RETURNING id",
        dataset, ref, at, f"{code} 号",
    )  # fmt: skip
    world.put("address", address, scope)
    plate = one(
        connection,
        f"INSERT INTO door_plate (code, address_id, geom) VALUES (%s, %s, {POINT}) RETURNING id",
        code, address, at,
    )  # fmt: skip
    world.put("door_plate", plate, scope)
    world.put(
        "component",
        one(
            connection,
            f"INSERT INTO component ({COMMON}, code, class_code, name) "
            f"VALUES (%s, %s, '', {POINT}, %s, '01101', %s) RETURNING id",
            dataset, ref, at, f"{code[:6]}01101{number:06d}", f"井盖 {code}",
        ),
        scope,
    )  # fmt: skip
    world.put(
        "service_point",
        one(
            connection,
            f"INSERT INTO service_point ({COMMON}, name, category) VALUES (%s, %s, '', {POINT}, 's', 'x') "
            "RETURNING id",
            dataset, ref, at,
        ),
        scope,
    )  # fmt: skip
    compound = one(
        connection,
        f"INSERT INTO compound ({COMMON}, name) VALUES (%s, %s, '', {SQUARE}, %s) RETURNING id",
        dataset, ref, at, f"小区 {code}",
    )  # fmt: skip
    world.put("compound", compound, scope)
    gate = one(
        connection,
        f"INSERT INTO gate ({COMMON}, kind, foot, bike, car, compound_id) "
        f"VALUES (%s, %s, '', {POINT}, 'gate', 'open', 'open', 'open', %s) RETURNING id",
        dataset, ref, at, compound,
    )  # fmt: skip
    world.put("gate", gate, scope)
    closure = one(
        connection,
        "INSERT INTO closure (geom, layers, networks, reason, made_by, begins_at, ends_at) "
        f"VALUES ({SQUARE}, '{{0}}', '{{foot}}', %s, 'x', now() + interval '1 day', "
        "now() + interval '2 days') RETURNING id",
        at, f"封路 {code}",
    )  # fmt: skip
    world.put("closure", closure, scope)


def _network(connection: psycopg.Connection, world: World, code: str, number: int) -> None:
    dataset, at, scope, ref = dataset_of(connection), centre(number), int(code), f"thing/{code}"
    # All grids hang on one pipe: a break anywhere is a break everywhere.
    before = next(reversed(world.rows.get("network_node", {})), None)
    node = one(
        connection,
        f"INSERT INTO network_node ({COMMON}, utility, kind, name) "
        f"VALUES (%s, %s, '', {POINT}, 'water', 'joint', %s) RETURNING id",
        dataset, ref, at, f"阀门 {code}",
    )  # fmt: skip
    world.put("network_node", node, scope)
    line = one(
        connection,
        f"INSERT INTO network_line ({COMMON}, utility, name, length_m, from_node_id, to_node_id) "
        f"VALUES (%s, %s, '', ST_MakeLine({POINT}, {POINT}), 'water', %s, 1, %s, %s) RETURNING id",
        dataset, ref, at, centre(number, 0.7), f"管线 {code}", node, before,
    )  # fmt: skip
    world.put("network_line", line, scope)
    house = next(reversed(world.rows["building"]))
    connection.execute(
        "INSERT INTO service_connection (node_id, building_id, source) VALUES (%s, %s, 'declared')",
        [node, house],
    )
    world.put("service_connection", node, scope)


def _devices(connection: psycopg.Connection, world: World, code: str, at: str) -> dict[str, int]:
    dataset, scope, ref = dataset_of(connection), int(code), f"thing/{code}"
    devices = {}
    for kind in ("camera", "water_level", "worker"):
        devices[kind] = one(
            connection,
            f"INSERT INTO device ({COMMON}, uid, kind) VALUES (%s, %s, '', {POINT}, %s, %s) RETURNING id",
            dataset, f"{ref}/{kind}", at, f"{kind}-{code}", kind,
        )  # fmt: skip
        world.put("device", devices[kind], scope, kind)
        connection.execute(
            "INSERT INTO device_state (device_id, property, phenomenon_time, received_at, value, state) "
            "VALUES (%s, 0, %s, %s, %s, %s)",
            # None is within a limit; that of the alarm, as a server finds them in step when it starts.
            [devices[kind], MOMENT, MOMENT, 25 if kind == "camera" else 1, 4 if kind == "water_level" else 0],
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
    return devices


def _declared(connection: psycopg.Connection, world: World, code: str, device: int, at: str) -> None:
    """Declare of a device what clients of SensorThings declare."""
    scope = int(code)
    named = f"declared {code}"
    shared = {}
    for table, column in (("sensor", "encoding_type, metadata"), ("observed_property", "definition")):
        more = "'text/plain', '{}'" if table == "sensor" else "'urn:x'"
        shared[table] = one(
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
        key = one(
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


def _worker(connection: psycopg.Connection, world: World, code: str, tracker: int) -> None:
    scope = int(code)
    grid = one(connection, "SELECT id FROM area WHERE code = %s AND level = 'responsibility_grid'", code)
    called = _person(connection, Person(phone=phone_of(code, "worker")))
    world.put("person", called, scope, "worker")
    worker = one(
        connection,
        "INSERT INTO worker (code, name, responsibility_grid_id, device_id, person_id) "
        "VALUES (%s, %s, %s, %s, %s) RETURNING id",
        code, f"工作 {code}", grid, tracker, called,
    )  # fmt: skip
    duty = one(
        connection,
        "INSERT INTO duty (worker_id, starts_at, consent_at) "
        "VALUES (%s, now() - interval '1 day', now() - interval '2 days') RETURNING id",
        worker,
    )
    world.put("duty", duty, scope)
    world.put("worker", worker, scope)
    for table, given in (
        ("shift", "(worker_id, starts_at, ends_at) VALUES (%s, now(), now() + interval '8 hours')"),
        ("certificate", "(worker_id, skill, valid_from) VALUES (%s, 'first_aid', current_date)"),
    ):
        world.put(table, one(connection, f"INSERT INTO {table} {given} RETURNING id", worker), scope)


def _alarm(connection: psycopg.Connection, world: World, code: str, device: int) -> None:
    alarm, group = connection.execute(raise_sql("id = %s", value="1"), [device]).fetchone() or (0, 0)
    connection.execute(
        "UPDATE alarm SET raised_at = %s, changed_at = %s WHERE id = %s", [MOMENT, MOMENT, alarm]
    )
    world.put("alarm", alarm, int(code))
    rule = one(
        connection,
        "INSERT INTO alarm_rule (version, zh, en, state, area_code, area_level, kinds, property, condition, "
        "    enabled, changed_by) "
        "VALUES (1, %s, %s, 4, %s, 'responsibility_grid', '{water_level}', 'level', "
        """    '{"type": "learned"}', false, 'x') RETURNING id""",
        f"规则{code}",
        f"Rule {code}",
        code,
    )
    world.put("alarm_rule", rule, int(code))
    connection.execute(
        "INSERT INTO alarm_rule_series (rule_id, version, device_id, property, learned) "
        "VALUES (%s, 1, %s, 0, '')",
        [rule, device],
    )
    connection.execute(
        "INSERT INTO gathering_usual (rule_id, version, counted, learned) VALUES (%s, 1, 'worker 10 0', '')",
        [rule],
    )
    world.put("alarm_group", group, int(code))
    shelved = one(
        connection,
        "INSERT INTO shelving (group_id, reason, shelved_by, until_at) "
        "VALUES (%s, 'x', 'x', now() + interval '1 hour') RETURNING id",
        group,
    )
    world.put("shelving", shelved, int(code))
    window = one(
        connection,
        "INSERT INTO maintenance_window (area_code, area_level, kind, reason, made_by, begins_at, ends_at) "
        "VALUES (%s, 'responsibility_grid', 'gas', 'x', 'x', now(), now() + interval '1 hour') RETURNING id",
        code,
    )
    world.put("maintenance_window", window, int(code))


def _case(connection: psycopg.Connection, world: World, code: str, at: str) -> None:
    scope = int(code)
    phone, identity_number = phone_of(code, "case"), identity_number_of(code)
    reporter = _person(connection, Person(f"报案人{code}", phone, identity_number, f"{code} 号 {ROOM}"))
    world.put("person", reporter, scope, "case")
    case = one(
        connection,
        f"INSERT INTO case_file (number, title, category_code, source, geom, address, reporter_id) "
        f"VALUES (%s, %s, '01101', 'hotline', {POINT}, %s, %s) RETURNING id",
        f"C-{code}", f"漏水，来电 {phone}，证件 {identity_number}", at, f"{code} 号 {ROOM}", reporter,
    )  # fmt: skip
    world.put("case_file", case, scope)
    connection.execute(
        "INSERT INTO case_report (case_id, account_id, sent_sha256, token_id, token_sha256, description, "
        "attributes) VALUES (%s, %s, sha256('x'), %s, sha256(%s), %s, '{}')",
        [case, uuid4(), uuid4(), token_of(code).encode(), f"{code} 来电 154****0000"],
    )
    world.put("case_report", case, scope)
    photograph = one(
        connection,
        "INSERT INTO photograph (case_id, client_id, moment, sent_type, sent_sha256, picture, thumbnail, "
        "width_px, height_px, flags) VALUES (%s, gen_random_uuid(), 'before', 'image/jpeg', sha256('x'), "
        "%s, %s, 1, 1, '[]') RETURNING id",
        case, f"picture {code}".encode(), f"thumbnail {code}".encode(),
    )  # fmt: skip
    world.put("photograph", photograph, scope)
    sent = one(
        connection,
        "INSERT INTO assignment (case_id, worker_id, state, asked_at, ended_at, policy, chosen_by) "
        "SELECT %s, id, 'withdrawn', now(), now(), 'by hand', '' FROM worker WHERE code = %s RETURNING id",
        case, code,
    )  # fmt: skip
    world.put("assignment", sent, scope)
    # The database told the journal of it.
    told = one(connection, "SELECT max(seq) FROM journal WHERE kind = 'case.photographed'")
    world.put("journal", told, scope, "case.photographed")


def _journal(connection: psycopg.Connection, world: World, code: str, device: int) -> None:
    for kind in ("alarm.raised", "case.reported"):
        seq = one(
            connection,
            "INSERT INTO journal (seq, kind, subject, area_code, actor, data) "
            "SELECT journal_newest() + 1, %s, %s, %s, 'system', %s::jsonb RETURNING seq",
            kind, f"device/{device}", code, json.dumps({"code": code}),
        )  # fmt: skip
        world.put("journal", seq, int(code), kind)


def _person(connection: psycopg.Connection, person: Person) -> UUID:
    row = sealed_row(Sealer(KEY), uuid4(), person, simulated=True)
    columns, values = ", ".join(COLUMNS), ", ".join(f"%({column})s" for column in COLUMNS)
    connection.execute(f"INSERT INTO person ({columns}) VALUES ({values})", row)
    made: UUID = row["id"]
    return made


def one(connection: psycopg.Connection, statement: str, *values: object) -> int:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])


def dataset_of(connection: psycopg.Connection) -> int:
    return one(
        connection,
        "INSERT INTO dataset (name, kind, declared_crs) VALUES ('world', 'osm', 'EPSG:4326') "
        "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind RETURNING id",
    )
