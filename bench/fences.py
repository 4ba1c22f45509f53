"""Measure which index finds the fences around moving points, and what following them costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
import rtree.index
import shapely

from bench.report import Table, show
from bench.workplace import CommonOptions, option
from twin.errors import InvalidError
from twin.rules.fences import Fence, FenceTable, FenceWatch, When
from twin.rules.fixes import Fixes

__all__ = ["Options", "run", "tables"]

_HALF_M: Final = 10_000.0
_LON, _LAT, _M_LON, _M_LAT = 104.0, 30.6, 95_900.0, 110_850.0
_RESOLUTION: Final = 9

Polygons = np.ndarray[Any, np.dtype[np.object_]]
Points = np.ndarray[Any, np.dtype[np.float64]]
Pairs = set[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How many fences there are, and how many points ask at once."""

    fences: int = option(1_000, "fences of twelve corners, 60 to 300 m wide, in a city of 20 by 20 km")
    points: int = option(10_000, "points that ask at once")
    rounds: int = option(9, "times everything is measured; medians are given")

    def __post_init__(self) -> None:
        if min(self.fences, self.points, self.rounds) < 1:
            raise InvalidError("--fences, --points and --rounds must be at least 1")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Ask each index for the same pairs of points and fences, and time what it takes to change it."""
    chance = np.random.default_rng(1)
    fences = _city(chance, options.fences)
    xy = chance.uniform(-_HALF_M, _HALF_M, (options.points, 2))
    result: dict[str, Any] = {"indexes": {}}
    truth: Pairs | None = None
    for name, index in _INDEXES.items():
        progress(f"fences: {name}")
        built_ms, (find, change) = _median_ms(partial(index, fences), 3)
        found = find(xy)
        truth = found if truth is None else truth
        if found != truth:
            raise InvalidError(f"{name} finds {len(found ^ truth)} pairs other than the first index")
        sizes = {str(n): _median_ms(partial(find, xy[:n]), options.rounds)[0] for n in (1, 100)}
        sizes[str(options.points)] = _median_ms(partial(find, xy), options.rounds)[0]
        changed_ms = _median_ms(change, options.rounds)[0]
        result["indexes"][name] = {"find_ms": sizes, "build_ms": built_ms, "change_ms": changed_ms}
    result["pairs"] = len(truth or ())
    progress("fences: following")
    result["follow"] = _follow(fences, xy, chance, options.rounds)
    return result


def _city(chance: np.random.Generator, count: int) -> Polygons:
    centre, radius = chance.uniform(-_HALF_M, _HALF_M, (count, 1, 2)), chance.uniform(30, 150, (count, 1))
    angle = np.sort(chance.uniform(0, 2 * np.pi, (count, 12)), axis=1)
    reach = radius * chance.uniform(0.6, 1, (count, 12))
    made = shapely.polygons(centre + np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=2))
    shapely.prepare(made)
    return np.asarray(made)


def _median_ms(act: Callable[[], Any], times: int) -> tuple[float, Any]:
    took, last = [], None
    for _ in range(times):
        begun = time.perf_counter()
        last = act()
        took.append((time.perf_counter() - begun) * 1e3)
    return float(np.median(took)), last


def _inside(fences: Polygons, xy: Points, i: Any, j: Any) -> Pairs:
    i, j = np.asarray(i, np.intp), np.asarray(j, np.intp)
    lies = shapely.intersects_xy(fences[j], xy[i, 0], xy[i, 1])
    return set(zip(i[lies].tolist(), j[lies].tolist(), strict=True))


def _strtree(fences: Polygons) -> tuple[Callable[[Points], Pairs], Callable[[], object]]:
    tree = shapely.STRtree(fences)
    here = shapely.Point(0, 0)
    tree.query(here)
    # It cannot change: one fence more is a new tree, which is laid out when it is first asked.
    return lambda xy: _inside(fences, xy, *tree.query(shapely.points(xy))), lambda: shapely.STRtree(
        fences
    ).query(here)


def _rtree(fences: Polygons, *, at_once: bool) -> tuple[Callable[[Points], Pairs], Callable[[], object]]:
    tree = rtree.index.Index()
    boxes = shapely.bounds(fences)
    for number, box in enumerate(boxes.tolist()):
        tree.insert(number, box)

    def one_by_one(xy: Points) -> Pairs:
        found = [(i, j) for i, (x, y) in enumerate(xy.tolist()) for j in tree.intersection((x, y, x, y))]
        return _inside(fences, xy, [i for i, _ in found], [j for _, j in found])

    def all_at_once(xy: Points) -> Pairs:
        numbers, counts = tree.intersection_v(xy, xy)  # type: ignore[no-untyped-call]
        return _inside(fences, xy, np.repeat(np.arange(len(xy)), counts.astype(np.intp)), numbers)

    def change() -> None:
        tree.delete(0, boxes[0].tolist())
        tree.insert(0, boxes[0].tolist())

    return all_at_once if at_once else one_by_one, change


def _hexagons(fences: Polygons) -> tuple[Callable[[Points], Pairs], Callable[[], object]]:
    known: dict[int, list[int]] = {}

    def cells(number: int) -> list[int]:
        ring = shapely.get_coordinates(fences[number])
        around = h3.LatLngPoly([(_LAT + y / _M_LAT, _LON + x / _M_LON) for x, y in ring.tolist()])
        return list(h3.h3shape_to_cells_experimental(around, _RESOLUTION, contain="overlap"))

    for number in range(len(fences)):
        for cell in cells(number):
            known.setdefault(cell, []).append(number)

    def find(xy: Points) -> Pairs:
        lat, lon = (_LAT + xy[:, 1] / _M_LAT).tolist(), (_LON + xy[:, 0] / _M_LON).tolist()
        at = map(h3.latlng_to_cell, lat, lon, [_RESOLUTION] * len(xy))
        found = [(i, j) for i, cell in enumerate(at) for j in known.get(cell, ())]
        return _inside(fences, xy, [i for i, _ in found], [j for _, j in found])

    return find, lambda: cells(0)


_INDEXES: Final[dict[str, Callable[[Polygons], tuple[Callable[[Points], Pairs], Callable[[], object]]]]] = {
    "shapely STRtree": _strtree,
    "rtree, point by point": lambda fences: _rtree(fences, at_once=False),
    "rtree, all points at once": lambda fences: _rtree(fences, at_once=True),
    f"H3 cells of resolution {_RESOLUTION}": _hexagons,
}


def _follow(fences: Polygons, xy: Points, chance: np.random.Generator, rounds: int) -> dict[str, Any]:
    """Time one fix of each point through all fences, a third of each kind of alarm, ten seconds apart."""
    all_of_them = np.ones(len(xy), np.bool_)
    table = FenceTable(
        [
            Fence(
                fence=n,
                polygon=polygon,
                when=list(When)[n % 3],
                movers=all_of_them,
                dwell_s=300,
                radius_m=None if n % 2 else 30.0,
            )
            for n, polygon in enumerate(fences)
        ]
    )
    watch, mover = FenceWatch(table), np.arange(len(xy))
    took, at_us = [], 1_700_000_000_000_000
    for _ in range(rounds + 3):
        xy, at_us = xy + chance.normal(0, 15, xy.shape), at_us + 10_000_000
        columns = np.full(len(xy), at_us), xy[:, 0].copy(), xy[:, 1].copy()
        fixes = Fixes(mover, *columns, np.full(len(xy), 5.0))
        begun = time.perf_counter()
        watch.follow(fixes)
        took.append((time.perf_counter() - begun) * 1e3)
    return {"round_ms": float(np.median(took[3:])), "pairs": len(watch.pairs)}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the indexes side by side."""
    sizes = list(next(iter(result["indexes"].values()))["find_ms"])
    rows = [
        (
            name,
            *(show(one["find_ms"][size], 3) for size in sizes),
            show(one["change_ms"], 3),
            show(one["build_ms"], 1),
        )
        for name, one in result["indexes"].items()
    ]
    header = (
        "index",
        *(f"{int(size):,} points, ms" for size in sizes),
        "one fence changes, ms",
        "all made, ms",
    )
    follow = result["follow"]
    notes = (
        f"{result['pairs']:,} pairs of a point in a fence, the same by all. Following all points through all "
        f"fences takes {show(follow['round_ms'], 1)} ms a fix of each, {follow['pairs']:,} pairs remembered.",
    )
    return [Table("Fences around points", header, rows, notes)]
