"""Send ticks of the live stream to viewers of many scopes in this process, and time each."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from api.live.hub import Hub
from bench.grids import grid_codes
from bench.live.plan import Plan, Viewer, make_plan, place_viewers
from twin.access.grants import Grants, grants_of
from twin.access.scope import EVERYWHERE, Scope
from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.live.board import Board, Newest, Placement
from twin.live.sight import WORKERS
from twin.states import State

WHOLE: Final = grants_of([("operator", EVERYWHERE)])

_FIRST_TRACKER: Final = 1_000_001
_WARMING_TICKS: Final = 5
_HALF_LON, _HALF_LAT = 0.006, 0.004
"""A grid worker looks at about a kilometre around: degrees."""


def scoped(viewers: Sequence[Viewer], level: str, *, walls: bool = False) -> list[Grants]:
    """Give each desk the area its middle lies in, at a level; walls keep the whole unless they are asked."""
    grants = []
    for number, viewer in enumerate(viewers):
        west, south, east, north = viewer.bbox
        if viewer.wall and not walls:
            grants.append(WHOLE)
            continue
        share = number / max(1, len(viewers)) if viewer.wall else 0.5
        middle = grid_codes(
            np.array([west + (east - west) * share]), np.array([south + (north - south) * share])
        )
        grants.append(grants_of([("operator", Scope.of_area(f"{int(middle[0]):015d}", level))]))
    return grants


class Sink:
    """A client that takes everything at once, and counts it."""

    def __init__(self) -> None:
        self.taken = 0

    def push_text(self, message: bytes) -> None:
        self.taken += len(message)

    def push_framed(self, framed: bytes) -> None:
        self.taken += len(framed)

    def waiting_bytes(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        raise InvalidError(f"a viewer was closed: {code} {reason}")


class Stage:
    """A board with the devices of a plan, and its hub."""

    def __init__(self, plan: Plan) -> None:
        self._catalog = load_catalog()
        self.board = Board(self._catalog, capacity=plan.count)
        kinds = [self._catalog.by_name[name] for name in plan.kind.tolist()]
        codes = grid_codes(plan.lon, plan.lat)
        places = zip(
            plan.uid.tolist(), kinds, plan.lon.tolist(), plan.lat.tolist(), codes.tolist(), strict=True
        )
        self.board.place(
            [
                Placement(n, uid, kind.code, kind.layer, 0, lon, lat, 3.0, kind.expected_interval_s, code)
                for n, (uid, kind, lon, lat, code) in enumerate(places, start=1)
            ]
        )
        self.hub = Hub(self.board)
        self._walkers = np.empty(0, np.int32)
        self._now_us = time.time_ns() // 1000

    def place_workers(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> None:
        """Let n workers walk, of the grids they begin in; their trackers count from `tracker_id(0)`."""
        kind = next(kind for kind in self._catalog.by_name.values() if kind.layer == WORKERS)
        places = zip(lon.tolist(), lat.tolist(), grid_codes(lon, lat).tolist(), strict=True)
        self._walkers = self.board.place(
            [
                Placement(
                    tracker_id(n),
                    f"walker-{n}",
                    kind.code,
                    WORKERS,
                    0,
                    x,
                    y,
                    0.0,
                    kind.expected_interval_s,
                    code,
                )
                for n, (x, y, code) in enumerate(places)
            ]
        )

    def change(self, rows: NDArray[np.int32]) -> None:
        """Give rows a new value, as a commit would; a tenth of the walkers goes a step."""
        self._now_us += 100_000
        random = np.random.default_rng(self._now_us)
        walking = random.choice(self._walkers, len(self._walkers) // 10, replace=False).astype(np.int32)
        step_lon, step_lat = random.normal(0, 3e-5, (2, len(walking)))
        n = len(rows)
        at, moved_at = np.full(n, self._now_us), np.full(len(walking), self._now_us)
        nowhere = np.full(n, np.nan)
        self.board.apply(
            Newest(
                row=rows,
                slot=np.zeros(n, np.int64),
                time_us=at,
                value=np.full(n, float(self._now_us % 1_000_003)),
                state=np.full(n, State.NORMAL, np.uint8),
                beyond_us=np.zeros((n, 3), np.int64),
                lon=nowhere,
                lat=nowhere,
                received_us=at,
                moved_row=walking,
                moved_us=moved_at,
                moved_lon=self.board.lon[walking] + step_lon,
                moved_lat=self.board.lat[walking] + step_lat,
                heard_row=rows,
                heard_us=at,
            )
        )


def tracker_id(number: int) -> int:
    """Return the device that a worker carries."""
    return _FIRST_TRACKER + number


class Watched:
    """A stage whose viewers are sinks, with what its ticks took."""

    def __init__(self, stage: Stage, viewers: Sequence[Viewer], grants: Sequence[Grants]) -> None:
        self.stage = stage
        self.taken_s: list[float] = []
        self.blocks = 0
        self.bytes = 0
        self._sinks = [Sink() for _ in viewers]
        for number, (sink, viewer, given) in enumerate(zip(self._sinks, viewers, grants, strict=True)):
            joined = stage.hub.join(sink, given, UUID(int=number + 1), UUID(int=number + 1))
            asked = {"op": "subscribe", "bbox": viewer.bbox, "zoom": 15.0}
            stage.hub.receive(joined, json.dumps(asked))
        stage.hub.beat()

    def tick(self, rows: NDArray[np.int32], *, measured: bool) -> None:
        """Change rows and send them; the changing is not timed."""
        hub = self.stage.hub
        self.stage.change(rows)
        before = hub.encoder.encoded_blocks, sum(sink.taken for sink in self._sinks)
        begun = time.perf_counter()
        hub.beat()
        taken_s = time.perf_counter() - begun
        if measured:
            self.taken_s.append(taken_s)
            self.blocks += hub.encoder.encoded_blocks - before[0]
            self.bytes += sum(sink.taken for sink in self._sinks) - before[1]


def measure_ticks(
    *,
    devices: int,
    changes: int,
    ticks: int,
    viewers: int,
    walls: int,
    workers: int,
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Send the same ticks to each kind of viewers in turns; ``times`` is to the first kind of its group."""
    plan = make_plan(devices, 1, 1)
    placed = place_viewers(plan, viewers, walls)
    kinds = {
        "all see everything": [WHOLE] * viewers,
        "desks see their street": scoped(placed, "street"),
        "desks see their community": scoped(placed, "community"),
        "walls too see a street each": scoped(placed, "street", walls=True),
    }
    groups = [{name: Watched(Stage(plan), placed, grants) for name, grants in kinds.items()}]
    if workers:
        groups.append(_workers(plan, workers))
    progress(f"access: {ticks} ticks to each of {sum(map(len, groups))} kinds of viewers, in turns")
    random = np.random.default_rng(5)
    for tick in range(ticks + _WARMING_TICKS):
        rows = np.sort(random.choice(plan.count, min(changes, plan.count), replace=False)).astype(np.int32)
        for group in groups:
            for watched in group.values():
                watched.tick(rows, measured=tick >= _WARMING_TICKS)
    return {name: figures for group in groups for name, figures in _figures(group, ticks).items()}


