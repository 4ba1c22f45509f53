"""State the database's own acts: history of changed rows, news of changed tiles, daily partitions.

The first migration runs ``CREATE_STATEMENTS``. A later change of one of them is a migration of its own; a
later table brings its triggers by `history_trigger` and `tile_triggers`.
"""

from __future__ import annotations

# Of that time: later tables do not exist yet when the first migration runs.
_FIRST_IMPORTED = (
    "area", "building", "road", "ground_cover", "address", "device", "service_point", "component",
)  # fmt: skip
_FIRST_TILES = ("area", "building", "road", "ground_cover", "device", "service_point")

KEEP_HISTORY = """
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A row that began in this very transaction was never seen by anyone: there is nothing to keep.
    IF OLD.valid_from < now() THEN
        -- Generated copies and geometry are left out of the jsonb: geometry is kept as geometry beside it.
        INSERT INTO feature_history (table_name, row_id, valid_from, valid_to, "row", geom)
        VALUES (TG_TABLE_NAME, OLD.id, OLD.valid_from, now(), to_jsonb(OLD) - 'geom' - 'geom_3857', OLD.geom);
    END IF;
    -- The new row begins where the old one ends, unless it is being closed.
    IF TG_OP = 'UPDATE' AND NEW.valid_to IS NULL THEN
        NEW.valid_from = now();
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""

NOTIFY_TILES = """
CREATE FUNCTION notify_tiles() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    box box2d;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT ST_Extent(geom) INTO box FROM old_rows;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT ST_Extent(geom) INTO box FROM new_rows;
    ELSE
        SELECT ST_Extent(geom) INTO box
            FROM (SELECT geom FROM old_rows UNION ALL SELECT geom FROM new_rows) AS both_rows;
    END IF;
    IF box IS NOT NULL THEN
        -- One notice per statement: table and the box that changed, in storage degrees.
        PERFORM pg_notify('tiles', json_build_object('table', TG_TABLE_NAME, 'bbox',
            json_build_array(ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)))::text);
    END IF;
    RETURN NULL;
END $$;
"""

ENSURE_PARTITION = """
CREATE FUNCTION ensure_observation_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'observation_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NULL THEN
        -- Two writers may meet a new day together; the second one finds the table made.
        PERFORM pg_advisory_xact_lock(hashtext('observation_partition'));
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF observation FOR VALUES FROM (%L) TO (%L)',
                name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    END IF;
END $$;
"""


def history_trigger(table: str) -> str:
    """Return what makes a table of imported things keep its former rows."""
    return (
        f"CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION keep_history()"
    )


def tile_triggers(table: str) -> tuple[str, ...]:
    """Return what makes a table that tiles are cut from tell of its changes."""
    # A trigger with transition tables serves one kind of event, so there are three.
    tables = {
        "INSERT": "NEW TABLE AS new_rows",
        "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "DELETE": "OLD TABLE AS old_rows",
    }
    return tuple(
        f"CREATE TRIGGER notify_tiles_{event.lower()} AFTER {event} ON {table} "
        f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION notify_tiles()"
        for event, rows in tables.items()
    )


CREATE_STATEMENTS: tuple[str, ...] = (
    KEEP_HISTORY,
    NOTIFY_TILES,
    ENSURE_PARTITION,
    *(history_trigger(table) for table in _FIRST_IMPORTED),
    *(statement for table in _FIRST_TILES for statement in tile_triggers(table)),
)
"""Run in this order after the tables exist."""

EXTENSIONS: tuple[str, ...] = ("postgis", "btree_gist", "pgrouting")
"""Needed before the tables are made."""
