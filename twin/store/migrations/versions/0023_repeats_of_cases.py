"""Find what is open around a report by an index of its own, and let the server read what reports say.

Revision 0023, after 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import TWIN

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_case_file_open_place",
        "case_file",
        ["geom"],
        postgresql_using="gist",
        postgresql_where=sa.text("closed_at IS NULL AND linked_to IS NULL"),
    )
    op.execute(f"GRANT SELECT (case_id, description) ON case_report TO {TWIN}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT (case_id, description) ON case_report FROM {TWIN}")
    op.drop_index("ix_case_file_open_place", "case_file")
