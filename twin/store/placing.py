"""State how a row gets the code of the area it lies in, by which the policies know who sees it.

The migration that brought them runs these; a later change of one is a migration of its own.
"""

from __future__ import annotations

from typing import Final

SCOPE_OF: Final = """
CREATE FUNCTION gt_scope_of(point geometry) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce((
        SELECT code::bigint FROM area
        WHERE valid_to IS NULL AND level <> 'unit_grid' AND geom && point AND ST_Intersects(geom, point)
        ORDER BY array_position(
            ARRAY['responsibility_grid', 'community', 'street', 'district', 'city'], level), code
        LIMIT 1), 0)
$$
"""
"""Give the code of the smallest area of the tree a point lies in, 0 where it lies in none."""

SET_SCOPE_CODE: Final = """
CREATE FUNCTION set_scope_code() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'area' THEN
            NEW.scope_code := CASE NEW.level WHEN 'unit_grid' THEN gt_scope_of(NEW.label_point)
                ELSE NEW.code::bigint END;
        WHEN 'alarm' THEN
            NEW.scope_code := coalesce((SELECT scope_code FROM device WHERE id = NEW.device_id), 0);
        WHEN 'worker' THEN
            NEW.scope_code := coalesce(
                (SELECT code::bigint FROM area WHERE id = NEW.responsibility_grid_id),
                CASE WHEN NEW.base_point IS NOT NULL THEN gt_scope_of(NEW.base_point) END, 0);
        ELSE
            NEW.scope_code := gt_scope_of(
                CASE WHEN ST_Dimension(NEW.geom) = 0 THEN NEW.geom ELSE ST_PointOnSurface(NEW.geom) END);
    END CASE;
    RETURN NEW;
END $$
"""
"""Place a row as it comes: what the writer says of its scope is not asked."""

SCOPE_TRIGGERS: Final[dict[str, str]] = {
    "area": "INSERT OR UPDATE OF code, level, label_point",
    "building": "INSERT OR UPDATE OF geom",
    "address": "INSERT OR UPDATE OF geom",
    "component": "INSERT OR UPDATE OF geom",
    "service_point": "INSERT OR UPDATE OF geom",
    "device": "INSERT OR UPDATE OF geom",
    "worker": "INSERT OR UPDATE OF responsibility_grid_id, base_point",
    "case_file": "INSERT OR UPDATE OF geom",
    "alarm": "INSERT",
}

ASSIGN_SCOPE_CODES: Final = """
CREATE FUNCTION assign_scope_codes() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
    total bigint := 0;
    name text;
BEGIN
    -- Areas first: the others are placed by them.
    UPDATE area SET scope_code = placed.code FROM (
        SELECT id, gt_scope_of(label_point) AS code FROM area
        WHERE valid_to IS NULL AND level = 'unit_grid') AS placed
    WHERE area.id = placed.id AND area.scope_code <> placed.code;
    GET DIAGNOSTICS total = ROW_COUNT;
    FOREACH name IN ARRAY ARRAY['building', 'address', 'component', 'service_point', 'device'] LOOP
        EXECUTE format(
            'UPDATE %1$I SET scope_code = placed.code FROM (SELECT id, gt_scope_of(CASE WHEN '
            'ST_Dimension(geom) = 0 THEN geom ELSE ST_PointOnSurface(geom) END) AS code FROM %1$I '
            'WHERE valid_to IS NULL) AS placed '
            'WHERE %1$I.id = placed.id AND %1$I.scope_code <> placed.code', name);
        GET DIAGNOSTICS changed = ROW_COUNT;
        total := total + changed;
    END LOOP;
    UPDATE worker SET scope_code = placed.code FROM (
        SELECT w.id, coalesce(a.code::bigint,
            CASE WHEN w.base_point IS NOT NULL THEN gt_scope_of(w.base_point) END, 0) AS code
        FROM worker w LEFT JOIN area a ON a.id = w.responsibility_grid_id) AS placed
    WHERE worker.id = placed.id AND worker.scope_code <> placed.code;
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;
    -- A closed case keeps the area of its time, and so does an alarm that is over.
    UPDATE case_file SET scope_code = placed.code FROM (
        SELECT id, gt_scope_of(geom) AS code FROM case_file WHERE closed_at IS NULL) AS placed
    WHERE case_file.id = placed.id AND case_file.scope_code <> placed.code;
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;
    UPDATE alarm SET scope_code = device.scope_code FROM device
    WHERE device.id = alarm.device_id AND alarm.cleared_at IS NULL
      AND alarm.scope_code <> device.scope_code;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN total + changed;
END $$
"""
"""Place everything anew, after an import or a division; return how many rows changed."""

_PLACED_BY_GEOMETRY: Final = (
    "FOREACH name IN ARRAY ARRAY['building', 'address', 'component', 'service_point', 'device'] LOOP"
)
ASSIGN_SCOPE_CODES_OF_ALL: Final = ASSIGN_SCOPE_CODES.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
).replace(
    _PLACED_BY_GEOMETRY,
    """FOR name IN SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'set_scope_code'
        AND tgrelid::regclass::text NOT IN ('area', 'worker', 'case_file', 'alarm') ORDER BY 1 LOOP""",
)
"""Place every table that is placed by its geometry, those of later migrations too; since revision 0012."""
