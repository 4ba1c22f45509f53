"""Keep how urgent a group of alarms has made its case: each worsening makes it more urgent once.

Revision 0037, after 0036.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_INDEX = "ix_alarm_group_worsening"


def upgrade() -> None:
    op.add_column("alarm_group", sa.Column("case_priority", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_alarm_group_case_priority"), "alarm_group", "case_priority BETWEEN 1 AND 4"
    )
    # What its states have made of it: critical 1, alarm 2, warning 3.
    op.execute("UPDATE alarm_group SET case_priority = 6 - worst_state WHERE case_id IS NOT NULL")
    op.create_index(_INDEX, "alarm_group", ["ended_at"], postgresql_where=sa.text("case_priority > 1"))


def downgrade() -> None:
    op.drop_index(_INDEX, "alarm_group")
    op.drop_column("alarm_group", "case_priority")
