"""Read what a division needs from the database, and write its grids there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, text

from twin.crs import STORAGE_SRID
from twin.partition.households import LEVEL_HEIGHT_M, RESIDENTIAL_KINDS
from twin.partition.linework import Geometries, as_array
from twin.partition.options import LevelCounts

DATASET = "partition"
"""Name of the dataset that made grids belong to."""

_LINKS = ("motorway", "trunk", "primary", "secondary", "tertiary")
ROAD_CLASSES = (
    *_LINKS,
    *(f"{c}_link" for c in _LINKS),
    "unclassified",
    "residential",
    "living_street",
    "pedestrian",
)
"""Classes of ``road.road_class`` that always divide."""

PATH_CLASSES = ("service", "track", "cycleway", "footway", "path", "steps")
"""Classes that divide only what is too large without them."""


@dataclass(frozen=True, slots=True)
class Community:
    """A present community; ``geom`` in degrees."""

    id: int
    code: str
    name: str
    name_en: str | None
    geom: BaseGeometry


@dataclass(frozen=True, slots=True)
class Grid:
    """A present grid of either level."""

    id: int
    code: str
    name: str
    name_en: str | None
    made_by: str
    geom: BaseGeometry
    households: int | None
    floor_area_m2: float | None


@dataclass(frozen=True, slots=True)
class Buildings:
    """Present buildings: footprints, their floor area, and how much of it is residential, in m²."""

    footprints: Geometries
    floor_area_m2: NDArray[np.float64]
    residential_m2: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NewGrid:
    """A grid as it shall be."""

    code: str
    name: str
    name_en: str
    geom: BaseGeometry
    households: int | None
    floor_area_m2: float


def read_communities(connection: Connection) -> list[Community]:
    """Return the present communities in the order of their codes."""
    rows = connection.execute(
        text(
            "SELECT id, code, name, name_en, ST_AsBinary(geom) AS geom FROM area"
            " WHERE level = 'community' AND valid_to IS NULL ORDER BY code"
        )
    )
    return [Community(r.id, r.code, r.name, r.name_en, shapely.from_wkb(bytes(r.geom))) for r in rows]


def read_grids(connection: Connection, level: str) -> dict[int, list[Grid]]:
    """Return the present grids of a level by the id of their community, in the order of their codes."""
    rows = connection.execute(
        text(
            "SELECT id, parent_id, code, name, name_en, made_by, ST_AsBinary(geom) AS geom, households,"
            " floor_area_m2 FROM area WHERE level = :level AND valid_to IS NULL ORDER BY code"
        ),
        {"level": level},
    )
    out: dict[int, list[Grid]] = {}
    for r in rows:
        geom = shapely.from_wkb(bytes(r.geom))
        grid = Grid(r.id, r.code, r.name, r.name_en, r.made_by, geom, r.households, r.floor_area_m2)
        out.setdefault(-1 if r.parent_id is None else r.parent_id, []).append(grid)
    return out


def read_dividers(connection: Connection) -> tuple[Geometries, Geometries]:
    """Return the lines of roads, which always divide, and of paths, which divide what is too large.

    Tunnels run under what they would divide, and a path on a bridge over it, so both are left out.
    """
    rows = connection.execute(
        text(
            "SELECT road_class = ANY(:roads) AS always, ST_AsBinary(geom) AS geom FROM road"
            " WHERE valid_to IS NULL AND NOT tunnel AND layer >= 0"
            " AND (road_class = ANY(:roads) OR (road_class = ANY(:paths) AND layer = 0 AND NOT bridge))"
            " ORDER BY dataset_id, source_ref"
        ),
        {"roads": list(ROAD_CLASSES), "paths": list(PATH_CLASSES)},
    ).all()
    lines = as_array(shapely.from_wkb([bytes(r.geom) for r in rows])) if rows else as_array([])
    always = np.array([r.always for r in rows], dtype=bool)
    return lines[always], lines[~always]


def read_buildings(connection: Connection) -> Buildings:
    """Return present buildings; one drawn in parts is counted once, by its outline."""
    rows = connection.execute(
        text(
            "SELECT ST_AsBinary(geom) AS geom, kind = ANY(:kinds) AS residential,"
            " footprint_m2 * coalesce(levels, greatest(round((height_m / :level_m)::numeric), 1))"
            " AS floor_area"
            " FROM building WHERE valid_to IS NULL AND body <> 'part' ORDER BY dataset_id, source_ref"
        ),
        {"kinds": list(RESIDENTIAL_KINDS), "level_m": LEVEL_HEIGHT_M},
    ).all()
    floor = np.array([float(r.floor_area) for r in rows], dtype=np.float64)
    residential = np.array([r.residential for r in rows], dtype=bool)
    footprints = as_array(shapely.from_wkb([bytes(r.geom) for r in rows])) if rows else as_array([])
    return Buildings(footprints, floor, np.where(residential, floor, 0.0))


def get_dataset_id(connection: Connection) -> int:
    """Return the id of the dataset of made grids, which is made on first use."""
    connection.execute(
        text(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) VALUES (:name, 'derived', :crs, false)"
            " ON CONFLICT (name) DO NOTHING"
        ),
        {"name": DATASET, "crs": f"EPSG:{STORAGE_SRID}"},
    )
    found = connection.execute(text("SELECT id FROM dataset WHERE name = :name"), {"name": DATASET})
    return int(found.scalar_one())


def read_state(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return what the last division noted for each community code; empty before the first."""
    counts = connection.execute(
        text(
            "SELECT r.counts FROM import_run r JOIN dataset d ON d.id = r.dataset_id"
            " WHERE d.name = :name ORDER BY r.id DESC LIMIT 1"
        ),
        {"name": DATASET},
    ).scalar_one_or_none()
    return dict(counts["communities"]) if counts else {}


