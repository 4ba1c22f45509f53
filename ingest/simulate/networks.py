"""Lay simulated networks of water, gas and power along the roads of a city."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree
from shapely.geometry import LineString, Point
from shapely.ops import substring
from sqlalchemy import Connection

from ingest.simulate.city import City, RoadFact
from ingest.vector.intake import Intake, Row
from ingest.vector.staging import write_rows
from ingest.vector.summary import ImportSummary
from ingest.vector.tables import TABLES
from twin.networks.joining import join_networks

SERVED_WITHIN_M: Final = 80.0
"""A building farther from every laid line than this has no supply."""

_CLASSES: Final = frozenset(
    ["primary", "secondary", "tertiary", "residential", "unclassified", "living_street", "service"]
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a utility is laid: all of it our assumptions, made to look like a network and like no real one.

    ``shift_m`` moves the whole network beside the others; ``cut_from_m`` is the least length of a stretch
    that has a valve or switch in its middle; ``feeds`` picks the nodes that feed it by their place.
    """

    shape: Literal["mesh", "spanning tree", "shortest paths"]
    feeds: tuple[str, ...]
    closable: str
    words: tuple[str, str]
    serving: str
    cut_from_m: float
    shift_m: tuple[float, float]
    grade: str
    material: str
    diameters_mm: Mapping[str, float]
    other_mm: float | None
    owner: str


