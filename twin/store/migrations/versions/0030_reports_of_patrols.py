"""Let grid workers report what they find on patrol.

Revision 0030, after 0029.
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# As that of revision 0022, and what is found on patrol by whoever handles cases there.
_MAY_FILE = """
CREATE OR REPLACE FUNCTION gt_may_file(source text) RETURNS int8multirange LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT gt_scope('may_case_file')
        + CASE WHEN source IN ('resident', 'hotline') THEN gt_scope('may_case_report') ELSE '{{}}' END{patrol}
$$
"""
_PATROL = "\n        + CASE source WHEN 'patrol' THEN gt_scope('may_case_handle') ELSE '{}' END"


def upgrade() -> None:
    op.execute(_MAY_FILE.format(patrol=_PATROL))


def downgrade() -> None:
    op.execute(_MAY_FILE.format(patrol=""))
