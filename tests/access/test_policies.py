"""Each policy of the database is missed when it is dropped: what somebody may do by it fails without it.

What there is to do comes from the rights of the roles, not from the policies: so a policy that a migration
forgets is missed as well.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest

from tests.access.world import MOMENT, World, centre, grids
from twin.access.grants import grants_of
from twin.access.roles import ROLES
from twin.access.scope import EVERYWHERE
from twin.store.cluster_folder import ROLE
from twin.store.roles import APP, AUDIT, AUTH

pytestmark = pytest.mark.postgis

OWNER = "owner_that_is_no_superuser"
"""Row-level security does not hold for a superuser, as whom the tests own the database."""

RECORD = "SELECT audit_append('', NULL, '', '', 'tested', '', '', '', '{}')"

ALSO = f"""
INSERT INTO account (id, name, display_name) VALUES ('00000000-0000-0000-0000-000000000001', 'li.na', '');
INSERT INTO password_history (account_id, password_hash) SELECT id, '' FROM account;
INSERT INTO membership (account_id, role, area_code, area_level, low, high, granted_by)
    SELECT id, 'operator', '510100000000000', 'city', 0, 1, '' FROM account;
INSERT INTO credential (account_id, kind, secret_hash, expires_at)
    SELECT id, 'session', 'x', now() FROM account;
INSERT INTO publisher (name, kind, low, high) VALUES ('gate-0001', 'gateway', 0, 1);
INSERT INTO publisher_secret (publisher, slot, secret_hash, mqtt_hash)
    VALUES ('gate-0001', 1, sha256(''), '$7$x');
INSERT INTO case_series VALUES ('2026-01-01', 1);
INSERT INTO retired VALUES ('2026-01-01', 'camera', 1);
INSERT INTO ground_cover (dataset_id, source_ref, content_hash, geom, cover)
    SELECT id, 'cover', '', ST_Multi(ST_MakeEnvelope(104, 30, 105, 31, 4326)), 'green' FROM dataset;
INSERT INTO import_reject (run_id, target, source_ref, reason, detail)
    SELECT id, '', '', '', '' FROM import_run;
INSERT INTO dataset (name, kind, declared_crs) VALUES ('sensorthings', 'devices', 'EPSG:4326');
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom)
    SELECT id, 'declared', '', 'declared', 'thing', ST_GeomFromEWKT('{centre(0)}') FROM dataset
    WHERE name = 'sensorthings';
INSERT INTO observation (device_id, property, phenomenon_time, received_at, value)
    SELECT id, 4, '{MOMENT}', now(), 1 FROM device WHERE uid = 'declared';
INSERT INTO observation_detail (device_id, property, phenomenon_time)
    SELECT id, 4, '{MOMENT}' FROM device WHERE uid = 'declared';
INSERT INTO partner_case (partner_id, case_id, request_id)
    SELECT partner.id, case_file.id, '1' FROM partner, case_file;
INSERT INTO partner_message (partner_id, message_id, body_sha256, answer)
    SELECT id, 'm', '', '{{}}' FROM partner;
