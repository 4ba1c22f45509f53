"""Each condition against a slow one in plain Python, however readings are cut into commits and ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.rules import plain
from twin.catalog import load_catalog
from twin.rules.conditions import Learned, Limit, Rate, Silence
from twin.rules.evaluating import Changes, Readings
from twin.rules.judging import EVALUATORS, Judges
from twin.rules.rule import WHOLE, Rule, Watched
from twin.states import State

CATALOG = load_catalog()
WATER = CATALOG.by_name["water_level"]
BASE = 1_767_225_600 * plain.US  # 1 January 2026
DEVICES = 3


def watched(rows: int = DEVICES) -> Watched:
    return Watched(
        CATALOG,
        np.arange(1, rows + 1),
        np.full(rows, WATER.code),
        np.full(rows, 510104021001001),
        np.full(rows, 104.06),
        np.full(rows, 30.65),
    )


def rule(condition, number: int = 1, observed: str | None = "level", version: int = 1) -> Rule:
    return Rule(number, version, "规则", "Rule", State.ALARM, None, ("water_level",), observed, condition)


def readings(rows: list[tuple[int, int, int, float]]) -> Readings:
    """Rows (row, slot, seconds, value), in any order."""
    rows = sorted(rows)
    row, slot, at, value = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    nothing = np.full(len(rows), np.nan)
    return Readings(
        np.array(row, np.int32),
        np.array(slot, np.int64),
        BASE + np.array(at, np.int64) * plain.US,
        np.array(value, np.float64),
        nothing,
        nothing,
    )


def told(parts: list[Changes]) -> dict[tuple[int, int, int], list[tuple[bool, int]]]:
    found: dict[tuple[int, int, int], list[tuple[bool, int]]] = {}
    for part in parts:
        columns = (part.rule, part.row, part.slot, part.on, part.time_us)
        for number, row, slot, on, at in zip(*(c.tolist() for c in columns), strict=True):
            found.setdefault((number, row, slot), []).append((on, (at - BASE) / plain.US))
    return found


def in_s(events: list[tuple[bool, int]]) -> list[tuple[bool, float]]:
    return [(on, (at - BASE) / plain.US) for on, at in events]


def judged(condition_type, rules, series, cuts, ticks: bool, end: int, observed=None) -> dict:
    """Give the series of each row to an evaluator in commits that end at the cuts, with ticks between."""
    evaluator = EVALUATORS[condition_type]()
    evaluator.watch(rules, watched(len(series)))
    parts = []
    for begin, stop in zip([-1, *cuts], [*cuts, end], strict=True):
        commit = [
            (row, slot, at, value)
            for row, mine in enumerate(series)
            for slot, at, value in mine
            if begin < at <= stop
        ]
        parts.append(evaluator.take(readings(commit)))
        if ticks:
            parts.append(evaluator.tick(BASE + stop * plain.US))
    parts.append(evaluator.tick(BASE + end * plain.US))
    return told(parts)


VALUE = st.integers(0, 12).map(float)
SERIES = st.lists(st.tuples(st.integers(1, 40), VALUE), max_size=14).map(
    lambda steps: [
        (0, at, value)
        for at, (_, value) in zip(np.cumsum([step for step, _ in steps]).tolist(), steps, strict=True)
    ]
)
ALL_SERIES = st.lists(SERIES, min_size=DEVICES, max_size=DEVICES)
CUTS = st.lists(st.integers(0, 599), max_size=6, unique=True).map(sorted)
SIDE = st.sampled_from(["above", "below"])
LIMIT = st.builds(
    lambda side, at, back, hold: Limit(**{side: float(at)}, hysteresis=float(back), hold_s=float(hold)),
    SIDE,
    st.integers(2, 10),
    st.integers(0, 3),
    st.sampled_from([0, 1, 15, 60]),
)
END = 1_000


@settings(max_examples=150)
@given(st.lists(LIMIT, min_size=1, max_size=3), ALL_SERIES, CUTS, st.booleans())
def test_limits_hold_as_one_by_one(conditions, series, cuts, ticks) -> None:
    rules = [rule(condition, n) for n, condition in enumerate(conditions)]
    found = judged(Limit, rules, series, cuts, ticks, END)
    for n, condition in enumerate(conditions):
        for row, mine in enumerate(series):
            numbers = [(BASE + at * plain.US, value) for _, at, value in mine]
            expected = plain.limit(condition, numbers, BASE + END * plain.US)
            assert found.get((n, row, 0), []) == in_s(expected)


RATE = st.builds(
    lambda side, at, per, window, back, hold: Rate(
        **{side: float(at if side == "above" else -at)},
        per_s=float(per),
        window_s=float(window),
        hysteresis=float(back),
        hold_s=float(hold),
    ),
    SIDE,
    st.integers(1, 8),
    st.sampled_from([10, 60]),
    st.sampled_from([20, 60, 200]),
    st.integers(0, 2),
    st.sampled_from([0, 20]),
)


@settings(max_examples=150)
@given(st.lists(RATE, min_size=1, max_size=3), ALL_SERIES, CUTS, st.booleans())
def test_rates_are_those_of_one_by_one(conditions, series, cuts, ticks) -> None:
    rules = [rule(condition, n) for n, condition in enumerate(conditions)]
    found = judged(Rate, rules, series, cuts, ticks, END)
    for n, condition in enumerate(conditions):
        for row, mine in enumerate(series):
            numbers = plain.rates(condition, [(BASE + at * plain.US, value) for _, at, value in mine])
            expected = plain.limit(condition, numbers, BASE + END * plain.US, ripens=False)
            assert found.get((n, row, 0), []) == in_s(expected)


TWO_SLOTS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 599), VALUE), max_size=10, unique_by=lambda r: r[:2]
    ),
    min_size=DEVICES,
    max_size=DEVICES,
)


@settings(max_examples=150)
@given(st.sampled_from([10, 30, 90]), TWO_SLOTS, CUTS, st.booleans())
def test_silences_are_those_of_one_by_one(after, series, cuts, ticks) -> None:
    condition = Silence(after_s=after)
    rules = [rule(condition, 1, None), rule(condition, 2, "level")]
    found = judged(Silence, rules, series, cuts, ticks, END)
    for row, mine in enumerate(series):
        whole = sorted({BASE + at * plain.US for _, at, _ in mine})
        of_level = sorted(BASE + at * plain.US for slot, at, _ in mine if slot == 0)
        end = BASE + END * plain.US
        assert found.get((0, row, WHOLE), []) == in_s(plain.silence(condition, whole, end))
        assert found.get((1, row, 0), []) == in_s(plain.silence(condition, of_level, end))


def test_learned_rule_finds_what_stands_out_and_knows_holidays() -> None:
    evaluator = EVALUATORS[Learned]()
    evaluator.watch([rule(Learned())], watched(1))
    random = np.random.default_rng(1)
    minutes = np.arange(0, 6 * 1440, 5)
    level = 20 + 5 * np.sin(minutes / 1440 * 2 * np.pi) + random.normal(0, 0.3, len(minutes))
    parts = [
        evaluator.take(readings([(0, 0, int(m) * 60, v)]))
        for m, v in zip(minutes.tolist(), level.tolist(), strict=True)
    ]
    assert sum(len(part) for part in parts) <= 2
    after = int(minutes[-1]) * 60 + 300
    found = evaluator.take(readings([(0, 0, after, 60.0)]))
    assert found.on.tolist() == [True]
    assert found.judged[0] > 2.1
    # 1 January 2026 is a Thursday, and a holiday.
    assert evaluator._hour(BASE // 900_000_000) == 24 + 8


@pytest.mark.parametrize(
    "condition", [Limit(above=5.0, hold_s=30), Rate(above=1.0, window_s=60), Silence(after_s=60)]
)
def test_what_is_known_stays_when_rules_and_devices_come_and_go(condition) -> None:
    first, second = rule(condition, 1), rule(condition, 2)
    steps = [
        [(0, 0, at, value), (1, 0, at, 1.0)] for at, value in ((10, 1.0), (50, 9.0), (70, 9.0), (200, 9.0))
    ]
    kept, alone = EVALUATORS[type(condition)](), EVALUATORS[type(condition)]()
    alone.watch([second], watched(2))
    kept.watch([first, second], watched(2))
    parts: tuple[list[Changes], list[Changes]] = ([], [])
    for n, step in enumerate(steps):
        for evaluator, found in zip((alone, kept), parts, strict=True):
            found.append(evaluator.take(readings(step)))
        if n == 1:
            parts[1][:] = [part.only(part.rule == 1) for part in parts[1]]
            parts[1][:] = [Changes(part.rule - 1, *list(_columns(part))[1:]) for part in parts[1]]
            kept.watch([second], watched(5))
    assert told(parts[0])
    assert told(parts[1]) == told(parts[0])
    kept.watch([rule(condition, 2, version=2)], watched(5))
    assert not kept.state["on"].any()


def _columns(part: Changes):
    return (part.rule, part.row, part.slot, part.on, part.time_us, part.value, part.judged)


def test_primed_rule_goes_on_where_it_was_and_tells_only_what_is_other() -> None:
    evaluator = EVALUATORS[Limit]()
    evaluator.watch([rule(Limit(above=10.0, hysteresis=2.0))], watched(3), {(1, 0, 0), (1, 1, 0)}, waits=True)
    newest = readings([(0, 0, 5, 9.0), (1, 0, 5, 7.0), (2, 0, 5, 11.0)])
    found = told([evaluator.prime(newest, BASE + 60 * plain.US)])
    assert found == {(0, 1, 0): [(False, 5.0)], (0, 2, 0): [(True, 5.0)]}
    silences = EVALUATORS[Silence]()
    silences.watch([rule(Silence(after_s=30))], watched(3), {(1, 0, 0), (1, 1, 0)}, waits=True)
    newest = readings([(0, 0, 5, 9.0), (1, 0, 50, 7.0), (2, 0, 5, 11.0)])
    found = told([silences.prime(newest, BASE + 60 * plain.US)])
    assert found == {(0, 1, 0): [(False, 50.0)], (0, 2, 0): [(True, 35.0)]}


def test_rule_that_raises_is_set_aside_and_the_others_go_on(monkeypatch) -> None:
    judges = Judges()
    judges.watch(
        [rule(Limit(above=10.0), 1), rule(Limit(above=5.0), 2), rule(Silence(after_s=60), 3)], watched()
    )
    limits = EVALUATORS[Limit]
    whole = limits.take

    def take(self, found):
        if any(one.id == 1 for one in self.rules):
            raise ZeroDivisionError("broken")
        return whole(self, found)

    monkeypatch.setattr(limits, "take", take)
    judges.take(readings([(0, 0, 5, 11.0)]))
    assert [(one.id, why) for one, why in judges.failed] == [(1, "ZeroDivisionError: broken")]
    assert [one.id for one in judges.rules] == [2, 3]
    found = judges.take(readings([(0, 0, 10, 12.0)]))
    assert [(rules[0].id, changes.on.tolist()) for rules, changes in found] == [(2, [True])]
    assert judges.states(3).tolist() == [State.ALARM, 0, 0]
