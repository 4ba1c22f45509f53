"""Check networks: loose ends, pieces on their own, lines without a grade, nodes off their lines."""

from __future__ import annotations

from typing import Final

import numpy as np
from sqlalchemy import Connection, text

from twin.model.network import UTILITIES
from twin.networks.joining import REACH_M
from twin.networks.topology import LINES, NODES, Topology
from twin.quality.finding import Example, Finding
from twin.quality.reading import findings, select_examples

_LOOSE: Final = """
    SELECT l.utility || ' line ' || l.source_ref AS subject, ST_X(e.at) AS lon, ST_Y(e.at) AS lat,
           e.which || ' end' AS detail
    FROM network_line l CROSS JOIN LATERAL (VALUES
        ('first', l.from_node_id, ST_StartPoint(l.geom)), ('last', l.to_node_id, ST_EndPoint(l.geom))
    ) AS e (which, node, at)
    LEFT JOIN network_node n ON n.id = e.node AND n.valid_to IS NULL
    WHERE l.valid_to IS NULL AND (n.id IS NULL OR (n.kind = 'joint' AND n.serves IS NULL AND 1 = (
        SELECT count(*) FROM network_line o WHERE o.valid_to IS NULL
        AND (o.from_node_id = n.id OR o.to_node_id = n.id))))
    ORDER BY l.id, e.which
"""
# The line it lies beside is one of its utility within ten times the reach; farther away it is on none.
_OFF: Final = f"""
    SELECT n.utility || ' ' || n.kind || ' ' || n.source_ref AS subject,
           ST_X(n.geom) AS lon, ST_Y(n.geom) AS lat,
           coalesce(round(near.m::numeric, 1) || ' m from ' || near.source_ref, 'on no line') AS detail
    FROM network_node n LEFT JOIN LATERAL (
        SELECT l.source_ref, ST_Distance(l.geom::geography, n.geom::geography) AS m FROM network_line l
        WHERE l.valid_to IS NULL AND l.utility = n.utility
          AND l.geom && ST_Expand(n.geom, {REACH_M * 10} / 28000.0)
        ORDER BY m LIMIT 1) AS near ON true
    WHERE n.valid_to IS NULL AND NOT EXISTS (
        SELECT FROM network_line o
        WHERE o.valid_to IS NULL AND (o.from_node_id = n.id OR o.to_node_id = n.id))
    ORDER BY n.id
"""
_BARE: Final = """
    SELECT l.utility || ' line ' || l.source_ref AS subject, ST_X(ST_StartPoint(l.geom)) AS lon,
           ST_Y(ST_StartPoint(l.geom)) AS lat, '' AS detail
    FROM network_line l WHERE l.valid_to IS NULL AND l.grade IS NULL ORDER BY l.id
"""
_PLACE: Final = text(
    "SELECT source_ref, ST_X(ST_StartPoint(geom)) AS lon, ST_Y(ST_StartPoint(geom)) AS lat"
    " FROM network_line WHERE id = :id"
)


def check_networks(connection: Connection) -> list[Finding]:
    """Check that every network hangs together."""
    return [
        *findings(
            "network_loose_end",
            "info",
            select_examples(connection, _LOOSE),
            message="{n} ends of network lines lead nowhere: no node, or a joint with nothing behind it",
            hint="draw what stands there (meter, hydrant, cap), or join the line to its neighbour",
        ),
        *findings(
            "network_node_off_line",
            "warning",
            select_examples(connection, _OFF),
            message=f"{{n}} nodes of networks are more than {REACH_M:g} m from every end of a line",
            hint="move them onto the line, and split the line there",
        ),
        *findings(
            "network_line_without_grade",
            "info",
            select_examples(connection, _BARE),
            message="{n} network lines have no class of pressure or voltage",
            hint="map its column with --map grade=COLUMN",
        ),
        *[found for utility in UTILITIES for found in _pieces(connection, utility)],
    ]


def _pieces(connection: Connection, utility: str) -> list[Finding]:
    """Find what does not hang together with the largest piece of its utility."""
    of = {"utility": utility}
    topology = Topology.of_rows(
        connection.execute(NODES, of).mappings(), connection.execute(LINES, of).mappings()
    )
    if not len(topology.line_id):
        return []
    n, m = len(topology.node_id), len(topology.line_id)
    piece = topology.pieces(np.zeros(n, np.bool_), np.zeros(m, np.bool_))
    numbers, first, count = np.unique(piece, return_index=True, return_counts=True)
    islands = []
    for k in np.argsort(-count, kind="stable")[1:]:
        row = connection.execute(_PLACE, {"id": int(topology.line_id[first[k]])}).one()
        fed = topology.source & topology.touched(piece == numbers[k])
        detail = f"{count[k]} lines, {'with' if fed.any() else 'without'} a source"
        islands.append(
            Example(f"{utility} line {row.source_ref}", round(row.lon, 7), round(row.lat, 7), detail)
        )
    return findings(
        f"network_piece_{utility}",
        "warning",
        islands,
        message=f"{{n}} pieces of the {utility} network are joined to nothing of the rest",
        hint="join them at their ends, or name what feeds each (a node of kind source)",
    )
