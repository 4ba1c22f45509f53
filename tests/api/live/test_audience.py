"""What a viewer's rights do not let it see is in no byte that it is sent."""

from __future__ import annotations

from dataclasses import replace

import h3.api.numpy_int as h3
import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests_live import LAT, LON, SENSOR
from town import BOTH, EAST, LOOKS, RIGHTS, WEST, Thing, Town, is_seen, touches
from watching import Watcher

from api.live import views
from api.live.cells import cell_resolution
from api.live.frames import BlockKind

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


def test_who_enters_a_room_that_was_seen_wholly_is_not_told_to_who_does_not_see_it() -> None:
    town = Town(17)
    here, there = (LON - 0.008, LAT), (LON + 0.008, LAT)
    town.things = {
        1: Thing(SENSOR, int(WEST), *here),
        2: Thing(SENSOR, int(EAST), *there),
        3: Thing(SENSOR, int(EAST), *here[:1], LAT + 0.008),
    }
    town.place([1, 2, 3])
    for name in ("west", "east", "whole"):
        town.watchers[name] = Watcher(town.hub, RIGHTS[name], LOOKS[1])
        town.watchers[name].connect()
    for lon, lat in (there, here, there):  # no room is new after this, and nothing is installed
        town.things[2] = replace(town.things[2], lon=lon, lat=lat, value=lon, state=1, has_reported=True)
        town.stage.observe(np.array([1]), np.array([lon]), np.array([1]), np.array([lon]), np.array([lat]))
        town.observe([1, 3], moves=False)
        town.beat()
    assert town.frames == 9


def test_who_comes_when_another_goes_is_told_what_is_its_own() -> None:
    town = Town(18)
    town.install(150)
    names = [name for name in RIGHTS if name != "nothing"]
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        town.watchers = {n: Watcher(town.hub, RIGHTS[n], LOOKS[1]) for n in (name, "west")}
        for watcher in town.watchers.values():
            watcher.connect()
        town.beat()
        town.watchers.pop(name).cut()
        town.watchers[other] = Watcher(town.hub, RIGHTS[other], LOOKS[1])
        town.watchers[other].connect()
        town.beat()
        town.observe(sorted(town.things), moves=False)
        town.beat()
        for watcher in town.watchers.values():
            watcher.cut()


def test_equal_viewers_who_were_told_last_in_different_ticks_get_frames_of_their_own() -> None:
    town = Town(19)
    town.things = {1: Thing(SENSOR, int(WEST), LON, LAT), 2: Thing(SENSOR, int(EAST), LON, LAT)}
    town.place([1, 2])
    town.watchers = {name: Watcher(town.hub, RIGHTS["west"], LOOKS[0]) for name in ("early", "late")}
    town.watchers["early"].connect()
    town.beat()
    town.observe([2], moves=False)
    town.beat()
    town.watchers["late"].connect()
    town.beat()
    town.observe([1], moves=False)
    town.beat()
    early, late = (watcher.viewer.sent_tick for watcher in town.watchers.values())
    assert early == late == town.hub.tick


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