def _workers(plan: Plan, count: int) -> dict[str, Watched]:
    """Return workers who walk and look around, as who sees everything and as who sees the own grid."""
    chosen = np.random.default_rng(6).integers(0, plan.count, count)
    lon, lat = plan.lon[chosen], plan.lat[chosen]
    looks = [
        Viewer(False, (x - _HALF_LON, y - _HALF_LAT, x + _HALF_LON, y + _HALF_LAT), 15.0, ())
        for x, y in zip(lon.tolist(), lat.tolist(), strict=True)
    ]
    own = [
        grants_of(
            [("worker", Scope.of_area(f"{code:015d}", "responsibility_grid"))],
            worker_id=n + 1,
            tracker_id=tracker_id(n),
        )
        for n, code in enumerate(grid_codes(lon, lat).tolist())
    ]
    made = {}
    for name, grants in ((f"{count:,} workers see everything", [WHOLE] * count), ("each the own grid", own)):
        stage = Stage(plan)
        stage.place_workers(lon, lat)
        made[name] = Watched(stage, looks, grants)
    return made


def _figures(group: Mapping[str, Watched], ticks: int) -> dict[str, dict[str, Any]]:
    first = next(iter(group.values()))
    return {
        name: {
            "ms": round(statistics.median(watched.taken_s) * 1e3, 3),
            "worst_ms": round(max(watched.taken_s) * 1e3, 3),
            # Of each tick with the same changes: what the machine did besides hits both.
            "times": round(float(np.median(np.divide(watched.taken_s, first.taken_s))), 3),
            "blocks": round(watched.blocks / ticks),
            "kilobytes": round(watched.bytes / ticks / 1e3, 1),
        }
        for name, watched in group.items()
    }
