"""What a viewer's rights do not let it see is in no byte that it is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import h3.api.numpy_int as h3
import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests_live import CATALOG, HERE, LAT, LON, SENSOR, WHOLE, WIDE, WORKER, Stage
from watching import Look, Watcher

from api.live import views
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


HAPPENS = ("install", "update", "move", "remove", "comeback", "redraw", "rename", "kind")
VIEWERS_DO = ("look", "stall", "resume", "cut", "forget")
OFTEN = ("update", "move", "redraw", "look", "beat", "beat", "beat")
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from((*HAPPENS, *VIEWERS_DO, *OFTEN)),
        st.integers(1, 25),
    ),
    min_size=4,
    max_size=40,
)


def play(seed: int, operations: list[tuple[str, int]]) -> Town:
    town = Town(seed)
    town.install(80)
    for n, (name, grants) in enumerate(RIGHTS.items()):
        watcher = town.watchers[name] = Watcher(town.hub, grants, LOOKS[(seed + n) % len(LOOKS)])
        watcher.connect()
    town.beat()
    for operation, n in operations:
        chosen = [w for i, w in enumerate(town.watchers.values()) if (i + n) % 3 == 0]
        match operation:
            case "beat":
                town.beat()
            case "look":
                for i, watcher in enumerate(chosen):
                    watcher.look = LOOKS[(n + i) % len(LOOKS)]
                    watcher.subscribe()
            case "stall" | "resume":
                for watcher in chosen:
                    watcher.wire.stalled = operation == "stall"
            case "cut":
                for watcher in chosen:
                    watcher.cut()
                town.act("move", n)
                town.hub.second()  # what nobody uses is forgotten
                town.beat()
                for watcher in chosen:
                    watcher.connect()
            case "forget":
                for watcher in chosen:
                    watcher.wire.stalled = True
                town.beat()
                town.hub.ledger.tick += 1_000  # longer than departures are remembered
                town.act("move", n)
                town.beat()
            case _:
                town.act(operation, n)
    for watcher in town.watchers.values():
        watcher.wire.stalled = False
    town.beat()
    return town


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    seed=1, operations=[("redraw", 1), ("beat", 1), ("redraw", 2), ("cut", 3), ("redraw", 5), ("beat", 1)]
)
@example(
    seed=2, operations=[("stall", 3), ("redraw", 1), ("move", 20), ("beat", 1), ("redraw", 1), ("resume", 3)]
)
@example(seed=3, operations=[("forget", 3), ("look", 3), ("beat", 1)])
@given(seed=st.integers(0, 10_000), operations=OPERATIONS)
def test_each_viewer_holds_what_it_may_see_and_was_told_nothing_else(seed, operations) -> None:
    play(seed, operations)


def test_the_proof_above_sees_departures_slow_clients_and_the_sent_away() -> None:
    acts = [(name, n) for n in range(1, 7) for name in ("move", "redraw", "beat", "remove", "beat")]
    slow = [("stall", 3), ("move", 9), ("beat", 1), ("redraw", 1), ("resume", 3), ("beat", 1)]
    town = play(4, [*acts, *slow])
    assert town.left_blocks > 100
    assert town.frames > 60
    assert play(5, [("forget", 3), ("resume", 3), ("beat", 1)]).sent_away > 0


def test_what_stays_in_sight_when_areas_are_redrawn_is_not_told_to_leave() -> None:
    town = Town(6)
    town.install(60)
    watchers = [Watcher(town.hub, RIGHTS[name], LOOKS[1]) for name in ("whole", "whole, no workers", "west")]
    for watcher in watchers:
        watcher.connect()
    town.hub.beat()
    west = [i for i, t in town.things.items() if t.layer == 0 and t.code in range(int(WEST), int(EAST))]
    assert len(west) > 5
    for watcher in watchers:
        watcher.take()
    for i in west:
        town.things[i] = replace(town.things[i], code=int(WEST) + 3_009)
    town.place(west)
    town.hub.beat()
    for watcher in watchers:
        (frame,) = watcher.take()
        assert {block.kind for block in frame.blocks} == {BlockKind.MOVED}
        assert sorted(i for block in frame.blocks for i in block.columns["id"].tolist()) == west


# what it costs


def encoded(town: Town, people: list[tuple[str, int]]) -> tuple[int, int]:
    """Blocks of one tick in which each device changes, with so many viewers; and bytes of frames made."""
    watchers = [Watcher(town.hub, RIGHTS[name], LOOKS[1]) for name, n in people for _ in range(n)]
    for watcher in watchers:
        watcher.connect()
    town.beat()
    for watcher in watchers:
        watcher.take()
    town.observe(sorted(town.things), moves=False)
    before = town.hub.encoder.encoded_blocks
    town.hub.beat()
    blocks = town.hub.encoder.encoded_blocks - before
    made = {id(framed) for watcher in watchers for framed, _ in watcher.wire.frames}
    for watcher in watchers:
        watcher.take()
        assert town.held(watcher) == town.expected(watcher)
        watcher.cut()
    return blocks, len(made)


def test_blocks_are_encoded_once_for_all_and_at_borders_once_for_each_scope() -> None:
    town = Town(7)
    town.install(900)
    town.beat()
    alone, frames = encoded(town, [("whole", 1)])
    rooms = len({(t.room, t.layer) for t in town.things.values()})
    assert (alone, frames) == (rooms, 1)
    few = encoded(town, [("whole", 1), ("west", 1), ("east", 1)])
    many = encoded(town, [("whole", 100), ("west", 10), ("east", 10)])
    assert few == many, "as many blocks and frames for 120 viewers as for three"
    borders = 0
    for name in ("west", "east"):
        for key in {(t.room, t.layer) for t in town.things.values()}:
            there = [is_seen(i, t, RIGHTS[name]) for i, t in town.things.items() if (t.room, t.layer) == key]
            # Workers are few: their rooms are encoded for each scope even when all of them are seen.
            borders += any(there) and (key[1] == 1 or not all(there))
    assert many[0] - alone == borders
    assert 0 < borders < rooms


def test_equal_scopes_of_other_people_share_what_is_made_for_them() -> None:
    town = Town(8)
    town.install(200)
    operator, manager = RIGHTS["west"], grants_of([("manager", street(WEST))])
    watchers = [Watcher(town.hub, grants, LOOKS[1]) for grants in (operator, manager)]
    for watcher in watchers:
        watcher.connect()
    town.hub.beat()
    (one,), (other,) = (watcher.wire.frames for watcher in watchers)
    assert one[0] is other[0]


def test_a_scope_is_not_sorted_out_again_when_only_values_change_or_workers_walk() -> None:
    town = Town(9)
    town.install(100)
    watcher = Watcher(town.hub, RIGHTS["west"], LOOKS[1])
    watcher.connect()
    town.hub.beat()
    audience = watcher.viewer.audience
    full, seen = audience.full(), audience._seen
    town.observe(sorted(town.things), moves=False)
    town.observe([i for i, t in town.things.items() if t.layer], moves=True)
    rooms = len(town.hub.ledger.rooms)
    town.hub.beat()
    assert audience._seen is seen
    assert audience.full() is full or len(town.hub.ledger.rooms) > rooms


# what is said beside the frames


def test_rooms_and_cells_are_counted_only_where_something_is_seen() -> None:
    town = Town(10)
    town.install(300)
    town.beat()
    for name, grants in RIGHTS.items():
        for look in LOOKS:
            watcher = Watcher(town.hub, grants, look)
            watcher.connect()
            rooms = {
                t.room for i, t in town.things.items() if BOTH[t.layer] in look[2] and is_seen(i, t, grants)
            }
            if not watcher.points:
                rooms = {int(h3.cell_to_parent(room, cell_resolution(look[1]))) for room in rooms}
            assert watcher.rooms == sum(touches(room, look[0]) for room in rooms), (name, look)
            watcher.cut()


def test_only_rooms_that_are_seen_count_towards_too_many(monkeypatch) -> None:
    town = Town(11)
    town.install(200)
    town.beat()
    own = "two grids and the own tracker"
    rooms = {
        name: len({room for room, _ in town.seen(town.things, RIGHTS[name]).values()}) for name in RIGHTS
    }
    assert 1 < rooms[own] < rooms["whole"]
    for most, name, points in ((rooms[own], "whole", False), (rooms[own], own, True), (1, own, False)):
        monkeypatch.setattr(views, "MAX_POINT_ROOMS", most)
        watcher = Watcher(town.hub, RIGHTS[name], LOOKS[1])
        watcher.connect()
        assert watcher.points is points, (most, name)


def test_who_comes_back_with_other_rights_begins_anew() -> None:
    town = Town(12)
    town.install(60)
    watcher = Watcher(town.hub, RIGHTS["west"], LOOKS[1])
    watcher.connect()
    town.hub.beat()
    watcher.take()
    watcher.cut()
    watcher.connect()
    assert watcher.resumed
    town.hub.beat()
    watcher.take()
    watcher.cut()
    watcher.grants = RIGHTS["east"]
    watcher.connect()
    assert not watcher.resumed
    town.hub.beat()
    watcher.take()
    assert town.held(watcher) == town.expected(watcher)
    epochs = {Watcher(town.hub, grants, LOOKS[0]).hub._epoch(grants) for grants in RIGHTS.values()}
    assert len(epochs) == len(RIGHTS)
    assert 0 not in epochs


def test_a_false_epoch_gives_nothing_that_is_not_seen() -> None:
    town = Town(13)
    town.install(60)
    west = Watcher(town.hub, RIGHTS["west"], LOOKS[1])
    west.connect()
    town.hub.beat()
    west.take()
    west.cut()
    town.act("move", 30)
    town.act("remove", 20)
    town.hub.beat()
    watcher = Watcher(town.hub, RIGHTS["nothing"], LOOKS[1])
    # It says that it holds all of this since the beginning, under the epoch it was just greeted with.
    watcher.held = (town.hub._epoch(watcher.grants), LOOKS[1])
    watcher.connect()
    assert watcher.resumed
    town.hub.beat()
    (frame,) = watcher.take()
    assert not frame.blocks


def test_what_left_a_room_that_is_looked_at_no_more_is_taken_away_too() -> None:
    town = Town(16)
    before, after = (LON - 0.02, LAT - 0.02, LON - 0.011, LAT + 0.02), (LON, LAT - 0.02, LON + 0.02, LAT)
    town.things = {
        1: Thing(SENSOR, int(WEST), LON - 0.018, LAT),
        2: Thing(SENSOR, int(EAST), LON - 0.018, LAT),
    }
    town.place([1, 2])
    watcher = Watcher(town.hub, RIGHTS["west"], (before, 16.0, BOTH))
    watcher.connect()
    town.hub.beat()
    watcher.take()
    assert town.held(watcher) == town.expected(watcher) != {}
    # It goes where nobody looks, and nothing that is seen stays in the room it leaves.
    town.things[1] = replace(town.things[1], lon=LON - 0.1, has_reported=True)
    town.stage.observe(np.array([0]), np.array([1.0]), np.array([0]), np.array([LON - 0.1]), np.array([LAT]))
    watcher.look = (after, 16.0, BOTH)
    watcher.subscribe()
    assert watcher.resumed
    town.hub.beat()
    (frame,) = watcher.take()
    assert [block.kind for block in frame.blocks] == [BlockKind.LEFT]
    assert town.held(watcher) == {}


def test_ages_tell_only_of_what_is_seen() -> None:
    town = Town(14)
    town.install(120)
    town.observe(sorted(town.things), moves=False)
    watchers = {name: Watcher(town.hub, grants, LOOKS[0]) for name, grants in RIGHTS.items()}
    for watcher in watchers.values():
        watcher.connect()
    town.hub.beat()
    town.hub.second()
    for name, watcher in watchers.items():
        (ages,) = (text for text in watcher.wire.texts if text["type"] == "ages")
        mine = [t for i, t in town.things.items() if is_seen(i, t, watcher.grants)]
        for layer, age in zip(BOTH, (ages["layers"][layer] for layer in BOTH), strict=True):
            count = sum(BOTH[t.layer] == layer for t in mine)
            assert age["count"] == count, (name, layer)
            if not count:
                assert age["newest_s"] is age["lag_s"] is None
                assert (age["stale"], age["expected_s"], age["state"]) == (0, 0.0, "live")


def test_forgotten_when_nobody_looks_any_more() -> None:
    town = Town(15)
    town.install(20)
    watchers = [Watcher(town.hub, RIGHTS["west"], look) for look in LOOKS]
    for watcher in watchers:
        watcher.connect()
    town.hub.beat()
    town.hub.second()
    assert len(town.hub._audiences) == 1
    assert len(town.hub._views) == len(LOOKS)
    for watcher in watchers:
        watcher.cut()
    town.hub.second()
    assert not town.hub._audiences
    assert not len(town.hub._views)
