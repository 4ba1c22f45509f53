"""State who sees which row: the policies of row-level security, the functions they ask, the roles' rights.

The migration that brought them runs ``CREATE_STATEMENTS``; a later change of one is a migration of its own.
A policy asks `gt_scope`, which reads a setting that `twin.store.scoped` makes for one transaction: where it
was not made, nothing is seen. The scalar sub-selects make PostgreSQL ask once a query, not once a row.
"""

from __future__ import annotations

from typing import Final

from twin.store.locks import Lock
from twin.store.placing import ASSIGN_SCOPE_CODES, SCOPE_OF, SCOPE_TRIGGERS, SET_SCOPE_CODE
from twin.store.roles import APP, AUDIT, AUTH, LOGINS, TWIN
from twin.store.triggers import KEEP_HISTORY as _FIRST_KEEP_HISTORY

_OLD_KEEP_HISTORY: Final = _FIRST_KEEP_HISTORY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")

_SEE: Final = "scope_code <@ (SELECT gt_scope('{0}'))"
_MAY: Final = "scope_code <@ (SELECT gt_scope('may_{0}'))"
_SIGNED_IN: Final = "(SELECT gt_signed_in())"
_SYSTEM: Final = "(SELECT NOT isempty(gt_scope('system')))"

_DEVICE: Final = (
    f"(kind <> 'worker' AND {_SEE.format('place')}) OR (kind = 'worker' AND "
    f"({_SEE.format('worker')} OR id = (SELECT gt_self_tracker())))"
)
_OF_A_DEVICE: Final = "EXISTS (SELECT FROM device WHERE device.id = device_id)"
# What a tracker says tells where a worker is.
_NOT_OF_A_WORKER: Final = f"(data ->> 'kind' IS DISTINCT FROM 'worker' OR {_SEE.format('worker')})"
_JOURNAL: Final = (
    f"CASE split_part(kind, '.', 1) WHEN 'alarm' THEN {_SEE.format('alarm')} AND {_NOT_OF_A_WORKER} "
    f"WHEN 'case' THEN {_SEE.format('case')} ELSE {_SEE.format('place')} END"
)
_HISTORY_CODE: Final = "coalesce((\"row\" ->> 'scope_code')::bigint, 0)"
_HISTORY: Final = (
    f"CASE WHEN table_name IN ('road', 'ground_cover') THEN {_SIGNED_IN} "
    f"WHEN table_name = 'device' AND \"row\" ->> 'kind' = 'worker' "
    f"THEN {_HISTORY_CODE} <@ (SELECT gt_scope('worker')) "
    f"ELSE {_HISTORY_CODE} <@ (SELECT gt_scope('place')) END"
)

READS: Final[dict[str, str]] = {
    "road": _SIGNED_IN,
    "ground_cover": _SIGNED_IN,
    "dataset": _SIGNED_IN,
    "organisation": _SIGNED_IN,
    # What lies above the own area is seen too, so that a page can say where it is.
    "area": "gt_area_range(level, code, scope_code) && (SELECT gt_scope('place'))",
    "building": _SEE.format("place"),
    "address": _SEE.format("place"),
    "component": _SEE.format("place"),
    "service_point": _SEE.format("place"),
    "door_plate": "EXISTS (SELECT FROM address WHERE address.id = address_id)",
    "device": _DEVICE,
    "device_state": _OF_A_DEVICE,
    "observation": _OF_A_DEVICE,
    "worker": f"{_SEE.format('worker')} OR id = (SELECT gt_self_worker())",
    "alarm": f"{_SEE.format('alarm')} AND {_OF_A_DEVICE}",
    "case_file": f"{_SEE.format('case')} OR worker_id = (SELECT gt_self_worker())",
    "journal": _JOURNAL,
    "feature_history": _HISTORY,
    "quarantine": _SYSTEM,
    "import_run": _SYSTEM,
    "import_reject": _SYSTEM,
    "audit": "(SELECT NOT isempty(gt_scope('audit')))",
}
"""Which rows of a table a request reads, by table, of the tables of that time; later ones bring their own.

A table without a policy is closed to requests."""

