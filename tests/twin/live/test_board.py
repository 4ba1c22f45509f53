"""The board: newest wins, rooms, changes, ages."""

from __future__ import annotations

from dataclasses import replace

import h3
import numpy as np
import pytest

from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE, Scope
from twin.catalog import load_catalog
from twin.live.board import Board, Newest, Placement
from twin.live.rooms import RoomCircles, RoomIndex, rooms_of, surely_inside
from twin.states import State

NOW = 1_800_000_000_000_000
CATALOG = load_catalog()


def placement(
    device_id: int, *, kind: str = "water_level", lon: float = 104.06, lat: float = 30.66
) -> Placement:
    found = CATALOG.by_name[kind]
    return Placement(
        device_id, f"dev-{device_id}", found.code, found.layer, 1, lon, lat, 1.5, found.expected_interval_s
    )


def newest(board: Board, *entries: tuple) -> Newest:
    """Entries (id, slot, time, value, state[, lon, lat])."""
    row = np.array([board.row_of_id[e[0]] for e in entries], np.int32)
    time_us = np.array([e[2] for e in entries], np.int64)
    place = np.array([e[5:7] if len(e) > 5 else (np.nan, np.nan) for e in entries], float).reshape(-1, 2)
    going = ~np.isnan(place[:, 0])
    return Newest(
        row=row,
        slot=np.array([e[1] for e in entries], np.int64),
        time_us=time_us,
        value=np.array([e[3] for e in entries], float),
        state=np.array([e[4] for e in entries], np.uint8),
        beyond_us=np.zeros((len(entries), 3), np.int64),
        lon=place[:, 0],
        lat=place[:, 1],
        received_us=time_us,
        moved_row=row[going],
        moved_us=time_us[going],
        moved_lon=place[going, 0],
        moved_lat=place[going, 1],
        heard_row=row,
        heard_us=time_us,
    )


@pytest.fixture
def board() -> Board:
    made = Board(CATALOG, capacity=2)
    made.place([placement(i) for i in range(1, 6)])
    made.place([placement(9, kind="worker")])
    return made


def test_board_grows_and_knows_its_rows(board: Board) -> None:
    assert len(board) == board.count == 6
    assert board.capacity == 8
    assert [board.device_id[board.row_of_uid[f"dev-{i}"]] for i in (1, 5, 9)] == [1, 5, 9]
    assert board.state[0] == State.UNKNOWN
    assert np.isnan(board.value[0])


def test_older_entry_changes_nothing_but_was_heard(board: Board) -> None:
    board.apply(newest(board, (1, 0, NOW, 22.0, State.ALARM)))
    board.apply(newest(board, (1, 0, NOW - 1, 1.0, State.NORMAL)))
    assert board.value[0] == 22.0
    assert board.state[0] == State.ALARM
    assert board.heard_us[0] == NOW


def test_shown_state_is_the_worst_of_the_properties(board: Board) -> None:
    board.apply(newest(board, (1, 0, NOW, 2.0, State.NORMAL), (1, 1, NOW, 5.0, State.WARNING)))
    assert board.state[0] == State.WARNING
    board.apply(newest(board, (1, 1, NOW + 1, 90.0, State.NORMAL)))
    assert board.state[0] == State.NORMAL


def test_silence_of_three_intervals_is_offline_but_does_not_hide_an_alarm(board: Board) -> None:
    board.apply(newest(board, (1, 0, NOW, 2.0, State.NORMAL), (2, 0, NOW, 22.0, State.ALARM)))
    assert len(board.sweep(NOW + 180_000_000)) == 0
    assert sorted(board.sweep(NOW + 180_000_001)) == [0, 1]
    assert list(board.state[:3]) == [State.OFFLINE, State.ALARM, State.UNKNOWN]
    assert len(board.sweep(NOW + 181_000_000)) == 0
    board.apply(newest(board, (1, 0, NOW + 182_000_000, 2.0, State.NORMAL)))
    assert board.state[0] == State.NORMAL


def test_changes_are_told_once(board: Board) -> None:
    assert len(board.take_changes().moved) == 6
    board.apply(newest(board, (1, 0, NOW, 2.0, State.NORMAL)))
    board.apply(newest(board, (1, 1, NOW, 50.0, State.NORMAL)))
    assert list(board.take_changes().updated) == [0]
    changes = board.take_changes()
    assert len(changes.updated) == len(changes.moved) == len(changes.left_id) == 0
    board.apply(
        newest(board, (1, 0, NOW + 1, 2.0, State.NORMAL))
    )  # the same value and state: nothing to show
    assert len(board.take_changes().updated) == 0


