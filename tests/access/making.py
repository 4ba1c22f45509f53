"""Make a small city of three siblings on each of five levels, with one thing of every kind in every grid."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from tests.access.furnishing import dataset_of, furnish, one
from tests.access.world import KEY, LEVELS, MOMENT, World, box, centre, grids
from twin.access.scope import Scope
from twin.access.sealing import Sealer
from twin.exchange.signing import new_secret

_PARTNER = "7f1e5c7a-8d1b-4a55-9d3e-1c1d3f9a0b11"


def make(url: str) -> World:
    """Fill an empty database, as its owner."""
    world = World()
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        _areas(connection, world)
        for number, (code, *_rest) in enumerate(grids()):
            furnish(connection, world, code, number)
        _outside(connection, world)
        connection.execute("SELECT assign_scope_codes()")
        _counts(connection, world)
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        _past(connection, world)
    return world


def _counts(connection: psycopg.Connection, world: World) -> None:
    """Let every device have observed on a day that is over too, and count that day."""
    at = MOMENT - timedelta(days=3)
    connection.execute("SELECT ensure_observation_partition(%s)", [at.date()])
    for key, code in world.rows["observation"].items():
        connection.execute("INSERT INTO observation VALUES (%s, 0, %s, %s, 1)", [key, at, at])
        world.put("observation_count", key, code, world.kinds["observation"][key])
    connection.execute("SELECT watch_observations(%s), count_observations(%s)", [at.date(), at.date()])
    world.put("counted_day", at.date(), 0)


def _past(connection: psycopg.Connection, world: World) -> None:
    """Give every building, device and road a past."""
    for table in ("building", "device", "road"):
        connection.execute(f"UPDATE {table} SET name_en = 'renamed'")
        for key, code in world.rows[table].items():
            row = one(
                connection, "SELECT id FROM feature_history WHERE table_name = %s AND row_id = %s", table, key
            )
            world.put("feature_history", row, code, world.kinds[table][key] or table)


def _areas(connection: psycopg.Connection, world: World) -> None:
    dataset = dataset_of(connection)
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


def _area(connection: psycopg.Connection, dataset: int, level: str, code: str, geom: str, label: str) -> int:
    return one(
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


def _rules(connection: psycopg.Connection, world: World, organisation: int) -> None:
    """Say for every area, and for the whole, who answers for one kind of case."""
    areas = [("0" * 15, "whole"), *((code, level) for level in LEVELS for code in world.areas[level])]
    for code, level in areas:
        scope = Scope.of_area(code, level)
        rule = one(
            connection,
            "INSERT INTO responsibility (about, area_code, area_level, low, high, organisation_id, set_by) "
            "VALUES (%s, %s, %s, %s, %s, %s, '') RETURNING id",
            f"{10 + (LEVELS.index(level) if level in LEVELS else 9)}001", code, level, *scope.ranges[0],
            organisation,
        )  # fmt: skip
        world.put("responsibility", rule, int(code), level)


def _outside(connection: psycopg.Connection, world: World) -> None:
    """Put a building and a device where no area is, and one road, which is everybody's."""
    dataset = dataset_of(connection)
    far = "SRID=4326;POINT(110 35)"
    world.put(
        "device",
        one(
            connection,
            "INSERT INTO device (dataset_id, source_ref, content_hash, geom, uid, kind) "
            "VALUES (%s, 'far', '', ST_GeomFromEWKT(%s), 'far-away', 'water_level') RETURNING id",
            dataset, far,
        ),
        0,
        "water_level",
    )  # fmt: skip
    road = one(
        connection,
        "INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward, "
        "bike_backward, car_forward, car_backward, width_m) VALUES (%s, 'road', '', "
        "ST_GeomFromEWKT('SRID=4326;LINESTRING(104 30, 104.1 30)'), 'residential', true, true, true, true, "
        "true, 5) RETURNING id",
        dataset,
    )
    world.put("road", road, 0, "road")
    connection.execute("INSERT INTO street_node (id, geom) VALUES (1, 'SRID=4326;POINT(104 30)')")
    connection.execute(
        "INSERT INTO street_edge (id, source, target, geom, length_m, joint, layer) "
        "SELECT 1, 1, 1, geom, 1, false, 0 FROM road"
    )
    connection.execute("INSERT INTO street_cost VALUES ('foot', 1, 1, 1)")
    for table in ("street_node", "street_edge", "street_cost"):
        world.put(table, 1, 0)
    world.put("dataset", dataset, 0)
    organisation = one(
        connection,
        "INSERT INTO organisation (code, name, kind) VALUES ('d', '部门', 'department') RETURNING id",
    )
    world.put("organisation", organisation, 0)
    _rules(connection, world, organisation)
    sealed = Sealer(KEY).seal(new_secret(), f"partner.secret/{_PARTNER}")
    for table, statement in {
        "quarantine": "INSERT INTO quarantine (source, reason, detail, payload) "
        "VALUES ('t', 'malformed', '', '') RETURNING id",
        "feed_pause": "INSERT INTO feed_pause (feed, paused_by, reason) "
        "VALUES ('owntracks-mqtt', 'x', 'x') RETURNING length(feed)",
        "import_run": "INSERT INTO import_run (dataset_id, file_name, file_sha256) "
        "VALUES (%s, 'f', '') RETURNING id",
        "partner": "INSERT INTO partner (id, name, kind, address, area_code, low, high, secret_sealed, "
        f"changed_by, sent_seq, active) VALUES ('{_PARTNER}', 'waterworks', 'webhook', "
        "'https://water.invalid/told', '', 0, 1, %s, '', 0, false) RETURNING length(name)",
        "partner_parked": "INSERT INTO partner_parked (partner_id, seq, error) "
        "SELECT id, 1, 'status' FROM partner RETURNING seq",
        "feed_mapping": "INSERT INTO feed_mapping (name, version, zh, en, content, changed_by) "
        "VALUES ('waterworks', 1, '水务', 'Water', "
        """'{"device": "d", "time": "t", "values": [{"property": "level", "path": "v"}]}', 'x') """
        "RETURNING version",
    }.items():
        needed = sealed if table == "partner" else dataset
        values = (needed,) if "%s" in statement else ()
        world.put(table, one(connection, statement, *values), 0)
