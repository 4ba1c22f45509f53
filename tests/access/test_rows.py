"""The database itself shows each role what lies in its area, and nothing beside it."""

from __future__ import annotations

import random

import psycopg
import pytest

from tests.access import oracle
from tests.access.oracle import visible
from tests.access.world import LEVELS, World, centre, grids
from twin.access.grants import Grants, grants_of
from twin.access.scope import Scope
from twin.store.roles import APP, role_url

pytestmark = pytest.mark.postgis

KEYS = {
    "case_report": "case_id",
    "datastream": "device_id",
    "feed_pause": "length(feed)",
    "device_state": "device_id",
    "counted_day": "day",
    "observation": "device_id",
    "observation_count": "device_id",
    "observation_detail": "device_id",
    "observation_hour": "device_id",
    "journal": "seq",
    "service_connection": "node_id",
    "street_cost": "edge_id",
    "camera_source": "device_id",
    "feed_mapping": "version",
    "partner": "length(name)",
    "partner_parked": "seq",
}


@pytest.fixture(scope="module")
def made(new_world):
    return new_world()


def connect(database, role=APP) -> psycopg.Connection:
    return psycopg.connect(role_url(database.url, role).replace("postgresql+psycopg://", "postgresql://"))


def use(connection: psycopg.Connection, grants: Grants) -> None:
    for name, value in grants.settings().items():
        connection.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])


def see(connection: psycopg.Connection, table: str) -> set[object]:
    key = KEYS.get(table, "id")
    return {row[0] for row in connection.execute(f"SELECT {key} FROM {table}")}


def wrong(connection: psycopg.Connection, world: World, role: str, area: str, level: str) -> list[str]:
    """Tables in which a role at an area sees other rows than it should."""
    with connection.transaction(force_rollback=True):
        use(connection, grants_of([(role, Scope.of_area(area, level))]))
        return [
            table
            for table in world.rows
            if see(connection, table) != visible(world, table, role, area, level)
        ]


def places(world: World) -> list[tuple[str, str]]:
    """Three siblings on each level (there is one city)."""
    chosen = []
    for level in LEVELS:
        codes = world.areas[level]
        chosen += [(code, level) for code in (codes[:2] + codes[-1:] if len(codes) > 2 else codes)]
    return chosen


def test_world_holds_a_row_of_every_table_that_can_be_read(made):
    database, world = made
    read = {table for table, name in policies(database.url) if name.endswith("_read")}
    assert read - set(world.rows) == {"ground_cover", "import_reject", "audit"}


@pytest.mark.parametrize("role", oracle.READS)
def test_every_role_at_every_level_sees_its_area_and_nothing_beside_it(made, role):
    database, world = made
    with connect(database) as connection:
        for area, level in places(world):
            assert wrong(connection, world, role, area, level) == [], (role, area, level)


def test_without_a_scope_nothing_is_seen(made):
    database, world = made
    with connect(database) as connection:
        for table in world.rows:
            assert see(connection, table) == set(), table


def test_scope_ends_with_its_transaction(made):
    database, _ = made
    with connect(database) as connection:
        with connection.transaction():
            use(connection, grants_of([("operator", Scope.of_area("510000000000000", "city"))]))
        assert see(connection, "building") == set()


def test_row_without_an_area_is_seen_by_the_whole_only(made):
    database, world = made
    everywhere = Grants(reads=dict(grants_of([("operator", Scope(((0, 10**15 - 1),)))]).reads), roles=("x",))
    with connect(database) as connection, connection.transaction():
        use(connection, everywhere)
        assert see(connection, "device") == set(world.rows["device"])


def test_roles_at_two_areas_do_not_lend_each_other_their_classes(made):
    database, world = made
    street_1, street_2 = world.areas["street"][:2]
    grants = grants_of(
        [("operator", Scope.of_area(street_1, "street")), ("planner", Scope.of_area(street_2, "street"))]
    )
    with connect(database) as connection, connection.transaction():
        use(connection, grants)
        assert see(connection, "worker") == visible(world, "worker", "operator", street_1, "street")
        assert see(connection, "building") == visible(
            world, "building", "operator", street_1, "street"
        ) | visible(world, "building", "planner", street_2, "street")


