"""Draw a district of unit grids with streets and walled compounds, on the product's own network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from twin.dispatch.network.network import build
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.dispatch.network.roads import Floats, Integers, Roads
from twin.dispatch.network.snapshot import Snapshot, Structure

GRID_M = 500.0
COLUMNS, ROWS = 10, 6
GRIDS = COLUMNS * ROWS
"""60 grids of 500 x 500 m, 15 km2."""


@dataclass(frozen=True)
class District:
    """n nodes of which each lies in one grid.

    Attributes
    ----------
    xy
        Metres, shape (n, 2).
    grid
        Shape (n,).
    metres
        Symmetric matrix of what hangs together, shape (n, n).
    """

    xy: Floats
    grid: Integers
    metres: csr_array

    def ways_to(self, targets: Integers) -> Ways:
        """Return the shortest ways from every node to each target."""
        metres, hop = dijkstra(self.metres, indices=targets, return_predecessors=True)
        return Ways(targets, metres, hop.astype(np.int32))


@dataclass(frozen=True)
class Ways:
    """Shortest ways to t targets, shape (t, n) each: how far it is, and the next node on the way."""

    target: Integers
    metres: Floats
    hop: NDArray[np.int32]

    def after(self, target: int, node: int, lead_m: float, gone_m: float) -> tuple[int, float]:
        """Return which node one reaches next, and in how many metres.

        Parameters
        ----------
        target
            Row of where one goes.
        node, lead_m
            Which node one reached first, and in how many metres.
        gone_m
            How far one went since.
        """
        if gone_m <= lead_m:
            return node, lead_m - gone_m
        metres, hop = self.metres[target], self.hop[target]
        left = metres[node] - (gone_m - lead_m)
        if left <= 0:
            return int(self.target[target]), 0.0
        while metres[node] > left:
            node = int(hop[node])
        return node, float(left - metres[node])


@lru_cache(maxsize=2)
def district(seed: int = 1) -> District:
    """Draw a district: streets around each grid and through its middle, compounds with one to three gates."""
    rng = np.random.default_rng(seed)
    lines: list[NDArray[np.float64]] = []
    width, height = COLUMNS * GRID_M, ROWS * GRID_M
    lines += [_straight((x, 0.0), (x, height)) for x in np.arange(COLUMNS + 1) * GRID_M]
    lines += [_straight((0.0, y), (width, y)) for y in np.arange(ROWS + 1) * GRID_M]
    for column in range(COLUMNS):
        for row in range(ROWS):
            lines += _superblock(rng, column * GRID_M, row * GRID_M)
    network = build(_walked(lines))
    snapshot = Snapshot.open(network, Structure(network), load_profiles()[FOOT])
    main = snapshot.part == 0
    kmh = load_profiles()[FOOT].speed_kmh
    metres = csr_array(snapshot.outward[main][:, main] * (kmh / 3.6))
    xy = network.cut.node_xy[main]
    at = np.clip((xy / GRID_M).astype(int), 0, (COLUMNS - 1, ROWS - 1))
    return District(xy, at[:, 1] * COLUMNS + at[:, 0], metres)


def _straight(start: tuple[float, float], end: tuple[float, float]) -> NDArray[np.float64]:
    return np.array([start, end], float)


def _superblock(rng: np.random.Generator, x: float, y: float) -> list[NDArray[np.float64]]:
    """Return one or two streets through a block, and what lies in its four compounds."""
    middle, lines = GRID_M / 2, []
    through = int(rng.integers(3))
    if through != 1:
        lines.append(_straight((x + middle, y), (x + middle, y + GRID_M)))
    if through != 0:
        lines.append(_straight((x, y + middle), (x + GRID_M, y + middle)))
    for east in (0, 1):
        for north in (0, 1):
            lines += _compound(rng, x + east * middle, y + north * middle, through, (east, north))
    return lines


def _compound(
    rng: np.random.Generator, x: float, y: float, through: int, corner: tuple[int, int]
) -> list[NDArray[np.float64]]:
    """Return paths in a lattice within a wall, and one to three ways out to the streets beside it."""
    east, north = corner
    steps = np.linspace(25.0, GRID_M / 2 - 25.0, 4)
    nodes = np.stack(np.meshgrid(x + steps, y + steps, indexing="ij"), -1) + rng.uniform(-12, 12, (4, 4, 2))
    lines = [nodes[i] for i in range(4)] + [nodes[:, j] for j in range(4)]
    west_side = (nodes[0, rng.integers(4)], (x, None))
    east_side = (nodes[3, rng.integers(4)], (x + GRID_M / 2, None))
    south_side = (nodes[rng.integers(4), 0], (None, y))
    north_side = (nodes[rng.integers(4), 3], (None, y + GRID_M / 2))
    sides = [west_side if east == 0 else east_side, south_side if north == 0 else north_side]
    if through != 1:
        sides.append(east_side if east == 0 else west_side)
    if through != 0:
        sides.append(north_side if north == 0 else south_side)
    for number in rng.permutation(len(sides))[: rng.integers(1, 4)]:
        inside, (at_x, at_y) = sides[number]
        street = (inside[0] if at_x is None else at_x, inside[1] if at_y is None else at_y)
        lines.append(np.array([inside, street]))
    return lines


def _walked(lines: list[NDArray[np.float64]]) -> Roads:
    """Return drawn streets of these lines, open to all."""
    n = len(lines)
    yes, no, nothing = np.ones(n, bool), np.zeros(n, bool), np.full(n, None, object)
    return Roads(
        id=np.arange(n) + 1,
        line=np.array([shapely.LineString(line) for line in lines], object),
        drawn=yes,
        layer=np.zeros(n, np.int16),
        foot=yes,
        bike_forward=yes,
        bike_backward=yes,
        car_forward=yes,
        car_backward=yes,
        stairs=no,
        covered=no,
        max_speed_kmh=np.full(n, np.nan),
        road_class=np.full(n, "residential", object),
        name=nothing,
        name_en=nothing,
    )
