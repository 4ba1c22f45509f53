"""Prices by hand, term by term, and what is refused at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.dispatch.deciding.drawn import NOW
from twin.dispatch.deciding.plan import plan_of
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import NOBODY, Doing, Problem, Tasks, Workers
from twin.dispatch.deciding.terms import Refused, consider
from twin.errors import InvalidError

PRICES = Prices(minute=(8, 3, 1, 0.5), late=5, owner=7, workload=2, scarce_skill=6, diversion=4)


def problem_of_two() -> Problem:
    """One idle and one at work; one urgent task that needs skill 0 and one low that needs none."""
    return Problem(
        NOW,
        Workers(
            id=np.array([1, 2]),
            doing=np.array([Doing.IDLE, Doing.WORKING]),
            free_s=np.array([NOW, NOW + 600]),
            until_s=np.array([NOW + 7200, NOW + 1000]),
            skills=np.array([[True, True], [False, True]]),
            grid=np.array([3, 4]),
            task=np.array([NOBODY, NOBODY]),
            worked_s=np.array([7200.0, 0.0]),
        ),
        Tasks(
            id=np.array([11, 12]),
            priority=np.array([2, 4]),
            skill=np.array([0, -1]),
            grid=np.array([3, 4]),
            since_s=np.array([NOW - 1200, NOW - 60]),
            due_s=np.array([NOW + 600, NOW + 28_740]),
            worker=np.array([NOBODY, NOBODY]),
        ),
        seconds=np.array([[900.0, 120.0], [60.0, 180.0]]),
    )


def test_the_terms_of_a_pair_are_what_the_formulas_say() -> None:
    considered = consider(problem_of_two(), PRICES)
    got = {name: term[0].tolist() for name, term in considered.terms.items()}
    assert got == {
        "response": [3 * 15.0, 0.5 * 2.0],
        "lateness": [5 * 3 * 5.0, 0.0],
        "owner": [0.0, 7.0],
        "workload": [2 * 1.0, 2 * 1.0],
        "scarce_skill": [6 * 1.0, 6 * 2.0],
        "diversion": [0.0, 0.0],
    }
    assert considered.price[0, 0] == pytest.approx(45 + 75 + 2 + 6)
    assert considered.later.tolist() == [False, True]
    assert considered.arrival_s[1].tolist() == [NOW + 660, NOW + 780]


def test_each_refusal_has_its_reason() -> None:
    problem = problem_of_two()
    assert consider(problem, PRICES).refused.tolist() == [[0, 0], [Refused.SKILL, 0]]
    short = replace(problem, workers=replace(problem.workers, until_s=np.array([NOW + 500, NOW + 600])))
    assert consider(short, PRICES).refused.tolist() == [
        [Refused.DUTY_ENDS, 0],
        [Refused.SKILL, Refused.DUTY_ENDS],
    ]
    cut_off = replace(problem, seconds=np.array([[900.0, np.inf], [60.0, np.inf]]))
    considered = consider(cut_off, PRICES)
    assert considered.refused[:, 1].tolist() == [Refused.NO_WAY, Refused.NO_WAY]
    offers = plan_of(considered, np.array([0, -1])).offers(1)
    assert [(offer.worker, offer.refused) for offer in offers] == [(0, Refused.NO_WAY), (1, Refused.NO_WAY)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seconds": np.zeros((1, 2))}, "shape"),
        ({"seconds": np.array([[np.nan, 1.0], [1.0, 1.0]])}, "no number"),
        ({"seconds": np.array([[-1.0, 1.0], [1.0, 1.0]])}, "negative"),
    ],
)
def test_a_problem_that_cannot_be_is_refused(change, says) -> None:
    with pytest.raises(InvalidError, match=says):
        replace(problem_of_two(), **change)


def test_workers_and_tasks_must_agree_on_who_is_on_the_way() -> None:
    problem = problem_of_two()
    with pytest.raises(InvalidError, match="on the way"):
        replace(problem, tasks=replace(problem.tasks, worker=np.array([0, NOBODY])))
    with pytest.raises(InvalidError, match="priority"):
        replace(problem, tasks=replace(problem.tasks, priority=np.array([0, 4])))
    with pytest.raises(InvalidError, match="skill"):
        replace(problem, tasks=replace(problem.tasks, skill=np.array([0, 2])))
    with pytest.raises(InvalidError, match="differ in length"):
        replace(problem, workers=replace(problem.workers, free_s=np.zeros(3)))


@pytest.mark.parametrize(
    "wrong", [{"minute": (1, 3, 1, 0.3)}, {"owner": -1.0}, {"late": float("nan")}, {"wait_min": 0.0}]
)
def test_prices_that_turn_the_order_round_are_refused(wrong) -> None:
    with pytest.raises(InvalidError):
        Prices(**wrong)