WRITES: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "alarm": (("UPDATE", "UPDATE (acknowledged_at, acknowledged_by)", _MAY.format("alarm_acknowledge")),),
    "case_file": (
        ("INSERT", "INSERT", _MAY.format("case_write")),
        ("UPDATE", "UPDATE", _MAY.format("case_write")),
    ),
    "journal": (
        (
            "INSERT",
            "INSERT",
            f"CASE split_part(kind, '.', 1) WHEN 'alarm' THEN {_MAY.format('alarm_acknowledge')} "
            f"WHEN 'case' THEN {_MAY.format('case_write')} ELSE false END",
        ),
    ),
}
"""What a request writes, by table: command, right, and which rows, before and after."""

_AUTH_TABLES: Final = ("account", "password_history", "membership", "credential")
_TWIN_WRITES: Final = ("observation", "device_state", "alarm", "journal", "quarantine")

_ROLES: Final = f"""
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['{"', '".join((*LOGINS, AUDIT))}'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the same server makes it at this moment
            END;
        END IF;
        -- Only where it is not so already: on a server of somebody else its administrator may have done it.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name AND (rolsuper
            OR rolcanlogin <> (name <> '{AUDIT}') OR rolbypassrls <> (name = '{TWIN}'))) THEN
            EXECUTE format('ALTER ROLE %I NOSUPERUSER %s %s', name,
                CASE WHEN name = '{AUDIT}' THEN 'NOLOGIN' ELSE 'LOGIN' END,
                CASE WHEN name = '{TWIN}' THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END);
        END IF;
    END LOOP;
END $$
"""

_FUNCTIONS: Final = (
    """
CREATE FUNCTION gt_scope(name text) RETURNS int8multirange LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('gridtwin.' || name, true), '')::int8multirange, '{}')
$$
""",
    """
CREATE FUNCTION gt_signed_in() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('gridtwin.signed_in', true), '') = 'yes'
$$
""",
    """
CREATE FUNCTION gt_self_worker() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('gridtwin.self_worker', true), '')::bigint
$$
""",
    # As its owner: the policy of devices must not wait for the policy of workers.
    """
CREATE FUNCTION gt_self_tracker() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT device_id FROM worker WHERE id = gt_self_worker()
$$
""",
    """
CREATE FUNCTION gt_area_range(level text, code text, scope_code bigint) RETURNS int8range
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE level
        WHEN 'city' THEN int8range(code::bigint, code::bigint + 99999999999, '[]')
        WHEN 'district' THEN int8range(code::bigint, code::bigint + 999999999, '[]')
        WHEN 'street' THEN int8range(code::bigint, code::bigint + 999999, '[]')
        WHEN 'community' THEN int8range(code::bigint, code::bigint + 999, '[]')
        ELSE int8range(scope_code, scope_code, '[]') END
$$
""",
    # Number of the newest event: appending needs it whoever appends, and a bare number is no secret.
    """
CREATE FUNCTION journal_newest() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(max(seq), 0) FROM journal
$$
""",
)

KEEP_HISTORY: Final = """
CREATE OR REPLACE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A row that only came into another scope is the same thing as before.
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME NOT IN ('road', 'ground_cover') THEN
        IF NEW.scope_code IS DISTINCT FROM OLD.scope_code
            AND to_jsonb(NEW) - 'scope_code' = to_jsonb(OLD) - 'scope_code' THEN
            RETURN NEW;
        END IF;
    END IF;
    -- A row that began in this very transaction was never seen by anyone: there is nothing to keep.
    IF OLD.valid_from < now() THEN
        -- Generated copies and geometry are left out of the jsonb: geometry is kept as geometry beside it.
        INSERT INTO feature_history (table_name, row_id, valid_from, valid_to, "row", geom)
        VALUES (TG_TABLE_NAME, OLD.id, OLD.valid_from, now(), to_jsonb(OLD) - 'geom' - 'geom_3857', OLD.geom);
    END IF;
    -- The new row begins where the old one ends, unless it is being closed.
    IF TG_OP = 'UPDATE' AND NEW.valid_to IS NULL THEN
        NEW.valid_from = now();
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
"""

