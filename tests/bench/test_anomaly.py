"""Alarms are counted as the rule raises them, windows as documented; the real series where they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bench
from bench.anomaly.judging import QUIET_MIN, Variant, alarms, choose, hold_against
from bench.anomaly.nab import DATA, HALVES, LabelledSeries, load
from bench.anomaly.ours import LEARNED_SHARE
from twin.errors import SetupError
from twin.rules.learned import LearnedTable, hours_of, judge, load_learned_rules, new_series
from twin.states import State

MIN = 60_000_000
START = 1_704_067_200_000_000


def series(minutes, value, windows):
    at = np.array([START + minute * MIN for minute in minutes])
    ends = np.array([[START + minute * MIN for minute in window] for window in windows], np.int64)
    return LabelledSeries("one", at, np.array(value, float), ends.reshape(-1, 2))


def test_alarms_begin_where_the_rule_begins_them():
    rule = load_learned_rules()[0]
    count = 6 * 288
    times = START + np.arange(count) * 5 * MIN
    chance = np.random.default_rng(5)
    values = chance.standard_t(2.5, count) + 5 * np.sin(np.arange(count) / 288 * 2 * np.pi)
    table, known, one = LearnedTable.of([rule]), new_series(1), np.zeros(1, np.int64)
    states, scores = np.zeros(count), np.zeros(count)
    for n in range(count):
        at = times[n : n + 1]
        states[n : n + 1], scores[n : n + 1] = judge(
            table, known, one, one, hours_of(at, 0), values[n : n + 1], at
        )
    begun = (states[1:] >= State.WARNING) & (states[:-1] < State.WARNING)
    expected = times[1:][begun]
    assert len(expected) >= 3
    assert alarms(times, scores, rule.warning, rule.quiet_min).tolist() == expected.tolist()


def test_windows_found_false_alarms_and_minutes():
    minutes = range(0, 1000, 10)
    score = np.zeros(100)
    for minute in (
        50,
        210,
        230,
        700,
    ):  # before any window; twice in the first; in the third; none in the second
        score[minute // 10] = 2.0
    one = series(minutes, score, [(200, 300), (400, 500), (690, 790)])
    assert ((alarms(one.time_us, score, 1.0, 0.0) - START) // MIN).tolist() == [50, 210, 230, 700]
    assert ((alarms(one.time_us, score, 1.0, 30.0) - START) // MIN).tolist() == [50, 210, 700]
    found = hold_against(one, alarms(one.time_us, score, 1.0, 0.0))
    assert (found.windows, found.found, found.alarms, found.false) == (3, 2, 4, 1)
    assert (found.precision, found.recall, found.f1) == (2 / 3, 2 / 3, 2 / 3)
    assert found.after_start_min == (10.0, 10.0)
    assert found.before_centre_min == (40.0, 40.0)
    assert found.chance == pytest.approx(3 * (1 - 0.89**4))


def test_an_alarm_that_was_there_before_the_window_does_not_find_it():
    score = np.where((np.arange(100) >= 15) & (np.arange(100) < 40), 2.0, 0.0)
    one = series(range(0, 1000, 10), score, [(200, 300)])
    found = hold_against(one, alarms(one.time_us, score, 1.0, 0.0))
    assert (found.found, found.false) == (0, 1)


def test_the_better_variant_is_chosen():
    good, bad = np.zeros(100), np.zeros(100)
    good[22] = bad[70] = 1.0
    one = series(range(0, 1000, 10), good, [(200, 300)])
    chosen = choose([one], [Variant({"n": 1}, {"one": bad}), Variant({"n": 2}, {"one": good})])
    assert chosen.variant.parameters == {"n": 2}
    assert (chosen.outcome.f1, chosen.quiet_min in QUIET_MIN) == (1.0, True)


def test_a_folder_without_the_series_is_told(tmp_path):
    with pytest.raises(SetupError) as told:
        load(tmp_path)
    assert "numenta/NAB" in told.value.hint


def test_real_traffic():
    if not DATA.is_dir():
        pytest.skip(f"the labelled series are not here: {DATA}")
    every = load(DATA)
    for names in HALVES.values():
        assert sum(len(every[name].windows) for name in names) == 7
    for one in every.values():
        assert one.time_us[round(LEARNED_SHARE * len(one.value)) - 1] < one.windows.min()
    lines: list[str] = []
    sizes = {"peers": False, "planted": False, "cost_series": 500, "cost_batches": 3}
    result = json.loads(json.dumps(bench.run("anomaly", sizes, lines.append), allow_nan=False))
    ours, naive = (result["contenders"][name] for name in ("learned rule", "fixed percentiles"))
    assert len(ours["series"]) == len(naive["series"]) == 7
    assert ours["both"]["windows"] == 14
    assert ours["both"]["f1"] > naive["both"]["f1"]
    assert ours["both"]["found"] > 3 * ours["both"]["found_by_chance"]
    assert result["cost"][0]["judged"] == 500
    # What the rule has in its table is what is chosen here on all series.
    rule, chosen = load_learned_rules()[0], result["chosen_on_all"]
    assert rule.warning == round(chosen["begins"], 1)
    assert {name: getattr(rule, name) for name in chosen if name != "begins"} == {
        name: value for name, value in chosen.items() if name != "begins"
    }
    for table in bench.tables(result):
        assert table.rows
        assert table.markdown()
