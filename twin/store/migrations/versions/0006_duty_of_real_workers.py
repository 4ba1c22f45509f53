"""Let workers begin and end their duty, see their own track, and see who looked at it.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whoever may end a duty could else put its end off, which is to begin one without consent.
_ONLY_SOONER = """
CREATE FUNCTION only_sooner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ends_at IS NULL AND OLD.ends_at IS NOT NULL OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION 'the end of a duty cannot be put off'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'only_sooner';
    END IF;
    RETURN NEW;
END $$
"""

_NOTE_HANDOVER = """
CREATE FUNCTION note_handover() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.device_id IS DISTINCT FROM OLD.device_id THEN
        NEW.device_since := CASE WHEN NEW.device_id IS NOT NULL THEN now() END;
    END IF;
    RETURN NEW;
END $$
"""

# The record is read by auditors only. This tells one worker of the looks at their own track, and of each only
# who looked, when, why and how far back: who else was looked at in the same look is not told.
_OWN_LOOKS = """
CREATE FUNCTION own_looks(since timestamptz, most integer)
RETURNS TABLE (at timestamptz, actor text, roles text, reason text, minutes float8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT at, actor, roles, reason, (detail ->> 'minutes')::float8 FROM audit
    WHERE action = 'track.read' AND result = 'done' AND at >= since
      AND detail -> 'workers' @> to_jsonb(nullif(current_setting('gridtwin.self_worker', true), '')::bigint)
    ORDER BY seq DESC LIMIT most
$$
"""

_OWN = "worker_id = (SELECT gt_self_worker())"
_MAY_END = (
    "EXISTS (SELECT FROM worker WHERE worker.id = worker_id "
    "AND worker.scope_code <@ (SELECT gt_scope('may_duty_end')))"
)


def upgrade() -> None:
    op.add_column("worker", sa.Column("device_since", sa.DateTime(timezone=True), nullable=True))
    op.execute(_NOTE_HANDOVER)
    op.execute(
        "CREATE TRIGGER note_handover BEFORE INSERT OR UPDATE OF device_id ON worker "
        "FOR EACH ROW EXECUTE FUNCTION note_handover()"
    )
    op.add_column(
        "duty", sa.Column("client_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    )
    op.add_column("duty", sa.Column("planned_end_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("duty", sa.Column("end_reason", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(
        op.f("ck_duty_ended_by"),
        "duty",
        "ended_by IN ('worker', 'staff', 'plan', 'limit', 'command line', 'simulation')",
    )
    op.drop_index(op.f("ix_duty_worker_id"), table_name="duty")
    op.create_index("uq_duty_worker_id_client_id", "duty", ["worker_id", "client_id"], unique=True)
    op.create_index("ix_duty_not_ended", "duty", ["ends_at"], postgresql_where=sa.text("ended_by IS NULL"))
    op.execute(_ONLY_SOONER)
    op.execute(
        "CREATE TRIGGER only_sooner BEFORE UPDATE OF ends_at ON duty "
        "FOR EACH ROW EXECUTE FUNCTION only_sooner()"
    )
    op.execute(
        "GRANT SELECT, INSERT (worker_id, client_id, starts_at, ends_at, planned_end_at, consent_at), "
        f"UPDATE (ends_at, ended_by, end_reason) ON duty TO {APP}"
    )
    op.execute(f"CREATE POLICY duty_read ON duty FOR SELECT TO {APP} USING ({_OWN} OR {_MAY_END})")
    op.execute(f"CREATE POLICY duty_insert ON duty FOR INSERT TO {APP} WITH CHECK ({_OWN})")
    op.execute(
        f"CREATE POLICY duty_update ON duty FOR UPDATE TO {APP} USING ({_OWN} OR {_MAY_END}) "
        f"WITH CHECK ({_OWN} OR {_MAY_END})"
    )
    op.execute(f"GRANT UPDATE (ended_by) ON duty TO {TWIN}")
    op.execute(_OWN_LOOKS)
    op.execute("REVOKE ALL ON FUNCTION own_looks(timestamptz, integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION own_looks(timestamptz, integer) TO {APP}")


def downgrade() -> None:
    op.execute("DROP FUNCTION own_looks(timestamptz, integer)")
    op.execute(f"REVOKE UPDATE (ended_by) ON duty FROM {TWIN}")
    for policy in ("duty_read", "duty_insert", "duty_update"):
        op.execute(f"DROP POLICY {policy} ON duty")
    op.execute(f"REVOKE ALL ON duty FROM {APP}")
    op.execute("DROP TRIGGER only_sooner ON duty")
    op.execute("DROP TRIGGER note_handover ON worker")
    op.execute("DROP FUNCTION only_sooner()")
    op.execute("DROP FUNCTION note_handover()")
    op.drop_index("ix_duty_not_ended", table_name="duty")
    op.drop_index("uq_duty_worker_id_client_id", table_name="duty")
    op.create_index(op.f("ix_duty_worker_id"), "duty", ["worker_id"], unique=False)
    op.drop_constraint(op.f("ck_duty_ended_by"), "duty")
    for column in ("client_id", "planned_end_at", "end_reason"):
        op.drop_column("duty", column)
    op.drop_column("worker", "device_since")
