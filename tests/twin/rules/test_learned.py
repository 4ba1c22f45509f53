"""The learned rule, against a slow one in plain Python, and by what must hold of every series."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import InvalidError
from twin.rules.learned import (
    HOURS,
    SERIES,
    LearnedRule,
    LearnedTable,
    hours_of,
    judge,
    load_learned_rules,
    new_series,
    restore,
)
from twin.states import State

RULE = load_learned_rules()[0]
MONDAY_US = 1_704_067_200_000_000
MIN_US = 60_000_000
FIVE = 5 * MIN_US
DAY = 288


def walk(values, times=None, rule=RULE, series=None):
    """States and scores after each value of series (t,) or (n, t), each five minutes, from a Monday on."""
    values = np.atleast_2d(np.asarray(values, float))
    count, length = values.shape
    table, row = LearnedTable.of([rule]), np.arange(count)
    series = new_series(count) if series is None else series
    times = MONDAY_US + np.arange(length) * FIVE if times is None else times
    hours = hours_of(times, 0)
    states, scores = np.zeros(values.shape, np.uint8), np.zeros(values.shape)
    for n in range(length):
        at, hour = np.full(count, times[n]), np.full(count, hours[n])
        states[:, n], scores[:, n] = judge(table, series, row, row * 0, hour, values[:, n], at)
    return (states[0], scores[0]) if count == 1 else (states, scores)


def daily(days, seed=1, noise=1.0):
    """Low at night and high by day, with noise of spread 1."""
    at = np.arange(days * DAY)
    shape = 18 - 8 * np.cos(at % DAY / DAY * 2 * np.pi)
    return shape + np.random.default_rng(seed).normal(0, noise, len(at))


@dataclass
class Slow:
    """The rule in plain words, one series, doubles throughout."""

    rule: LearnedRule
    last: int = 0
    first: int = 0
    near: dict[State, int] = field(default_factory=dict)
    spread: float = 0.0
    heard: float = 0.0
    lasting: float = 0.0
    usual: list[float] = field(default_factory=lambda: [3.0, 1.0])
    hours: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    score: float = 0.0
    state: State = State.UNKNOWN

    def see(self, time_us: int, value: float) -> tuple[State, float]:
        rule = self.rule
        believed = math.isfinite(value) and abs(value) <= 1e15 and value not in rule.sentinels
        believed = believed and (rule.minimum is None or value >= rule.minimum)
        believed = believed and (rule.maximum is None or value <= rule.maximum)
        if not believed or time_us <= self.last:
            return self.state, self.score
        if self.last == 0:
            self.first = self.last = time_us
        step = min((time_us - self.last) / 3.6e9, 1.0)
        local = time_us // 3_600_000_000
        hour = (local % 24, (local // 24 + 3) % 7 >= 5)
        mine = self.hours.get(hour, (value, self.spread, 0.0))
        known = mine[2] >= 0.5
        trust = mine[2] / (mine[2] + 1)
        spread = math.sqrt((1 - trust) * self.spread**2 + trust * mine[1] ** 2)
        unit = max(spread, rule.resolution)
        off = value - mine[0]
        out = max(-20.0, min(20.0, off / unit)) if unit > 0 else math.copysign(20, off) if off else 0.0
        self.lasting += known * min(0.25, 1 - math.exp(-step * 60 / rule.lasting_min)) * (out - self.lasting)
        score = 0.0
        for n, signed in enumerate((out, self.lasting)):
            far = {"both": abs(signed), "above": max(signed, 0.0), "below": max(-signed, 0.0)}[rule.side]
            score = max(score, far / self.usual[n])
            if known and self.heard >= 4:
                up = 1 - rule.usual_share if far > self.usual[n] else -rule.usual_share
                self.usual[n] = min(20.0, max((0.5, 0.25)[n], self.usual[n] * math.exp(0.24 * step * up)))
        learned = known and self.heard >= 12 and time_us - self.first >= rule.learn_days * 86_400e6
        self._decide(score if learned else 0.0, learned, time_us)
        self._learn(off, unit, step, hour, mine, known)
        self.last = time_us
        return self.state, self.score

    def _decide(self, score: float, learned: bool, time_us: int) -> None:
        rule = self.rule
        begins = {State.WARNING: rule.warning, State.ALARM: rule.alarm, State.CRITICAL: rule.critical}
        before, self.score, self.state = self.state, score, State.NORMAL if learned else State.UNKNOWN
        for state, at in begins.items():
            near = score > rule.ends * at
            held = near or time_us - self.near.get(state, 0) < rule.quiet_min * MIN_US
            if learned and (score >= at or (before >= state and held)):
                self.state = state
            if near:
                self.near[state] = time_us

    def _learn(self, off, unit, step, hour, mine, known) -> None:
        if known and self.heard >= 1 and unit > 0:
            off = max(-self.rule.teaches * unit, min(self.rule.teaches * unit, off))
        level, spread, heard = mine
        longer = min(heard + step, self.rule.memory_days)
        weight = step / longer if heard else 0.0
        if not longer:
            return  # the very first reading lasted for no time
        self.hours[hour] = level + weight * off, math.sqrt((1 - weight) * spread**2 + weight * off**2), longer
        if known:
            self.heard = min(self.heard + step, 24 * self.rule.memory_days)
            weight = step / self.heard
            self.spread = math.sqrt((1 - weight) * self.spread**2 + weight * off**2)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["both", "above", "below"]),
    st.sampled_from([2, 5, 20, 90]),
    st.floats(0, 0.3),
)
def test_the_fast_rule_is_the_slow_one(seed, side, minutes, odd):
    chance = np.random.default_rng(seed)
    rule = msgspec.structs.replace(
        RULE,
        side=side,
        minimum=-500.0,
        maximum=500.0,
        sentinels=(0.0,),
        resolution=0.1,
        critical=8.0,
        learn_days=0.6,
    )
    count = 700
    times = MONDAY_US + np.cumsum(chance.uniform(0, 2 * minutes, count) * MIN_US).astype(np.int64)
    values = chance.normal(20, 3, count) + 10 * np.sin(times / 86_400e6 * 2 * np.pi)
    strange = np.flatnonzero(chance.random(count) < odd)
    values[strange] = chance.choice([np.nan, np.inf, -9999.0, 0.0, 400.0, 35.0, 1e300], len(strange))
    times[strange] -= chance.integers(-1, 2, len(strange)) * minutes * 3 * MIN_US
    slow = Slow(rule)
    expected = [slow.see(int(at), float(value)) for at, value in zip(times, values, strict=True)]
    states, scores = walk(values, times, rule)
    # What is stored has single precision: at the very edge of a state either is right.
    np.testing.assert_allclose(scores, [score for _, score in expected], rtol=2e-3, atol=2e-3)
    edges = [at * share for at in (rule.warning, rule.alarm, rule.critical) for share in (1, rule.ends)]
    if min(abs(score - edge) for _, score in expected for edge in edges) > 5e-3:
        assert states.tolist() == [int(state) for state, _ in expected]


def test_a_constant_series_raises_nothing():
    values = np.array([0.0, -3.7, 1e6 + 0.1, 1e15])
    states, scores = walk(np.repeat(values[:, None], 4 * DAY, axis=1))
    assert scores.max() == 0
    assert (states[:, : 2 * DAY] == State.UNKNOWN).all()
    assert (states[:, 2 * DAY :] == State.NORMAL).all()


def test_a_regular_series_raises_nothing():
    states, _ = walk(np.stack([daily(14, seed) for seed in range(10)]))
    assert (states[:, 2 * DAY :] < State.WARNING).all()


def test_a_planted_step_is_found_and_in_time_is_usual():
    steps, within = np.array([15.0, -15.0, 10.0, -10.0]), [1, 1, 12, 12]
    values = np.stack([daily(18)] * len(steps))
    start = 8 * DAY + 140
    values[:, start:] += steps[:, None]
    states, _ = walk(values)
    assert (states[:, 2 * DAY : start] < State.WARNING).all()
    for row, readings in zip(states, within, strict=True):
        assert (row[start : start + readings] >= State.WARNING).any()
    assert (states[:, -3 * DAY :] == State.NORMAL).all()


def test_what_is_usual_at_noon_is_unusual_at_night():
    values = daily(9)
    night = slice(8 * DAY + 36, 8 * DAY + 48)
    values[night] = values[8 * DAY + 144 : 8 * DAY + 156]
    states, _ = walk(values)
    assert (states[: night.start] < State.WARNING).all()
    assert (states[night] >= State.WARNING).any()


def test_days_off_are_learned_apart():
    times = MONDAY_US + np.arange(22 * 48) * 30 * MIN_US
    day_off = np.arange(len(times)) // 48 % 7 >= 5
    values = np.random.default_rng(2).normal(np.where(day_off, 10.0, 30.0), 1.0)
    monday = slice(21 * 48 + 20, 21 * 48 + 26)
    values[monday] = 10.0
    states, _ = walk(values, times)
    assert (states[14 * 48 : monday.start] == State.NORMAL).all()
    assert (states[monday] >= State.WARNING).any()


def test_scale_and_shift_change_nothing():
    values = daily(5)
    values[4 * DAY : 4 * DAY + 3] += 15
    changes = [(1.0, 0.0), (1e-6, 0.0), (1e6, -20.0), (0.3, 1e6), (-7.0, 3.0), (-1e6, 1e5)]
    states, scores = walk(np.stack([(values + shift) * scale for scale, shift in changes]))
    np.testing.assert_allclose(scores, np.tile(scores[0], (len(changes), 1)), rtol=1e-3, atol=1e-3)
    assert (states == states[0]).all()
    assert (states[0] >= State.WARNING).any()


def test_one_side_sees_one_side():
    high, low = daily(8), daily(8)
    high[7 * DAY : 7 * DAY + 3] += 15
    low[7 * DAY : 7 * DAY + 3] -= 15
    for side, seen in (("above", [True, False]), ("below", [False, True])):
        states, _ = walk(np.stack([high, low]), rule=msgspec.structs.replace(RULE, side=side))
        assert (states[:, 7 * DAY : 7 * DAY + 3] >= State.WARNING).any(axis=1).tolist() == seen


def test_a_series_goes_on_from_what_was_stored():
    values = daily(5)
    values[4 * DAY : 4 * DAY + 6] += 15
    times = MONDAY_US + np.arange(len(values)) * FIVE
    whole = new_series(1)
    expected, _ = walk(values, series=whole)
    cut = 4 * DAY + 2  # in the middle of the alarm
    first = new_series(1)
    before, _ = walk(values[:cut], times[:cut], series=first)
    second = restore(first.tobytes())
    after, _ = walk(values[cut:], times[cut:], series=second)
    assert np.concatenate([before, after]).tolist() == expected.tolist()
    assert second.tobytes() == whole.tobytes()
    assert (expected[cut : cut + 3] >= State.WARNING).any()


def test_cut_bytes_are_refused():
    with pytest.raises(InvalidError) as refused:
        restore(bytes(SERIES.itemsize + 1))
    assert refused.value.hint


def test_no_measurement_leaves_no_trace():
    rule = msgspec.structs.replace(RULE, minimum=0.0, maximum=100.0, sentinels=(50.0,))
    strange = np.array(
        [np.nan, np.inf, -np.inf, 1e300, -1e300, -9999.0, np.nextafter(100, 101), -5e-324, 50.0]
    )
    values, times = daily(3), MONDAY_US + np.arange(3 * DAY) * FIVE
    rows, clean, spoilt = np.stack([values] * len(strange)), new_series(1), new_series(len(strange))
    walk(values, times, rule, clean)
    # At the very beginning, while learning, and when it is learned.
    where = np.array([0, 1, 100, 2 * DAY + 50, 2 * DAY + 50, len(values)])
    extra = np.repeat(strange[:, None], len(where), axis=1)
    when = np.append(times, times[-1] + FIVE)[where] - MIN_US
    walk(np.insert(rows, where, extra, axis=1), np.insert(times, where, when), rule, spoilt)
    assert [row.tobytes() for row in spoilt] == [clean.tobytes()] * len(strange)


def test_late_and_repeated_values_leave_no_trace():
    values, times = daily(4), MONDAY_US + np.arange(4 * DAY) * FIVE
    clean, spoilt = new_series(1), new_series(1)
    walk(values, times, series=clean)
    # Each value twice, and after it a wild one from an hour before.
    again = np.stack([values, values + 40, values + 90], axis=1).ravel()
    late = np.stack([times, times, times - 60 * MIN_US], axis=1).ravel()
    states, scores = walk(again, late, series=spoilt)
    assert spoilt.tobytes() == clean.tobytes()
    assert (states[::3] == states[2::3]).all()
    assert (scores[::3] == scores[2::3]).all()


def test_outliers_teach_little():
    values = daily(10)
    wild = np.random.default_rng(3).choice(np.arange(3 * DAY, 9 * DAY), 10, replace=False)
    # Where the hour is known: one that is heard for the first time takes the first half hour as it comes.
    wild = wild[wild % 12 >= 6]
    values[wild] += 1e12
    values[9 * DAY + 50 : 9 * DAY + 62] += 20
    series = new_series(1)
    states, _ = walk(values, series=series)
    assert (states[9 * DAY + 50 : 9 * DAY + 62] >= State.WARNING).any()
    assert series["all_spread"][0] < 3


def test_a_gap_is_no_anomaly():
    values, times = daily(20), MONDAY_US + np.arange(20 * DAY) * FIVE
    kept = np.ones(len(values), bool)
    kept[6 * DAY + 30 : 10 * DAY + 200] = False
    kept[15 * DAY : 17 * DAY] = np.arange(2 * DAY) % 12 == 0
    states, _ = walk(values[kept], times[kept])
    assert (states >= State.WARNING).sum() == 0


def test_many_series_are_many_times_one():
    count, steps = 40, 3 * DAY
    chance = np.random.default_rng(4)
    values = np.stack([daily(3, seed) * scale for seed, scale in enumerate(chance.uniform(0.1, 9, count))])
    values[:, -2] += 30
    rules = [RULE, msgspec.structs.replace(RULE, side="below"), msgspec.structs.replace(RULE, lasting_min=90)]
    rule, table, together = np.arange(count) % 3, LearnedTable.of(rules), new_series(count)
    for step in range(steps):
        order = chance.permutation(count)
        times = np.full(count, MONDAY_US + step * FIVE)
        judge(table, together, order, rule[order], hours_of(times, 0), values[order, step], times)
    for row in (0, 1, 2, 39):
        alone = new_series(1)
        walk(values[row], rule=rules[rule[row]], series=alone)
        assert alone.tobytes() == together[row : row + 1].tobytes()


def test_hours_count_working_days_and_days_off_by_the_local_clock():
    sunday_23h_utc = np.array([MONDAY_US - 3_600_000_000])
    assert hours_of(sunday_23h_utc, 0).tolist() == [24 + 23]
    assert hours_of(sunday_23h_utc, 8 * 3_600_000_000).tolist() == [7]
    week = hours_of(MONDAY_US + np.arange(7 * 24) * 3_600_000_000, 0)
    assert week.tolist() == [*list(range(24)) * 5, *list(range(24, HOURS)) * 2]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("alarm = 3.2", "alarm = 1.0", "a worse state begins before a lesser one"),
        ("teaches = 4.0", "teaches = 4.0\nminimum = 3\nmaximum = 3", "the maximum must be above"),
        ("usual_share = 0.01", "usual_share = 0.9", "0.5"),
        ("teaches = 4.0", "teaches = 4.0\nsentinels = [1, 2, 3, 4, 5]", "4"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(tmp_path, old, new, says):
    from twin.rules.learned import FILE

    text = FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "rules.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidError) as refused:
        load_learned_rules(file)
    assert says in str(refused.value)
    assert "usual" in str(refused.value)


def test_a_name_is_there_once(tmp_path):
    from twin.rules.learned import FILE

    row = FILE.read_text(encoding="utf-8").split("[[rule]]")[1]
    file = tmp_path / "rules.toml"
    file.write_text(f"[[rule]]{row}[[rule]]{row}", encoding="utf-8")
    with pytest.raises(InvalidError, match="used twice"):
        load_learned_rules(file)