def write_state(
    connection: Connection, dataset_id: int, state: dict[str, dict[str, Any]], counts: dict[str, int]
) -> None:
    """Note a division as a run of its dataset."""
    body = {**counts, "communities": state}
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
    connection.execute(
        text(
            "INSERT INTO import_run (dataset_id, file_name, file_sha256, finished_at, counts)"
            " VALUES (:dataset_id, 'roads and borders', :digest, clock_timestamp(), CAST(:counts AS jsonb))"
        ),
        {"dataset_id": dataset_id, "digest": digest, "counts": json.dumps(body)},
    )


def write_border(connection: Connection, community: Community, border: BaseGeometry) -> None:
    """Store a community's border with the vertices of its grids."""
    connection.execute(
        text("UPDATE area SET geom = ST_Multi(ST_GeomFromWKB(:geom, :srid)) WHERE id = :id"),
        {"id": community.id, "geom": border.wkb, "srid": STORAGE_SRID},
    )


def write_grids(
    connection: Connection,
    community: Community,
    level: str,
    present: Sequence[Grid],
    wanted: Sequence[NewGrid],
    dataset_id: int,
) -> LevelCounts:
    """Bring the grids of one community to what they shall be.

    A grid that has its code and, within a centimetre, its shape keeps its row. Others are closed; those
    that were made in this very transaction, which nobody saw, are deleted.
    """
    counts = LevelCounts()
    kept: set[str] = set()
    updates: list[dict[str, Any]] = []
    by_code = {grid.code: grid for grid in present}
    for new in wanted:
        old = by_code.get(new.code)
        if old is None:
            continue
        exact = _same(old.geom, new.geom, 0.0)
        if not exact and not _same_place(old.geom, new.geom):
            continue
        kept.add(new.code)
        floor_same = old.floor_area_m2 is not None and abs(old.floor_area_m2 - new.floor_area_m2) < 0.5
        named = (old.name, old.name_en) == (new.name, new.name_en)
        if exact and named and floor_same and old.households == new.households:
            counts.unchanged += 1
        else:
            updates.append({"id": old.id, **_columns(new)})
    closed = [{"id": grid.id} for grid in present if grid.code not in kept]
    fresh = [
        {
            **_columns(new),
            "code": new.code,
            "level": level,
            "parent_id": community.id,
            "made_by": "polygonised" if level == "unit_grid" else "merged",
            "dataset_id": dataset_id,
            "source_ref": f"{level}/{new.code}",
        }
        for new in wanted
        if new.code not in kept
    ]
    close_grids(connection, closed)
    if updates:
        connection.execute(_UPDATE, updates)
    if fresh:
        connection.execute(_INSERT, fresh)
    counts.updated, counts.closed, counts.inserted = len(updates), len(closed), len(fresh)
    return counts


def close_grids(connection: Connection, ids: list[dict[str, Any]]) -> None:
    """Close grids, rows of ``{"id": ...}``."""
    if not ids:
        return
    connection.execute(text("DELETE FROM area WHERE id = :id AND valid_from >= now()"), ids)
    connection.execute(text("UPDATE area SET valid_to = now() WHERE id = :id"), ids)


_GEOM = "ST_Multi(ST_GeomFromWKB(:geom, 4326))"
_LABEL = "ST_GeomFromWKB(:label, 4326)"
_UPDATE = text(
    f"UPDATE area SET name = :name, name_en = :name_en, geom = {_GEOM}, label_point = {_LABEL},"
    f" area_m2 = ST_Area({_GEOM}::geography),"
    " households = :households, households_source = :households_source, floor_area_m2 = :floor_area_m2,"
    " content_hash = :content_hash WHERE id = :id"
)
_INSERT = text(
    "INSERT INTO area (code, code_source, level, name, name_en, parent_id, geom, label_point, made_by,"
    " area_m2, households, households_source, floor_area_m2, dataset_id, source_ref, content_hash)"
    f" VALUES (:code, 'provisional', :level, :name, :name_en, :parent_id, {_GEOM}, {_LABEL}, :made_by,"
    f" ST_Area({_GEOM}::geography), :households, :households_source, :floor_area_m2, :dataset_id,"
    " :source_ref, :content_hash)"
)


def _columns(new: NewGrid) -> dict[str, Any]:
    circle = shapely.maximum_inscribed_circle(as_array([new.geom]), tolerance=1e-5)[0]
    return {
        "name": new.name,
        "name_en": new.name_en,
        "geom": new.geom.wkb,
        # The middle of the largest circle that fits is where a name can be read best.
        "label": shapely.get_point(circle, 0).wkb,
        "households": new.households,
        "households_source": None if new.households is None else "estimated",
        "floor_area_m2": new.floor_area_m2,
        "content_hash": hashlib.sha256(new.geom.wkb).digest(),
    }


def _same(a: BaseGeometry, b: BaseGeometry, tolerance_deg: float) -> bool:
    # Both as multipolygons: that is what the table holds.
    both = [shapely.normalize(shapely.multipolygons(shapely.get_parts(g))) for g in (a, b)]
    return bool(shapely.equals_exact(both[0], both[1], tolerance_deg))


def _same_place(a: BaseGeometry, b: BaseGeometry) -> bool:
    return bool(shapely.hausdorff_distance(shapely.boundary(a), shapely.boundary(b)) < 1e-7)
