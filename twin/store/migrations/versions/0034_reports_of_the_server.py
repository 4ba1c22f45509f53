"""Let the server see which of its own reports is a case already.

Revision 0034, after 0033.
"""

from __future__ import annotations

from alembic import op

from twin.store.roles import TWIN

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"GRANT SELECT (case_id, account_id, client_key) ON case_report TO {TWIN}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT (case_id, account_id, client_key) ON case_report FROM {TWIN}")
