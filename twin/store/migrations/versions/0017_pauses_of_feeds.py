"""Keep which feeds a person has paused.

Revision 0017, after 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.policies import readable_table
from twin.store.roles import APP

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_READ = "(SELECT NOT isempty(gt_scope('system')))"
_MAY = "(SELECT NOT isempty(gt_scope('may_system_manage')))"

_TELL = """
CREATE FUNCTION tell_feed_pauses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('feed_pauses', '');
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "feed_pause",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed_pause")),
    )
    for statement in (
        *readable_table("feed_pause", _READ),
        f"GRANT INSERT (feed, paused_by, reason), DELETE ON feed_pause TO {APP}",
        f"CREATE POLICY feed_pause_insert ON feed_pause FOR INSERT TO {APP} WITH CHECK ({_MAY})",
        f"CREATE POLICY feed_pause_delete ON feed_pause FOR DELETE TO {APP} USING ({_MAY})",
        _TELL,
        "CREATE TRIGGER tell_feed_pauses AFTER INSERT OR DELETE ON feed_pause "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_feed_pauses()",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("feed_pause")
    op.execute("DROP FUNCTION tell_feed_pauses()")