CREATE ROLE {OWNER};
GRANT {ROLE} TO {OWNER};
{RECORD}
"""
"""Rows of the tables that the world leaves empty, each seen by somebody."""

_PLACE = "(name, description, encoding_type, geom) VALUES ('', '', '', ST_GeomFromEWKT(%(at)s))"
INSERTS = {
    "assignment": "(case_id, worker_id, state, asked_at, answer_by, policy, chosen_by) "
    "SELECT min(id), %(worker)s, 'asked', now(), now(), '', '' FROM case_file",
    "alarm_rule": "(version, zh, en, state, kinds, condition, enabled, changed_by) "
    "VALUES (1, '', '', 3, '{}', '{}', false, '')",
    "closure": "(geom, layers, networks, reason, made_by, begins_at) "
    "VALUES (ST_GeomFromEWKT(%(at)s), '{0}', '{foot}', 'x', '', now())",
    "dataset": "(name, kind, declared_crs) VALUES ('sensorthings', 'devices', 'EPSG:4326')",
    "datastream": "(device_id, property, name, description, unit, observation_type, sensor_id, "
    "observed_property_id) VALUES (%(device)s, 9, '', '', '{}', '', 1, 1)",
    "declared_place": _PLACE,
    "device": "(dataset_id, source_ref, content_hash, uid, kind, geom) "
    "VALUES (1, 'new', '', 'new-1', 'thing', ST_GeomFromEWKT(%(at)s))",
    "duty": "(worker_id, starts_at, ends_at, consent_at) "
    "VALUES (%(worker)s, now() - interval '9 days', now() - interval '8 days', now() - interval '9 days')",
    "feature_of_interest": _PLACE,
    "feed_mapping": "(name, version, zh, en, content, changed_by) VALUES ('new', 1, '', '', '{}', '')",
    "feed_pause": "(feed, paused_by, reason) VALUES ('new', '', '')",
    "journal": "(seq, kind, subject, area_code, actor, data) "
    "SELECT journal_newest() + 1, 'case.noted', 'case/1', %(code)s, '', '{}'",
    "maintenance_window": "(reason, made_by, begins_at, ends_at) "
    "VALUES ('x', '', now(), now() + interval '1 hour')",
    "observation_detail": "(device_id, property, phenomenon_time) VALUES (%(declared)s, 5, now())",
    "observed_property": "(name, description, definition) VALUES ('', '', '')",
    "partner": "(id, name, kind, address, area_code, low, high, secret_sealed, changed_by, sent_seq) "
    "VALUES (gen_random_uuid(), 'new', 'webhook', '', '', 0, 1, '', '', 0)",
    "person": "(id) VALUES (gen_random_uuid())",
    "photograph": "(case_id, client_id, moment, sent_type, sent_sha256, picture, thumbnail, width_px, "
    "height_px, flags) SELECT min(id), gen_random_uuid(), 'before', 'image/jpeg', sha256('y'), '', '', 1, 1, "
    "'[]' FROM case_file",
    "responsibility": "(about, area_code, area_level, low, high, organisation_id, set_by) "
    "SELECT '06010', '000000000000000', 'whole', 0, 999999999999999, min(id), '' FROM organisation",
    "shelving": "(device_id, reason, shelved_by, until_at) "
    "VALUES (%(device)s, 'x', '', now() + interval '1 hour')",
    "sensor": "(name, description, encoding_type, metadata) VALUES ('', '', '', '1')",
}
"""What is added to each table that requests add to."""


class Act(NamedTuple):
    """What a role of the database may do to a table."""

    role: str
    command: str
    table: str


@pytest.fixture(scope="module")
def made(new_world):
    fresh, world = new_world()
    with owner_of(fresh) as connection:
        connection.execute(ALSO)
    yield fresh, world
    with owner_of(fresh) as connection:
        connection.execute(f"DROP ROLE {OWNER}")


def owner_of(database) -> psycopg.Connection:
    return psycopg.connect(database.url.replace("postgresql+psycopg://", "postgresql://"))


def acts(connection: psycopg.Connection) -> list[Act]:
    """Return what requests have a right to on tables under row-level security, and what others see there.

    To others a table is open or closed as a whole, for all commands by one policy.
    """
    rows = connection.execute(
        """SELECT role, command, relname FROM pg_class,
               unnest(%(roles)s::text[]) AS role,
               unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS command
           WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND NOT relispartition
             AND (command = 'SELECT' OR role = %(app)s)
             AND CASE WHEN command = 'DELETE' THEN has_table_privilege(role, oid, command)
                 ELSE has_any_column_privilege(role, oid, command) END
           ORDER BY relname, role, command""",
        {"roles": [APP, AUTH, AUDIT, OWNER], "app": APP},
    )
    return [Act(*row) for row in rows]


def works(connection: psycopg.Connection, world: World, act: Act) -> bool:
    """Do it as somebody who holds every role everywhere; say whether it met a row."""
    values = {
        "at": centre(0),
        "code": grids()[0][0],
        "device": next(iter(world.rows["device"])),
        "worker": next(iter(world.rows["worker"])),
        "declared": _one(connection, "SELECT id FROM device WHERE uid = 'declared'"),
    }
    statement = statement_of(connection, act)
    held = grants_of([(role.name, EVERYWHERE) for role in ROLES], worker_id=int(str(values["worker"])))
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {act.role}")
        for name, value in held.settings().items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])
        try:
            return connection.execute(statement, values).rowcount > 0
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.errors.UniqueViolation:  # asked after the policy let it pass
            return True


def statement_of(connection: psycopg.Connection, act: Act) -> str:
    match act.command:
        case "SELECT":
            return f"SELECT FROM {act.table} LIMIT 1"
        case "INSERT":
            return f"INSERT INTO {act.table} {INSERTS[act.table]}"
        case "DELETE":
            return f"DELETE FROM {act.table}"
    column = _one(
        connection,
        """SELECT attname FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = '' AND attidentity = ''
             AND has_column_privilege(%s, attrelid, attnum, 'UPDATE')
           ORDER BY attnum LIMIT 1""",
        act.table,
        act.role,
    )
    return f"UPDATE {act.table} SET {column} = {column}"


def _one(connection: psycopg.Connection, statement: str, *values: object) -> object:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return row[0]


def test_whatever_a_role_has_a_right_to_a_policy_lets_it_do_somewhere(made):
    database, world = made
    with owner_of(database) as connection:
        everything = acts(connection)
        assert [act for act in everything if not works(connection, world, act)] == []
        assert {act.table for act in everything if act.command == "INSERT"} == set(INSERTS)


def test_dropping_any_policy_is_noticed(made):
    database, world = made
    with owner_of(database) as connection:
        everything = acts(connection)
        policies = connection.execute("SELECT tablename, policyname FROM pg_policies").fetchall()
        unnoticed = []
        for table, name in policies:
            with connection.transaction(force_rollback=True):
                connection.execute(f"DROP POLICY {name} ON {table}")
                if all(works(connection, world, act) for act in everything if act.table == table):
                    unnoticed.append(name)
        assert unnoticed == [], f"{len(unnoticed)} of {len(policies)}"
        assert len(policies) > len(INSERTS)
