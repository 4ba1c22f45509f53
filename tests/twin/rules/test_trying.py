"""What a rule would have done: as live, whatever the chunks, and what is refused for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.rules import plain
from tests.twin.rules.test_evaluators import ALL_SERIES, BASE, CUTS, END, LIMIT, RATE, readings, rule, watched
from twin.rules.conditions import Limit, Rate, Silence
from twin.rules.trying import Outcome, Trial

SILENCE = st.builds(lambda after: Silence(after_s=float(after)), st.sampled_from([15, 40, 100]))


def tried(condition, series, cuts=(), end: int = END, begin: int = 0, count: int | None = None) -> Outcome:
    """Rows (slot, seconds, value) of each device, given in chunks that end at the cuts."""
    trial = Trial(rule(condition), watched(count or len(series)), BASE + begin * plain.US)
    for start, stop in zip([-1, *cuts], [*cuts, end], strict=True):
        chunk = [
            (row, slot, at, value)
            for row, mine in enumerate(series)
            for slot, at, value in mine
            if start < at <= stop
        ]
        trial.take(readings(chunk), BASE + stop * plain.US)
    return trial.outcome(BASE + end * plain.US)


@settings(max_examples=150)
@given(st.one_of(LIMIT, RATE, SILENCE), ALL_SERIES, CUTS)
def test_episodes_are_those_of_one_by_one(condition, series, cuts) -> None:
    expected = []
    for row, mine in enumerate(series):
        numbers = [(BASE + at * plain.US, value) for _, at, value in mine]
        end = BASE + END * plain.US
        if isinstance(condition, Silence):
            events = plain.silence(condition, [at for at, _ in numbers], end)
        elif isinstance(condition, Rate):
            events = plain.limit(condition, plain.rates(condition, numbers), end, ripens=False)
        else:
            events = plain.limit(condition, numbers, end)
        begins = [at for on, at in events if on]
        ends = [*(at for on, at in events if not on), None]
        expected += [(row, begin, stop) for begin, stop in zip(begins, ends, strict=False)]
    outcome = tried(condition, series, cuts)
    assert sorted((e.row, e.begin_us, e.end_us) for e in outcome.episodes) == sorted(expected)
    assert (outcome.fired, outcome.fired_devices) == (len(expected), len({row for row, *_ in expected}))
    assert outcome.heard == sum(bool(mine) for mine in series)
    assert outcome.readings == sum(map(len, series))
    now = [begin for _, begin, _ in expected]
    most = max((sum(b <= at and (e is None or e > at) for _, b, e in expected) for at in now), default=0)
    assert outcome.most_at_once == max(most, bool(expected))


def test_worst_and_times_are_told() -> None:
    series = [[(0, 10, 1.0), (0, 20, 7.0), (0, 30, 9.0), (0, 40, 2.0)], [(0, 15, 8.0)]]
    outcome = tried(Limit(above=6.0), series, [25], end=1200)
    found = {e.row: ((e.begin_us - BASE) / 1e6, e.end_us, e.worst) for e in outcome.episodes}
    assert found == {0: (20.0, BASE + 40 * plain.US, 9.0), 1: (15.0, None, 8.0)}
    assert [e.row for e in outcome.episodes] == [1, 0]  # the longest first
    assert (outcome.most_at_once, outcome.at_once_us) == (2, BASE + 20 * plain.US)
    assert outcome.share_of_time == pytest.approx((20 + 1185) / (2 * 1190))
    assert outcome.most_per_10_min == 2


def test_what_came_before_is_only_learned_from() -> None:
    series = [[(0, 10, 9.0), (0, 50, 1.0), (0, 60, 9.0), (0, 70, 1.0)]]
    outcome = tried(Limit(above=6.0), series, [40], begin=40)
    assert [(e.begin_us - BASE) // plain.US for e in outcome.episodes] == [60]
    assert outcome.readings == 3


@pytest.mark.parametrize(
    ("condition", "series", "count", "code", "reasons"),
    [
        (Limit(above=5.0), [[(0, t, float(t % 400 == 0) * 9)] for t in range(1, 5)], 4, "never", []),
        (Limit(above=5.0), [[]], 1, "no_readings", []),
        (Limit(above=5.0), [], 0, "refused", ["nothing_matches"]),
        (
            Limit(above=5.0),
            [[(0, 100, 9.0), (0, 110, 0.0), (0, 6000, 0.0)] for _ in range(5)],
            5,
            "good",
            ["half_at_once"],
        ),
        (Limit(above=5.0), [[(0, 100, 9.0), (0, 6000, 9.0)]], 1, "refused", ["half_of_time"]),
        (
            Limit(above=5.0),
            [[(0, t, float(t % 20 == 0) * 9) for t in range(10, 6000, 10)]],
            1,
            "refused",
            ["too_many"],
        ),
        (
            Limit(above=5.0),
            [[(0, t, float(t % 300 == 0) * 9) for t in range(10, 6000, 10)]],
            1,
            "busy",
            [],
        ),
        (Limit(above=5.0), [[(0, 100, 9.0), (0, 110, 0.0), (0, 6000, 0.0)]], 9, "good", []),
    ],
)
def test_rule_that_says_nothing_is_refused(condition, series, count, code, reasons) -> None:
    verdict = tried(condition, series, end=6000, count=count).verdict
    assert [reason.code for reason in verdict.reasons] == reasons
    assert verdict.code == ("refused" if reasons else code)
    assert verdict.zh
    assert verdict.en
