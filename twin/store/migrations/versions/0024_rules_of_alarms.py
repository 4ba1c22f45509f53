"""Keep the rules by which alarms are raised, in all their versions, and say of each alarm by which it was.

Revision 0024, after 0023.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.policies import readable_table
from twin.store.roles import APP, TWIN

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_HOLDS = (
    "CASE WHEN area_code IS NULL THEN int8range(0, 999999999999999, '[]') "
    "ELSE gt_area_range(area_level, area_code, area_code::bigint) END"
)
_READ = "holds && (SELECT gt_scope('alarm'))"
_MAY = "holds <@ (SELECT gt_scope('may_rule_manage'))"
_WRITTEN = (
    "version, zh, en, state, area_code, area_level, kinds, property, condition, enabled, changed_by, reason"
)
_TELL = """
CREATE FUNCTION tell_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rules', '');
    RETURN NULL;
END $$
"""
# As that of revision 0022.
_OF_OWN_CASE = (
    "subject = ANY (ARRAY(SELECT 'case/' || c.id FROM case_file AS c "
    "WHERE c.worker_id = (SELECT gt_self_worker())))"
)
_TELLS = (
    f"CREATE POLICY journal_insert ON journal FOR INSERT TO {APP} WITH CHECK ("
    "CASE split_part(kind, '.', 1) "
    "WHEN 'alarm' THEN scope_code <@ (SELECT gt_scope('may_alarm_acknowledge')) {also}"
    f"WHEN 'case' THEN scope_code <@ (SELECT gt_scope('may_case_note')) OR {_OF_OWN_CASE} ELSE false END)"
)


def _time(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "alarm_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=True),
        sa.Column("area_level", sa.Text(), nullable=True),
        sa.Column("holds", postgresql.INT8RANGE(), sa.Computed(_HOLDS, persisted=True), nullable=True),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("property", sa.Text(), nullable=True),
        sa.Column("condition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failed", sa.Text(), nullable=True),
        _time("valid_from", server_default=sa.text("now()"), nullable=False),
        _time("valid_to", nullable=True),
        sa.CheckConstraint("version >= 1", name=op.f("ck_alarm_rule_version")),
        sa.CheckConstraint("state BETWEEN 3 AND 5", name=op.f("ck_alarm_rule_state")),
        sa.CheckConstraint("(area_code IS NULL) = (area_level IS NULL)", name=op.f("ck_alarm_rule_area")),
        sa.CheckConstraint("area_code ~ '^[0-9]{15}$'", name=op.f("ck_alarm_rule_area_code")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_alarm_rule_valid")),
        sa.CheckConstraint("failed IS NULL OR NOT enabled", name=op.f("ck_alarm_rule_failed")),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_alarm_rule")),
    )
    op.create_index(
        "uq_alarm_rule_valid", "alarm_rule", ["id"], unique=True, postgresql_where=sa.text("valid_to IS NULL")
    )
    op.create_table(
        "alarm_rule_series",
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("property", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("learned", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id", "version"],
            ["alarm_rule.id", "alarm_rule.version"],
            name=op.f("fk_alarm_rule_series_rule_id"),
        ),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_alarm_rule_series_device_id")),
        sa.PrimaryKeyConstraint("rule_id", "device_id", "property", name=op.f("pk_alarm_rule_series")),
    )
    op.add_column("alarm", sa.Column("rule_id", sa.BigInteger(), nullable=True))
    op.add_column("alarm", sa.Column("rule_version", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_alarm_rule_id"), "alarm", "alarm_rule", ["rule_id", "rule_version"], ["id", "version"]
    )
    op.create_check_constraint(op.f("ck_alarm_rule"), "alarm", "(rule_id IS NULL) = (rule_version IS NULL)")
    op.create_check_constraint(
        op.f("ck_alarm_property"), "alarm", "property IS NOT NULL OR rule_id IS NOT NULL"
    )
    op.alter_column("alarm", "property", nullable=True)
    op.drop_index("uq_alarm_open", "alarm")
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["device_id", "property", "rule_id"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    for statement in (
        *readable_table("alarm_rule", _READ),
        # Added and closed, never rewritten: who may manage a rule cannot make a version say something else.
        f"GRANT INSERT ({_WRITTEN}), INSERT (id), UPDATE (valid_to) ON alarm_rule TO {APP}",
        f"CREATE POLICY alarm_rule_insert ON alarm_rule FOR INSERT TO {APP} WITH CHECK ({_MAY})",
        f"CREATE POLICY alarm_rule_update ON alarm_rule FOR UPDATE TO {APP} "
        f"USING ({_MAY}) WITH CHECK ({_MAY})",
        f"GRANT INSERT, UPDATE (valid_to) ON alarm_rule TO {TWIN}",
        "ALTER TABLE alarm_rule_series ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE alarm_rule_series FORCE ROW LEVEL SECURITY",
        "CREATE POLICY alarm_rule_series_owner ON alarm_rule_series TO CURRENT_USER "
        "USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON alarm_rule_series TO {TWIN}",
        "DROP POLICY journal_insert ON journal",
        _TELLS.format(also="WHEN 'rule' THEN scope_code <@ (SELECT gt_scope('may_rule_manage')) "),
        _TELL,
        "CREATE TRIGGER tell_rules AFTER INSERT OR UPDATE OR DELETE ON alarm_rule "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_rules()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP POLICY journal_insert ON journal")
    op.execute(_TELLS.format(also=""))
    op.execute("DELETE FROM alarm WHERE rule_id IS NOT NULL")
    op.drop_index("uq_alarm_open", "alarm")
    op.drop_constraint(op.f("ck_alarm_property"), "alarm", type_="check")
    op.drop_constraint(op.f("ck_alarm_rule"), "alarm", type_="check")
    op.drop_column("alarm", "rule_version")
    op.drop_column("alarm", "rule_id")
    op.alter_column("alarm", "property", nullable=False)
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["device_id", "property"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.drop_table("alarm_rule_series")
    op.drop_table("alarm_rule")
    op.execute("DROP FUNCTION tell_rules()")
