"""Find invalid and doubtful geometry: nothing where something should be, and heights nobody builds."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

FOOTPRINT_MIN_M2 = 2.0
LEVEL_HEIGHT_M = (2.2, 7.0)
"""Height of a level outside which height and levels contradict each other (of 2 levels or more)."""

UNMEASURED_HEIGHT_MAX_M = 200.0
"""A taller building should have a measured height."""


def check_shapes(connection: Connection) -> list[Finding]:
    """Check areas, lengths and heights against what can be."""
    point = "ST_X(ST_PointOnSurface(t.geom)) AS lon, ST_Y(ST_PointOnSurface(t.geom)) AS lat"
    building = f"SELECT 'building ' || t.source_ref AS subject, {point},"
    low, high = LEVEL_HEIGHT_M
    invalid = [
        row
        for table in ("building", "area", "ground_cover")
        for row in select_examples(
            connection,
            f"SELECT '{table} ' || t.source_ref AS subject, ST_X(ST_Centroid(t.geom)) AS lon,"
            " ST_Y(ST_Centroid(t.geom)) AS lat, ST_IsValidReason(t.geom) AS detail"
            f" FROM {table} t WHERE t.valid_to IS NULL AND NOT ST_IsValid(t.geom) ORDER BY t.id",
        )
    ]
    tiny = select_examples(
        connection,
        f"{building} round(t.footprint_m2::numeric, 3) || ' m²' AS detail FROM building t"
        " WHERE t.valid_to IS NULL AND t.body <> 'part'"
        f" AND t.footprint_m2 < {FOOTPRINT_MIN_M2} ORDER BY t.id",
    )
    pointlike = select_examples(
        connection,
        "SELECT 'road ' || t.source_ref AS subject, ST_X(ST_StartPoint(t.geom)) AS lon,"
        " ST_Y(ST_StartPoint(t.geom)) AS lat, '' AS detail FROM road t"
        " WHERE t.valid_to IS NULL AND ST_Length(t.geom) = 0 ORDER BY t.id",
    )
    contradictory = select_examples(
        connection,
        f"{building} t.height_m || ' m in ' || t.levels || ' levels' AS detail FROM building t"
        " WHERE t.valid_to IS NULL AND t.body = 'whole' AND t.levels >= 2 AND t.min_height_m = 0"
        f" AND (t.height_m / t.levels < {low} OR t.height_m / t.levels > {high}) ORDER BY t.id",
    )
    towering = select_examples(
        connection,
        f"{building} t.height_m || ' m, ' || t.height_source AS detail FROM building t"
        f" WHERE t.valid_to IS NULL AND t.height_m > {UNMEASURED_HEIGHT_MAX_M}"
        " AND t.height_source <> 'measured' ORDER BY t.id",
    )
    return [
        *findings(
            "geometry_invalid",
            "error",
            invalid,
            message="{n} things have an invalid geometry",
            hint="import them again: geometry is repaired or refused on the way in",
        ),
        *findings(
            "building_tiny",
            "warning",
            tiny,
            message=f"{{n}} buildings cover less than {FOOTPRINT_MIN_M2:.0f} m²",
            hint="remove leftovers of drawing from the source",
        ),
        *findings(
            "road_without_length",
            "warning",
            pointlike,
            message="{n} roads have no length",
            hint="remove them from the source",
        ),
        *findings(
            "height_contradicts_levels",
            "warning",
            contradictory,
            message=f"{{n}} buildings have levels of less than {low} m or more than {high} m",
            hint="correct height or levels in the source",
        ),
        *findings(
            "height_outlier",
            "warning",
            towering,
            message=f"{{n}} buildings are over {UNMEASURED_HEIGHT_MAX_M:.0f} m high but not measured",
            hint="measure them, or correct the number of levels",
        ),
    ]
