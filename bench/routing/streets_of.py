"""Read the pieces of streets of an OpenStreetMap file, to tell OSRM which are closed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import osmium
import shapely
from numpy.typing import NDArray
from shapely import STRtree


class StreetPieces:
    """Each piece between two nodes of a way, by the numbers of these nodes."""

    def __init__(self, file: Path) -> None:
        ends: list[tuple[int, int]] = []
        xy: list[list[tuple[float, float]]] = []
        ways = osmium.FileProcessor(str(file)).with_locations()
        for way in ways:
            if not isinstance(way, osmium.osm.Way) or "highway" not in way.tags:
                continue
            nodes = [(node.ref, (node.lon, node.lat)) for node in way.nodes if node.location.valid()]
            for (a, one), (b, other) in itertools.pairwise(nodes):
                ends.append((a, b))
                xy.append([one, other])
        self._ends: NDArray[np.int64] = np.array(ends, np.int64)
        self._tree = STRtree(np.asarray(shapely.linestrings(np.array(xy)), object))

    def within(self, ring: Sequence[tuple[float, float]]) -> list[list[int]]:
        """Return the nodes of the pieces that reach into a ring."""
        found = self._tree.query(shapely.Polygon(ring), predicate="intersects")
        pieces: list[list[int]] = self._ends[found].tolist()
        return pieces
