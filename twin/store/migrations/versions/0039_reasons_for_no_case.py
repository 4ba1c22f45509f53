"""Keep why the server could raise no case of a group of alarms, and when it last tried.

Revision 0039, after 0038.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm_group", sa.Column("no_case_why", sa.Text(), nullable=True))
    op.add_column("alarm_group", sa.Column("no_case_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("alarm_group", "no_case_at")
    op.drop_column("alarm_group", "no_case_why")
