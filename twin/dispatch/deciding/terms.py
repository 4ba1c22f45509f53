"""Price every pair of a worker and a task, term by term, and say why a pair is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np

from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import NO_SKILL, NOBODY, Bools, Doing, Floats, Integers, Problem

TERMS: Final = ("response", "lateness", "owner", "workload", "scarce_skill", "diversion")
"""What the price of a pair is the sum of; each is a field of `Considered.terms`."""

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0


class Refused(IntEnum):
    """Why somebody cannot be sent to a task; the first that holds is told."""

    NO = 0
    SKILL = 1
    NO_WAY = 2
    DUTY_ENDS = 3
    """He would arrive after the end of his duty."""
    NOT_CALLED_OFF = 4
    """He is on the way to a more urgent task or this one, or nobody is called off for such a task."""


@dataclass(frozen=True)
class Considered:
    """c ways to serve each of t tasks: by somebody who can set out now, or by the same or others later.

    Attributes
    ----------
    worker
        Row of the worker, shape (c,); who is on the way stands there twice, called off and when he is done.
    later
        Whether he sets out only when what he does now is done, shape (c,).
    start_s, arrival_s
        When he sets out, shape (c,), and is there, (c, t).
    refused
        Values of `Refused`, shape (c, t).
    terms
        By the names of `TERMS`, each (c, t), in weighted minutes from now on; without meaning where refused.
    """

    problem: Problem
    worker: Integers
    later: Bools
    start_s: Floats
    arrival_s: Floats
    refused: Integers
    terms: dict[str, Floats]

    @cached_property
    def price(self) -> Floats:
        """Sum of the terms, shape (c, t); inf where refused."""
        total = np.zeros(self.refused.shape)
        for term in self.terms.values():
            total += term
        total[self.refused != Refused.NO] = np.inf
        return total


def consider(problem: Problem, prices: Prices) -> Considered:
    """Price all pairs of a problem.

    With m the price of a minute of the task's priority, a the arrival, n now and d the deadline, in minutes:
    response m (a - n); lateness ``late`` m (max(0, a - d) - max(0, n - d)); owner where the grid is not his;
    workload times the hours worked less the mean; scarce skill times `scarcity` summed over what he holds and
    the task does not need; diversion where a way is broken off.
    """
    workers, tasks, now = problem.workers, problem.tasks, problem.now_s
    worker, later, seconds = _candidates(problem)
    start = np.where(later, np.maximum(workers.free_s[worker], now), now)
    arrival = start[:, None] + seconds
    minute = np.asarray(prices.minute)[tasks.priority - 1]
    reachable = np.where(np.isfinite(arrival), arrival, now)
    beyond = np.maximum(0.0, reachable - tasks.due_s) - np.maximum(0.0, now - tasks.due_s)
    held = workers.task[worker]
    own_way = ~later[:, None] & (held[:, None] == np.arange(len(tasks)))
    broken_off = (~later & (held != NOBODY))[:, None] | (tasks.worker != NOBODY)
    on_duty = workers.doing != Doing.OFF_DUTY
    hours = workers.worked_s / _HOUR_S
    above = hours - (hours[on_duty].mean() if on_duty.any() else 0.0)
    terms = {
        "response": minute * (reachable - now) / _MINUTE_S,
        "lateness": prices.late * minute * beyond / _MINUTE_S,
        "owner": prices.owner * ((workers.grid[worker][:, None] != tasks.grid) & (tasks.grid >= 0)),
        "workload": np.broadcast_to(prices.workload * above[worker][:, None], arrival.shape),
        "scarce_skill": prices.scarce_skill * _spared(problem, worker),
        "diversion": prices.diversion * (broken_off & ~own_way),
    }
    refused = _refused(problem, prices, worker, later, arrival, own_way)
    return Considered(problem, worker, later, start, arrival, refused, terms)


def scarcity(problem: Problem) -> Floats:
    """Return for each skill one divided by how many who are not at work hold it, shape (k,)."""
    at_hand = np.isin(problem.workers.doing, (Doing.IDLE, Doing.ON_THE_WAY))
    holders = problem.workers.skills[at_hand].sum(axis=0)
    return np.where(holders > 0, 1.0 / np.maximum(1, holders), 0.0)


def _candidates(problem: Problem) -> tuple[Integers, Bools, Floats]:
    """Return who could serve: (c,) workers, (c,) whether later, (c, t) seconds from order to arrival."""
    doing = problem.workers.doing
    now = np.flatnonzero((doing == Doing.IDLE) | (doing == Doing.ON_THE_WAY))
    then = np.flatnonzero((doing == Doing.WORKING) | (doing == Doing.BREAK))
    parts = [problem.seconds[now], problem.seconds[then]]
    who = [now, then]
    if problem.then_seconds is not None:
        going = np.flatnonzero(doing == Doing.ON_THE_WAY)
        who.append(going)
        parts.append(problem.then_seconds[going])
    worker = np.concatenate(who)
    return worker, np.arange(len(worker)) >= len(now), np.concatenate(parts)


def _spared(problem: Problem, worker: Integers) -> Floats:
    """Return the scarcity of all that a worker holds and a task does not need, shape (c, t)."""
    held = problem.workers.skills[worker] * scarcity(problem)
    needed = problem.tasks.skill
    used = np.where(needed == NO_SKILL, 0.0, held[:, np.maximum(needed, 0)]) if held.shape[1] else 0.0
    return np.asarray(held.sum(axis=1)[:, None] - used) + np.zeros((1, len(needed)))


def _refused(
    problem: Problem, prices: Prices, worker: Integers, later: Bools, arrival: Floats, own_way: Bools
) -> Integers:
    """Return why a pair is refused, shape (c, t)."""
    workers, tasks = problem.workers, problem.tasks
    refused = np.zeros(arrival.shape, np.int64)
    held = workers.task[worker]
    on_the_way = ~later & (held != NOBODY)
    if on_the_way.any():
        of_held = np.where(held != NOBODY, tasks.priority[held], 0)
        less_urgent = tasks.priority[None, :] > np.minimum(of_held, prices.diverted_for)[:, None]
        refused[on_the_way[:, None] & less_urgent & ~own_way] = Refused.NOT_CALLED_OFF
    refused[later[:, None] & (held[:, None] == np.arange(len(tasks)))] = Refused.NOT_CALLED_OFF
    refused[(arrival > workers.until_s[worker][:, None]) & ~own_way] = Refused.DUTY_ENDS
    refused[~np.isfinite(arrival)] = Refused.NO_WAY
    if workers.skills.shape[1]:
        lacks = ~workers.skills[worker][:, np.maximum(tasks.skill, 0)]
        refused[lacks & (tasks.skill != NO_SKILL) & ~own_way] = Refused.SKILL
    return refused
