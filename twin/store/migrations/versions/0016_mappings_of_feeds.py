"""Keep the mappings by which messages of foreign platforms are read, in all their versions.

Revision 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from twin.store.policies import readable_table
from twin.store.roles import APP

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_READ = "(SELECT NOT isempty(gt_scope('system')))"
_MAY = "(SELECT NOT isempty(gt_scope('may_system_manage')))"

_TELL = """
CREATE FUNCTION tell_mappings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('mappings', '');
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "feed_mapping",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=True),
        sa.CheckConstraint("name ~ '^[a-z][a-z0-9-]{1,31}$'", name=op.f("ck_feed_mapping_name")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_feed_mapping_version")),
        sa.CheckConstraint("restored >= 1 AND restored < version", name=op.f("ck_feed_mapping_restored")),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_feed_mapping")),
    )
    for statement in (
        *readable_table("feed_mapping", _READ),
        # Added and never changed: who may manage the system cannot make a version say something else.
        f"GRANT INSERT (name, version, zh, en, content, changed_by, restored) ON feed_mapping TO {APP}",
        f"CREATE POLICY feed_mapping_insert ON feed_mapping FOR INSERT TO {APP} WITH CHECK ({_MAY})",
        _TELL,
        "CREATE TRIGGER tell_mappings AFTER INSERT OR UPDATE OR DELETE ON feed_mapping "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_mappings()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("feed_mapping")
    op.execute("DROP FUNCTION tell_mappings()")
