"""A board, its hub, its viewers, and what each of them may see, worked out a second way, thing by thing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import h3.api.numpy_int as h3
import numpy as np
from tests_live import CATALOG, HERE, LAT, LON, SENSOR, WHOLE, WIDE, WORKER, Stage
from watching import Look, Watcher

from api.live.cells import cell_resolution
from api.live.frames import BlockKind, Frame
from api.live.hub import Hub
from twin.access.grants import Grants, grants_of
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE, Scope
from twin.live.board import Board
from twin.states import State

BOTH = ("devices", "workers")
WEST, EAST = "510104021000000", "510104022000000"


def street(code: str) -> Scope:
    return Scope.of_area(code, "street")


TWO_GRIDS = [
    ("worker", Scope.of_area("510104021001002", "responsibility_grid")),
    ("worker", Scope.of_area("510104022001001", "responsibility_grid")),
]
RIGHTS: dict[str, Grants] = {
    "whole": WHOLE,
    "whole, no workers": grants_of([("planner", EVERYWHERE)]),
    "workers alone": Grants(reads={DataClass.WORKER: EVERYWHERE}),
    "west": grants_of([("operator", street(WEST))]),
    "east": grants_of([("operator", street(EAST))]),
    "one community": grants_of([("operator", Scope.of_area("510104021001000", "community"))]),
    "west, workers of east": Grants(
        reads={DataClass.PLACE: street(WEST), DataClass.WORKER: street(EAST)}, roles=("two",)
    ),
    "two grids and the own tracker": grants_of(TWO_GRIDS, worker_id=1, tracker_id=7),
    "two grids and another tracker": grants_of(TWO_GRIDS, worker_id=2, tracker_id=12),
    "nothing": grants_of([("auditor", EVERYWHERE)]),
}
LOOKS: list[Look] = [
    (HERE, 16.0, BOTH),
    (WIDE, 15.0, BOTH),
    ((LON - 0.004, LAT - 0.004, LON + 0.02, LAT + 0.02), 15.0, BOTH),
    (WIDE, 15.0, ("devices",)),
    ((LON - 0.02, LAT - 0.02, LON + 0.001, LAT + 0.02), 14.0, ("workers",)),
    (WIDE, 13.0, BOTH),
    (HERE, 11.0, ("devices",)),
]


@dataclass(frozen=True)
class Thing:
    """One device as the test knows it, which asks neither the board nor the hub."""

    kind: int
    code: int
    lon: float
    lat: float
    value: float = float("nan")
    state: int = int(State.UNKNOWN)
    has_reported: bool = False

    @property
    def layer(self) -> int:
        return int(self.kind == WORKER)

    @property
    def room(self) -> int:
        return room_at(self.lon, self.lat)


@cache
def room_at(lon: float, lat: float) -> int:
    return int(h3.latlng_to_cell(lat, lon, 9))


def is_seen(thing_id: int, thing: Thing, grants: Grants) -> bool:
    data = DataClass.WORKER if thing.layer else DataClass.PLACE
    ranges = grants.reads[data].ranges if data in grants.reads else ()
    own = bool(thing.layer) and thing_id == grants.tracker_id
    return own or any(low <= thing.code <= high for low, high in ranges)


@cache
def ring_of(cell: int) -> tuple[list[float], list[float]]:
    ring = h3.cell_to_boundary(cell)
    return [p[0] for p in ring], [p[1] for p in ring]


def touches(cell: int, bbox) -> bool:
    lats, lons = ring_of(cell)
    west, south, east, north = bbox
    return min(lons) <= east and max(lons) >= west and min(lats) <= north and max(lats) >= south


Seen = dict[int, tuple[int, int]]
"""Room and layer of the things somebody sees, by id."""


class Town:
    """A board, its hub, its viewers, and the truth about all three."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.stage = Stage(Board(CATALOG, capacity=16), None, "", {})
        self.hub = self.stage.hub = Hub(self.stage.board)
        self.things: dict[int, Thing] = {}
        self.border = 0.0
        self.next_id = 1
        self.past: list[dict[int, Thing]] = [{}]
        self.ticks: list[int] = [0]
        self.watchers: dict[str, Watcher] = {}
        self.frames = 0
        self.left_blocks = 0
        self.sent_away = 0
        self.removed: dict[int, Thing] = {}

    # what happens

    def code_at(self, lon: float, lat: float) -> int:
        """The grid a place lies in: two streets, in them communities and grids, and beyond all nothing."""
        if abs(lon - LON) > 0.03:
            return 0
        half = WEST if lon < LON + self.border else EAST
        grid = 1 + int(abs(lon - LON) * 300) % 2
        return int(half[:9] + ("001" if lat < LAT else "002") + f"{grid:03d}")

    def place(self, ids: list[int]) -> None:
        things = [self.things[i] for i in ids]
        for kind in (SENSOR, WORKER):
            mine = [(i, t) for i, t in zip(ids, things, strict=True) if t.kind == kind]
            if mine:
                self.stage.place(
                    [i for i, _ in mine],
                    np.array([t.lon for _, t in mine]),
                    np.array([t.lat for _, t in mine]),
                    kind,
                    [t.code for _, t in mine],
                )

    def some(self, n: int) -> list[int]:
        known = sorted(self.things)
        return sorted({known[i] for i in self.random.integers(0, len(known), n)}) if known else []

    def somewhere(self) -> tuple[float, float]:
        lon, lat = self.random.normal(0, 0.012, 2)
        return LON + float(lon), LAT + float(lat)

    def install(self, n: int) -> None:
        ids = list(range(self.next_id, self.next_id + n))
        self.next_id += n
        for i in ids:
            lon, lat = self.somewhere()
            kind = WORKER if i % 5 == 2 else SENSOR
            self.things[i] = Thing(kind, self.code_at(lon, lat), lon, lat)
        self.place(ids)

    def observe(self, ids: list[int], moves: bool) -> None:
        if not ids:
            return
        for i in ids:
            thing = self.things[i]
            lon, lat = self.somewhere() if moves else (thing.lon, thing.lat)
            if moves and self.random.random() < 0.5:  # a step, not a leap
                lon, lat = thing.lon + (lon - LON) / 20, thing.lat + (lat - LAT) / 20
            value, state = float(self.random.normal()), int(self.random.integers(0, 6))
            self.things[i] = replace(
                thing, lon=lon, lat=lat, value=value, state=state, has_reported=thing.has_reported or moves
            )
        things = [self.things[i] for i in ids]
        self.stage.observe(
            np.array([self.stage.board.row_of_id[i] for i in ids]),
            np.array([t.value for t in things]),
            np.array([t.state for t in things]),
            np.array([t.lon for t in things]) if moves else None,
            np.array([t.lat for t in things]) if moves else None,
        )

    def act(self, operation: str, n: int) -> None:
        match operation:
            case "install":
                self.install(n)
            case "update":
                self.observe(self.some(n), moves=False)
            case "move":
                self.observe(self.some(n), moves=True)
            case "remove":
                gone = self.some(n // 3 + 1)
                self.stage.board.remove(gone)
                self.removed = {i: self.things.pop(i) for i in gone}
            case "comeback":
                back = {i: t for i, t in self.removed.items() if i not in self.things}
                for i, thing in back.items():
                    self.things[i] = Thing(thing.kind, thing.code, thing.lon, thing.lat)
                self.place(list(back))
            case "redraw":  # the border of the streets is another: what stands near it changes its scope
                self.border = float(self.random.normal(0, 0.006))
                near = [i for i, t in self.things.items() if self.code_at(t.lon, t.lat) != t.code]
                for i in near:
                    thing = self.things[i]
                    self.things[i] = replace(thing, code=self.code_at(thing.lon, thing.lat))
                self.place(near)
            case "rename":
                self.place(self.some(n))
            case "kind":
                for i in self.some(3):
                    kind = SENSOR if self.things[i].kind == WORKER else WORKER
                    self.things[i] = replace(self.things[i], kind=kind)
                    self.place([i])

    # what is seen

    def seen(self, things: dict[int, Thing], grants: Grants) -> Seen:
        return {i: (t.room, t.layer) for i, t in things.items() if is_seen(i, t, grants)}

    def expected(self, watcher: Watcher):
        bbox, zoom, layers = watcher.look
        looked = {i: t for i, t in self.things.items() if BOTH[t.layer] in layers}
        mine = {i: t for i, t in looked.items() if is_seen(i, t, watcher.grants)}
        if watcher.points:
            return {
                i: (
                    t.room,
                    t.layer,
                    round(t.lon * 1e7),
                    round(t.lat * 1e7),
                    np.float32(t.value).tobytes(),
                    t.kind,
                    t.state,
                )
                for i, t in mine.items()
                if touches(t.room, bbox)
            }
        count, abnormal, worst = Counter(), Counter(), {}
        for thing in mine.values():
            cell = int(h3.cell_to_parent(thing.room, cell_resolution(zoom)))
            key = (thing.layer, cell)
            count[key] += 1
            abnormal[key] += thing.state >= 3
            worst[key] = max(worst.get(key, 0), thing.state)
        return {key: (n, abnormal[key], worst[key]) for key, n in count.items() if touches(key[1], bbox)}

    def held(self, watcher: Watcher):
        if not watcher.points:
            assert not len(watcher.state)
            return watcher.state.cells
        assert not watcher.state.cells
        return {
            int(t["id"]): (
                int(t["room"]),
                int(t["layer"]),
                int(t["lon_e7"]),
                int(t["lat_e7"]),
                t["value"].tobytes(),
                int(t["device_kind"]),
                int(t["state"]),
            )
            for t in watcher.state.things()
        }

    # the proof

    def beat(self) -> None:
        self.hub.beat()
        self.past.append(dict(self.things))
        self.ticks.append(self.hub.tick)
        sent_away = [w for w in self.watchers.values() if w.wire.closed is not None]
        for watcher in sent_away:
            assert watcher.wire.closed == 4008, "only who was behind for too long is sent away"
            watcher.connect()
            assert not watcher.resumed
            self.sent_away += 1
        if sent_away:
            self.hub.beat()
        for name, watcher in self.watchers.items():
            since = watcher.tick
            for frame in watcher.take():
                self.frames += 1
                self.nothing_foreign(name, watcher, frame, since)
                since = frame.tick
            if watcher.connected and not watcher.wire.stalled:
                assert self.held(watcher) == self.expected(watcher), name

    def nothing_foreign(self, name: str, watcher: Watcher, frame: Frame, since: int) -> None:
        """Check each block: what it tells was seen by this viewer, now or since its last frame."""
        now = self.seen(self.things, watcher.grants)
        # What was so at some tick since the client's own; the one of its own frame is among them.
        before = [
            self.seen(things, watcher.grants)
            for tick, things in zip(self.ticks, self.past, strict=True)
            if tick >= since
        ]
        places_before = {(i, *place) for seen in before for i, place in seen.items()}
        rooms = set(now.values())
        for block in frame.blocks:
            told = block.columns["id"].tolist() if "id" in block.columns else []
            here = (block.cell, block.layer)
            match block.kind:
                case BlockKind.LEFT:
                    self.left_blocks += 1
                    assert told
                    assert {(i, *here) for i in told} <= places_before, name
                case BlockKind.CELLS:
                    ever = {
                        (layer, int(h3.cell_to_parent(room, h3.get_resolution(cell))))
                        for cell in block.columns["cell"].tolist()[:1]
                        for things in self.past
                        for room, layer in self.seen(things, watcher.grants).values()
                    }
                    assert {(block.layer, c) for c in block.columns["cell"].tolist()} <= ever, name
                case _:
                    assert {(i, *here) for i in told} <= {(i, *place) for i, place in now.items()}, name
                    if not told and name != "whole":
                        assert block.kind is BlockKind.SNAPSHOT
                        assert here in rooms, "that there is something in a room is told by an empty one too"