def test_worker_sees_the_own_row_and_tracker_only(made):
    database, world = made
    worker, code = next(iter(world.rows["worker"].items()))
    grants = grants_of(
        [("worker", Scope.of_area(f"{code}", "responsibility_grid"))], worker_id=int(str(worker))
    )
    with connect(database) as connection, connection.transaction():
        use(connection, grants)
        assert see(connection, "worker") == {worker}
        trackers = {k for k in see(connection, "device") if world.kinds["device"][k] == "worker"}
        assert {world.rows["device"][k] for k in trackers} == {code}
        assert len(trackers) == 1


def policies(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        return connection.execute(
            "SELECT tablename, policyname FROM pg_policies WHERE 'gridtwin_app' = ANY(roles) ORDER BY 1, 2"
        ).fetchall()


def test_switching_off_the_security_of_any_table_is_noticed(made):
    """A table shows too much then; that a dropped policy is missed is in `test_policies`."""
    database, world = made
    owner = database.url.replace("postgresql+psycopg://", "postgresql://")
    area, level = world.areas["street"][0], "street"
    closed = ("quarantine", "import_run", "feed_mapping", "feed_pause", "partner", "partner_parked", "duty")
    for table, name in policies(database.url):
        if not name.endswith("_read") or table not in world.rows:
            continue
        if table in oracle.OPEN:
            continue  # seen by all who are signed in, whatever the scope
        with psycopg.connect(owner) as connection:
            role = "planner" if table in closed else "operator"
            assert table not in _as_app(connection, world, role, area, level), table
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            assert table in _as_app(connection, world, role, area, level), f"{table} without security"
            connection.rollback()


def _as_app(connection: psycopg.Connection, world: World, role: str, area: str, level: str) -> list[str]:
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {APP}")
        return wrong(connection, world, role, area, level)


def test_every_table_is_closed_or_has_a_policy(made):
    """What requests may read without row-level security, forced on the owner too, is an error."""
    database, _ = made
    with psycopg.connect(database.url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        open_tables = connection.execute(
            """SELECT relname FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                 AND has_table_privilege('gridtwin_app', oid, 'SELECT')
                 AND NOT (relrowsecurity AND relforcerowsecurity)
                 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_class.oid AND d.deptype = 'e')"""
        ).fetchall()
        assert open_tables == []
        flags = connection.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'gridtwin_app'"
        ).fetchone()
        assert flags == (False, False)


def test_ten_thousand_mixed_requests_over_one_connection_show_no_foreign_row(made):
    database, world = made
    random_ = random.Random(7)
    chosen = places(world)
    roles = list(oracle.READS)
    tables = ["building", "device", "worker", "alarm", "case_file"]
    foreign = 0
    expected: dict[tuple[str, str, str, str], set[object]] = {}
    with connect(database) as connection:
        for _ in range(10_000):
            role, (area, level), table = random_.choice(roles), random_.choice(chosen), random_.choice(tables)
            key = role, area, level, table
            if key not in expected:
                expected[key] = visible(world, table, role, area, level)
            values = grants_of([(role, Scope.of_area(area, level))]).settings()
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('gridtwin.' || name, value, true) "
                    "FROM unnest(%s::text[], %s::text[]) AS t (name, value)",
                    [list(values), list(values.values())],
                )
                foreign += see(connection, table) != expected[key]
    assert foreign == 0


FORBIDDEN = {
    "moving a case": "UPDATE case_file "
    "SET geom = (SELECT 'SRID=4326;POINT(110 35)'::geometry) WHERE id = %(own)s",
    "telling the journal of another area": "INSERT INTO journal (seq, kind, subject, area_code, actor, data) "
    "SELECT journal_newest() + 1, 'case.noted', 'case/1', %(other)s, 'me', '{}'",
    "renumbering devices": "UPDATE device SET uid = 'x'",
    "reporting a case past the function": "INSERT INTO case_file "
    "(number, title, category_code, source, geom, scope_code) "
    "VALUES ('forged', 'x', '01101', 'patrol', 'SRID=4326;POINT(104.0805 30.0005)', %(mine)s)",
}

