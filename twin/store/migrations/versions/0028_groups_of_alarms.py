"""Keep alarms that belong together as groups, one in a place at a time, which hold the case.

Revision 0028, after 0027.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.policies import readable_table
from twin.store.roles import TWIN

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Alarms of before: those of one case are a group, each other one its own. None of them gathers more.
_FIRST_GROUPS = (
    "ALTER TABLE alarm_group ADD COLUMN first_alarm bigint",
    """
    INSERT INTO alarm_group (first_alarm, family, geom, seed_box, opened_at, gathers_until, ended_at,
        worst_state, alarms, open_alarms, case_id, simulated, scope_code)
    SELECT a.id, d.kind, d.geom, ST_Expand(d.geom, 0.001), a.raised_at, a.raised_at,
        CASE WHEN whole.open_alarms = 0 THEN whole.ended_at END,
        whole.worst_state, whole.alarms, whole.open_alarms, a.case_id, a.simulated, a.scope_code
    FROM (SELECT min(id) AS id, max(cleared_at) AS ended_at, max(worst_state) AS worst_state,
              count(*) AS alarms, count(*) FILTER (WHERE cleared_at IS NULL) AS open_alarms
          FROM alarm GROUP BY coalesce('case ' || case_id, 'alarm ' || id)) AS whole
    JOIN alarm AS a ON a.id = whole.id JOIN device AS d ON d.id = a.device_id
    """,
    """
    UPDATE alarm SET group_id = g.id FROM alarm_group AS g
    WHERE g.first_alarm = alarm.id OR g.case_id = alarm.case_id
    """,
    "ALTER TABLE alarm_group DROP COLUMN first_alarm",
)

# Put into the function as it is in this database: several revisions have added to it.
_END = "    RETURN total + changed;"
_MORE = """    total := total + changed;
    UPDATE alarm_group SET scope_code = placed.code FROM (
        SELECT id, gt_scope_of(geom) AS code FROM alarm_group WHERE ended_at IS NULL) AS placed
    WHERE alarm_group.id = placed.id AND alarm_group.scope_code <> placed.code;
    GET DIAGNOSTICS changed = ROW_COUNT;
"""
_ASSIGN = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('assign_scope_codes()'::regprocedure), $from${before}$from$,
        $to${after}$to$);
END $do$
"""

_READ = "EXISTS (SELECT FROM alarm WHERE alarm.group_id = alarm_group.id)"


def upgrade() -> None:
    op.create_table(
        "alarm_group",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("geom", Geometry("POINT", srid=4326, dimension=2, spatial_index=False), nullable=False),
        sa.Column(
            "seed_box", Geometry("POLYGON", srid=4326, dimension=2, spatial_index=False), nullable=False
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gathers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worst_state", sa.SmallInteger(), nullable=False),
        sa.Column("alarms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_alarms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("worst_state BETWEEN 3 AND 5", name=op.f("ck_alarm_group_worst_state")),
        sa.CheckConstraint("gathers_until >= opened_at", name=op.f("ck_alarm_group_gathers")),
        sa.CheckConstraint("open_alarms BETWEEN 0 AND alarms", name=op.f("ck_alarm_group_alarms")),
        sa.CheckConstraint("ended_at IS NULL OR open_alarms = 0", name=op.f("ck_alarm_group_ended")),
        postgresql.ExcludeConstraint(
            (sa.column("family"), "="),
            (sa.text("CAST(simulated AS integer)"), "="),
            (sa.column("seed_box"), "&&"),
            (sa.text("tstzrange(opened_at, gathers_until)"), "&&"),
            using="gist",
            name="ex_alarm_group_gathers_alone",
        ),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_alarm_group_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_group")),
        sa.UniqueConstraint("case_id", name=op.f("uq_alarm_group_case_id")),
    )
    op.create_index("ix_alarm_group_opened_at", "alarm_group", ["opened_at"])
    op.create_index("ix_alarm_group_gathers_until", "alarm_group", ["gathers_until"])
    op.create_index(op.f("ix_alarm_group_scope_code"), "alarm_group", ["scope_code"])
    op.add_column("alarm", sa.Column("group_id", sa.BigInteger(), nullable=True))
    for statement in _FIRST_GROUPS:
        op.execute(statement)
    op.alter_column("alarm", "group_id", nullable=False)
    op.create_foreign_key(op.f("fk_alarm_group_id"), "alarm", "alarm_group", ["group_id"], ["id"])
    op.create_index(op.f("ix_alarm_group_id"), "alarm", ["group_id"])
    op.drop_column("alarm", "case_id")
    for statement in (
        *readable_table("alarm_group", _READ),
        f"GRANT INSERT, UPDATE ON alarm_group TO {TWIN}",
        _ASSIGN.format(before=_END, after=_MORE + _END),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(_ASSIGN.format(before=_MORE + _END, after=_END))
    op.add_column("alarm", sa.Column("case_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE alarm SET case_id = g.case_id FROM alarm_group AS g WHERE g.id = alarm.group_id")
    op.create_foreign_key(op.f("fk_alarm_case_id"), "alarm", "case_file", ["case_id"], ["id"])
    op.create_index(op.f("ix_alarm_case_id"), "alarm", ["case_id"])
    op.execute("DROP POLICY alarm_group_read ON alarm_group")
    op.drop_column("alarm", "group_id")
    op.drop_table("alarm_group")
