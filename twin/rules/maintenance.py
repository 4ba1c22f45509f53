"""Set windows of maintenance: alarms within them are recorded and marked, and raise no case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.catalog import Catalog
from twin.errors import ForbiddenError, InvalidError, NotFoundError
from twin.rules.shelving import require_reason
from twin.store.journal import Event, append

LONGEST: Final = timedelta(days=31)

WINDOW_OF: Final = """
    SELECT w.id FROM maintenance_window AS w
    WHERE w.ended_at IS NULL AND w.begins_at <= CAST(:now AS timestamptz)
      AND w.ends_at > CAST(:now AS timestamptz) AND w.holds @> d.scope_code
      AND (w.kind IS NULL OR w.kind = d.kind) AND (w.geom IS NULL OR ST_Intersects(w.geom, p.geom))
    ORDER BY w.id LIMIT 1"""
"""The window that device ``d`` at place ``p`` is in now."""

_COLUMNS: Final = (
    "id, area_code, area_level, ST_AsGeoJSON(geom, 6) AS polygon, kind, reason, made_by, made_at, begins_at, "
    "ends_at, ended_at, ended_by"
)
_AREA: Final = text(
    "SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid' ORDER BY "
    "array_position(ARRAY['city', 'district', 'street', 'community', 'responsibility_grid'], level) LIMIT 1"
)
_MAY: Final = text(
    "SELECT gt_area_range(:level, CAST(:code AS text), CAST(CAST(:code AS text) AS bigint)) "
    "<@ gt_scope('may_rule_manage')"
)
_MAY_WHOLE: Final = text("SELECT int8range(0, 999999999999999, '[]') <@ gt_scope('may_rule_manage')")
_SOUND: Final = text(
    "SELECT ST_IsValid(g) AND NOT ST_IsEmpty(g) FROM (SELECT ST_GeomFromGeoJSON(:polygon) AS g) AS given"
)
_SET: Final = text(
    "INSERT INTO maintenance_window (area_code, area_level, geom, kind, reason, made_by, begins_at, ends_at) "
    "VALUES (:code, :level, ST_SetSRID(ST_GeomFromGeoJSON(:polygon), 4326), :kind, :reason, :by, "
    f":begins_at, :ends_at) RETURNING {_COLUMNS}"
)
_END: Final = text(
    "UPDATE maintenance_window SET ended_at = greatest(now(), begins_at), ended_by = :by "
    f"WHERE id = :id AND ended_at IS NULL AND ends_at > now() RETURNING {_COLUMNS}"
)
_TOLD: Final = """
    SELECT w.id, w.area_code, w.area_level, ST_AsGeoJSON(w.geom, 6) AS polygon, w.kind, w.reason, w.made_by,
           w.made_at, w.begins_at, w.ends_at, w.ended_at, w.ended_by,
           a.name AS area_name, a.name_en AS area_name_en,
           w.holds <@ (SELECT gt_scope('may_rule_manage')) AS may_end,
           count(d.id) AS alarms, count(d.id) FILTER (WHERE m.cleared_at IS NULL) AS open_alarms
    FROM maintenance_window AS w
    LEFT JOIN area AS a ON a.code = w.area_code AND a.level = w.area_level AND a.valid_to IS NULL
    LEFT JOIN alarm AS m ON m.maintenance_id = w.id
    LEFT JOIN device AS d ON d.id = m.device_id"""
LIST: Final = (
    f"{_TOLD} WHERE w.ended_at IS NULL AND w.ends_at > now() "
    "GROUP BY w.id, a.id ORDER BY w.begins_at, w.id LIMIT 500"
)
"""The windows that hold or are to come, with how many alarms came within each."""

READ: Final = f"{_TOLD} WHERE w.id = :id GROUP BY w.id, a.id"
"""One of them, also when it has ended."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is expected where: an area by its code (None: everywhere), narrowed to a polygon and a kind.

    ``polygon`` is GeoJSON (degrees WGS 84); times are aware.
    """

    area_code: str | None
    polygon: Mapping[str, Any] | None
    kind: str | None
    begins_at: datetime
    ends_at: datetime
    reason: str


async def set_window(
    connection: AsyncConnection, window: Window, catalog: Catalog, *, by: str, now: datetime
) -> Row[Any]:
    """Set a window, and tell the journal; commit soon. Return the row.

    Raises
    ------
    ForbiddenError
        The caller may not say so for the whole of the area.
    InvalidError
        The end is past, before the begin, or more than `LONGEST` after it; there is no reason; the area, the
        kind or the polygon is not known.
    """
    reason = require_reason(window.reason)
    if window.ends_at <= now or window.ends_at <= window.begins_at:
        raise InvalidError(
            "a window ends after it begins, and in the future", where="ends_at", hint="give a later time"
        )
    if window.ends_at - window.begins_at > LONGEST:
        raise InvalidError(
            "a window lasts at most 31 days", where="ends_at", hint="set another one when it is over"
        )
    if window.kind is not None and window.kind not in catalog.by_name:
        raise InvalidError(
            f"there is no kind of device “{window.kind}”", where="kind", hint="list them at /api/catalog"
        )
    level = await _require_area(connection, window.area_code)
    polygon = None if window.polygon is None else json.dumps(window.polygon)
    if polygon is not None and not (await connection.execute(_SOUND, {"polygon": polygon})).scalar_one():
        raise InvalidError(
            "the polygon crosses itself or is empty", where="polygon", hint="draw it without crossing lines"
        )
    values: dict[str, Any] = {
        "code": window.area_code,
        "level": level,
        "polygon": polygon,
        "kind": window.kind,
    }
    values |= {"reason": reason, "by": by, "begins_at": window.begins_at, "ends_at": window.ends_at}
    row = (await connection.execute(_SET, values)).one()
    await append(connection, [_event("alarm.maintenance_set", row, by)])
    return row


async def end_window(connection: AsyncConnection, window_id: int, *, by: str) -> Row[Any]:
    """End a window before its time, and tell the journal.

    Raises
    ------
    NotFoundError
        It is over, or the caller may not.
    """
    row = (await connection.execute(_END, {"id": window_id, "by": by})).first()
    if row is None:
        raise NotFoundError(f"there is no window {window_id} that you may end", where="id")
    await append(connection, [_event("alarm.maintenance_ended", row, by)])
    return row


async def _require_area(connection: AsyncConnection, code: str | None) -> str | None:
    """Return the level of an area that the caller may say so for."""
    if code is None:
        allowed, level = (await connection.execute(_MAY_WHOLE)).scalar_one(), None
    else:
        level = (await connection.execute(_AREA, {"code": code})).scalar()
        if level is None:
            raise InvalidError(
                f"there is no area {code}", where="area_code", hint="list areas at /api/areas or search them"
            )
        allowed = (await connection.execute(_MAY, {"level": level, "code": code})).scalar_one()
    if not allowed:
        raise ForbiddenError(
            "this account may not expect alarms in the whole of this area", where="area_code"
        )
    return level


def _event(kind: str, row: Row[Any], by: str) -> Event:
    data = {
        "window_id": row.id,
        "kind": row.kind,
        "reason": row.reason,
        "begins_at": row.begins_at.isoformat(),
        "ends_at": row.ends_at.isoformat(),
        "by": by,
    }
    return Event(kind, f"maintenance/{row.id}", data, area_code=row.area_code, actor=by)
