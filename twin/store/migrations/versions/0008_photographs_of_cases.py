"""Keep photographs of cases, seen by whoever sees their case.

Revision 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from twin.store.roles import APP

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The case is asked under its own policies: whoever does not see it sees no photograph of it and adds none.
_READ = "EXISTS (SELECT FROM case_file AS c WHERE c.id = photograph.case_id)"
_INSERT = (
    "EXISTS (SELECT FROM case_file AS c WHERE c.id = photograph.case_id AND ("
    "c.scope_code <@ (SELECT gt_scope('may_case_write')) OR c.worker_id = (SELECT gt_self_worker())))"
)

# As its owner: a worker adds photographs to the own case and must not write the journal otherwise. The lock
# is a statement of its own, see twin.store.journal.
_TELL = """
CREATE FUNCTION tell_photograph() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    newest bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7105301);
    INSERT INTO journal (seq, at, kind, subject, area_code, actor, data)
        SELECT journal_newest() + 1, clock_timestamp(), 'case.photographed', 'case/' || c.id,
               CASE WHEN c.scope_code > 0 THEN lpad(c.scope_code::text, 15, '0') END,
               coalesce('account/' || NEW.account_id, 'system'),
               jsonb_build_object('case_id', c.id, 'number', c.number, 'photograph_id', NEW.id,
                                  'moment', NEW.moment, 'simulated', NEW.simulated)
        FROM case_file AS c WHERE c.id = NEW.case_id
        RETURNING seq INTO newest;
    PERFORM pg_notify('journal', newest::text);
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "photograph",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_type", sa.Text(), nullable=False),
        sa.Column("sent_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("picture", sa.LargeBinary(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("file_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_point", Geometry("POINT", srid=4326, spatial_index=False), nullable=True),
        sa.Column("sender_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sender_point", Geometry("POINT", srid=4326, spatial_index=False), nullable=True),
        sa.Column("distance_m", sa.Float(), nullable=True),
        sa.Column("flags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "moment IN ('before', 'during', 'after', 'evidence')", name=op.f("ck_photograph_moment")
        ),
        sa.CheckConstraint("octet_length(sent_sha256) = 32", name=op.f("ck_photograph_sent_sha256")),
        sa.CheckConstraint("width_px > 0 AND height_px > 0", name=op.f("ck_photograph_size")),
        sa.CheckConstraint("distance_m >= 0", name=op.f("ck_photograph_distance_m")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case_file.id"], name=op.f("fk_photograph_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_photograph_worker_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photograph")),
        sa.UniqueConstraint("case_id", "client_id", name=op.f("uq_photograph_case_id_client_id")),
    )
    op.create_index(op.f("ix_photograph_worker_id"), "photograph", ["worker_id"], unique=False)
    for statement in (
        # JPEG is compressed already: trying again takes time and saves nothing.
        "ALTER TABLE photograph ALTER COLUMN picture SET STORAGE EXTERNAL, "
        "ALTER COLUMN thumbnail SET STORAGE EXTERNAL",
        "ALTER TABLE photograph ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE photograph FORCE ROW LEVEL SECURITY",
        "CREATE POLICY photograph_owner ON photograph TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY photograph_read ON photograph FOR SELECT TO {APP} USING ({_READ})",
        f"CREATE POLICY photograph_insert ON photograph FOR INSERT TO {APP} WITH CHECK ({_INSERT})",
        f"GRANT SELECT, INSERT ON photograph TO {APP}",
        _TELL,
        "CREATE TRIGGER tell_photograph AFTER INSERT ON photograph "
        "FOR EACH ROW EXECUTE FUNCTION tell_photograph()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_photograph_worker_id"), table_name="photograph")
    op.drop_table("photograph")
    op.execute("DROP FUNCTION tell_photograph()")
