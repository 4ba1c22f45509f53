"""Let a worker tell the journal of the end of an assignment far from the own area in the act that ends it.

Revision 0042, after 0041.
"""

from __future__ import annotations

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_SELF_CASES = """
CREATE OR REPLACE FUNCTION gt_self_cases() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(case_id), '{{}}') FROM assignment
    WHERE worker_id = gt_self_worker() AND ({open})
$$
"""


def upgrade() -> None:
    # `now()` is when the transaction began: what it ended itself it still sees.
    op.execute(_SELF_CASES.format(open="ended_at IS NULL OR ended_at >= now()"))


def downgrade() -> None:
    op.execute(_SELF_CASES.format(open="ended_at IS NULL"))
