"""Find areas whose code or ground is not inside that of the area they belong to."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

PREFIX = {"district": 4, "street": 6, "community": 9, "responsibility_grid": 12, "unit_grid": 12}
"""How many digits of its parent's code the code of a level begins with."""

OUTSIDE_SHARE = 0.01
"""Borders of two levels come from two hands; a part of an area outside its parent up to this is let be."""


def check_codes(connection: Connection) -> list[Finding]:
    """Check the area tree: codes begin as the parent's does, areas lie in their parent."""
    prefix = " ".join(f"WHEN '{level}' THEN {digits}" for level, digits in PREFIX.items())
    base = (
        "SELECT t.level || ' ' || t.code AS subject, ST_X(t.label_point) AS lon, ST_Y(t.label_point) AS lat, "
    )
    join = " FROM area t JOIN area p ON p.id = t.parent_id WHERE t.valid_to IS NULL AND p.valid_to IS NULL"
    strangers = select_examples(
        connection,
        f"{base} p.level || ' ' || p.code AS detail {join}"
        f" AND left(t.code, CASE t.level {prefix} ELSE 0 END)"
        f" <> left(p.code, CASE t.level {prefix} ELSE 0 END) ORDER BY t.code",
    )
    part = "ST_Area(ST_Difference(t.geom, p.geom)) / ST_Area(t.geom)"
    outside = select_examples(
        connection,
        f"{base} round((100 * {part})::numeric, 1) || ' % outside ' || p.code AS detail {join}"
        f" AND NOT ST_CoveredBy(t.geom, p.geom) AND {part} > {OUTSIDE_SHARE} ORDER BY t.code",
    )
    return [
        *findings(
            "area_code_outside_parent",
            "error",
            strangers,
            message="{n} areas have a code that does not begin as that of the area they belong to",
            hint="correct the code (6 digits of district, 3 each of street, community, grid) or the parent",
        ),
        *findings(
            "area_outside_parent",
            "warning",
            outside,
            message=f"{{n}} areas lie over {100 * OUTSIDE_SHARE:.0f} % outside the area they belong to",
            hint="correct one of the two borders in the source",
        ),
    ]
