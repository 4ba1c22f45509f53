"""Let the server close gatherings that nobody counts any more.

Revision 0033, after 0032.
"""

from __future__ import annotations

from alembic import op

from twin.store.roles import TWIN

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_CLOSE = """
CREATE FUNCTION close_gatherings(counted bigint[]) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    UPDATE device SET valid_to = now()
    WHERE kind = 'gathering' AND valid_to IS NULL
        AND CASE WHEN uid ~ '^gathering-[0-9]{1,18}-' THEN split_part(uid, '-', 2)::bigint <> ALL (counted)
            ELSE false END
$$
"""


def upgrade() -> None:
    op.execute(_CLOSE)
    op.execute("REVOKE EXECUTE ON FUNCTION close_gatherings(bigint[]) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION close_gatherings(bigint[]) TO {TWIN}")


def downgrade() -> None:
    op.execute("DROP FUNCTION close_gatherings(bigint[])")
