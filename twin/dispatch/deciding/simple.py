"""Choose workers task by task, as is usually done: the nearest, or the owner of the grid first."""

from __future__ import annotations

import numpy as np

from twin.dispatch.deciding.plan import Plan, plan_of
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import NOBODY, Bools, Doing, Problem
from twin.dispatch.deciding.terms import Considered, Refused, consider


def nearest(problem: Problem, prices: Prices) -> Plan:
    """Send the idle worker who is there first, the most urgent and then the oldest task first."""
    return _one_by_one(consider(problem, prices), owner_first=False)


def owner_first(problem: Problem, prices: Prices) -> Plan:
    """Send the owner of the grid where he is idle, else the nearest; in the same order."""
    return _one_by_one(consider(problem, prices), owner_first=True)


def _one_by_one(considered: Considered, *, owner_first: bool) -> Plan:
    problem = considered.problem
    workers, tasks = problem.workers, problem.tasks
    chosen = np.full(len(tasks), -1, np.int64)
    idle: Bools = workers.doing[considered.worker] == Doing.IDLE
    for task in np.lexsort((tasks.id, tasks.since_s, tasks.priority)).tolist():
        if tasks.worker[task] != NOBODY:
            continue
        can = np.flatnonzero(idle & (considered.refused[:, task] == Refused.NO))
        if owner_first:
            owners = can[workers.grid[considered.worker[can]] == tasks.grid[task]]
            can = owners if len(owners) else can
        if len(can):
            chosen[task] = can[considered.arrival_s[can, task].argmin()]
            idle[chosen[task]] = False
    return plan_of(considered, chosen)
