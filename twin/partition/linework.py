"""Node lines on one lattice of the storage frame, polygonise them, and measure the faces in metres.

Topology is decided in stored degrees, never in a projected frame: a line that is straight in one frame is
not straight in the other (1 cm over 1 km), and a vertex beside a long edge would change sides on the way
back. Measuring goes through an affine scaling of degrees, which keeps straight lines straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from twin.crs import to_local_metres

LATTICE_DEG = 1e-9
"""Every vertex of a division lies on multiples of this (0.11 mm of latitude)."""

Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Scale:
    """Metres per degree at a centre: an affine frame, right to 1 % within 0.5° of latitude."""

    x_m: float
    y_m: float

    @classmethod
    def at(cls, lon: float, lat: float) -> Scale:
        """Measure the scale around a point, degrees."""
        forward, _ = to_local_metres(lon, lat)
        step = 0.001
        x, _ = forward(np.array([lon - step, lon + step]), np.array([lat, lat]))
        _, y = forward(np.array([lon, lon]), np.array([lat - step, lat + step]))
        return cls(float(x[1] - x[0]) / (2 * step), float(y[1] - y[0]) / (2 * step))

    def to_metres(self, geometries: Geometries) -> Geometries:
        """Scale degrees to metres (from the frame's own origin, lon 0 lat 0)."""
        return np.asarray(shapely.transform(geometries, lambda c: c * (self.x_m, self.y_m)), dtype=object)

    def to_degrees(self, geometries: Geometries) -> Geometries:
        """Scale metres back to degrees."""
        return np.asarray(shapely.transform(geometries, lambda c: c / (self.x_m, self.y_m)), dtype=object)


def as_array(geometries: Sequence[BaseGeometry] | Geometries) -> Geometries:
    """Return a one-dimensional object array of geometries."""
    out = np.empty(len(geometries), dtype=object)
    out[:] = list(geometries)
    return out


def node(lines: Geometries) -> Geometries:
    """Node lines with each other on the lattice by snap rounding; returns pieces that meet only at ends."""
    if len(lines) == 0:
        return as_array([])
    return np.asarray(shapely.get_parts(shapely.unary_union(lines, grid_size=LATTICE_DEG)), dtype=object)


def polygonise(noded: Geometries) -> Geometries:
    """Return the faces that noded lines enclose; dangling ends enclose nothing and vanish."""
    if len(noded) == 0:
        return as_array([])
    return np.asarray(shapely.get_parts(shapely.polygonize(noded)), dtype=object)


@dataclass(frozen=True, slots=True)
class Edges:
    """The segments of a coverage: end points in degrees (n, 4), the faces beside them, -1 for none."""

    ends: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def shared_edges(faces: Geometries) -> Edges:
    """Pair the segments of faces that share their vertices exactly.

    Each segment comes once; ``right`` is -1 where only one face has it.
    """
    coordinates, index = shapely.get_coordinates(shapely.get_rings(faces), return_index=True)
    ring_face = shapely.get_rings(faces, return_index=True)[1]
    same_ring = index[1:] == index[:-1]
    start, end = coordinates[:-1][same_ring], coordinates[1:][same_ring]
    owner = ring_face[index[:-1][same_ring]].astype(np.int64)
    flip = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    ends = np.where(flip[:, None], np.hstack([end, start]), np.hstack([start, end]))
    order = np.lexsort(ends.T[::-1])
    ends, owner = ends[order], owner[order]
    first = np.ones(len(ends), dtype=bool)
    first[1:] = (ends[1:] != ends[:-1]).any(axis=1)
    at = np.flatnonzero(first)
    right = np.full(len(at), -1, dtype=np.int64)
    paired = np.diff(np.append(at, len(ends))) >= 2
    right[paired] = owner[at[paired] + 1]
    return Edges(ends[at], owner[at], right)


def neighbour_lengths(faces: Geometries, scale: Scale) -> list[dict[int, float]]:
    """Return for each face its neighbours and the length in metres of the edge it shares with each."""
    edges = shared_edges(faces)
    inner = (edges.right >= 0) & (edges.left != edges.right)
    step = (edges.ends[inner, 2:] - edges.ends[inner, :2]) * (scale.x_m, scale.y_m)
    length = np.hypot(step[:, 0], step[:, 1])
    out: list[dict[int, float]] = [{} for _ in range(len(faces))]
    for i, j, metres in zip(
        edges.left[inner].tolist(), edges.right[inner].tolist(), length.tolist(), strict=True
    ):
        out[i][j] = out[i].get(j, 0.0) + metres
        out[j][i] = out[j].get(i, 0.0) + metres
    return out


def junctions(faces: Geometries) -> NDArray[np.float64]:
    """Return the points, degrees (n, 2), where three or more edges of a coverage meet."""
    ends = shared_edges(faces).ends
    points, count = np.unique(np.vstack([ends[:, :2], ends[:, 2:]]), axis=0, return_counts=True)
    return np.asarray(points[count >= 3], dtype=np.float64)