def test_thing_that_moves_leaves_its_room_and_enters_another(board: Board) -> None:
    board.take_changes()
    before = int(board.room[5])
    board.apply(newest(board, (9, 0, NOW, 1.0, State.NORMAL, 104.16, 30.66)))
    after = int(board.room[5])
    assert after == rooms_of([104.16], [30.66])[0] != before
    assert list(board.rows_in_room(after)) == [5]
    assert 5 not in board.rows_in_room(before)
    changes = board.take_changes()
    assert list(changes.moved) == [5]
    assert len(changes.updated) == 0
    assert (changes.left_id.tolist(), changes.left_room.tolist(), changes.left_layer.tolist()) == (
        [9],
        [before],
        [1],
    )


def test_there_and_back_between_two_looks_leaves_no_room(board: Board) -> None:
    board.take_changes()
    board.apply(newest(board, (9, 0, NOW, 1.0, State.NORMAL, 104.16, 30.66)))
    board.apply(newest(board, (9, 0, NOW + 1, 1.0, State.NORMAL, 104.06, 30.66)))
    changes = board.take_changes()
    assert list(changes.moved) == [5]
    assert len(changes.left_id) == 0


def test_removed_device_leaves_a_hole_and_is_told(board: Board) -> None:
    board.take_changes()
    room = int(board.room[1])
    board.remove([2])
    assert board.device_id[1] == 0
    assert "dev-2" not in board.row_of_uid
    assert 1 not in board.rows_in_room(room)
    changes = board.take_changes()
    assert (changes.left_id.tolist(), changes.left_room.tolist()) == ([2], [room])
    board.place([placement(2)])
    assert board.row_of_id[2] == 6  # rows are not used again
    assert list(board.rooms()) == [room]


def test_new_record_moves_what_stands_but_not_what_reported_its_place(board: Board) -> None:
    board.apply(newest(board, (9, 0, NOW, 1.0, State.NORMAL, 104.16, 30.66)))
    board.take_changes()
    board.place([placement(1, lon=104.2), placement(9, kind="worker", lon=104.2)])
    assert board.lon[0] == 104.2
    assert board.lon[5] == 104.16
    assert sorted(board.take_changes().moved) == [0, 5]


def test_devices_that_swap_their_uids_keep_both(board: Board) -> None:
    one, two = placement(1), placement(2)
    board.place([replace(one, uid=two.uid), replace(two, uid=one.uid)])
    assert (board.row_of_uid["dev-2"], board.row_of_uid["dev-1"]) == (0, 1)


def test_thing_whose_scope_or_layer_changed_leaves_as_it_was_shown(board: Board) -> None:
    board.place([replace(placement(i), scope_code=10) for i in (1, 2, 3)])
    board.take_changes()
    room = int(board.room[0])
    board.place([replace(placement(1), scope_code=11), replace(placement(2), scope_code=10)])
    board.place([replace(placement(3, kind="worker"), scope_code=12)])
    changes = board.take_changes()
    assert sorted(changes.moved) == [0, 1, 2]
    left = zip(
        changes.left_id,
        changes.left_room,
        changes.left_layer,
        changes.left_code,
        changes.left_row,
        strict=True,
    )
    assert [tuple(map(int, one)) for one in left] == [(1, room, 0, 10, 0), (3, room, 0, 10, 2)]


def test_thing_that_is_removed_or_goes_leaves_with_the_scope_it_was_shown_in(board: Board) -> None:
    board.place([replace(placement(i), scope_code=10) for i in (1, 2)])
    board.take_changes()
    # Nobody was ever shown the new scope: whoever saw the old one must hear that they are gone.
    board.place([replace(placement(1, lon=104.2), scope_code=11), replace(placement(2), scope_code=11)])
    board.remove([2])
    changes = board.take_changes()
    assert (changes.left_id.tolist(), changes.left_code.tolist()) == ([1, 2], [10, 10])
    assert board.place([replace(placement(7), scope_code=13)]) == [6]
    board.remove([7])
    assert len(board.take_changes().left_id) == 0, "what nobody was shown leaves nobody"


def test_who_sees_what_is_counted_anew_only_when_what_is_installed_changes(board: Board) -> None:
    before = board.placements
    board.apply(newest(board, (1, 0, NOW, 2.0, State.NORMAL), (9, 0, NOW, 1.0, State.NORMAL, 104.16, 30.66)))
    assert board.placements == before
    board.place([placement(1)])
    board.remove([1])
    assert board.placements == before + 2


