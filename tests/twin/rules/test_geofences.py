"""Fences as rules: live and on history, after a restart, for cars and for people on duty."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.rules.conditions import Geofence, read_condition, write_condition
from twin.rules.evaluating import Readings
from twin.rules.judging import EVALUATORS, Judges
from twin.rules.rule import WHOLE, Rule, Watched
from twin.states import State

CATALOG = load_catalog()
CAR, WORKER, BIN = (CATALOG.by_name[name] for name in ("vehicle", "worker", "bin"))
BASE = 1_767_225_600
US = 1_000_000
LANE = (
    (104.0600, 30.6600),
    (104.0620, 30.6600),
    (104.0620, 30.6602),
    (104.0600, 30.6602),
    (104.0600, 30.6600),
)
IN, AWAY = (104.0610, 30.6601), (104.0700, 30.6601)
PARKING = {"type": "fence", "when": "dwell", "polygons": [[LANE]], "dwell_s": 120, "radius_m": 30}


def rule(condition=PARKING, kinds=("vehicle",), number=7, version=1):
    read = read_condition(condition)
    return Rule(number, version, "违停", "No parking", State.WARNING, None, kinds, None, read)


def watched(kinds=(CAR, CAR, WORKER)):
    n = len(kinds)
    return Watched(
        CATALOG,
        np.arange(1, n + 1),
        np.array([kind.code for kind in kinds]),
        np.full(n, 510104021001001),
        np.full(n, 104.06),
        np.full(n, 30.65),
    )


def readings(rows, accuracy=None):
    """Rows (row, second, (lon, lat)): each a speed, and its accuracy where one is given."""
    made = [(row, 0, at, 0.0, *place) for row, at, place in rows]
    if accuracy is not None:
        slots = [CAR.property("accuracy").slot, WORKER.property("accuracy").slot]
        made += [(row, slots[row == 2], at, accuracy, *place) for row, at, place in rows]
    columns = [np.array(column, float) for column in zip(*sorted(made), strict=True)]
    row, slot, at, value, lon, lat = columns or [np.zeros(0)] * 6
    time_us = (BASE * US + at * US).astype(np.int64)
    return Readings(row.astype(np.int32), slot.astype(np.int64), time_us, value, lon, lat)


def told(changes):
    at = ((changes.time_us - BASE * US) / US).tolist()
    columns = (changes.rule, changes.row, changes.on)
    return list(zip(*(c.tolist() for c in columns), at, changes.judged.tolist(), strict=True))


def parked(row, begin, end, step=10):
    return [(row, at, IN) for at in range(begin, end, step)]


def evaluator(*rules, opened=(), devices=None, waits=False):
    made = EVALUATORS[Geofence]()
    made.watch(rules or (rule(),), devices or watched(), opened, waits=waits)
    return made


def test_a_parked_car_is_told_and_a_passing_one_is_not():
    judge = evaluator()
    passing = [(1, at, (104.058 + at * 1e-4, 30.6601)) for at in range(0, 60, 5)]
    seen = readings([*parked(0, 0, 200), (0, 210, AWAY), (0, 220, AWAY), *passing])
    changes = judge.take(seen)
    assert told(changes) == [(0, 0, True, 120, 120), (0, 0, False, 220, 220)]
    assert set(changes.slot.tolist()) == {WHOLE}


def test_a_tick_tells_what_no_reading_did_and_only_once():
    judge = evaluator()
    judge.take(readings(parked(0, 0, 60)))
    assert told(judge.tick((BASE + 120) * US)) == []
    assert told(judge.tick((BASE + 121) * US)) == [(0, 0, True, 120, 120)]
    rule_index, row, slot, since, lasted = judge.holding()
    assert (rule_index.tolist(), row.tolist(), slot.tolist()) == ([0], [0], [WHOLE])
    assert (since.tolist(), lasted.tolist()) == ([(BASE + 120) * US], [120])
    assert told(judge.take(readings(parked(0, 130, 200)))) == []


def test_only_the_kinds_of_the_rule_are_followed_and_inexact_fixes_say_nothing():
    judge = evaluator(rule(kinds=("worker",)))
    seen = readings([*parked(0, 0, 300), *parked(2, 0, 300)])
    assert {row for _, row, *_ in told(judge.take(seen))} == {2}
    assert told(evaluator().take(readings(parked(0, 0, 300), accuracy=60.0))) == []
    assert len(told(evaluator().take(readings(parked(0, 0, 300), accuracy=8.0)))) == 1


def test_a_worker_off_duty_is_in_no_fence():
    enter = {"type": "fence", "when": "enter", "polygons": [[LANE]], "gap_s": 60}
    judge = evaluator(rule(enter, kinds=("worker", "vehicle")))
    judge.take(readings([*parked(0, 0, 30), *parked(2, 0, 30)]))
    assert [(row, on) for _, row, on, *_ in told(judge.tick((BASE + 500) * US))] == [(2, False)]


def test_a_new_rule_learns_of_fixes_before_it_and_a_restart_tells_nothing_twice():
    seen = readings([*parked(0, 0, 300), *[(1, at, AWAY) for at in range(0, 300, 10)]])
    now = (BASE + 300) * US
    fresh = evaluator(waits=True)
    wanted = fresh.looks_back()
    assert wanted.us == (120 + 900) * US
    assert set(zip(wanted.row.tolist(), wanted.slot.tolist(), strict=True)) == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    }
    assert [(row, on) for _, row, on, *_ in told(fresh.prime(seen, now))] == [(0, True)]
    assert fresh.looks_back().us == 0
    # After a restart both alarms are open: one goes on, the other car had left meanwhile.
    again = evaluator(opened=[(7, 0, WHOLE), (7, 1, WHOLE)], waits=True)
    assert [(row, on) for _, row, on, *_ in told(again.prime(seen, now))] == [(1, False)]
    assert [(row, on) for _, row, on, *_ in told(again.take(readings([(0, 310, AWAY), (0, 320, AWAY)])))] == [
        (0, False)
    ]
    silent = evaluator(opened=[(7, 0, WHOLE)], waits=True)
    assert told(silent.prime(readings([]), now)) == []
    assert silent.holding()[1].tolist() == [0]


def test_what_is_known_stays_while_rules_and_devices_come_and_go():
    judge = evaluator()
    judge.take(readings(parked(0, 0, 100)))
    judge.watch((rule(number=3), rule()), watched((CAR, CAR, WORKER, CAR)), waits=True)
    judge.prime(readings([]), (BASE + 100) * US)
    changes = told(judge.take(readings([*parked(0, 100, 200), *parked(3, 0, 200)])))
    assert sorted(changes) == [(0, 3, True, 120, 120), (1, 0, True, 120, 120), (1, 3, True, 120, 120)]
    judge.watch((rule(version=2),), watched())
    assert judge.holding()[0].tolist() == []


def test_judges_take_fences_beside_other_rules():
    judges = Judges()
    judges.watch([rule()], watched())
    found = judges.take(readings(parked(0, 0, 300)))
    assert [(rules[0].id, told(changes)[0][:3]) for rules, changes in found] == [(7, (0, 0, True))]
    assert judges.failed == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"dwell_s": None}, "“dwell” needs it"),
        ({"when": "enter"}, "belongs to “dwell”"),
        ({"when": "enter", "dwell_s": None}, "radius belongs"),
        ({"polygons": []}, "at least one polygon"),
        ({"when": "near"}, "Invalid enum"),
        ({"margin_m": -1}, ">= 0"),
        ({"margin_m": float("nan")}, "finite"),
        ({"corners": 3}, "unknown field"),
    ],
)
def test_a_wrong_condition_is_refused(change, what):
    with pytest.raises(InvalidError, match=what):
        read_condition(PARKING | change)


def test_a_condition_is_written_as_it_was_read():
    read = read_condition(PARKING)
    assert read_condition(write_condition(read)) == read
