"""Put alarms into a database by hand, each in a group of its own that raises no case."""

from __future__ import annotations


def raise_sql(
    of: str = "true", *, properties: str = "0", state: str = "4", value: str = "31.4", ago: str = "5 minutes"
) -> str:
    """Return the statement that raises an alarm of each device of a condition on ``device``.

    ``properties`` is what ``generate_series`` or a list of numbers gives, the others are expressions of SQL;
    the statement returns the number of the alarm and of its group.
    """
    return f"""
    WITH given AS (
        SELECT device.*, n AS property, nextval(pg_get_serial_sequence('alarm_group', 'id')) AS group_id
        FROM device CROSS JOIN unnest(ARRAY(SELECT {properties})) AS n WHERE {of}),
    grouped AS (
        INSERT INTO alarm_group (id, family, geom, seed_box, opened_at, gathers_until, worst_state, alarms,
            open_alarms, simulated, scope_code, no_case)
        SELECT group_id, kind, geom, ST_Expand(geom, 0.0007), now(), now(), {state}, 1, 1, true, scope_code,
            'before'
        FROM given)
    INSERT INTO alarm (device_id, property, state, worst_state, value, raised_at, changed_at, simulated,
        group_id)
    SELECT id, property, {state}, {state}, {value}, now() - interval '{ago}', now(), true, group_id
    FROM given ORDER BY id, property RETURNING id, group_id"""
