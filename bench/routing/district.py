"""Draw a Chinese city of superblocks and gated compounds, and write it as OpenStreetMap data; seeded.

Wide streets every 480 to 620 m enclose superblocks. A small street crosses each both ways, so that it holds
four compounds. Inside a compound paths run every 30 to 40 m, a third of their pieces are missing, and one
to three gates are the only ways out. All proportions are made up; none is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import osmium
from numpy.typing import NDArray
from osmium.osm.mutable import Node, Way
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

Floats = NDArray[np.float64]

NODES_A_BLOCK = 250
"""About as many crossings and ends has a superblock (measured: 99,820 in a city of 100,000)."""

_LON, _LAT = 104.066, 30.657
_M_A_LAT, _M_A_LON = 110_870.0, 111_320.0 * float(np.cos(np.radians(_LAT)))
_SIDE = 8  # paths of a compound each way
_INSET_M = 16.0
_KEPT = 0.62


@dataclass(slots=True)
class _Drawing:
    """Nodes and ways as they are added."""

    xy: list[tuple[float, float]]
    ways: list[tuple[str, list[int]]]
    gates: list[int]

    def node(self, x: float, y: float) -> int:
        self.xy.append((x, y))
        return len(self.xy) - 1


def write_district(file: Path, nodes: int, seed: int) -> None:
    """Write a city with about so many crossings and ends of streets, in one file."""
    side = max(1, round((nodes / NODES_A_BLOCK) ** 0.5))
    drawing = _draw(side, np.random.default_rng(seed))
    file.unlink(missing_ok=True)
    xy = np.array(drawing.xy)
    lon, lat = _LON + xy[:, 0] / _M_A_LON, _LAT + xy[:, 1] / _M_A_LAT
    gates = frozenset(drawing.gates)
    with osmium.SimpleWriter(str(file)) as out:
        for number, place in enumerate(zip(lon.tolist(), lat.tolist(), strict=True)):
            tags = {"barrier": "gate", "foot": "yes"} if number in gates else {}
            out.add_node(Node(id=number + 1, version=1, location=place, tags=tags))
        for number, (kind, refs) in enumerate(drawing.ways):
            tags = {"highway": kind}
            out.add_way(Way(id=number + 1, version=1, nodes=[ref + 1 for ref in refs], tags=tags))


def _draw(side: int, random: np.random.Generator) -> _Drawing:
    x, y = (np.r_[0.0, np.cumsum(random.uniform(480.0, 620.0, side))] for _ in range(2))
    # Every other line is a small street through the middle of the superblocks.
    lines_x, lines_y = (_with_middles(line, random) for line in (x, y))
    drawing = _Drawing([], [], [])
    # What lies on each piece of street between two crossings: crossing, gates on the way, crossing.
    crossing = {
        (i, j): drawing.node(lines_x[i], lines_y[j]) for i in range(len(lines_x)) for j in range(len(lines_y))
    }
    on_street: dict[tuple[int, int, bool], list[tuple[float, int]]] = {}
    for i in range(len(lines_x) - 1):
        for j in range(len(lines_y) - 1):
            box = lines_x[i], lines_y[j], lines_x[i + 1], lines_y[j + 1]
            for edge, along, gate in _compound(drawing, box, random):
                key = {"s": (i, j, True), "n": (i, j + 1, True), "w": (i, j, False), "e": (i + 1, j, False)}[
                    edge
                ]
                on_street.setdefault(key, []).append((along, gate))
    for across in (True, False):
        for fixed in range(len(lines_y if across else lines_x)):
            refs: list[int] = []
            for step in range(len(lines_x if across else lines_y) - 1):
                at = (step, fixed) if across else (fixed, step)
                refs += [crossing[at], *(ref for _, ref in sorted(on_street.get((*at, across), [])))]
            refs.append(crossing[len(lines_x) - 1, fixed] if across else crossing[fixed, len(lines_y) - 1])
            drawing.ways.append(("residential" if fixed % 2 else "secondary", refs))
    return drawing


def _with_middles(line: Floats, random: np.random.Generator) -> Floats:
    middle = line[:-1] + np.diff(line) * random.uniform(0.44, 0.56, len(line) - 1)
    return np.sort(np.r_[line, middle])


def _compound(
    drawing: _Drawing, box: tuple[float, float, float, float], random: np.random.Generator
) -> list[tuple[str, float, int]]:
    """Draw the paths of a compound; return its gates on the streets: side, place along it, node."""
    west, south, east, north = box
    x = np.linspace(west + _INSET_M, east - _INSET_M, _SIDE)
    y = np.linspace(south + _INSET_M, north - _INSET_M, _SIDE)
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    grid_x, grid_y = (one + random.normal(0.0, 2.5, one.shape) for one in (grid_x, grid_y))
    number = np.arange(_SIDE * _SIDE).reshape(_SIDE, _SIDE)
    begin = np.r_[number[:-1].ravel(), number[:, :-1].ravel()]
    end = np.r_[number[1:].ravel(), number[:, 1:].ravel()]
    kept = _hang_together(begin, end, random)
    nodes = [drawing.node(a, b) for a, b in zip(grid_x.ravel(), grid_y.ravel(), strict=True)]
    for step in (_SIDE, 1):
        pieces = set(begin[kept & (end - begin == step)].tolist())
        for first in sorted(pieces):
            if first - step in pieces and (step == _SIDE or first % _SIDE):
                continue
            run = [first]
            while run[-1] in pieces:
                run.append(run[-1] + step)
            drawing.ways.append(("footway", [nodes[at] for at in run]))
    out = []
    for edge in random.choice(list("snwe"), size=random.integers(1, 4), replace=False).tolist():
        at = int(random.integers(1, _SIDE - 1))
        inner = {"s": number[at, 0], "n": number[at, -1], "w": number[0, at], "e": number[-1, at]}[edge]
        px, py = grid_x.ravel()[inner], grid_y.ravel()[inner]
        sx, sy = {"s": (px, south), "n": (px, north), "w": (west, py), "e": (east, py)}[edge]
        gate, street = drawing.node((px + sx) / 2, (py + sy) / 2), drawing.node(sx, sy)
        drawing.gates.append(gate)
        drawing.ways.append(("service", [nodes[inner], gate, street]))
        out.append((edge, sx if edge in "sn" else sy, street))
    return out


def _hang_together(
    begin: NDArray[np.int64], end: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which pieces of paths stay: a tree that reaches everything, and some of the others."""
    weight = random.random(len(begin)) + 0.01
    size = _SIDE * _SIDE
    tree = minimum_spanning_tree(coo_array((weight, (begin, end)), shape=(size, size)).tocsr()).tocoo()
    assert connected_components(tree, directed=False)[0] == 1
    in_tree = np.isin(begin * size + end, tree.row.astype(np.int64) * size + tree.col)
    return in_tree | (random.random(len(begin)) < _KEPT)
