"""Stand a simulated gate on the road beside every simulated barrier."""

from __future__ import annotations

from typing import Any, Final

import shapely
from sqlalchemy import Connection, text

from ingest.vector.intake import Intake, Row
from ingest.vector.staging import write_rows
from ingest.vector.summary import ImportSummary
from ingest.vector.tables import TABLES
from twin.dispatch.gate_kinds import load_gate_kinds
from twin.dispatch.gate_links import DEVICE_REACH_M, link_gates

KIND: Final = "lift_gate"

# On the nearest road on the ground; none where the map has a gate already.
_BARRIERS: Final = text(
    f"""
    SELECT d.source_ref, d.uid, d.name, d.name_en, ST_AsBinary(r.at) AS geom
    FROM device d CROSS JOIN LATERAL (
        SELECT ST_ClosestPoint(r.geom, d.geom) AS at FROM road r
        WHERE r.valid_to IS NULL AND r.layer = 0 AND r.car_forward
          AND r.geom && ST_Expand(d.geom, {DEVICE_REACH_M} / 28000.0)
          AND ST_DWithin(r.geom::geography, d.geom::geography, {DEVICE_REACH_M})
        ORDER BY ST_Distance(r.geom::geography, d.geom::geography), r.id LIMIT 1) AS r
    WHERE d.dataset_id = :dataset AND d.kind = 'gate' AND d.valid_to IS NULL AND NOT EXISTS (
        SELECT FROM gate g WHERE g.valid_to IS NULL AND g.dataset_id <> :dataset
          AND g.geom && ST_Expand(r.at, 10 / 28000.0) AND ST_DWithin(g.geom::geography, r.at::geography, 10))
    ORDER BY d.source_ref
    """
)


def site_gates(connection: Connection, dataset_id: int) -> int:
    """Bring the dataset to hold a gate for each of its barriers on a road; return how many.

    Workers who look after the place have keys; whether it stands open the barrier says.
    """
    intake = Intake(ImportSummary("simulation", ""))
    found = connection.execute(_BARRIERS, {"dataset": dataset_id}).all()
    for barrier in found:
        intake.take("gate", _row(barrier))
    write_rows(connection, dataset_id, TABLES["gate"], intake, allow_shrink=True)
    link_gates(connection)
    return len(found)


def _row(barrier: Any) -> Row:
    kinds = load_gate_kinds()
    kind = kinds.find(KIND)
    assert kind is not None, f"data/gate_kinds.toml has no {KIND}"
    values = {
        "kind": kind.name,
        "name": barrier.name,
        "name_en": barrier.name_en,
        "foot": kind.foot,
        "bike": kind.bike,
        "car": kind.car,
        "keys": list(kinds.private_keys),
        "opens": None,
        "closes": None,
        "device_uid": barrier.uid,
    }
    return Row("gate", f"gate/{barrier.source_ref}", shapely.from_wkb(bytes(barrier.geom)), values)
