"""Say of groups of alarms that were open before the server raised cases that it never tried.

Revision 0035, after 0034.
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_NO_CASE = "no_case IS NULL OR (no_case IN ({why}) AND case_id IS NULL)"


def _allow(why: str) -> None:
    op.drop_constraint(op.f("ck_alarm_group_no_case"), "alarm_group", type_="check")
    op.create_check_constraint(op.f("ck_alarm_group_no_case"), "alarm_group", _NO_CASE.format(why=why))


def upgrade() -> None:
    _allow("'no_area', 'failed', 'before'")
    # Revision 0032 marked them, since nothing could have failed yet.
    op.execute("UPDATE alarm_group SET no_case = 'before' WHERE no_case = 'failed'")


def downgrade() -> None:
    op.execute("UPDATE alarm_group SET no_case = 'failed' WHERE no_case = 'before'")
    _allow("'no_area', 'failed'")