def test_what_is_in_scope_is_the_policy_of_the_table_and_never_a_hole(board: Board) -> None:
    street = Scope.of_area("510104021000000", "street")
    inside, outside = 510104021001001, 510104022001001
    board.place([replace(placement(1), scope_code=inside), replace(placement(2), scope_code=outside)])
    board.place([replace(placement(i, kind="worker"), scope_code=outside) for i in (9, 10, 11)])
    rows = np.array([board.row_of_id[i] for i in (1, 2, 3, 9, 10, 11)], np.int32)
    seen = lambda grants: [bool(s) for s in board.in_scope(rows, grants)]  # noqa: E731
    place, worker = DataClass.PLACE, DataClass.WORKER
    assert seen(Grants()) == [False] * 6
    assert seen(Grants(reads={place: street})) == [True, False, False, False, False, False]
    assert seen(Grants(reads={place: street}, tracker_id=10)) == [True, False, False, False, True, False]
    assert seen(Grants(reads={place: street}, tracker_id=2)) == [True, False, False, False, False, False]
    assert seen(Grants(reads={worker: EVERYWHERE})) == [False, False, False, True, True, True]
    everything = Grants(reads={place: EVERYWHERE, worker: EVERYWHERE})
    assert seen(everything) == [True] * 6
    board.remove([1, 10])
    assert seen(everything) == [False, True, True, True, False, True]


def test_ages_of_some_rows_say_nothing_of_the_others(board: Board) -> None:
    board.apply(newest(board, *((i, 0, NOW, 1.0, State.NORMAL) for i in (1, 2, 3, 9))))
    ages = board.ages(NOW + 400_000, np.array([0, 3], np.int32))
    assert (ages["devices"].count, ages["devices"].stale, ages["devices"].state) == (2, 0, "live")
    assert (ages["workers"].count, ages["workers"].newest_s, ages["workers"].lag_s) == (0, None, None)
    assert board.ages(NOW + 400_000)["workers"].lag_s == pytest.approx(0.0)


def test_ages_say_live_late_and_dead(board: Board) -> None:
    assert board.ages(NOW)["devices"].state == "dead"
    board.apply(newest(board, *((i, 0, NOW, 1.0, State.NORMAL) for i in range(1, 6))))
    age = board.ages(NOW + 400_000)["devices"]
    assert (age.state, age.count, age.stale, age.expected_s) == ("live", 5, 0, 60)
    assert age.newest_s == pytest.approx(0.4)
    assert board.ages(NOW + 200_000_000)["devices"].state == "late"
    assert board.ages(NOW + 200_000_000)["devices"].stale == 5
    assert board.ages(NOW + 601_000_000)["devices"].state == "dead"


def test_safe_circle_never_calls_inside_what_is_outside() -> None:
    circles = RoomCircles()
    rng = np.random.default_rng(7)
    asked = kept = 0
    for lon, lat in ((104.06, 30.66), (24.94, 60.17), (-70.0, -33.0), (0.01, 0.01)):
        room = int(rooms_of([lon], [lat])[0])
        circle_lon, circle_lat, radius2 = circles.circle(room)
        x, y = circle_lon + rng.uniform(-0.006, 0.006, 500), circle_lat + rng.uniform(-0.003, 0.003, 500)
        n = np.ones(500)
        inside = surely_inside(x, y, n * circle_lon, n * circle_lat, n * radius2)
        truly = np.array(
            [h3.latlng_to_cell(b, a, 9) == h3.int_to_str(room) for a, b in zip(x, y, strict=True)]
        )
        assert not (inside & ~truly).any()
        asked, kept = asked + truly.sum(), kept + inside.sum()
    assert kept > 0.6 * asked  # and it is worth having


def test_room_index_survives_any_order_of_moves() -> None:
    index, truth = RoomIndex(), {}
    rng = np.random.default_rng(3)
    for _ in range(2000):
        row, room = int(rng.integers(50)), int(rng.integers(1, 6))
        if row in truth:
            index.remove(row, truth.pop(row))
        if rng.random() < 0.7:
            index.add(row, room)
            truth[row] = room
        some = int(rng.integers(1, 6))
        assert sorted(index.rows(some)) == sorted(r for r, where in truth.items() if where == some)
    assert sorted(index.rooms()) == sorted(set(truth.values()))
