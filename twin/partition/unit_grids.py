"""Make unit grids: polygonise roads inside community borders, then split and merge to about the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from twin.partition.linework import (
    Geometries,
    Scale,
    as_array,
    junctions,
    neighbour_lengths,
    node,
    polygonise,
)
from twin.partition.merging import Groups, dissolve, merge_to_count, merge_while
from twin.partition.numbering import reading_order
from twin.partition.options import DivisionOptions
from twin.partition.splitting import cut_large, cut_strips

COUNT_MAX = 999
"""Unit grids of one community: its sequence has three digits."""


@dataclass(frozen=True, slots=True)
class CommunityGrids:
    """The unit grids of one community in the order of their numbers, and its border with their vertices.

    Degrees on the lattice. ``border`` is the exact union of ``grids`` and differs from the border that was
    given by less than 0.1 mm.
    """

    border: BaseGeometry
    grids: Geometries


def make_unit_grids(
    borders: Sequence[BaseGeometry] | Geometries,
    roads: Sequence[BaseGeometry] | Geometries,
    paths: Sequence[BaseGeometry] | Geometries = (),
    buildings: Sequence[BaseGeometry] | Geometries = (),
    *,
    options: DivisionOptions | None = None,
) -> list[CommunityGrids]:
    """Divide communities that touch each other into unit grids, all in one coverage.

    Parameters
    ----------
    borders
        Polygons or multipolygons of communities, degrees. Where two overlap, the ground goes to the one
        that comes first.
    roads
        Lines that always divide, degrees.
    paths
        Lines that divide only faces that are too large, degrees.
    buildings
        Footprints, degrees; straight cuts go around them where they can.

    Returns
    -------
    list
        One for each border. A border that lies wholly under earlier ones gets no grids.
    """
    options = options or DivisionOptions()
    if not len(borders):
        return []
    border_array = as_array(borders)
    whole = shapely.union_all(border_array)
    west, south, east, north = whole.bounds
    scale = Scale.at((west + east) / 2.0, (south + north) / 2.0)
    lines = node(np.concatenate([shapely.boundary(border_array), _clip(roads, whole)]))
    faces, owner = _faces(lines, border_array)

    limit = np.array([_max_area(border, scale, options) for border in border_array])
    large = faces[_areas(faces, scale) > limit[owner]]
    minor = _clip(paths, whole)
    if len(large) and len(minor):
        lines = node(np.concatenate([lines, _inside(minor, large)]))
        faces, owner = _faces(lines, border_array)

    tree = shapely.STRtree(scale.to_metres(as_array(buildings))) if len(buildings) else None
    cuts = _cuts_of_strips(faces, scale, options) + _cuts_of_large(faces, scale, limit[owner], options, tree)
    if cuts:
        lines = node(np.concatenate([lines, scale.to_degrees(as_array(cuts))]))
        faces, owner = _faces(lines, border_array)
    shapes, owner = _merge(faces, owner, scale, limit, options)
    # Slivers among full neighbours have made some of them too large: cut those once more.
    cuts = _cuts_of_large(shapes, scale, limit[owner], options, tree)
    if cuts:
        lines = node(np.concatenate([shapely.boundary(shapes), scale.to_degrees(as_array(cuts))]))
        faces, owner = _faces(lines, border_array)
        shapes, owner = _merge(faces, owner, scale, limit, options)

    made = []
    for k in range(len(border_array)):
        own = shapes[owner == k]
        if len(own) == 0:
            made.append(CommunityGrids(border_array[k], own))
            continue
        own = shapely.normalize(own[reading_order(scale.to_metres(own), options.unit_area_m2**0.5)])
        made.append(CommunityGrids(shapely.normalize(shapely.coverage_union_all(own)), own))
    return made


def _max_area(border: BaseGeometry, scale: Scale, options: DivisionOptions) -> float:
    """Return the largest area of a unit grid: the option, or more where 999 grids would not suffice."""
    total = float(shapely.area(scale.to_metres(as_array([border])))[0])
    return options.unit_max_area_m2 * max(1.0, total / (0.8 * COUNT_MAX * options.unit_area_m2))


def _areas(faces: Geometries, scale: Scale) -> NDArray[np.float64]:
    return np.asarray(shapely.area(faces) * scale.x_m * scale.y_m, dtype=np.float64)


def _clip(lines: Sequence[BaseGeometry] | Geometries, whole: BaseGeometry) -> Geometries:
    """Return the parts of lines in or near the communities, so that the rest of the city is not noded."""
    shapely.prepare(whole)
    near = as_array([line for line in lines if shapely.intersects(whole, line)])
    # Noding and ties depend on the order of the lines: the same roads must give the same grids in any order.
    near = as_array(sorted(near, key=shapely.to_wkb))
    crossing = ~shapely.contains_properly(whole, near)
    # A little beyond the border, so that the crossing itself is found by the noding and by nothing else.
    near[crossing] = shapely.intersection(near[crossing], whole.buffer(1e-5, join_style="mitre"))
    parts = shapely.get_parts(near)
    return np.asarray(parts[shapely.get_dimensions(parts) == 1], dtype=object)


def _inside(lines: Geometries, faces: Geometries) -> Geometries:
    """Return the parts of lines that run in some faces."""
    i, j = shapely.STRtree(faces).query(lines, predicate="intersects")
    parts = shapely.get_parts(shapely.intersection(lines[i], faces[j]))
    return np.asarray(parts[shapely.get_dimensions(parts) == 1], dtype=object)


def _faces(lines: Geometries, borders: Geometries) -> tuple[Geometries, NDArray[np.int64]]:
    """Return the faces inside a border, and the number of the border each lies in (the first of several)."""
    faces = polygonise(lines)
    points = shapely.point_on_surface(faces)
    owner = np.full(len(faces), len(borders), dtype=np.int64)
    i, j = shapely.STRtree(borders).query(points, predicate="intersects")
    np.minimum.at(owner, i, j)
    inside = owner < len(borders)
    return faces[inside], owner[inside]


def _cuts_of_strips(faces: Geometries, scale: Scale, options: DivisionOptions) -> list[shapely.LineString]:
    metric = scale.to_metres(faces)
    width = 2.0 * shapely.area(metric) / shapely.length(metric)
    long = shapely.length(metric) > 4.0 * options.unit_area_m2**0.5
    strips = metric[(width < options.unit_min_width_m) & long]
    if len(strips) == 0:
        return []
    corners = junctions(faces) * (scale.x_m, scale.y_m)
    return cut_strips(strips, corners, reach_m=4.0 * options.unit_min_width_m)


def _cuts_of_large(
    faces: Geometries,
    scale: Scale,
    limit: NDArray[np.float64],
    options: DivisionOptions,
    buildings: shapely.STRtree | None,
) -> list[shapely.LineString]:
    metric = scale.to_metres(faces)
    cuts: list[shapely.LineString] = []
    for i in np.flatnonzero(shapely.area(metric) > limit):
        target = options.unit_area_m2 * limit[i] / options.unit_max_area_m2
        cuts += cut_large(metric[i], target_area_m2=target, max_area_m2=limit[i], buildings=buildings)
    return cuts


def _merge(
    faces: Geometries,
    owner: NDArray[np.int64],
    scale: Scale,
    limit: NDArray[np.float64],
    options: DivisionOptions,
) -> tuple[Geometries, NDArray[np.int64]]:
    metric = scale.to_metres(faces)
    beside = neighbour_lengths(faces, scale)
    for i, neighbours in enumerate(beside):
        # Grids never cross the border of their community.
        beside[i] = {j: metres for j, metres in neighbours.items() if owner[j] == owner[i]}
    groups = Groups(shapely.area(metric).tolist(), shapely.length(metric).tolist(), beside)

    def must_merge(i: int) -> bool:
        small = options.unit_min_area_m2 * limit[owner[i]] / options.unit_max_area_m2
        return groups.area_m2[i] < small or groups.width_m(i) < options.unit_min_width_m

    merge_while(groups, must_merge, max_area_m2=float(limit.max()))
    for k in range(len(limit)):
        members = {i for i in groups.area_m2 if owner[i] == k}
        if len(members) > COUNT_MAX:
            merge_to_count(groups, members, COUNT_MAX)
    shapes, names = dissolve(faces, groups.labels())
    return shapes, owner[names]
