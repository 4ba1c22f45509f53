"""Find what belongs nowhere: things outside grids, grids without community, addresses without building."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

_IN_GRID = (
    "EXISTS (SELECT FROM area a WHERE a.level = 'unit_grid' AND a.valid_to IS NULL"
    " AND ST_Intersects(a.geom, t.geom))"
)
_ANY_GRID = "EXISTS (SELECT FROM area WHERE level = 'unit_grid' AND valid_to IS NULL)"


CLOSED_LINKS = (
    ("device", "unit_grid_id", "'device ' || t.uid", "t.geom", "t.valid_to IS NULL"),
    ("device", "responsibility_grid_id", "'device ' || t.uid", "t.geom", "t.valid_to IS NULL"),
    ("component", "unit_grid_id", "'component ' || t.code", "t.geom", "t.valid_to IS NULL"),
    ("worker", "responsibility_grid_id", "'worker ' || t.code", "t.base_point", "true"),
    ("case_file", "unit_grid_id", "'case ' || t.number", "t.geom", "t.closed_at IS NULL"),
    ("case_file", "responsibility_grid_id", "'case ' || t.number", "t.geom", "t.closed_at IS NULL"),
    # Grids under a closed community are told as grids without community.
    (
        "area",
        "parent_id",
        "t.level || ' ' || t.code",
        "t.label_point",
        "t.valid_to IS NULL AND t.level NOT IN ('unit_grid', 'responsibility_grid')",
    ),
)
"""Every column that names an area: table, column, name of the thing, where it is, when it is present."""


def check_orphans(connection: Connection) -> list[Finding]:
    """Check that every present thing stands in a grid and hangs on what it belongs to."""
    return [
        *_outside(connection, "device", "'device ' || t.uid", "t.geom", " AND t.kind <> 'worker'"),
        *_outside(connection, "building", "'building ' || t.source_ref", "ST_PointOnSurface(t.geom)", ""),
        *_outside(connection, "service_point", "'service_point ' || t.source_ref", "t.geom", ""),
        *_outside(connection, "component", "'component ' || t.code", "t.geom", ""),
        *_wrong_grid(connection),
        *_closed_links(connection),
        *_grids(connection),
        *_addresses(connection),
    ]


def _outside(connection: Connection, table: str, subject: str, point: str, where: str) -> list[Finding]:
    words = table.replace("_", " ")
    found = select_examples(
        connection,
        f"SELECT {subject} AS subject, ST_X({point}) AS lon, ST_Y({point}) AS lat, '' AS detail"
        f" FROM {table} t WHERE t.valid_to IS NULL{where} AND {_ANY_GRID} AND NOT {_IN_GRID} ORDER BY t.id",
    )
    return findings(
        f"{table}_outside_grids",
        "warning",
        found,
        message=f"{{n}} {words}s stand outside every unit grid, so no grid worker is responsible for them",
        hint="import the communities of this place, or correct the coordinates (were they in GCJ-02?)",
    )


def _wrong_grid(connection: Connection) -> list[Finding]:
    found = select_examples(
        connection,
        "SELECT 'device ' || t.uid AS subject, ST_X(t.geom) AS lon, ST_Y(t.geom) AS lat,"
        " 'noted in ' || coalesce(g.code, 'no grid') AS detail FROM device t"
        " LEFT JOIN area g ON g.id = t.unit_grid_id WHERE t.valid_to IS NULL AND t.kind <> 'worker'"
        " AND (g.id IS NULL OR NOT ST_Intersects(g.geom, t.geom))"
        f" AND {_IN_GRID} ORDER BY t.id",
    )
    return findings(
        "device_in_wrong_grid",
        "error",
        found,
        message="{n} devices are noted in another unit grid than the one they stand in",
        hint="run gridtwin import again: it gives devices their grids",
    )


def _closed_links(connection: Connection) -> list[Finding]:
    found = select_examples(
        connection,
        " UNION ALL ".join(
            f"SELECT {subject} AS subject, ST_X(coalesce({point}, a.label_point)) AS lon,"
            f" ST_Y(coalesce({point}, a.label_point)) AS lat,"
            f" a.level || ' ' || a.code || ', closed ' || to_char(a.valid_to, 'YYYY-MM-DD HH24:MI') AS detail"
            f" FROM {table} t JOIN area a ON a.id = t.{column} WHERE {present} AND a.valid_to IS NOT NULL"
            for table, column, subject, point, present in CLOSED_LINKS
        )
        + " ORDER BY subject, detail",
    )
    return findings(
        "link_to_closed_area",
        "error",
        found,
        message="{n} links of present things lead to an area that was closed",
        hint="run gridtwin import again: it gives devices, workers and open cases the grids of today",
    )


def _grids(connection: Connection) -> list[Finding]:
    point = "ST_X(t.label_point) AS lon, ST_Y(t.label_point) AS lat"
    homeless = select_examples(
        connection,
        f"SELECT t.level || ' ' || t.code AS subject, {point}, '' AS detail FROM area t"
        " LEFT JOIN area p ON p.id = t.parent_id WHERE t.valid_to IS NULL"
        " AND t.level IN ('unit_grid', 'responsibility_grid')"
        " AND (p.id IS NULL OR p.valid_to IS NOT NULL OR p.level <> 'community') ORDER BY t.code",
    )
    bare = select_examples(
        connection,
        f"SELECT 'community ' || t.code AS subject, {point}, t.name AS detail FROM area t"
        " WHERE t.valid_to IS NULL AND t.level = 'community' AND NOT EXISTS (SELECT FROM area g"
        " WHERE g.parent_id = t.id AND g.level = 'unit_grid' AND g.valid_to IS NULL) ORDER BY t.code",
    )
    return [
        *findings(
            "grid_without_community",
            "error",
            homeless,
            message="{n} grids belong to no present community",
            hint="close them, or import the community they lie in",
        ),
        *findings(
            "community_without_grids",
            "error",
            bare,
            message="{n} communities have no unit grids",
            hint="run gridtwin import again to divide them; if they lie under others, correct their borders",
        ),
    ]


def _addresses(connection: Connection) -> list[Finding]:
    found = select_examples(
        connection,
        "SELECT 'address ' || t.source_ref AS subject, ST_X(t.geom) AS lon, ST_Y(t.geom) AS lat,"
        " t.text AS detail FROM address t LEFT JOIN building b ON b.id = t.building_id"
        " WHERE t.valid_to IS NULL AND (b.id IS NULL OR b.valid_to IS NOT NULL) ORDER BY t.id",
    )
    return findings(
        "address_without_building",
        "warning",
        found,
        message="{n} addresses belong to no present building",
        hint="draw the missing building, or move the address to the door it names",
    )
