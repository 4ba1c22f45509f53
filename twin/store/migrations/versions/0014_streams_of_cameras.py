"""Keep where cameras are asked for pictures: sealed, given out on the record only.

Revision 0014, after 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The device is asked under its own policies.
_READ = "EXISTS (SELECT FROM device WHERE device.id = camera_source.device_id)"
_OPEN = "device_id, scheme, set_at, state, reason, since, sign_posted, retention_days"
_OWN = "device_id, address_sealed, state, reason, since"

# The only way of a request to an address. No row at all: there is no camera at which the caller may look.
_LOOK = """
CREATE FUNCTION look_at_camera(
    device_id integer, most integer, actor text, account_id uuid, roles text, address text, object text,
    reason text, detail jsonb, OUT wait_s integer, OUT address_sealed bytea, OUT made_up boolean
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    SELECT s.address_sealed, d.simulated OR d.readings_simulated INTO address_sealed, made_up
    FROM device AS d LEFT JOIN camera_source AS s ON s.device_id = d.id
    WHERE d.id = look_at_camera.device_id AND d.kind = 'camera' AND d.valid_to IS NULL
      AND d.scope_code <@ (SELECT gt_scope('place')) AND d.scope_code <@ (SELECT gt_scope('may_camera_look'));
    IF NOT FOUND THEN
        RETURN;
    END IF;
    wait_s := 0;
    IF address_sealed IS NOT NULL OR made_up THEN
        wait_s := record_within(
            most, actor, account_id, roles, address, 'camera.looked', object, reason, detail);
    END IF;
    IF wait_s > 0 THEN
        address_sealed := NULL;
    END IF;
    RETURN NEXT;
END $$
"""
_SIGNATURE = "integer, integer, text, uuid, text, text, text, text, jsonb"

_TELL = """
CREATE FUNCTION tell_cameras() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('cameras', '');
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "camera_source",
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sign_posted", sa.Boolean(), nullable=True),
        sa.Column("retention_days", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint(
            "scheme IN ('rtsp', 'rtsps', 'http', 'https')", name=op.f("ck_camera_source_scheme")
        ),
        sa.CheckConstraint("state IN ('unknown', 'ok', 'broken')", name=op.f("ck_camera_source_state")),
        sa.CheckConstraint("(state = 'broken') = (reason IS NOT NULL)", name=op.f("ck_camera_source_reason")),
        sa.CheckConstraint("retention_days >= 30", name=op.f("ck_camera_source_retention_days")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_camera_source_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_camera_source")),
    )
    for statement in (
        "ALTER TABLE camera_source ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE camera_source FORCE ROW LEVEL SECURITY",
        "CREATE POLICY camera_source_owner ON camera_source TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"GRANT SELECT ({_OPEN}) ON camera_source TO {APP}",
        f"CREATE POLICY camera_source_read ON camera_source FOR SELECT TO {APP} USING ({_READ})",
        f"GRANT SELECT ({_OWN}), UPDATE (state, reason, since) ON camera_source TO {TWIN}",
        _LOOK,
        f"REVOKE ALL ON FUNCTION look_at_camera({_SIGNATURE}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION look_at_camera({_SIGNATURE}) TO {APP}",
        _TELL,
        "CREATE TRIGGER tell_cameras AFTER INSERT OR DELETE OR UPDATE OF address_sealed ON camera_source "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_cameras()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION look_at_camera({_SIGNATURE})")
    op.drop_table("camera_source")
    op.execute("DROP FUNCTION tell_cameras()")
