"""Keep the partners that are told of cases, what they were not told, and what they sent.

Revision 0025, after 0024.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.roles import APP, TWIN

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_READ = "(SELECT NOT isempty(gt_scope('system')))"
_MAY = "(SELECT NOT isempty(gt_scope('may_system_manage')))"

# What people set, and where telling stands. Secrets are written by requests and never read by them.
_SET = (
    "name, address, area_code, low, high, categories, events, organisation_id, service_codes, jurisdiction, "
    "active, paused_at, paused_by, pause_reason, version, changed_by, changed_at"
)
_STANDS = "sent_seq, begun_at, tries, failing_since, next_try_at"
_HAPPENED = "last_error, last_status, last_error_at, last_success_at, asked_at"
_SECRETS = "secret_sealed, receiving_sealed"

_TELL = """
CREATE FUNCTION tell_partners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('partners', '');
    RETURN NULL;
END $$
"""
_TABLES = ("partner", "partner_parked", "partner_case", "partner_message")


def upgrade() -> None:
    json = postgresql.JSONB(astext_type=sa.Text())
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "partner",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("categories", json, nullable=True),
        sa.Column("events", json, nullable=True),
        sa.Column("organisation_id", sa.BigInteger(), nullable=True),
        sa.Column("service_codes", json, nullable=True),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("receiving_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("paused_at", moment, nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_seq", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("next_try_at", moment, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_status", sa.SmallInteger(), nullable=True),
        sa.Column("last_error_at", moment, nullable=True),
        sa.Column("last_success_at", moment, nullable=True),
        sa.Column("asked_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('webhook', 'open311')", name=op.f("ck_partner_kind")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 80", name=op.f("ck_partner_name")),
        sa.CheckConstraint(
            "0 <= low AND low <= high AND high <= 999999999999999", name=op.f("ck_partner_codes")
        ),
        sa.CheckConstraint("(paused_at IS NULL) = (paused_by IS NULL)", name=op.f("ck_partner_paused")),
        sa.CheckConstraint(
            "kind = 'open311' OR service_codes IS NULL", name=op.f("ck_partner_service_codes")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_partner_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner")),
        sa.UniqueConstraint("name", name=op.f("uq_partner_name")),
    )
    op.create_index(op.f("ix_partner_organisation_id"), "partner", ["organisation_id"])
    op.create_table(
        "partner_parked",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parked_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partner.id"], name=op.f("fk_partner_parked_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", "seq", name=op.f("pk_partner_parked")),
    )
    op.create_table(
        "partner_case",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("status_notes", sa.Text(), nullable=True),
        sa.Column("sent_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", moment, nullable=True),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_partner_case_status")),
        sa.CheckConstraint("request_id IS NOT NULL OR token IS NOT NULL", name=op.f("ck_partner_case_known")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case_file.id"], name=op.f("fk_partner_case_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partner.id"], name=op.f("fk_partner_case_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", "case_id", name=op.f("pk_partner_case")),
    )
    op.create_index(op.f("ix_partner_case_case_id"), "partner_case", ["case_id"])
    op.create_table(
        "partner_message",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("answer", json, nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partner.id"], name=op.f("fk_partner_message_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", "message_id", name=op.f("pk_partner_message")),
    )
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    for statement in (
        f"GRANT SELECT (id, kind, {_SET}, {_STANDS}, {_HAPPENED}) ON partner TO {APP}",
        f"GRANT INSERT (id, kind, {_SET}, {_STANDS}, {_SECRETS}) ON partner TO {APP}",
        f"GRANT UPDATE ({_SET}, {_STANDS}, {_SECRETS}) ON partner TO {APP}",
        f"CREATE POLICY partner_read ON partner FOR SELECT TO {APP} USING ({_READ})",
        f"CREATE POLICY partner_insert ON partner FOR INSERT TO {APP} WITH CHECK ({_MAY})",
        f"CREATE POLICY partner_update ON partner FOR UPDATE TO {APP} USING ({_MAY}) WITH CHECK ({_MAY})",
        f"GRANT SELECT, DELETE ON partner_parked TO {APP}",
        f"CREATE POLICY partner_parked_read ON partner_parked FOR SELECT TO {APP} USING ({_READ})",
        f"CREATE POLICY partner_parked_delete ON partner_parked FOR DELETE TO {APP} USING ({_MAY})",
        f"GRANT SELECT, UPDATE ({_STANDS}, {_HAPPENED}, paused_at, paused_by, pause_reason, version) "
        f"ON partner TO {TWIN}",
        f"GRANT SELECT, INSERT ON partner_parked TO {TWIN}",
        f"GRANT SELECT, INSERT, UPDATE ON partner_case TO {TWIN}",
        f"GRANT SELECT, INSERT, DELETE ON partner_message TO {TWIN}",
        _TELL,
        # Where telling stands changes with every delivery, and is nobody's news.
        "CREATE TRIGGER tell_partners AFTER INSERT OR DELETE OR UPDATE OF version ON partner "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_partners()",
    ):
        op.execute(statement)


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION tell_partners()")
