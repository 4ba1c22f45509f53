"""Link gates to the barrier devices that stand beside them, and to the compounds they lead into."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

DEVICE_REACH_M: Final = 5.0
"""How far beside its gate a barrier may stand; our assumption."""

COMPOUND_REACH_M: Final = 10.0
"""How far from the border of its compound a gate may stand; our assumption."""

# A degree of longitude is 28 km at latitude 75: boxes only preselect, the geography decides. What is
# simulated says nothing of a gate that is there.
_LINK: Final = text(
    f"""
    UPDATE gate SET device_id = f.device, compound_id = f.compound FROM (
        SELECT g.id, coalesce(
            (SELECT d.id FROM device d WHERE d.uid = g.device_uid AND d.valid_to IS NULL),
            (SELECT d.id FROM device d
             WHERE g.device_uid IS NULL AND d.valid_to IS NULL AND d.kind = 'gate'
               AND d.simulated = s.simulated
               AND d.geom && ST_Expand(g.geom, {DEVICE_REACH_M} / 28000.0)
               AND ST_DWithin(d.geom::geography, g.geom::geography, {DEVICE_REACH_M})
             ORDER BY ST_Distance(d.geom::geography, g.geom::geography), d.id LIMIT 1)) AS device,
            (SELECT c.id FROM compound c
             WHERE c.valid_to IS NULL AND c.geom && ST_Expand(g.geom, {COMPOUND_REACH_M} / 28000.0)
               AND ST_DWithin(c.geom::geography, g.geom::geography, {COMPOUND_REACH_M})
             ORDER BY ST_Distance(c.geom::geography, g.geom::geography), c.id LIMIT 1) AS compound
        FROM gate g JOIN dataset s ON s.id = g.dataset_id WHERE g.valid_to IS NULL) f
    WHERE f.id = gate.id AND (gate.device_id, gate.compound_id) IS DISTINCT FROM (f.device, f.compound)
    """
)


def link_gates(connection: Connection) -> None:
    """Link every present gate anew, inside the caller's transaction.

    A gate has the device it declares, else the nearest barrier within `DEVICE_REACH_M`; and the nearest
    compound within `COMPOUND_REACH_M`.
    """
    connection.execute(_LINK)
