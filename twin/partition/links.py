"""Keep what hangs on grids with the grids of today: devices, components, workers, open cases."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

_STANDS_IN = (
    "(SELECT a.id FROM area a WHERE a.level = '{level}' AND a.valid_to IS NULL"
    " AND ST_Intersects(a.geom, {point}) ORDER BY a.code LIMIT 1)"
)
_UNIT = _STANDS_IN.format(level="unit_grid", point="t.geom")
_RESPONSIBILITY = _STANDS_IN.format(level="responsibility_grid", point="t.geom")

_DEVICES = text(
    "UPDATE device SET unit_grid_id = f.unit, responsibility_grid_id = f.responsibility FROM"
    f" (SELECT t.id, {_UNIT} AS unit, {_RESPONSIBILITY} AS responsibility FROM device t"
    " WHERE t.valid_to IS NULL) f"
    " WHERE f.id = device.id AND (device.unit_grid_id, device.responsibility_grid_id)"
    " IS DISTINCT FROM (f.unit, f.responsibility)"
)
_COMPONENTS = text(
    f"UPDATE component SET unit_grid_id = f.unit FROM (SELECT t.id, {_UNIT} AS unit FROM component t"
    " WHERE t.valid_to IS NULL) f"
    " WHERE f.id = component.id AND component.unit_grid_id IS DISTINCT FROM f.unit"
)
# Interiors must meet: a grid that only touches the former one is a neighbour, not its successor.
_WORKERS = text(
    f"""
    UPDATE worker SET responsibility_grid_id = f.grid FROM (
        SELECT t.id, coalesce(
            (SELECT a.id FROM area a WHERE a.level = 'responsibility_grid' AND a.valid_to IS NULL
                AND a.geom && former.geom AND ST_Relate(a.geom, former.geom, 'T********')
             ORDER BY ST_Area(ST_Intersection(a.geom, former.geom)) DESC, a.code LIMIT 1),
            {_STANDS_IN.format(level="responsibility_grid", point="t.base_point")}) AS grid
        FROM worker t JOIN area former ON former.id = t.responsibility_grid_id
        WHERE former.valid_to IS NOT NULL) f
    WHERE f.id = worker.id
    """
)
_CASES = text(
    f"""
    UPDATE case_file SET
        unit_grid_id = CASE WHEN f.unit_closed THEN f.unit ELSE case_file.unit_grid_id END,
        responsibility_grid_id =
            CASE WHEN f.responsibility_closed THEN f.responsibility ELSE case_file.responsibility_grid_id END
    FROM (
        SELECT t.id, {_UNIT} AS unit, {_RESPONSIBILITY} AS responsibility,
               u.valid_to IS NOT NULL AS unit_closed, r.valid_to IS NOT NULL AS responsibility_closed
        FROM case_file t LEFT JOIN area u ON u.id = t.unit_grid_id
        LEFT JOIN area r ON r.id = t.responsibility_grid_id
        WHERE t.closed_at IS NULL AND (u.valid_to IS NOT NULL OR r.valid_to IS NOT NULL)) f
    WHERE f.id = case_file.id
    """
)


_SCOPES = text("SELECT assign_scope_codes()")


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """How many things of each kind were given another grid, or none."""

    devices: int
    components: int
    workers: int
    cases: int


def assign_grids(connection: Connection) -> LinkCounts:
    """Give everything present the grids of today, inside the caller's transaction.

    Present devices and components get the grids they stand in; what stands on the border of two belongs to
    the one with the lower code. A worker is assigned by people, so the link is changed only when its grid
    was closed: to the responsibility grid that shares the most ground with the former one, else to the one
    of the worker's base point, else to none. Of an open case, a grid that was closed is replaced by the one
    the case lies in; a closed case keeps the grids of its time. Whose area a row is in for those who may see
    it (``scope_code``) follows.
    """
    counts = LinkCounts(
        devices=connection.execute(_DEVICES).rowcount,
        components=connection.execute(_COMPONENTS).rowcount,
        workers=connection.execute(_WORKERS).rowcount,
        cases=connection.execute(_CASES).rowcount,
    )
    connection.execute(_SCOPES)
    return counts
