"""Let alarms be put aside for a while, be expected during maintenance, and raise a case by themselves.

Revision 0032, after 0031.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.policies import readable_table
from twin.store.roles import APP, TWIN

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_HOLDS = (
    "CASE WHEN area_code IS NULL THEN int8range(0, 999999999999999, '[]') "
    "ELSE gt_area_range(area_level, area_code, area_code::bigint) END"
)
_SEEN = (
    "(group_id IS NULL OR EXISTS (SELECT FROM alarm_group AS g WHERE g.id = group_id)) "
    "AND (device_id IS NULL OR EXISTS (SELECT FROM device WHERE device.id = device_id))"
)
_SHELVED = f"scope_code <@ (SELECT gt_scope('alarm')) AND {_SEEN}"
_MAY_SHELVE = f"scope_code <@ (SELECT gt_scope('may_alarm_acknowledge')) AND {_SEEN}"
_MAY_EXPECT = "holds <@ (SELECT gt_scope('may_rule_manage'))"
_EXPECTED = "area_code, area_level, geom, kind, reason, made_by, begins_at, ends_at"

_PLACE = """
CREATE FUNCTION place_shelving() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    NEW.scope_code := coalesce((SELECT scope_code FROM alarm_group WHERE id = NEW.group_id),
        (SELECT scope_code FROM device WHERE id = NEW.device_id), 0);
    RETURN NEW;
END $$
"""

# Nobody reports what the installation itself does.
_BY_ACCOUNT = "'account/' || account_id"
_BY_SYSTEM = (
    "CASE WHEN account_id = '00000000-0000-0000-0000-000000000000' THEN 'system' "
    "ELSE 'account/' || account_id END"
)
_REPORTS = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'report_case')),
        $from${before}$from$, $to${after}$to$);
END $do$
"""
_ON_REPORTS = """
DO $do$ BEGIN
    EXECUTE format('{right}', (SELECT oid::regprocedure FROM pg_proc WHERE proname = 'report_case'));
END $do$
"""


def _time(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def _make_tables() -> None:
    op.create_table(
        "maintenance_window",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=True),
        sa.Column("area_level", sa.Text(), nullable=True),
        sa.Column("holds", postgresql.INT8RANGE(), sa.Computed(_HOLDS, persisted=True), nullable=True),
        sa.Column("geom", Geometry("POLYGON", srid=4326, dimension=2, spatial_index=False), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        _time("made_at", server_default=sa.text("now()"), nullable=False),
        _time("begins_at", nullable=False),
        _time("ends_at", nullable=False),
        _time("ended_at", nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(area_code IS NULL) = (area_level IS NULL)", name=op.f("ck_maintenance_window_area")
        ),
        sa.CheckConstraint("area_code ~ '^[0-9]{15}$'", name=op.f("ck_maintenance_window_area_code")),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_maintenance_window_reason")
        ),
        sa.CheckConstraint("ends_at > begins_at", name=op.f("ck_maintenance_window_ends")),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_maintenance_window_ended")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_window")),
    )
    op.create_index(
        "ix_maintenance_window_ends_at",
        "maintenance_window",
        ["ends_at"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "shelving",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("shelved_by", sa.Text(), nullable=False),
        _time("begins_at", server_default=sa.text("now()"), nullable=False),
        _time("until_at", nullable=False),
        _time("ended_at", nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("scope_code", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("num_nonnulls(group_id, device_id) = 1", name=op.f("ck_shelving_of")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_shelving_reason")),
        sa.CheckConstraint(
            "until_at > begins_at AND until_at <= begins_at + interval '8 hours'",
            name=op.f("ck_shelving_until"),
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_shelving_ended")),
        sa.ForeignKeyConstraint(["group_id"], ["alarm_group.id"], name=op.f("fk_shelving_group_id")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_shelving_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shelving")),
    )
    for of in ("group_id", "device_id"):
        op.create_index(
            f"uq_shelving_{of}", "shelving", [of], unique=True, postgresql_where=sa.text("ended_at IS NULL")
        )
    op.create_index(op.f("ix_shelving_scope_code"), "shelving", ["scope_code"])


def upgrade() -> None:
    _make_tables()
    op.add_column("alarm", sa.Column("maintenance_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_alarm_maintenance_id"), "alarm", "maintenance_window", ["maintenance_id"], ["id"]
    )
    op.create_index(op.f("ix_alarm_maintenance_id"), "alarm", ["maintenance_id"])
    op.add_column("alarm_group", sa.Column("no_case", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_alarm_group_no_case"),
        "alarm_group",
        "no_case IS NULL OR (no_case IN ('no_area', 'failed') AND case_id IS NULL)",
    )
    # What is open already was looked at by people: only what opens from now on raises a case by itself.
    op.execute("UPDATE alarm_group SET no_case = 'failed' WHERE case_id IS NULL AND ended_at IS NULL")
    for statement in (
        _PLACE,
        "CREATE TRIGGER place_shelving BEFORE INSERT ON shelving "
        "FOR EACH ROW EXECUTE FUNCTION place_shelving()",
        *readable_table("shelving", _SHELVED),
        f"GRANT INSERT (group_id, device_id, reason, shelved_by, until_at), UPDATE (ended_at, ended_by) "
        f"ON shelving TO {APP}",
        f"CREATE POLICY shelving_insert ON shelving FOR INSERT TO {APP} WITH CHECK ({_MAY_SHELVE})",
        f"CREATE POLICY shelving_update ON shelving FOR UPDATE TO {APP} "
        f"USING ({_MAY_SHELVE}) WITH CHECK ({_MAY_SHELVE})",
        f"GRANT UPDATE (ended_at, ended_by) ON shelving TO {TWIN}",
        *readable_table("maintenance_window", "holds && (SELECT gt_scope('alarm'))"),
        f"GRANT INSERT ({_EXPECTED}), UPDATE (ended_at, ended_by) ON maintenance_window TO {APP}",
        f"CREATE POLICY maintenance_window_insert ON maintenance_window FOR INSERT TO {APP} "
        f"WITH CHECK ({_MAY_EXPECT})",
        f"CREATE POLICY maintenance_window_update ON maintenance_window FOR UPDATE TO {APP} "
        f"USING ({_MAY_EXPECT}) WITH CHECK ({_MAY_EXPECT})",
        _REPORTS.format(before=_BY_ACCOUNT, after=_BY_SYSTEM),
        _ON_REPORTS.format(right=f"GRANT EXECUTE ON FUNCTION %s TO {TWIN}"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(_ON_REPORTS.format(right=f"REVOKE EXECUTE ON FUNCTION %s FROM {TWIN}"))
    op.execute(_REPORTS.format(before=_BY_SYSTEM, after=_BY_ACCOUNT))
    op.drop_constraint(op.f("ck_alarm_group_no_case"), "alarm_group", type_="check")
    op.drop_column("alarm_group", "no_case")
    op.drop_column("alarm", "maintenance_id")
    op.drop_table("shelving")
    op.drop_table("maintenance_window")
    op.execute("DROP FUNCTION place_shelving()")
