"""Limits with hysteresis and hold time, against a scalar oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import DeviceKind, load_catalog
from twin.rules.limits import LimitTable, next_states, ripe
from twin.states import State

CATALOG = load_catalog()
TABLE = LimitTable.of(CATALOG)


def walk(kind: DeviceKind, slot: int, values: list[tuple[float, float]]) -> list[State]:
    """States after (second, value) pairs, through the vectorised rule."""
    state, beyond = np.array([State.UNKNOWN], np.uint8), np.zeros((1, 3), np.int64)
    out = []
    for second, value in values:
        state, beyond = next_states(
            TABLE,
            np.array([kind.code]),
            np.array([slot]),
            np.array([value]),
            np.array([int(second * 1e6) + 1]),
            state,
            beyond,
        )
        out.append(State(int(state[0])))
    return out


def oracle(kind: DeviceKind, slot: int, values: list[tuple[float, float]]) -> list[State]:
    """The same in plain words, one limit at a time."""
    limits = kind.properties[slot].limits
    state, since, out = State.UNKNOWN, {}, []
    for second, value in values:
        worst = State.NORMAL
        for level in (State.WARNING, State.ALARM, State.CRITICAL):
            mine = [x for x in limits if x.state == level]
            reached = [
                x
                for x in mine
                if (x.above is not None and value >= x.above) or (x.below is not None and value <= x.below)
            ]
            near = [
                x
                for x in mine
                if (x.above is not None and value > x.above - x.hysteresis)
                or (x.below is not None and value < x.below + x.hysteresis)
            ]
            if reached:
                since.setdefault(level, second)
            else:
                since.pop(level, None)
            held = reached and second - since[level] >= reached[0].hold_s
            if held or (state >= level and (near or reached)):
                worst = level
        state = worst
        out.append(state)
    return out


PROPERTIES = [(k, p.slot) for k in CATALOG.by_name.values() for p in k.properties if p.limits]


@given(st.data())
def test_vectorised_rule_agrees_with_the_words(data: st.DataObject) -> None:
    kind, slot = data.draw(st.sampled_from(PROPERTIES))
    observed = kind.properties[slot]
    edges = [x.above if x.above is not None else x.below for x in observed.limits]
    edges += [e + s * x.hysteresis for e, x in zip(edges, observed.limits, strict=True) for s in (-1, 1)]
    near = [e + d for e in edges for d in (-0.01, 0, 0.01)]
    value = st.sampled_from(near) | st.floats(observed.minimum, observed.maximum)
    steps = data.draw(st.lists(st.tuples(st.sampled_from([1, 10, 60, 300, 700]), value), max_size=12))
    seconds = np.cumsum([s for s, _ in steps]).tolist()
    values = list(zip(seconds, (v for _, v in steps), strict=True))
    assert walk(kind, slot, values) == oracle(kind, slot, values)


def test_hysteresis_keeps_and_ends() -> None:
    kind = CATALOG.by_name["water_level"]
    values = [(0, 14.9), (1, 15.0), (2, 14.1), (3, 14.0), (4, 26.0), (5, 24.1), (6, 23.9), (7, 0.0)]
    assert walk(kind, 0, values) == [
        State.NORMAL,
        State.WARNING,
        State.WARNING,
        State.NORMAL,
        State.CRITICAL,
        State.CRITICAL,
        State.ALARM,
        State.NORMAL,
    ]


def test_hold_time_begins_again_after_a_return() -> None:
    kind = CATALOG.by_name["door"]
    assert walk(kind, 0, [(0, 1), (299, 1), (299.5, 0), (300, 1), (599, 1), (600, 1)]) == [
        State.NORMAL
    ] * 5 + [State.WARNING]


def test_ripe_finds_the_worst_state_that_is_due() -> None:
    kind = CATALOG.by_name["flood"]
    values, states = np.full((2, 4), np.nan), np.full((2, 4), State.ALARM, np.uint8)
    values[:, 0] = 1.0
    beyond = np.zeros((2, 4, 3), np.int64)
    beyond[0, 0, 1:] = 1_000_000
    beyond[1, 0, 1:] = 2_000_000
    found = ripe(TABLE, np.array([kind.code] * 2), values, states, beyond, 601_000_000)
    assert [x.tolist() for x in found] == [[0], [0], [State.CRITICAL], [601_000_000]]
