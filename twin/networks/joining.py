"""Hang the ends of lines on nodes, nodes on devices, and buildings on nodes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

REACH_M: Final = 1.0
"""What is nearer than this to an end of a line, or to a node, is taken to be there."""

METER_REACH_M: Final = 10.0
"""How far from its building a meter may stand; our assumption."""

# A degree of longitude is 28 km at latitude 75: boxes only preselect, the geography decides.
_BOX: Final = "ST_Expand({point}, {reach} / 28000.0)"


def _nearest(point: str) -> str:
    return (
        "(SELECT n.id FROM network_node n WHERE n.valid_to IS NULL AND n.utility = l.utility"
        f" AND n.geom && {_BOX.format(point=point, reach=REACH_M)}"
        f" AND ST_DWithin(n.geom::geography, {point}::geography, {REACH_M})"
        f" ORDER BY ST_Distance(n.geom::geography, {point}::geography), n.id LIMIT 1)"
    )


_ENDS: Final = text(
    f"""
    UPDATE network_line SET from_node_id = f.first, to_node_id = f.last FROM (
        SELECT l.id, {_nearest("ST_StartPoint(l.geom)")} AS first, {_nearest("ST_EndPoint(l.geom)")} AS last
        FROM network_line l WHERE l.valid_to IS NULL) f
    WHERE f.id = network_line.id AND (network_line.from_node_id, network_line.to_node_id)
        IS DISTINCT FROM (f.first, f.last)
    """
)
_DEVICES: Final = text(
    f"""
    UPDATE network_node SET device_id = f.device FROM (
        SELECT n.id, coalesce(
            (SELECT d.id FROM device d WHERE d.uid = n.device_uid AND d.valid_to IS NULL),
            (SELECT d.id FROM device d
             WHERE n.device_uid IS NULL AND d.valid_to IS NULL AND d.kind NOT IN ('worker', 'camera')
               AND d.geom && {_BOX.format(point="n.geom", reach=REACH_M)}
               AND ST_DWithin(d.geom::geography, n.geom::geography, {REACH_M})
             ORDER BY ST_Distance(d.geom::geography, n.geom::geography), d.id LIMIT 1)) AS device
        FROM network_node n WHERE n.valid_to IS NULL) f
    WHERE f.id = network_node.id AND network_node.device_id IS DISTINCT FROM f.device
    """
)
# The nearest of several buildings of one name: every city has a building 1.
_CONNECTIONS: Final = f"""
    SELECT node_id, building_id, 'declared' AS source FROM (
        SELECT DISTINCT ON (s.id, s.said) s.id AS node_id, b.id AS building_id
        FROM (SELECT n.id, n.geom, said FROM network_node n, jsonb_array_elements_text(n.serves) AS said
              WHERE n.valid_to IS NULL) AS s
        JOIN (
            SELECT id, geom, source_ref AS called, 0 AS rank FROM building
            WHERE valid_to IS NULL AND body <> 'part'
            UNION ALL SELECT id, geom, name, 1 FROM building WHERE valid_to IS NULL AND body <> 'part'
            UNION ALL SELECT id, geom, address, 1 FROM building WHERE valid_to IS NULL AND body <> 'part'
        ) AS b ON b.called = s.said
        ORDER BY s.id, s.said, b.rank, b.geom <-> s.geom, b.id) AS declared
    UNION ALL
    SELECT n.id, b.id, 'meter' FROM network_node n CROSS JOIN LATERAL (
        SELECT b.id FROM building b
        WHERE b.valid_to IS NULL AND b.body <> 'part'
          AND b.geom && {_BOX.format(point="n.geom", reach=METER_REACH_M)}
          AND ST_DWithin(b.geom::geography, n.geom::geography, {METER_REACH_M})
        ORDER BY ST_Distance(b.geom::geography, n.geom::geography), b.id LIMIT 1) AS b
    WHERE n.valid_to IS NULL AND n.kind = 'meter' AND n.serves IS NULL
"""
_CONNECT: Final = (
    text(
        "CREATE TEMP TABLE connected ON COMMIT DROP AS"
        f" SELECT DISTINCT ON (1, 2) * FROM ({_CONNECTIONS}) AS c"
    ),
    text(
        "DELETE FROM service_connection s WHERE NOT EXISTS (SELECT FROM connected c"
        " WHERE (c.node_id, c.building_id, c.source) = (s.node_id, s.building_id, s.source))"
    ),
    text("INSERT INTO service_connection SELECT * FROM connected ON CONFLICT DO NOTHING"),
    text("DROP TABLE connected"),
)


def join_networks(connection: Connection) -> None:
    """Join everything present anew, inside the caller's transaction.

    An end of a line belongs to the nearest node of its utility within `REACH_M`. A node has the device it
    declares, else the nearest one within `REACH_M` that is no camera and no tracker. Buildings hang on the
    nodes that declare to serve them, and on meters within `METER_REACH_M` that declare nothing.
    """
    for statement in (_ENDS, _DEVICES, *_CONNECT):
        connection.execute(statement)
