"""Find things that are there twice, and buildings that stand in each other."""

from __future__ import annotations

import numpy as np
import shapely
from sqlalchemy import Connection, text

from twin.distance import square_metres
from twin.quality.finding import Example, Finding
from twin.quality.reading import example, findings, select_examples

SAME_FOOTPRINT = 0.9
"""Intersection over union above which two footprints are the same building."""

SAME_PLACE_M = 0.3
"""Devices of one kind on one floor that are nearer than this are taken for one device."""

OVERLAP_MIN_M2 = 1.0
"""Buildings drawn side by side by hand overlap by a little everywhere; less than this is not told."""


def check_duplicates(connection: Connection) -> list[Finding]:
    """Check buildings and devices against their neighbours."""
    same, overlapping = _buildings(connection)
    devices = select_examples(
        connection,
        "SELECT 'device ' || a.uid || ' = ' || b.uid AS subject, ST_X(a.geom) AS lon, ST_Y(a.geom) AS lat,"
        " a.kind || ', ' || round(ST_Distance(a.geom::geography, b.geom::geography)::numeric, 2)"
        " || ' m apart' AS detail FROM device a JOIN device b ON a.id < b.id AND a.kind = b.kind"
        " AND a.floor IS NOT DISTINCT FROM b.floor"
        # Cameras on one pole look different ways, and are told apart by that.
        " AND (a.bearing_source IS DISTINCT FROM 'measured' OR b.bearing_source IS DISTINCT FROM 'measured'"
        " OR a.bearing_deg = b.bearing_deg)"
        f" AND ST_DWithin(a.geom::geography, b.geom::geography, {SAME_PLACE_M})"
        " AND ST_Expand(a.geom, 1e-4) && b.geom"
        " WHERE a.valid_to IS NULL AND b.valid_to IS NULL AND a.kind <> 'worker' ORDER BY a.id, b.id",
    )
    return [
        *findings(
            "device_duplicate",
            "warning",
            devices,
            message="{n} pairs of devices of one kind stand in one place",
            hint="remove the one that does not report, or say on which floors they hang",
        ),
        *findings(
            "building_duplicate",
            "warning",
            same,
            message="{n} pairs of buildings have the same footprint and are counted twice",
            hint="remove one of the two in the source and import again",
        ),
        *findings(
            "building_overlap",
            "warning",
            overlapping,
            message="{n} pairs of buildings stand in each other",
            hint="correct the footprints in the source; mark what lies above the other as building:part",
        ),
    ]


def _buildings(connection: Connection) -> tuple[list[Example], list[Example]]:
    rows = connection.execute(
        text(
            "SELECT source_ref, ST_AsBinary(geom) AS geom, min_height_m, height_m FROM building"
            " WHERE valid_to IS NULL AND body <> 'part' ORDER BY id"
        )
    ).all()
    if not rows:
        return [], []
    geoms = np.array([shapely.from_wkb(bytes(r.geom)) for r in rows], dtype=object)
    i, j = shapely.STRtree(geoms).query(geoms, predicate="intersects")
    first = i < j
    i, j = i[first], j[first]
    shared = shapely.area(shapely.intersection(geoms[i], geoms[j]))
    union = shapely.area(geoms[i]) + shapely.area(geoms[j]) - shared
    same, overlapping = [], []
    for a, b, common, whole in zip(i.tolist(), j.tolist(), shared.tolist(), union.tolist(), strict=True):
        if common <= 0.0:
            continue
        subject = f"building {rows[a].source_ref} × {rows[b].source_ref}"
        if common / whole > SAME_FOOTPRINT:
            same.append(example(subject, geoms[a], f"{100 * common / whole:.0f} % the same"))
            continue
        one_above = rows[a].min_height_m >= rows[b].height_m or rows[b].min_height_m >= rows[a].height_m
        size_m2 = square_metres(common, float(shapely.bounds(geoms[a])[1]))
        if size_m2 >= OVERLAP_MIN_M2 and not one_above:
            overlapping.append(
                example(subject, shapely.intersection(geoms[a], geoms[b]), f"{size_m2:.1f} m² in common")
            )
    return same, overlapping
