"""Let a rule name the kind of case that its alarms raise.

Revision 0036, after 0035.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm_rule", sa.Column("category_code", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_alarm_rule_category_code"), "alarm_rule", "category_code ~ '^[0-9]{5}$'"
    )
    op.execute(f"GRANT INSERT (category_code) ON alarm_rule TO {APP}")


def downgrade() -> None:
    op.drop_column("alarm_rule", "category_code")
