"""Draw simulated compounds: residential land of the map, and clusters of dwellings beside it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry import MultiPolygon
from sqlalchemy import Connection

from ingest.simulate.city import City
from ingest.vector.intake import Intake, Row
from ingest.vector.staging import write_rows
from ingest.vector.summary import ImportSummary
from ingest.vector.tables import TABLES
from twin.compounds import load_rules
from twin.partition.households import RESIDENTIAL_KINDS

CLUSTER_GAP_M: Final = 30.0
"""Dwellings nearer to each other than this, with no carriageway between, are of one compound."""

LEAST_BUILDINGS: Final = 2
LEAST_AREA_M2: Final = 1_500.0

_COMPANIES: Final = ("模拟物业甲", "模拟物业乙", "模拟物业丙")


def site_compounds(connection: Connection, dataset_id: int, city: City | None) -> int:
    """Bring the dataset to hold what `plan_compounds` says, nothing without a city; return how many."""
    rows = plan_compounds(city) if city is not None else []
    intake = Intake(ImportSummary("simulation", ""))
    for row in rows:
        intake.take("compound", row)
    write_rows(connection, dataset_id, TABLES["compound"], intake, allow_shrink=True)
    return len(rows)


def plan_compounds(city: City) -> list[Row]:
    """Return rows of compounds; the same city gives the same rows.

    Residential land of the map is a compound as it is drawn. Dwellings outside it are clustered within
    carriageways. What no device stands for (intercoms, visitor management, patrol points) is declared by
    chance of the compound's name, so that compounds differ.
    """
    shapes = [(ref, name, shape) for ref, name, shape in city.residential if shape.area >= LEAST_AREA_M2]
    taken = shapely.union_all([shape for _, _, shape in shapes]) if shapes else MultiPolygon()
    shapes += [(ref, None, shape) for ref, shape in _clusters(city, taken)]
    return [_row(city, ref, name, shape) for ref, name, shape in shapes]


def _clusters(city: City, taken: Any) -> list[tuple[str, Any]]:
    homes = [
        b for b in city.buildings if b.kind in RESIDENTIAL_KINDS and not taken.intersects(b.shape.centroid)
    ]
    if not homes:
        return []
    grown = shapely.union_all(shapely.buffer([b.shape for b in homes], CLUSTER_GAP_M / 2))
    roads = [r for r in city.surface_roads if r.car]
    ways = shapely.union_all([r.line.buffer(r.width_m / 2) for r in roads])
    parts = [
        part
        for part in shapely.get_parts(grown.difference(ways).difference(taken))
        if part.area >= LEAST_AREA_M2
    ]
    tree = shapely.STRtree([b.shape.centroid for b in homes])
    found = []
    for part in parts:
        inside = sorted(homes[k].ref for k in tree.query(part, predicate="intersects").tolist())
        if len(inside) >= LEAST_BUILDINGS:
            found.append((f"cluster/{inside[0]}", part))
    return sorted(found, key=lambda one: one[0])


def _row(city: City, ref: str, name: str | None, shape: Any) -> Row:
    zh, en = city.street_near(ref, shape)
    digest = hashlib.blake2b(ref.encode(), digest_size=16).digest()
    number = digest[0] % 90 + 10
    buildings = int(shapely.contains(shape, shapely.centroid(city.building_shapes)).sum())
    declared = {}
    for at, item in enumerate(item for item in load_rules().items if not item.kinds):
        need = item.per_each * (1 if item.per == "compound" else buildings)
        # A third of the compounds have all of an item, a third some of it, a third none.
        declared[item.code] = (need, need // 2, 0)[digest[at + 1] % 3]
    xy = shapely.get_coordinates(shape)
    placed = shapely.set_coordinates(shape, np.column_stack(city.lon_lat(xy[:, 0], xy[:, 1])))
    whole = placed if isinstance(placed, MultiPolygon) else MultiPolygon([placed])
    return Row(
        "compound",
        ref,
        shapely.normalize(shapely.make_valid(whole)) if not whole.is_valid else whole,
        {
            "name": f"{name or f'{zh}小区{number}'}（模拟）",
            "name_en": f"{name or f'{en} compound {number}'} (simulated)",
            "property_company": f"{_COMPANIES[digest[-1] % len(_COMPANIES)]}（模拟）",
            "property_company_code": None,
            "households": None,
            "equipment": declared,
        },
    )
