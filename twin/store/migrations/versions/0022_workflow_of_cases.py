"""Keep where cases stand, changed by acts only, each of which the journal tells in the same transaction.

Revision 0022, after 0021.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.roles import APP, TWIN

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_COLUMNS = (
    sa.Column("organisation_id", sa.BigInteger(), nullable=True),
    sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True),
    sa.Column("stage_due_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("clock_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("outcome", sa.Text(), nullable=True),
    sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column(
        "pauses", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
    ),
    sa.Column("clock_events", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("supervised_by", sa.Text(), nullable=True),
    sa.Column("called_up", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("linked_to", sa.BigInteger(), nullable=True),
    sa.Column("repeats", sa.Integer(), server_default=sa.text("0"), nullable=False),
    sa.Column("repaired_by", sa.Uuid(), nullable=True),
    sa.Column("extensions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("reworks", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("rating", sa.SmallInteger(), nullable=True),
)
_CHECKS = {
    "outcome": "outcome IN ('closed', 'rejected', 'void')",
    "ended": "(outcome IS NULL) = (closed_at IS NULL)",
    "rated": "(stage = 'rated') = (outcome IS NOT DISTINCT FROM 'closed')",
    "nothing_waits": "outcome IS NULL OR (asked IS NULL AND parked_at IS NULL)",
    "rating": "rating IS NULL OR (rating BETWEEN 1 AND 5 AND stage = 'rated')",
    "linked_to_another": "linked_to <> id",
    "counts": "least(repeats, called_up, extensions, reworks) >= 0",
    "clock_events": "clock_events BETWEEN 0 AND 3",
}
_KEYS = {"organisation_id": "organisation", "linked_to": "case_file"}

# Fields of `twin.cases.states.CaseState`.
_ACTED = (
    *(column.name for column in _COLUMNS),
    *("stage", "category_code", "priority", "worker_id", "due_at", "closed_at", "version"),
)

_ONE_BY_ONE = f"""
CREATE FUNCTION case_acts_are_numbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'case % is changed by acts, which are numbered', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'case_acts_are_numbered';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER case_acts_are_numbered BEFORE UPDATE ON case_file FOR EACH ROW
    WHEN (({", ".join("OLD." + name for name in _ACTED)})
        IS DISTINCT FROM ({", ".join("NEW." + name for name in _ACTED)}))
    EXECUTE FUNCTION case_acts_are_numbered()
"""

# At the end of the transaction, since the journal is written last; as its owner, who sees the whole of it.
_TOLD = """
CREATE FUNCTION case_acts_are_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM journal WHERE subject = 'case/' || NEW.id
                   AND (data ->> 'version')::integer = NEW.version) THEN
        RAISE EXCEPTION 'act % on case % is not in the journal', NEW.version, NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'case_acts_are_told';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER case_acts_are_told AFTER UPDATE ON case_file DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION case_acts_are_told()
"""

_MAY_ACT = "scope_code <@ (SELECT gt_scope('may_case_note')) OR worker_id = (SELECT gt_self_worker())"
# An array is asked for once a query.
_OF_OWN_CASE = (
    "subject = ANY (ARRAY(SELECT 'case/' || c.id FROM case_file AS c "
    "WHERE c.worker_id = (SELECT gt_self_worker())))"
)
_MAY_TELL = (
    "CASE split_part(kind, '.', 1) "
    "WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('may_alarm_acknowledge')) "
    f"WHEN 'case' THEN scope_code <@ (SELECT gt_scope('may_case_note')) OR {_OF_OWN_CASE} ELSE false END"
)
# As before, and what is told of the cases that were given to the worker who reads.
_SEES_TOLD = (
    "CASE split_part(kind, '.', 1) WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('alarm')) AND "
    "(data ->> 'kind' IS DISTINCT FROM 'worker' OR scope_code <@ (SELECT gt_scope('worker'))) "
    "WHEN 'case' THEN scope_code <@ (SELECT gt_scope('case')){own} "
    "ELSE scope_code <@ (SELECT gt_scope('place')) END"
)
_MAY_FILE_ANY = "(SELECT NOT isempty(gt_scope('may_case_file')) OR NOT isempty(gt_scope('may_case_report')))"
_PHOTOGRAPH = f"EXISTS (SELECT FROM case_file AS c WHERE c.id = photograph.case_id AND ({_MAY_ACT}))"

_OLD_MAY_TELL = (
    "CASE split_part(kind, '.', 1) "
    "WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('may_alarm_acknowledge')) "
    "WHEN 'case' THEN scope_code <@ (SELECT gt_scope('may_case_write')) ELSE false END"
)
_OLD_MAY = "scope_code <@ (SELECT gt_scope('may_case_write'))"

_MAY_FILE = """
CREATE OR REPLACE FUNCTION gt_may_file(source text) RETURNS int8multirange LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT gt_scope('may_{act}')
        + CASE WHEN source IN ('resident', 'hotline') THEN gt_scope('may_case_report') ELSE '{{}}' END
