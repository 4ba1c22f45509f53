"""Delete observations, refused messages and events after their time, and keep hourly figures.

Revision 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from twin.store.roles import APP, TWIN

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# As their owner: who writes observations may delete none but in these ways. What was made of an hour is not
# made again: nothing that old is taken any more.
_RETIRE = """
CREATE FUNCTION retire_observations(day date, devices integer[], hourly boolean, remove boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    part regclass := to_regclass('observation_' || to_char(day, 'YYYYMMDD'));
    deleted bigint := 0;
BEGIN
    IF day > current_date - 2 THEN
        RAISE EXCEPTION 'the observations of % are not a day old yet', day;
    END IF;
    IF part IS NULL THEN
        RETURN 0;
    END IF;
    IF hourly THEN
        EXECUTE format('INSERT INTO observation_hour '
            'SELECT device_id, property, date_trunc(''hour'', phenomenon_time, ''UTC''), count(*)::int, '
            'min(value), avg(value), max(value) FROM %s WHERE device_id = ANY($1) '
            'AND device_id NOT IN (SELECT id FROM device WHERE kind = ''worker'') '
            'GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING', part) USING devices;
    END IF;
    IF remove THEN
        EXECUTE format('DELETE FROM %s WHERE device_id = ANY($1)', part) USING devices;
        GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
    RETURN deleted;
END $$
"""

# Whoever reads observations holds the table for as long as that takes; rather than make all others queue
# behind a wait for it, the day is dropped the next time.
_DROP = """
CREATE FUNCTION drop_observations(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    IF day > current_date - 2 THEN
        RAISE EXCEPTION 'the observations of % are not a day old yet', day;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'observation_' || to_char(day, 'YYYYMMDD'));
    DELETE FROM retired WHERE retired.day = drop_observations.day;
END $$
"""

_EXPIRE = """
CREATE FUNCTION expire_rows(name text, before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    deleted bigint := 0;
BEGIN
    CASE name
    WHEN 'quarantine' THEN
        DELETE FROM quarantine WHERE id = ANY(ARRAY(
            SELECT id FROM quarantine WHERE received_at < before ORDER BY id LIMIT most));
    WHEN 'journal' THEN
        -- From its beginning only, and never the newest: numbers go on from it.
        DELETE FROM journal WHERE seq = ANY(ARRAY(
            SELECT seq FROM journal WHERE at < before AND seq < journal_newest() ORDER BY seq LIMIT most));
    WHEN 'observation_hour' THEN
        DELETE FROM observation_hour WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM observation_hour WHERE hour < before LIMIT most));
    END CASE;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$
"""

_FUNCTIONS = {
    "retire_observations(date, integer[], boolean, boolean)": _RETIRE,
    "drop_observations(date)": _DROP,
    "expire_rows(text, timestamptz, integer)": _EXPIRE,
}
_READ = "EXISTS (SELECT FROM device WHERE device.id = device_id)"


def upgrade() -> None:
    op.create_table(
        "observation_hour",
        sa.Column("device_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("property", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Float(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("maximum", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "property", "hour", name=op.f("pk_observation_hour")),
    )
    op.create_index(
        "ix_observation_hour_hour", "observation_hour", ["hour"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "retired",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("observations", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", name=op.f("pk_retired")),
    )
    for table in ("observation_hour", "retired"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO {TWIN}")
    op.execute(f"GRANT SELECT ON observation_hour TO {APP}")
    op.execute(f"CREATE POLICY observation_hour_read ON observation_hour FOR SELECT TO {APP} USING ({_READ})")
    op.execute(f"GRANT INSERT, UPDATE ON retired TO {TWIN}")
    for signature, statement in _FUNCTIONS.items():
        op.execute(statement)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {TWIN}")


def downgrade() -> None:
    for signature in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_table("retired")
    op.drop_index("ix_observation_hour_hour", table_name="observation_hour")
    op.drop_table("observation_hour")
