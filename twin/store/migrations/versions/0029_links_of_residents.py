"""Tell whoever has the token of a report how it is doing, until some time after it has ended.

Revision 0029, after 0028.
"""

from __future__ import annotations

from alembic import op

from twin.store.roles import APP

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# As its owner: who asks is signed in as nobody. A case that repeats another is dealt with there. Nothing
# comes out of who reported it and of what was said; the place is for the calendar it lives by.
_OF_RESIDENT = """
CREATE FUNCTION case_of_resident(
    token_sha256 bytea, kept interval, OUT case_id bigint, OUT version integer, OUT number text,
    OUT category_code text, OUT priority integer, OUT stage text, OUT outcome text, OUT opened_at timestamptz,
    OUT closed_at timestamptz, OUT stage_due_at timestamptz, OUT due_at timestamptz, OUT parked boolean,
    OUT rating integer, OUT simulated boolean, OUT is_repeat boolean, OUT lon float8, OUT lat float8,
    OUT entered jsonb
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.id, c.version, c.number, c.category_code, m.priority, m.stage, c.outcome, c.opened_at,
           c.closed_at, m.stage_due_at, m.due_at, m.parked_at IS NOT NULL, c.rating, c.simulated,
           c.linked_to IS NOT NULL, ST_X(c.geom), ST_Y(c.geom),
           (SELECT jsonb_agg(jsonb_build_array(j.data -> 'changes' -> 'stage', j.at) ORDER BY j.seq)
            FROM journal AS j WHERE j.subject = 'case/' || coalesce(c.linked_to, c.id)
              AND jsonb_exists(j.data -> 'changes', 'stage'))
    FROM case_report AS r JOIN case_file AS c ON c.id = r.case_id
    JOIN case_file AS m ON m.id = CASE WHEN c.outcome IS NULL THEN coalesce(c.linked_to, c.id) ELSE c.id END
    WHERE r.token_sha256 = case_of_resident.token_sha256
      AND (c.closed_at IS NULL OR c.closed_at > clock_timestamp() - kept)
$$
"""
_SIGNATURE = "bytea, interval"


def upgrade() -> None:
    op.execute(_OF_RESIDENT)
    op.execute(f"REVOKE ALL ON FUNCTION case_of_resident({_SIGNATURE}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION case_of_resident({_SIGNATURE}) TO {APP}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION case_of_resident({_SIGNATURE})")