# Their own text is part of the migration that made them, see above.
_AUDIT: Final = (
    f"""
CREATE FUNCTION audit_append(
    actor text, account_id uuid, roles text, address text, action text, object text, result text, reason text,
    detail jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    at timestamptz;
    seq bigint;
    prev bytea;
BEGIN
    -- One at a time to the end of the transaction: each row covers the one committed before it.
    PERFORM pg_advisory_xact_lock({Lock.RECORD});
    SELECT a.seq, a.hash INTO seq, prev FROM audit AS a ORDER BY a.seq DESC LIMIT 1;
    seq := coalesce(seq, 0) + 1;
    prev := coalesce(prev, decode(repeat('00', 32), 'hex'));
    at := clock_timestamp();
    INSERT INTO audit VALUES (
        seq, at, actor, account_id, roles, address, action, object, result, reason, detail, prev,
        sha256(convert_to(jsonb_build_array(
            seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, account_id, roles,
            address, action, object, result, reason, detail, encode(prev, 'hex'))::text, 'UTF8')));
    RETURN seq;
END $$
""",
    f"GRANT INSERT, SELECT ON audit TO {AUDIT}",
    f"GRANT USAGE ON SCHEMA public TO {AUDIT}",
    f"CREATE POLICY audit_append ON audit TO {AUDIT} USING (true) WITH CHECK (true)",
    f"ALTER FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) OWNER TO {AUDIT}",
    "REVOKE ALL ON FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) "
    f"TO {APP}, {TWIN}, {AUTH}",
    # An owner that is no superuser had to allow it, to hand the function over.
    f"REVOKE CREATE ON SCHEMA public FROM {AUDIT}",
)

# PostGIS does not say of its operators that they leak nothing, and without that the planner asks the policy
# of every row before it may use the spatial index. `&&` compares boxes and raises nothing that depends on a
# value; only a superuser can say so.
_LEAKPROOF: Final = """
DO $$
BEGIN
    ALTER FUNCTION geometry_overlaps(geometry, geometry) LEAKPROOF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'spatial queries will be slow: a superuser must mark geometry_overlaps LEAKPROOF';
END $$
"""

_SEPARATE_DUTIES: Final = """
CREATE FUNCTION separate_duties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.valid_to IS NULL AND EXISTS (
        SELECT FROM membership AS other
        WHERE other.account_id = NEW.account_id AND other.id <> NEW.id AND other.valid_to IS NULL
          AND duty_group(other.role) <> duty_group(NEW.role)) THEN
        RAISE EXCEPTION 'the role % cannot be held beside the roles this account has', NEW.role
            USING ERRCODE = 'check_violation', CONSTRAINT = 'separate_duties';
    END IF;
    RETURN NEW;
END $$
"""
_DUTY_GROUP: Final = """
CREATE FUNCTION duty_group(role text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE role WHEN 'system_admin' THEN 'system' WHEN 'security_admin' THEN 'security'
        WHEN 'auditor' THEN 'audit' WHEN 'wall' THEN 'machine' ELSE 'business' END
$$
"""


