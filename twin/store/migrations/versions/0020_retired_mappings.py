"""Let a mapping be retired.

Revision 0020, after 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "feed_mapping", sa.Column("retired", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(f"GRANT INSERT (retired) ON feed_mapping TO {APP}")


def downgrade() -> None:
    op.drop_column("feed_mapping", "retired")
