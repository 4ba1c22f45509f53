"""Show residents the photographs that were released for them, and let the server see which ones there are.

Revision 0031, after 0030.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Who files cases, and so speaks with residents, may release photographs; nothing else of one is ever changed.
_MAY_RELEASE = (
    "EXISTS (SELECT FROM case_file AS c WHERE c.id = photograph.case_id "
    "AND c.scope_code <@ (SELECT gt_scope('may_case_file')))"
)
_SEEN_BY_TWIN = "id, case_id, moment, added_at, flags, distance_m"

# As its owner, see `case_of_resident`. Of a case that repeats another, those of that one.
_OF_RESIDENT = """
CREATE FUNCTION photographs_of_resident(
    token_sha256 bytea, kept interval, most integer, OUT id bigint, OUT moment text, OUT picture bytea
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id, p.moment, p.picture
    FROM case_report AS r JOIN case_file AS c ON c.id = r.case_id
    JOIN photograph AS p ON p.case_id = coalesce(c.linked_to, c.id)
    WHERE r.token_sha256 = photographs_of_resident.token_sha256 AND p.released_at IS NOT NULL
      AND (c.closed_at IS NULL OR c.closed_at > clock_timestamp() - kept)
    ORDER BY p.moment = 'after', p.id LIMIT most
$$
"""
_SIGNATURE = "bytea, interval, integer"


def upgrade() -> None:
    op.add_column("photograph", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_photograph_released"),
        "photograph",
        "released_at IS NULL OR moment IN ('before', 'after')",
    )
    for statement in (
        f"GRANT UPDATE (released_at) ON photograph TO {APP}",
        f"CREATE POLICY photograph_update ON photograph FOR UPDATE TO {APP} "
        f"USING ({_MAY_RELEASE}) WITH CHECK ({_MAY_RELEASE})",
        f"GRANT SELECT ({_SEEN_BY_TWIN}) ON photograph TO {TWIN}",
        _OF_RESIDENT,
        f"REVOKE ALL ON FUNCTION photographs_of_resident({_SIGNATURE}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION photographs_of_resident({_SIGNATURE}) TO {APP}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION photographs_of_resident({_SIGNATURE})")
    op.execute(f"REVOKE SELECT ({_SEEN_BY_TWIN}) ON photograph FROM {TWIN}")
    op.execute("DROP POLICY photograph_update ON photograph")
    op.execute(f"REVOKE UPDATE (released_at) ON photograph FROM {APP}")
    op.drop_constraint(op.f("ck_photograph_released"), "photograph", type_="check")
    op.drop_column("photograph", "released_at")