$$
"""

# As that of revision 0011, which said `case.filed`; here whether it is a case is still to be decided.
_REPORT = """
CREATE FUNCTION report_case(
    day date, title text, title_en text, category_code text, source text, priority integer,
    lon float8, lat float8, address text, reporter_id uuid, simulated boolean,
    account_id uuid, client_key bytea, sent_sha256 bytea, token_id uuid, token_sha256 bytea, description text,
    media_url text, attributes jsonb, at timestamptz, stage_due_at timestamptz, clock_at timestamptz,
    OUT case_id bigint, OUT number text, OUT scope_code bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    place geometry := ST_SetSRID(ST_MakePoint(lon, lat), 4326);
    counted integer;
    newest bigint;
BEGIN
    scope_code := gt_scope_of(place);
    IF scope_code = 0 OR NOT scope_code <@ gt_may_file(source) THEN
        RAISE EXCEPTION 'no case may be reported there' USING ERRCODE = 'insufficient_privilege',
            CONSTRAINT = 'report_case';
    END IF;
    INSERT INTO case_series AS s (day, last) VALUES (report_case.day, 1)
        ON CONFLICT ON CONSTRAINT pk_case_series DO UPDATE SET last = s.last + 1
        RETURNING s.last INTO counted;
    number := to_char(day, 'YYYYMMDD') || '-' || lpad(counted::text, greatest(5, length(counted::text)), '0');
    INSERT INTO case_file AS c (number, title, title_en, category_code, source, priority, geom, address,
        unit_grid_id, responsibility_grid_id, reporter_id, opened_at, stage_since, stage_due_at, clock_at,
        simulated)
    VALUES (number, title, title_en, category_code, source, priority, place, address,
        (SELECT a.id FROM area AS a WHERE a.valid_to IS NULL AND a.level = 'unit_grid'
            AND a.geom && place AND ST_Intersects(a.geom, place) ORDER BY a.id LIMIT 1),
        (SELECT a.id FROM area AS a WHERE a.valid_to IS NULL AND a.level = 'responsibility_grid'
            AND a.geom && place AND ST_Intersects(a.geom, place) ORDER BY a.code LIMIT 1),
        reporter_id, at, at, stage_due_at, clock_at, simulated)
    RETURNING c.id, c.scope_code INTO case_id, scope_code;
    INSERT INTO case_report (case_id, account_id, client_key, sent_sha256, token_id, token_sha256,
        description, media_url, attributes, filed_at)
    VALUES (case_id, account_id, client_key, sent_sha256, token_id, token_sha256, description, media_url,
        attributes, clock_timestamp());
    PERFORM pg_advisory_xact_lock(7105301);
    INSERT INTO journal (seq, at, kind, subject, area_code, actor, data)
    VALUES (journal_newest() + 1, clock_timestamp(), 'case.reported', 'case/' || case_id,
        lpad(scope_code::text, 15, '0'), 'account/' || account_id,
        jsonb_build_object('case_id', case_id, 'number', number, 'title', title, 'title_en', title_en,
            'category', category_code, 'source', source, 'stage', 'collected', 'lon', lon, 'lat', lat,
            'simulated', simulated, 'version', 1, 'changes', jsonb_build_object(
                'category_code', category_code, 'priority', priority, 'stage_since', at,
                'stage_due_at', stage_due_at, 'clock_at', clock_at)))
    RETURNING seq INTO newest;
    PERFORM pg_notify('journal', newest::text);
END $$
"""
_REPORT_SIGNATURE = (
    "date, text, text, text, text, integer, float8, float8, text, uuid, boolean, uuid, bytea, "
    "bytea, uuid, bytea, text, text, jsonb, timestamptz, timestamptz, "
    "timestamptz"
)
_OLD_SIGNATURE = (
    "date, text, text, text, text, integer, float8, float8, text, uuid, boolean, uuid, bytea, "
    "bytea, uuid, bytea, text, text, jsonb"
)


def _policies(rows: str, told: str, seen: str, photograph: str, person: str) -> tuple[str, ...]:
    return (
        "DROP POLICY journal_read ON journal",
        f"CREATE POLICY journal_read ON journal FOR SELECT TO {APP} USING ({seen})",
        "DROP POLICY case_file_update ON case_file",
        f"CREATE POLICY case_file_update ON case_file FOR UPDATE TO {APP} USING ({rows}) WITH CHECK ({rows})",
        "DROP POLICY journal_insert ON journal",
        f"CREATE POLICY journal_insert ON journal FOR INSERT TO {APP} WITH CHECK ({told})",
        "DROP POLICY photograph_insert ON photograph",
        f"CREATE POLICY photograph_insert ON photograph FOR INSERT TO {APP} WITH CHECK ({photograph})",
        "DROP POLICY person_insert ON person",
        f"CREATE POLICY person_insert ON person FOR INSERT TO {APP} WITH CHECK ({person})",
    )


def upgrade() -> None:
    for column in _COLUMNS:
        op.add_column("case_file", column)
    # Of cases from before nobody knows more than when they were opened and closed.
    op.execute(
        "UPDATE case_file SET stage_since = opened_at, "
        "filed_at = CASE WHEN stage <> 'collected' THEN opened_at END, "
        "stage = CASE WHEN closed_at IS NOT NULL THEN 'rated' WHEN stage = 'rated' THEN 'checking' "
        "ELSE stage END, outcome = CASE WHEN closed_at IS NOT NULL THEN 'closed' END"
    )
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_case_file_{name}"), "case_file", condition)
    for key, table in _KEYS.items():
        op.create_foreign_key(op.f(f"fk_case_file_{key}"), "case_file", table, [key], ["id"])
        op.create_index(op.f(f"ix_case_file_{key}"), "case_file", [key])
    op.create_index(
        "ix_case_file_clock_at",
        "case_file",
        ["clock_at"],
        postgresql_where=sa.text("clock_at IS NOT NULL"),
    )
    for statement in (
        _ONE_BY_ONE,
        _TOLD,
        *_policies(
            _MAY_ACT, _MAY_TELL, _SEES_TOLD.format(own=f" OR {_OF_OWN_CASE}"), _PHOTOGRAPH, _MAY_FILE_ANY
        ),
        "DROP POLICY case_file_insert ON case_file",
        f"REVOKE INSERT, UPDATE ON case_file FROM {APP}",
        f"GRANT UPDATE ({', '.join(_ACTED)}) ON case_file TO {APP}, {TWIN}",
        _MAY_FILE.format(act="case_file"),
        f"DROP FUNCTION file_case({_OLD_SIGNATURE})",
        _REPORT,
        f"REVOKE ALL ON FUNCTION report_case({_REPORT_SIGNATURE}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION report_case({_REPORT_SIGNATURE}) TO {APP}",
    ):
        op.execute(statement)


def _file_of_revision_11() -> str:
    spec = importlib.util.spec_from_file_location(
        "reports_of_cases", Path(__file__).with_name("0011_reports_of_cases.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    statement: str = module._FILE
    return statement


def downgrade() -> None:
    photograph = f"EXISTS (SELECT FROM case_file AS c WHERE c.id = photograph.case_id AND (c.{_OLD_MAY} OR "
    for statement in (
        f"DROP FUNCTION report_case({_REPORT_SIGNATURE})",
        _file_of_revision_11(),
        f"REVOKE ALL ON FUNCTION file_case({_OLD_SIGNATURE}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION file_case({_OLD_SIGNATURE}) TO {APP}",
        _MAY_FILE.format(act="case_write"),
        *_policies(
            _OLD_MAY,
            _OLD_MAY_TELL,
            _SEES_TOLD.format(own=""),
            photograph + "c.worker_id = (SELECT gt_self_worker())))",
            "(SELECT NOT isempty(gt_scope('may_case_write')) OR NOT isempty(gt_scope('may_case_report')))",
        ),
        f"REVOKE UPDATE ON case_file FROM {APP}, {TWIN}",
        f"GRANT INSERT, UPDATE ON case_file TO {APP}",
        f"CREATE POLICY case_file_insert ON case_file FOR INSERT TO {APP} WITH CHECK ({_OLD_MAY})",
        "DROP TRIGGER case_acts_are_told ON case_file",
        "DROP TRIGGER case_acts_are_numbered ON case_file",
        "DROP FUNCTION case_acts_are_told()",
        "DROP FUNCTION case_acts_are_numbered()",
    ):
        op.execute(statement)
    for name in _CHECKS:
        op.drop_constraint(op.f(f"ck_case_file_{name}"), "case_file", type_="check")
    for added in reversed(_COLUMNS):
        op.drop_column("case_file", added.name)
