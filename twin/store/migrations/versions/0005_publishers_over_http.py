"""Let the role that sees accounts tell devices and gateways by their secrets, for those that come over HTTP.

Revision 0005, after 0004.
"""

from __future__ import annotations

from alembic import op

from twin.store.roles import AUTH

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = "publisher, slot, secret_hash, valid_to"


def upgrade() -> None:
    op.execute(f"GRANT SELECT ON publisher TO {AUTH}")
    op.execute(f"GRANT SELECT ({_COLUMNS}) ON publisher_secret TO {AUTH}")
    for table in ("publisher", "publisher_secret"):
        op.execute(f"CREATE POLICY {table}_auth ON {table} FOR SELECT TO {AUTH} USING (true)")


def downgrade() -> None:
    for table in ("publisher", "publisher_secret"):
        op.execute(f"DROP POLICY {table}_auth ON {table}")
    op.execute(f"REVOKE SELECT ({_COLUMNS}) ON publisher_secret FROM {AUTH}")
    op.execute(f"REVOKE SELECT ON publisher FROM {AUTH}")