DEVICE = (
    "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom) "
    "VALUES (%(dataset)s, %(uid)s, '', %(uid)s, %(kind)s, ST_GeomFromEWKT(%(at)s)) RETURNING id"
)
STREAM = (
    "INSERT INTO datastream (device_id, property, name, description, unit, observation_type, sensor_id, "
    "observed_property_id) VALUES (%s, 9, '', '', '{}', '', 1, 1)"
)


def test_integrator_declares_in_the_own_area_only(made):
    database, world = made
    mine, other = world.areas["street"][:2]
    waters = {
        code[:9]: key
        for key, number in world.rows["device"].items()
        if world.kinds["device"][key] == "water_level" and (code := f"{number:015d}")
    }
    first = next(i for i, (code, *_) in enumerate(grids()) if code.startswith(mine[:9]))
    last = next(i for i, (code, *_) in enumerate(grids()) if code.startswith(other[:9]))
    new = {"dataset": next(iter(world.rows["dataset"])), "uid": "declared-1", "kind": "thing"}
    place = "INSERT INTO {} (name, description, encoding_type, geom) VALUES ('', '', '', ST_GeomFromEWKT(%s))"
    allowed = [
        (DEVICE, new | {"at": centre(first)}),
        (STREAM, [waters[mine[:9]]]),
        (place.format("declared_place"), [centre(first)]),
        (place.format("feature_of_interest"), [centre(first)]),
        ("INSERT INTO sensor (name, description, encoding_type, metadata) VALUES ('', '', '', '1')", []),
        ("INSERT INTO observed_property (name, description, definition) VALUES ('', '', '')", []),
    ]
    forbidden = [
        (DEVICE, new | {"at": centre(last)}),
        (DEVICE, new | {"at": centre(first), "kind": "worker"}),
        (STREAM, [waters[other[:9]]]),
        (place.format("declared_place"), [centre(last)]),
        (place.format("feature_of_interest"), [centre(last)]),
        ("UPDATE device SET geom = ST_GeomFromEWKT(%s) WHERE id = %s", [centre(last), waters[mine[:9]]]),
        ("INSERT INTO sensor (name, description, encoding_type, metadata, scope) "
         "VALUES ('', '', '', '1', '{[0,999999999999999]}')", []),
        ("DELETE FROM device", []),
    ]  # fmt: skip
    with connect(database) as connection:
        use(connection, grants_of([("integrator", Scope.of_area(mine, "street"))]))
        for statement, values in allowed:
            with connection.transaction(force_rollback=True):
                assert connection.execute(statement, values).rowcount == 1, statement
        for statement, values in forbidden:
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                connection.transaction(force_rollback=True),
            ):
                connection.execute(statement, values)
        # What an installed device observed is evidence: nobody changes it.
        assert connection.execute("UPDATE observation SET value = 7").rowcount == 0
        assert connection.execute("DELETE FROM observation").rowcount == 0
        connection.rollback()
        use(connection, grants_of([("operator", Scope.of_area(mine, "street"))]))
        for statement, values in allowed:
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                connection.transaction(force_rollback=True),
            ):
                connection.execute(statement, values)


@pytest.fixture
def dispatcher(made):
    """A dispatcher of one street over a connection, with what is hers and what is not."""
    database, world = made
    mine, other = world.areas["street"][:2]
    cases = world.rows["case_file"].items()
    values = {
        "mine": int(mine),
        "other": other,
        "own": next(k for k, code in cases if str(code).startswith(mine[:9])),
        "theirs": next(k for k, code in cases if str(code).startswith(other[:9])),
    }
    with connect(database) as connection:
        use(connection, grants_of([("dispatcher", Scope.of_area(mine, "street"))]))
        yield connection, values
        connection.rollback()


def test_row_of_another_area_cannot_be_written(dispatcher):
    connection, values = dispatcher
    done = connection.execute("UPDATE case_file SET version = version + 1 WHERE id = %(theirs)s", values)
    assert done.rowcount == 0
    done = connection.execute("UPDATE case_file SET version = version + 1 WHERE id = %(own)s", values)
    assert done.rowcount == 1
    assert connection.execute("UPDATE device SET name = 'x'").rowcount == 0


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_is_moved_or_written_outside_the_area(dispatcher, what):
    """Whatever code the writer gives: the database places the row by its geometry."""
    connection, values = dispatcher
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(FORBIDDEN[what], values)
