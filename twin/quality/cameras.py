"""Count cameras whose direction is not known or only estimated, and those that see next to nothing."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

SEEN_SHARE_MIN = 0.05
"""A camera that sees less of its sector than this is probably drawn in the wrong place."""


def check_cameras(connection: Connection) -> list[Finding]:
    """Check that cameras have a direction, and a view."""
    base = (
        "SELECT 'camera ' || t.uid AS subject, ST_X(t.geom) AS lon, ST_Y(t.geom) AS lat, {detail} AS detail"
        " FROM device t WHERE t.kind = 'camera' AND t.valid_to IS NULL AND {where} ORDER BY t.id"
    )
    blind = select_examples(
        connection, base.format(detail="''", where="t.bearing_deg IS NULL AND t.sight IS NULL")
    )
    estimated = select_examples(
        connection,
        base.format(detail="round(t.bearing_deg) || '°'", where="t.bearing_source = 'estimated'"),
    )
    seen = "ST_Area(t.sight::geography) / (pi() * t.range_m ^ 2 * t.field_of_view_deg / 360)"
    hidden = select_examples(
        connection,
        base.format(
            detail=f"'sees ' || round((100 * {seen})::numeric, 1) || ' % of its sector'",
            where=f"t.sight IS NOT NULL AND {seen} < {SEEN_SHARE_MIN}",
        ),
    )
    return [
        *findings(
            "camera_without_direction",
            "warning",
            blind,
            message="{n} cameras have no direction, and no street or wall to estimate it from",
            hint="tag the direction in the source; a camera drawn deep inside a building belongs on its wall",
        ),
        *findings(
            "camera_direction_estimated",
            "info",
            estimated,
            message="{n} cameras have a direction that is estimated, towards the street or off the wall",
            hint="measure the direction and import it (camera:direction, or the column bearing_deg)",
        ),
        *findings(
            "camera_view_blocked",
            "warning",
            hidden,
            message=f"{{n}} cameras see less than {100 * SEEN_SHARE_MIN:.0f} % of their sector",
            hint="move the camera to the wall it hangs on, or turn it away from the wall before it",
        ),
    ]