_VALVE: Final = ("阀门", "valve")
_PLANS: Final = {
    "water": _Plan(
        "mesh", ("west", "east"), "valve", _VALVE, "joint", 25.0, (1.2, 0.8), "0.35 MPa", "DI",
        {"primary": 400.0, "secondary": 300.0}, 200.0, "模拟供水公司 / Simulated water",
    ),
    "gas": _Plan(
        "spanning tree", ("north",), "valve", _VALVE, "joint", 60.0, (-1.2, 0.8), "0.4 MPa", "PE100",
        {"primary": 250.0, "secondary": 200.0}, 110.0, "模拟燃气公司 / Simulated gas",
    ),
    "power": _Plan(
        "shortest paths", ("south",), "switch", ("开关", "switch"), "transformer", 40.0, (0.0, -1.6),
        "10 kV", "YJV22", {}, None, "模拟供电公司 / Simulated power",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Streets:
    """Stretches of road between crossings that hang together: m stretches of n crossings, in metres."""

    crossings: np.ndarray[Any, Any]
    start: np.ndarray[Any, Any]
    end: np.ndarray[Any, Any]
    lines: list[LineString]
    refs: list[str]
    roads: list[RoadFact]

    @property
    def length_m(self) -> np.ndarray[Any, Any]:
        """Lengths of the stretches, (m,)."""
        return np.asarray(shapely.length(self.lines))


def site_networks(connection: Connection, dataset_id: int, city: City | None) -> int:
    """Bring the dataset's networks to be what `plan_networks` says; none without a city. Return the lines."""
    rows = plan_networks(city) if city is not None else []
    intake = Intake(ImportSummary("simulation", ""))
    for row in rows:
        intake.take(row.label, row)
    for table in ("network_node", "network_line"):
        write_rows(connection, dataset_id, TABLES[table], intake, allow_shrink=True)
    join_networks(connection)
    return sum(row.label == "network_line" for row in rows)


def plan_networks(city: City) -> list[Row]:
    """Return rows of nodes and lines; the same city gives the same rows.

    Water is laid under every street and meshed; gas is a tree of least length; power is the tree of shortest
    ways from where it comes in. Stretches that are long enough have a valve or switch in their middle.
    Buildings hang on the crossing next to them, for power on a transformer there.
    """
    streets = _streets(city)
    if not streets.lines:
        return []
    served = _served(city, streets)
    return [row for utility in _PLANS for row in _lay(city, streets, served, utility)]


def _streets(city: City) -> _Streets:
    roads = [r for r in city.surface_roads if r.car and r.road_class.removesuffix("_link") in _CLASSES]
    points = [[(round(x, 2), round(y, 2)) for x, y in r.line.coords] for r in roads]
    seen: dict[tuple[float, float], int] = defaultdict(int)
    for line in points:
        for n, at in enumerate(line):
            # An end counts as a crossing by itself.
            seen[at] += 2 if n in (0, len(line) - 1) else 1
    number: dict[tuple[float, float], int] = {}
    start, end, lines, refs, of = [], [], [], [], []
    for road, line in zip(roads, points, strict=True):
        cuts = [n for n, at in enumerate(line) if seen[at] > 1]
        for part, (a, b) in enumerate(itertools.pairwise(cuts)):
            stretch = LineString(line[a : b + 1])
            # What is shorter than a few metres is a corner of a crossing; a loop leads nowhere.
            if line[a] == line[b] or stretch.length < 4.0:
                continue
            start.append(number.setdefault(line[a], len(number)))
            end.append(number.setdefault(line[b], len(number)))
            lines.append(stretch)
            refs.append(f"{road.ref}/{part}")
            of.append(road)
    if not lines:
        return _Streets(np.empty((0, 2)), np.empty(0, int), np.empty(0, int), [], [], [])
    begin, finish, crossings = np.array(start), np.array(end), np.array(list(number))
    graph = coo_array((np.ones(len(begin)), (begin, finish)), shape=(len(crossings), len(crossings)))
    label = connected_components(graph, directed=False)[1]
    main = np.bincount(label[begin]).argmax()
    kept = np.flatnonzero(label[begin] == main)
    return _Streets(
        crossings,
        begin[kept],
        finish[kept],
        [lines[k] for k in kept],
        [refs[k] for k in kept],
        [of[k] for k in kept],
    )


def _served(city: City, streets: _Streets) -> dict[int, list[str]]:
    """Return the buildings by the crossing they hang on: the nearer end of the nearest stretch."""
    tree = shapely.STRtree(streets.lines)
    found: dict[int, list[str]] = defaultdict(list)
    doors = shapely.centroid(city.building_shapes)
    building, stretch = tree.query_nearest(doors, max_distance=SERVED_WITHIN_M, all_matches=False)
    for b, k in zip(building.tolist(), stretch.tolist(), strict=True):
        door = doors[b]
        ends = (int(streets.start[k]), int(streets.end[k]))
        nearer = min(ends, key=lambda n: (np.hypot(*(streets.crossings[n] - (door.x, door.y))), n))
        found[nearer].append(city.buildings[b].ref)
    return found


def _lay(city: City, streets: _Streets, served: Mapping[int, list[str]], utility: str) -> Iterable[Row]:
    plan = _PLANS[utility]
    feeds = _feeds(streets, plan.feeds)
    laid, backwards = _laid(streets, plan, feeds[0])
    lon_lat = _lon_lat(city, plan.shift_m)
    used = np.unique(np.concatenate([streets.start[laid], streets.end[laid]]))
    common = {"utility": utility, "owner_name": plan.owner, "laid_year": None, "device_uid": None}
    for n in used.tolist():
        serves = sorted(served.get(n, ())) or None
        kind = "source" if n in feeds else plan.serving if serves else "joint"
        at = lon_lat(Point(streets.crossings[n]))
        yield _node(at, {**common, "kind": kind, "serves": serves}, *_WORDS.get(kind, ("", "")))
    for k in laid.tolist():
        road, line = streets.roads[k], streets.lines[k]
        if backwards[k]:
            line = line.reverse()
        values = {
            "utility": utility,
            "grade": plan.grade,
            "diameter_mm": plan.diameters_mm.get(road.road_class, plan.other_mm),
            "material": plan.material,
            "name": road.name and f"{road.name}（模拟）",
            "name_en": road.name_en and f"{road.name_en} (simulated)",
            "owner_name": plan.owner,
            "laid_year": None,
        }
        parts = [line]
        if line.length >= plan.cut_from_m:
            parts = [substring(line, 0, 0.5, normalized=True), substring(line, 0.5, 1, normalized=True)]
            at = lon_lat(Point(parts[1].coords[0]))
            zh, en = plan.words
            more = {**common, "kind": plan.closable, "serves": None}
            yield _node(at, more, f"{road.name or ''}{zh}", f"{road.name_en or road.name or ''} {en}".strip())
        for half, part in zip("ab", parts, strict=False):
            ref = f"{utility}/{streets.refs[k]}{half}"
            yield Row("network_line", ref, lon_lat(part), values)


_WORDS: Final = {"source": ("源", "source"), "transformer": ("变压器", "transformer")}


def _node(at: Point, values: dict[str, Any], zh: str, en: str) -> Row:
    names = {"name": f"{zh}（模拟）" if zh else None, "name_en": f"{en} (simulated)" if en else None}
    ref = f"{values['utility']}/{at.x:.7f},{at.y:.7f}"
    return Row("network_node", ref, at, {**values, **names, "passes": True})


def _feeds(streets: _Streets, sides: tuple[str, ...]) -> list[int]:
    used = np.unique(np.concatenate([streets.start, streets.end]))
    x, y = streets.crossings[used].T
    along = {"west": x, "east": -x, "south": y, "north": -y}
    return [int(used[along[side].argmin()]) for side in sides]


def _laid(streets: _Streets, plan: _Plan, root: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return which stretches carry the utility, and of all, (m,), which are to be drawn the other way."""
    m, n = len(streets.lines), len(streets.crossings)
    backwards = np.zeros(m, bool)
    if plan.shape == "mesh":
        return np.arange(m), backwards
    # The shortest of several stretches between two crossings; the order of stretches breaks ties.
    order = np.argsort(streets.length_m, kind="stable")
    pair = np.sort(np.column_stack([streets.start, streets.end]), axis=1)[order]
    _, first = np.unique(pair, axis=0, return_index=True)
    kept = np.sort(order[first])
    low, high = np.sort(np.column_stack([streets.start[kept], streets.end[kept]]), axis=1).T
    graph = coo_array((streets.length_m[kept], (low, high)), shape=(n, n)).tocsr()
    if plan.shape == "spanning tree":
        graph = minimum_spanning_tree(graph)
    _, before = dijkstra(graph, directed=False, indices=np.asarray(root), return_predecessors=True)
    start, end = streets.start[kept], streets.end[kept]
    backwards[kept] = before[start] == end
    return kept[(before[end] == start) | (before[start] == end)], backwards


def _lon_lat(city: City, shift_m: tuple[float, float]) -> Any:
    def convert(shape: Any) -> Any:
        xy = shapely.get_coordinates(shape) + shift_m
        return shapely.set_coordinates(
            shapely.force_2d(shape), np.column_stack(city.lon_lat(xy[:, 0], xy[:, 1]))
        )

    return convert
