"""Divide the communities of the database into unit grids and responsibility grids."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection

from twin.partition.households import Weights, grid_count, weigh
from twin.partition.linework import Geometries, Scale, as_array, neighbour_lengths
from twin.partition.links import assign_grids
from twin.partition.merging import dissolve
from twin.partition.numbering import grid_code, reading_order
from twin.partition.options import DivisionOptions, DivisionSummary, LevelCounts
from twin.partition.responsibility import group_cells
from twin.partition.tables import (
    Buildings,
    Community,
    Grid,
    NewGrid,
    close_grids,
    get_dataset_id,
    read_buildings,
    read_communities,
    read_dividers,
    read_grids,
    read_state,
    write_border,
    write_grids,
    write_state,
)
from twin.partition.unit_grids import make_unit_grids

VERSION = 2
"""Number of the method; a change of it makes all grids anew."""

_REGROUP_SHARE = 0.2
"""Responsibility grids are merged anew when a community's weight changed by more than this share: people
work in them, so that one new house must not move their borders."""


def divide(connection: Connection, *, options: DivisionOptions | None = None) -> DivisionSummary:
    """Make or renew the grids of every present community, inside the caller's transaction.

    A community whose border, roads and options are what they were is left alone; where one changed, it
    and the communities that touch it are divided again, grids that stay the same keep their row, others
    are closed with ``valid_to`` and new ones inserted. Grids that were imported or drawn are never
    touched. Devices, components, workers and open cases are given grids of today. The caller commits.

    Parameters
    ----------
    connection
        Open connection in a transaction; nothing is committed here.
    options
        Aimed sizes; the defaults when omitted.
    """
    began = time.monotonic()
    options = options or DivisionOptions()
    summary = DivisionSummary()
    communities = read_communities(connection)
    summary.communities = len(communities)
    before = read_state(connection)
    present = {level: read_grids(connection, level) for level in ("unit_grid", "responsibility_grid")}
    _close_orphans(connection, communities, present, summary)
    own = [c for c in communities if not _given(present["unit_grid"].get(c.id, []))]
    roads, paths = read_dividers(connection)
    buildings = read_buildings(connection)

    inputs = _inputs(own, roads, paths, options)
    stale = np.array(
        [
            before.get(c.code, {}).get("inputs") != inputs[k] or c.id not in present["unit_grid"]
            for k, c in enumerate(own)
        ],
        dtype=bool,
    )
    units: dict[int, Geometries] = {
        c.id: as_array([_single(g.geom) for g in present["unit_grid"].get(c.id, [])]) for c in communities
    }
    renewed: set[int] = set()
    for group in _touching([c.geom for c in own]):
        if not stale[group].any():
            continue
        for k, made in zip(
            group,
            make_unit_grids(
                [own[k].geom for k in group], roads, paths, buildings.footprints, options=options
            ),
            strict=True,
        ):
            community = own[k]
            renewed.add(community.id)
            units[community.id] = made.grids
            if len(made.grids) == 0:
                summary.warnings.append(
                    f"community {community.code} {community.name} lies under others: no grids"
                )
            elif not shapely.equals_exact(_normal(community.geom), _normal(made.border), 0.0):
                write_border(connection, community, made.border)
                own[k] = Community(
                    community.id, community.code, community.name, community.name_en, made.border
                )
                summary.borders_noded += 1
    summary.divided = len(renewed)
    # The borders have their new vertices now: what is noted must be what the next division will read.
    inputs = _inputs(own, roads, paths, options)
    noted: dict[str, dict[str, Any]] = {c.code: {"inputs": inputs[k]} for k, c in enumerate(own)}

    dataset_id = get_dataset_id(connection)
    for community in communities:
        cells = units[community.id]
        if len(cells) == 0:
            continue
        given = _given(present["unit_grid"].get(community.id, []))
        weights = _weights(cells, buildings, options)
        if not given:
            counts = write_grids(
                connection,
                community,
                "unit_grid",
                present["unit_grid"].get(community.id, []),
                _unit_rows(community, cells, weights),
                dataset_id,
            )
            _add(summary.unit_grids, counts)
        old = present["responsibility_grid"].get(community.id, [])
        if any(grid.made_by != "merged" for grid in old):
            continue
        note = {
            "basis": weights.basis,
            "weight": round(float(weights.weight.sum()), 3),
            "cells": hashlib.sha256(b"".join(shapely.to_wkb(cells))).hexdigest()[:16],
            "target": weights.target,
        }
        keep = bool(old) and _close_enough(before.get(community.code, {}), note)
        if keep:
            note["weight"] = before[community.code]["weight"]  # or many small steps would go unseen
        noted.setdefault(community.code, {}).update(note)
        wanted = (
            _kept_rows(community, old, cells, weights) if keep else _merged_rows(community, cells, weights)
        )
        counts = write_grids(connection, community, "responsibility_grid", old, wanted, dataset_id)
        _add(summary.responsibility_grids, counts)

    summary.links = assign_grids(connection)
    if noted != before:
        figures = {
            "unit_grids": summary.unit_grids.present,
            "responsibility_grids": summary.responsibility_grids.present,
        }
        write_state(connection, dataset_id, noted, figures)
    summary.elapsed_s = time.monotonic() - began
    return summary


def _given(grids: Sequence[Grid]) -> bool:
    return any(grid.made_by != "polygonised" for grid in grids)


def _single(geom: Any) -> Any:
    return shapely.get_geometry(geom, 0) if shapely.get_num_geometries(geom) == 1 else geom


def _normal(geom: Any) -> Any:
    return shapely.normalize(shapely.multipolygons(shapely.get_parts(geom)))


def _close_orphans(
    connection: Connection,
    communities: Sequence[Community],
    present: dict[str, dict[int, list[Grid]]],
    summary: DivisionSummary,
) -> None:
    """Close made grids whose community is no more."""
    alive = {c.id for c in communities}
    for level, counts in (
        ("unit_grid", summary.unit_grids),
        ("responsibility_grid", summary.responsibility_grids),
    ):
        gone = [
            {"id": grid.id}
            for parent, grids in present[level].items()
            if parent not in alive
            for grid in grids
            if grid.made_by in ("polygonised", "merged")
        ]
        close_grids(connection, gone)
        counts.closed += len(gone)


def _inputs(
    communities: Sequence[Community], roads: Geometries, paths: Geometries, options: DivisionOptions
) -> list[str]:
    """Return for each community a hash of all that its unit grids are made from (buildings aside)."""
    lines = np.concatenate([roads, paths])
    kinds = [b"r"] * len(roads) + [b"p"] * len(paths)
    digests = [
        kind + hashlib.sha256(w).digest() for kind, w in zip(kinds, shapely.to_wkb(lines), strict=True)
    ]
    beside: list[list[bytes]] = [[] for _ in communities]
    borders = as_array([c.geom for c in communities])
    if len(lines) and len(borders):
        for i, k in shapely.STRtree(lines).query(borders, predicate="intersects").T.tolist():
            beside[i].append(digests[k])
    head = f"{VERSION} {options!r}".encode()
    return [
        hashlib.sha256(head + _normal(border).wkb + b"".join(sorted(near))).hexdigest()[:32]
        for border, near in zip(borders, beside, strict=True)
    ]


def _touching(borders: Sequence[Any]) -> list[list[int]]:
    """Return groups of communities that touch, each as sorted numbers."""
    n = len(borders)
    if n == 0:
        return []
    array = as_array(borders)
    i, j = shapely.STRtree(array).query(array, predicate="dwithin", distance=1e-7)
    labels = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)[1]
    return [np.flatnonzero(labels == k).tolist() for k in range(int(labels.max()) + 1)]


def _weights(cells: Geometries, buildings: Buildings, options: DivisionOptions) -> Weights:
    """Weigh unit grids by the buildings whose inner point lies in them."""
    floor, residential = np.zeros(len(cells)), np.zeros(len(cells))
    if len(buildings.footprints):
        i, j = shapely.STRtree(cells).query(
            shapely.point_on_surface(buildings.footprints), predicate="intersects"
        )
        i, first = np.unique(i, return_index=True)  # on a border: in one grid only
        np.add.at(floor, j[first], buildings.floor_area_m2[i])
        np.add.at(residential, j[first], buildings.residential_m2[i])
    return weigh(shapely.area(_scale(cells).to_metres(cells)), floor, residential, options)


def _scale(cells: Geometries) -> Scale:
    west, south, east, north = shapely.total_bounds(cells)
    return Scale.at((west + east) / 2.0, (south + north) / 2.0)


def _unit_rows(community: Community, cells: Geometries, weights: Weights) -> list[NewGrid]:
    return [
        _row(community, n, cell, weights, np.array([n]), "单元网格{:03d}", "unit grid {:03d}")
        for n, cell in enumerate(cells)
    ]


def _merged_rows(community: Community, cells: Geometries, weights: Weights) -> list[NewGrid]:
    scale = _scale(cells)
    metric = scale.to_metres(cells)
    count = grid_count(weights.weight, weights.target)
    labels = group_cells(
        weights.weight,
        shapely.get_coordinates(shapely.centroid(metric)),
        neighbour_lengths(cells, scale),
        count,
    )
    shapes, names = dissolve(cells, labels)
    row_m = float(np.sqrt(shapely.area(scale.to_metres(shapes)).mean()))
    order = reading_order(scale.to_metres(shapes), row_m)
    return [
        _row(community, n, shapely.normalize(shapes[k]), weights, np.flatnonzero(labels == names[k]))
        for n, k in enumerate(order.tolist())
    ]


def _kept_rows(
    community: Community, old: Sequence[Grid], cells: Geometries, weights: Weights
) -> list[NewGrid]:
    """Return the responsibility grids as they are, with the figures of today."""
    shapes = as_array([grid.geom for grid in old])
    i, j = shapely.STRtree(shapes).query(shapely.point_on_surface(cells), predicate="intersects")
    return [
        _row(community, int(grid.code[-3:]) - 1, _single(grid.geom), weights, i[j == n])
        for n, grid in enumerate(old)
    ]


def _row(
    community: Community,
    n: int,
    geom: Any,
    weights: Weights,
    members: NDArray[np.int64],
    name: str = "第{}网格",
    name_en: str = "grid {}",
) -> NewGrid:
    return NewGrid(
        code=grid_code(community.code, n + 1),
        name=f"{community.name}{name.format(n + 1)}",
        # A community without an English name keeps its own: proper names are not translated, our words are.
        name_en=f"{community.name_en or community.name} {name_en.format(n + 1)}",
        geom=geom,
        households=None if weights.households is None else int(weights.households[members].sum()),
        floor_area_m2=round(float(weights.floor_area_m2[members].sum()), 1),
    )


def _close_enough(before: dict[str, Any], now: dict[str, Any]) -> bool:
    same = all(before.get(key) == now[key] for key in ("basis", "cells", "target"))
    return same and abs(now["weight"] - before["weight"]) <= _REGROUP_SHARE * max(before["weight"], 1.0)


def _add(total: LevelCounts, part: LevelCounts) -> None:
    total.inserted += part.inserted
    total.updated += part.updated
    total.closed += part.closed
    total.unchanged += part.unchanged