def _row_security() -> list[str]:
    statements = []
    for table in (*READS, *_AUTH_TABLES):
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            # FORCE holds for the owner too, who imports, divides and migrates.
            f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        ]
    for table, condition in READS.items():
        statements += [
            f"GRANT SELECT ON {table} TO {APP}",
            f"CREATE POLICY {table}_read ON {table} FOR SELECT TO {APP} USING ({condition})",
        ]
    for table, rights in WRITES.items():
        for command, right, condition in rights:
            using = f"USING ({condition}) " if command == "UPDATE" else ""
            statements += [
                f"GRANT {right} ON {table} TO {APP}",
                f"CREATE POLICY {table}_{command.lower()} ON {table} FOR {command} TO {APP} "
                f"{using}WITH CHECK ({condition})",
            ]
    for table in _AUTH_TABLES:
        statements += [
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {AUTH}",
            f"CREATE POLICY {table}_auth ON {table} TO {AUTH} USING (true) WITH CHECK (true)",
        ]
    for table in ("area", "worker"):  # to name what a role is held at, and whose account it is
        statements += [
            f"GRANT SELECT ON {table} TO {AUTH}",
            f"CREATE POLICY {table}_auth ON {table} FOR SELECT TO {AUTH} USING (true)",
        ]
    return statements


CREATE_STATEMENTS: Final[tuple[str, ...]] = (
    _ROLES,
    f"GRANT USAGE ON SCHEMA public TO {', '.join(LOGINS)}",
    *_FUNCTIONS,
    SCOPE_OF,
    SET_SCOPE_CODE,
    *(
        f"CREATE TRIGGER set_scope_code BEFORE {events} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION set_scope_code()"
        for table, events in SCOPE_TRIGGERS.items()
    ),
    ASSIGN_SCOPE_CODES,
    *_row_security(),
    f"GRANT SELECT ON {', '.join(table for table in READS if table != 'audit')} TO {TWIN}",
    f"GRANT INSERT, UPDATE ON {', '.join(_TWIN_WRITES)} TO {TWIN}",
    "ALTER FUNCTION ensure_observation_partition(date) SECURITY DEFINER SET search_path = public, pg_temp",
    "REVOKE ALL ON FUNCTION ensure_observation_partition(date) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION ensure_observation_partition(date) TO {TWIN}",
    "REVOKE ALL ON FUNCTION assign_scope_codes() FROM PUBLIC",
    *_AUDIT,
    _DUTY_GROUP,
    _SEPARATE_DUTIES,
    "CREATE TRIGGER separate_duties BEFORE INSERT OR UPDATE ON membership "
    "FOR EACH ROW EXECUTE FUNCTION separate_duties()",
    _LEAKPROOF,
)
"""Run in this order after the tables and the columns ``scope_code`` exist."""


def placed_table(table: str) -> tuple[str, ...]:
    """Return what lets requests see the rows of a table of places in their scope, set by its geometry."""
    return (
        f"CREATE TRIGGER set_scope_code BEFORE INSERT OR UPDATE OF geom ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION set_scope_code()",
        *readable_table(table, _SEE.format("place")),
    )


def readable_table(table: str, condition: str) -> tuple[str, ...]:
    """Return what lets requests see the rows of a new table that meet a condition, and the server all."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY {table}_read ON {table} FOR SELECT TO {APP} USING ({condition})",
        f"GRANT SELECT ON {table} TO {APP}, {TWIN}",
    )


DROP_STATEMENTS: Final[tuple[str, ...]] = (
    """
DO $$
DECLARE row record;
BEGIN
    FOR row IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP POLICY %I ON %I', row.policyname, row.tablename);
    END LOOP;
END $$
""",
    *(
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
        for table in (*READS, *_AUTH_TABLES)
    ),
    *(f"DROP TRIGGER set_scope_code ON {table}" for table in SCOPE_TRIGGERS),
    "DROP TRIGGER separate_duties ON membership",
    *(
        f"DROP FUNCTION {name}"
        for name in (
            "set_scope_code()",
            "assign_scope_codes()",
            "separate_duties()",
            "duty_group(text)",
            "audit_append(text, uuid, text, text, text, text, text, text, jsonb)",
            "gt_scope_of(geometry)",
            "gt_self_tracker()",
            "gt_self_worker()",
            "gt_signed_in()",
            "gt_scope(text)",
            "gt_area_range(text, text, bigint)",
            "journal_newest()",
        )
    ),
    _OLD_KEEP_HISTORY,
)
"""Take the policies and functions away again; the roles belong to the server and stay."""
