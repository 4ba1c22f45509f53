"""Any order, any splitting, any doubling of observations ends in the same board."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import load_catalog
from twin.live.board import Board, Placement
from twin.live.fold import Observations, fold
from twin.rules.limits import LimitTable
from twin.states import State

CATALOG = load_catalog()
TABLE = LimitTable.of(CATALOG)
BEGIN = 1_800_000_000_000_000
KINDS = ("weather", "worker", "charger")


def new_board() -> Board:
    board = Board(CATALOG, capacity=4)
    kinds = [CATALOG.by_name[k] for k in KINDS]
    board.place(
        [
            Placement(i + 1, f"dev-{i}", k.code, k.layer, 0, 104.0, 30.6, 1.0, 60.0)
            for i, k in enumerate(kinds)
        ]
    )
    return board


def columns(readings: list[tuple[int, int, int]]) -> Observations:
    """Readings (row, slot, second); value and place follow from them, as they do from a device's clock."""
    row, slot, second = (np.array(x, np.int64) for x in zip(*readings, strict=True))
    value = (row * 7 + slot * 3 + second) % 100 / 2.0
    moves = (row == 1) & (second % 3 > 0)
    return Observations(
        row=row.astype(np.int32),
        slot=slot,
        time_us=BEGIN + second * 1_000_000,
        value=value,
        lon=np.where(moves, 104.0 + (second % 50) * 0.001, np.nan),
        lat=np.where(moves, 30.6 + slot * 0.001, np.nan),
        received_us=np.full(len(row), BEGIN),
    )


def take(board: Board, readings: list[tuple[int, int, int]]) -> list[list]:
    folded = fold(board, TABLE, columns(readings))
    board.apply(folded.newest)
    return folded.rounds


READING = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 400))


@settings(max_examples=200)
@given(st.lists(READING, min_size=1, max_size=60), st.randoms(use_true_random=False), st.data())
def test_any_order_ends_in_the_same_board(readings, random, data) -> None:
    # Two places of one moment are a contradiction that no order resolves: positions ride on slot 0 here.
    readings = [(r, s, t) for r, s, t in readings if r != 1 or s == 0] or [(0, 0, 0)]
    sorted_board = new_board()
    take(sorted_board, sorted(set(readings), key=lambda x: x[2]))
    shuffled = readings + [random.choice(readings) for _ in range(len(readings) // 3)]
    random.shuffle(shuffled)
    board = new_board()
    while shuffled:
        n = data.draw(st.integers(1, len(shuffled)))
        take(board, shuffled[:n])
        shuffled = shuffled[n:]
    for name in ("times_us", "values", "value", "lon", "lat", "room", "position_us", "heard_us"):
        assert np.array_equal(getattr(board, name), getattr(sorted_board, name), equal_nan=True), name
    for row in range(3):
        assert set(board.rows_in_room(int(board.room[row]))) == set(
            sorted_board.rows_in_room(int(board.room[row]))
        )


@given(st.lists(READING, min_size=1, max_size=60))
def test_one_batch_gives_the_same_transitions_as_one_by_one(readings) -> None:
    together, alone = new_board(), new_board()
    rounds = take(together, readings)
    steps = []
    for reading in sorted(set(readings), key=lambda x: x[2]):
        steps += [t for group in take(alone, [reading]) for t in group]
    assert np.array_equal(together.states, alone.states)
    assert np.array_equal(together.beyond_us, alone.beyond_us)
    by_key = lambda ts: sorted((t.row, t.slot, t.time_us, t.old, t.new) for t in ts)  # noqa: E731
    assert by_key(t for group in rounds for t in group) == by_key(steps)
    for group in rounds:
        assert len({(t.row, t.slot) for t in group}) == len(group)


def test_fold_changes_nothing_by_itself() -> None:
    board = new_board()
    before = board.states.copy(), board.times_us.copy()
    folded = fold(board, TABLE, columns([(0, 0, 74), (0, 0, 80)]))
    assert folded.in_order.all()
    assert np.array_equal(board.states, before[0])
    assert np.array_equal(board.times_us, before[1])
    assert board.states[0, 0] == State.UNKNOWN
