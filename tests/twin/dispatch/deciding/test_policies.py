"""What every policy must keep, on drawn problems; and that the optimal one is."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.dispatch.deciding.drawn import NOW, drawn
from twin.dispatch.deciding import POLICIES
from twin.dispatch.deciding.optimal import cheapest, gains, waiting_price
from twin.dispatch.deciding.plan import Outcome
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import NO_SKILL, NOBODY, Doing
from twin.dispatch.deciding.terms import Refused, consider

PRICES = Prices()
SET_OUT = (Outcome.GOES, Outcome.KEPT)

problems = st.builds(drawn, st.integers(0, 10**6), st.integers(0, 12), st.integers(0, 14))


@pytest.mark.parametrize("name", POLICIES)
@given(problem=problems)
@settings(max_examples=60, deadline=None)
def test_nobody_is_sent_who_must_not_be_and_no_task_is_without_an_answer(name, problem) -> None:
    plan = POLICIES[name](problem, PRICES)
    workers, tasks = problem.workers, problem.tasks
    going = np.isin(plan.outcome, SET_OUT)
    who = plan.worker[going]
    assert len(set(who.tolist())) == len(who)
    assert np.isin(workers.doing[who], (Doing.IDLE, Doing.ON_THE_WAY)).all()
    for task in range(len(tasks)):
        outcome, worker = Outcome(plan.outcome[task]), int(plan.worker[task])
        offers = plan.offers(task)
        if outcome in SET_OUT:
            assert tasks.skill[task] == NO_SKILL or workers.skills[worker, tasks.skill[task]]
            assert np.isfinite(problem.seconds[worker, task])
            if outcome == Outcome.GOES:
                assert NOW + problem.seconds[worker, task] <= workers.until_s[worker]
            else:
                assert tasks.worker[task] == worker
        elif outcome == Outcome.WAITS_FOR:
            assert any(o.worker == worker and o.later and o.start_s >= NOW and not o.refused for o in offers)
        else:
            assert worker == NOBODY
            assert all(o.refused for o in offers) == (outcome == Outcome.NOBODY_CAN)


@pytest.mark.parametrize("name", POLICIES)
@given(problem=problems)
@settings(max_examples=20, deadline=None)
def test_who_is_on_the_way_goes_on_or_is_called_off_for_something(name, problem) -> None:
    plan = POLICIES[name](problem, PRICES)
    kept = {int(w) for w, o in zip(plan.worker, plan.outcome, strict=True) if o == Outcome.KEPT}
    sent = dict(plan.sent.tolist())
    off = dict(plan.called_off.tolist())
    on_the_way = set(np.flatnonzero(problem.workers.doing == Doing.ON_THE_WAY).tolist())
    assert kept | set(off) == on_the_way
    assert not kept & set(off)
    replaced = set(sent.values())
    for worker, task in off.items():
        assert worker in sent or task in replaced
        if worker in sent:
            urgency = problem.tasks.priority[sent[worker]]
            assert urgency <= min(PRICES.diverted_for, problem.tasks.priority[task])
    if name != "optimal":
        assert not off


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_problem_gives_the_same_plan(name) -> None:
    one, other = (POLICIES[name](drawn(7, 30, 40), PRICES) for _ in range(2))
    assert one.worker.tolist() == other.worker.tolist()
    assert one.outcome.tolist() == other.outcome.tolist()


def _brute_force(gain: np.ndarray) -> float:
    """Return the least sum over all ways to give tasks candidates, each at most one, or nobody."""
    rows, columns = gain.shape
    best = 0.0
    for chosen in itertools.product(range(-1, rows), repeat=columns):
        taken = [row for row in chosen if row >= 0]
        if len(set(taken)) == len(taken):
            best = min(best, sum(gain[row, task] for task, row in enumerate(chosen) if row >= 0))
    return best


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_no_other_choice_is_cheaper(seed, workers, tasks) -> None:
    considered = consider(drawn(seed, workers, tasks), PRICES)
    gain = gains(considered, PRICES)
    chosen = cheapest(considered, PRICES)
    got = sum(gain[row, task] for task, row in enumerate(chosen.tolist()) if row >= 0)
    assert got == pytest.approx(_brute_force(gain) if gain.size else 0.0)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_without_emergencies_the_sum_of_prices_and_of_waiting_is_least(seed, workers, tasks) -> None:
    """The same with a private column of waiting for each task, as the problem is usually written."""
    problem = drawn(seed, workers, tasks, priorities=(2, 3, 4))
    considered = consider(problem, PRICES)
    waiting = waiting_price(problem, PRICES)
    chosen = cheapest(considered, PRICES)
    got = sum(waiting[t] if r < 0 else considered.price[r, t] for t, r in enumerate(chosen.tolist()))
    best = np.inf
    for choice in itertools.product(range(-1, len(considered.worker)), repeat=tasks):
        taken = [row for row in choice if row >= 0]
        if len(set(taken)) == len(taken):
            cost = sum(waiting[t] if r < 0 else considered.price[r, t] for t, r in enumerate(choice))
            best = min(best, cost)
    assert got == pytest.approx(best)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_in_overload_no_emergency_waits_while_its_worker_goes_to_less(seed) -> None:
    """Few workers, many tasks, some emergencies far away: whoever could serve one serves one."""
    problem = drawn(seed, 5, 40, unreachable=0.3)
    problem = replace(problem, then_seconds=None)
    plan = POLICIES["optimal"](problem, PRICES)
    emergency = problem.tasks.priority == 1
    can = plan.considered.refused == Refused.NO
    less = {int(w) for w, p in zip(plan.worker, problem.tasks.priority, strict=True) if w >= 0 and p > 1}
    for task in np.flatnonzero(emergency & (plan.worker == NOBODY)).tolist():
        assert not less & set(plan.considered.worker[can[:, task]].tolist())


def _one_on_the_way(**changes):
    """Return a problem of one worker on the way to the second of two tasks of normal priority."""
    problem = drawn(3, 1, 2, priorities=(3,), unreachable=0.0)
    workers = replace(
        problem.workers,
        doing=np.array([Doing.ON_THE_WAY]),
        task=np.array([1]),
        until_s=np.array([NOW + 1e5]),
        skills=np.ones((1, 3), bool),
        grid=np.array([9]),
    )
    tasks = replace(problem.tasks, worker=np.array([NOBODY, 0]), skill=np.array([NO_SKILL, 1]))
    seconds = np.array([[120.0, 900.0]])
    problem = replace(problem, workers=workers, tasks=tasks, seconds=seconds, then_seconds=None)
    return replace(problem, **changes)


def test_an_emergency_calls_somebody_off_and_a_normal_task_does_not() -> None:
    problem = _one_on_the_way()
    assert POLICIES["optimal"](problem, PRICES).outcome.tolist() == [Outcome.NOBODY_CAN, Outcome.KEPT]
    urgent = replace(problem, tasks=replace(problem.tasks, priority=np.array([1, 3])))
    plan = POLICIES["optimal"](urgent, PRICES)
    assert plan.sent.tolist() == [[0, 0]]
    assert plan.called_off.tolist() == [[0, 1]]
    assert plan.outcome.tolist() == [Outcome.GOES, Outcome.OTHERS_FIRST]


@pytest.mark.parametrize("name", POLICIES)
def test_who_has_no_way_any_more_is_called_off(name) -> None:
    plan = POLICIES[name](_one_on_the_way(seconds=np.array([[np.inf, np.inf]])), PRICES)
    assert plan.called_off.tolist() == [[0, 1]]
    assert plan.outcome.tolist() == [Outcome.NOBODY_CAN, Outcome.NOBODY_CAN]


@pytest.mark.parametrize("name", POLICIES)
def test_whom_an_operator_sent_without_the_skill_goes_on(name) -> None:
    """Also beside somebody idle who has it and is farther away."""
    problem = drawn(5, 2, 1, priorities=(3,), unreachable=0.0)
    workers = replace(
        problem.workers,
        doing=np.array([Doing.ON_THE_WAY, Doing.IDLE]),
        task=np.array([0, NOBODY]),
        until_s=np.full(2, NOW + 1e5),
        skills=np.array([[False] * 3, [True] * 3]),
    )
    tasks = replace(problem.tasks, worker=np.array([0]), skill=np.array([1]))
    seconds = np.array([[600.0], [1900.0]])
    problem = replace(problem, workers=workers, tasks=tasks, seconds=seconds, then_seconds=None)
    assert POLICIES[name](problem, PRICES).outcome.tolist() == [Outcome.KEPT]


def test_a_high_price_of_the_grid_leaves_no_cheap_task_to_wait() -> None:
    """The only worker is idle and owns another grid; what else could the task wait for."""
    problem = _one_on_the_way()
    workers = replace(problem.workers, doing=np.array([Doing.IDLE]), task=np.array([NOBODY]))
    tasks = replace(
        problem.tasks,
        priority=np.array([4, 4]),
        worker=np.array([NOBODY, NOBODY]),
        skill=np.full(2, NO_SKILL),
        grid=np.array([0, 0]),
    )
    problem = replace(problem, workers=workers, tasks=tasks)
    plan = POLICIES["optimal"](problem, Prices(owner=500.0))
    assert sorted(plan.outcome.tolist()) == [Outcome.GOES, Outcome.OTHERS_FIRST]


def test_ten_thousand_tasks_are_planned() -> None:
    plan = POLICIES["optimal"](drawn(1, 300, 10_000), PRICES)
    assert (np.isin(plan.outcome, SET_OUT)).sum() > 100
