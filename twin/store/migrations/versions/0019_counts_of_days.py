"""Keep how many observations of each datastream a day that is over holds; who sees all is not asked by row.

Revision 0019, after 0018.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from twin.store.policies import readable_table
from twin.store.roles import TWIN

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_OF_A_DEVICE: Final = "EXISTS (SELECT FROM device WHERE device.id = device_id)"

# Counts are only ever added to: many changes of one row in one transaction would be slow, and wait for each
# other. Rows of a day that is over come one by one and seldom, and they go many at once.
_LATE: Final = """
CREATE FUNCTION count_late_observation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO observation_count (day, device_id, property, count)
        VALUES ((NEW.phenomenon_time AT TIME ZONE 'UTC')::date, NEW.device_id, NEW.property, 1);
    RETURN NULL;
END $$
"""
_GONE: Final = """
CREATE FUNCTION count_gone_observations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO observation_count (day, device_id, property, count)
        SELECT d.day, g.device_id, g.property, -count(*)::int
        FROM gone AS g JOIN counted_day AS d ON d.day = (g.phenomenon_time AT TIME ZONE 'UTC')::date
        GROUP BY 1, 2, 3;
    RETURN NULL;
END $$
"""
# A statement that names the partition fires the triggers of the partition, one that names the whole table
# those of the whole; rows that come are always sent to the whole, which then fires those of each row.
_OF_THE_WHOLE: Final = (
    "CREATE TRIGGER count_gone AFTER DELETE ON observation REFERENCING OLD TABLE AS gone "
    "FOR EACH STATEMENT EXECUTE FUNCTION count_gone_observations()"
)
_WATCH: Final = """
CREATE FUNCTION watch_observations(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_variable
DECLARE
    part regclass := to_regclass('observation_' || to_char(day, 'YYYYMMDD'));
BEGIN
    IF day > current_date - 2 THEN
        RAISE EXCEPTION 'the observations of % are not a day old yet', day;
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', part);
    IF EXISTS (SELECT FROM counted_day AS d WHERE d.day = watch_observations.day) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TRIGGER count_late AFTER INSERT ON %s '
        'FOR EACH ROW EXECUTE FUNCTION count_late_observation()', part);
    EXECUTE format('CREATE TRIGGER count_gone AFTER DELETE ON %s REFERENCING OLD TABLE AS gone '
        'FOR EACH STATEMENT EXECUTE FUNCTION count_gone_observations()', part);
    INSERT INTO counted_day (day) VALUES (watch_observations.day);
END $$
"""
# Whatever came or went since the triggers are there is a row of its own. One statement sees the observations
# and those rows at one moment, so that what it adds is the difference, whatever comes while it counts.
_COUNT: Final = """
CREATE FUNCTION count_observations(day date) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    part regclass := to_regclass('observation_' || to_char(count_observations.day, 'YYYYMMDD'));
    added bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM counted_day AS d WHERE d.day = count_observations.day) THEN
        RAISE EXCEPTION 'nobody watches the observations of %', count_observations.day;
    END IF;
    EXECUTE format('WITH found AS (SELECT device_id, property, count(*) AS n FROM %s GROUP BY 1, 2), '
        'noted AS (SELECT device_id, property, sum(count) AS n FROM observation_count WHERE day = $1 '
        'GROUP BY 1, 2) '
        'INSERT INTO observation_count (day, device_id, property, count) '
        'SELECT $1, device_id, property, coalesce(found.n, 0) - coalesce(noted.n, 0) '
        'FROM found FULL JOIN noted USING (device_id, property) '
        'WHERE coalesce(found.n, 0) <> coalesce(noted.n, 0)', part) USING count_observations.day;
    GET DIAGNOSTICS added = ROW_COUNT;
    UPDATE counted_day AS d SET counted_at = now() WHERE d.day = count_observations.day;
    RETURN added;
END $$
"""
_FOLD: Final = """
CREATE FUNCTION fold_observation_counts(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    WITH gone AS (
        DELETE FROM observation_count AS c WHERE c.day = fold_observation_counts.day
        RETURNING device_id, property, count)
    INSERT INTO observation_count (day, device_id, property, count)
        SELECT fold_observation_counts.day, device_id, property, sum(count)
        FROM gone GROUP BY 2, 3 HAVING sum(count) <> 0;
END $$
"""
_DROP: Final = """
CREATE OR REPLACE FUNCTION drop_observations(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    IF day > current_date - 2 THEN
        RAISE EXCEPTION 'the observations of % are not a day old yet', day;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'observation_' || to_char(day, 'YYYYMMDD'));
    DELETE FROM observation_detail WHERE phenomenon_time >= day::timestamp AT TIME ZONE 'UTC'
        AND phenomenon_time < (day + 1)::timestamp AT TIME ZONE 'UTC';
    -- counts
    DELETE FROM retired WHERE retired.day = drop_observations.day;
END $$
"""
_DROP_COUNTS: Final = """DELETE FROM observation_count AS c WHERE c.day = drop_observations.day;
    DELETE FROM counted_day AS d WHERE d.day = drop_observations.day;"""

# The planner cannot know the scope, and takes what `<@` leaves for half a percent of the rows: 25 of 5,000
# devices, which it then joined one by one. Who sees the whole installation need not be asked of every row; as
# the planner cannot know that either, it reckons with half of them.
_DEVICE: Final = (
    "kind <> 'worker' AND {0} OR kind = 'worker' AND "
    "(scope_code <@ (SELECT gt_scope('worker')) OR id = (SELECT gt_self_tracker()))"
)
_IN_SCOPE: Final = "scope_code <@ (SELECT gt_scope('place'))"
_SEES_ALL: Final = "(SELECT gt_scope('place') @> '{[0,999999999999999]}'::int8multirange)"

_FUNCTIONS: Final = {
    "watch_observations(date)": _WATCH,
    "count_observations(date)": _COUNT,
    "fold_observation_counts(date)": _FOLD,
}


def upgrade() -> None:
    op.create_table(
        "counted_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_counted_day")),
    )
    op.create_table(
        "observation_count",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("property", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
    )
    op.create_index("ix_observation_count_device_id", "observation_count", ["device_id", "property"])
    for statement in (
        *readable_table("counted_day", "(SELECT gt_signed_in())"),
        *readable_table("observation_count", _OF_A_DEVICE),
        _LATE,
        _GONE,
        _OF_THE_WHOLE,
        _DROP.replace("-- counts", _DROP_COUNTS),
        f"ALTER POLICY device_read ON device USING ({_DEVICE.format(f'({_SEES_ALL} OR {_IN_SCOPE})')})",
    ):
        op.execute(statement)
    for signature, statement in _FUNCTIONS.items():
        op.execute(statement)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {TWIN}")


def downgrade() -> None:
    op.execute(f"ALTER POLICY device_read ON device USING ({_DEVICE.format(_IN_SCOPE)})")
    op.execute(_DROP)
    for signature in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DROP FUNCTION count_late_observation() CASCADE")  # with the triggers of each day
    op.execute("DROP FUNCTION count_gone_observations() CASCADE")
    op.drop_table("observation_count")
    op.drop_table("counted_day")
