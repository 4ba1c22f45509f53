"""Choose workers for all tasks at once: a linear assignment in which waiting is an option of each task.

With p the price of a pair and q that of waiting, the sum over tasks of the chosen p or q is least. A private
column of waiting for each task would make a matrix of t x (c + t); the same optimum is found without them: as
the sum of all q is constant, minimise the sum of min(p - q, 0) over the pairs alone, where 0 is waiting. So
nothing in the matrix is infinite, and a task for which nobody can be sent simply waits.

`scipy.optimize.linear_sum_assignment`: Crouse, *On implementing 2D rectangular assignment algorithms*, IEEE
Transactions on Aerospace and Electronic Systems 52(4), 2016.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from twin.dispatch.deciding.plan import Plan, plan_of
from twin.dispatch.deciding.prices import Prices
from twin.dispatch.deciding.problem import MOST_URGENT, Floats, Integers, Problem
from twin.dispatch.deciding.terms import Considered, consider


def optimal(problem: Problem, prices: Prices) -> Plan:
    """Return the plan with the least sum of prices, emergencies before all others."""
    considered = consider(problem, prices)
    return plan_of(considered, cheapest(considered, prices))


def cheapest(considered: Considered, prices: Prices) -> Integers:
    """Return the candidate chosen for each task, shape (t,), -1 where it waits."""
    chosen = np.full(considered.price.shape[1], -1, np.int64)
    gain = gains(considered, prices)
    if gain.size:
        row, column = linear_sum_assignment(gain)
        better = gain[row, column] < 0
        chosen[column[better]] = row[better]
    return chosen


def waiting_price(problem: Problem, prices: Prices) -> Floats:
    """Return the price of choosing nobody for a task, shape (t,), weighted minutes from now on.

    With w the minutes it is then thought to wait: m w + ``late`` m (max(0, n + w - d) - max(0, n - d)) +
    ``owner``. Waiting does not save the price of the grid: else a high one would leave cheap tasks for ever.
    """
    tasks, now = problem.tasks, problem.now_s
    minute = np.asarray(prices.minute)[tasks.priority - 1]
    wait_s = prices.wait_min * 60.0
    late_s = np.maximum(0.0, now + wait_s - tasks.due_s) - np.maximum(0.0, now - tasks.due_s)
    return np.asarray(minute * (wait_s + prices.late * late_s) / 60.0 + prices.owner, float)


def gains(considered: Considered, prices: Prices) -> Floats:
    """Return what each pair saves against waiting, negative, shape (c, t); 0 where it saves nothing.

    The gain of an emergency is raised by more than that of any other task, so that none is left without
    anybody while one who could serve it is chosen for less: one more task displaces one other at most.
    """
    tasks = considered.problem.tasks
    gain = np.minimum(0.0, considered.price - waiting_price(considered.problem, prices))
    emergency = np.flatnonzero(tasks.priority == MOST_URGENT)
    if len(emergency) and gain.size:
        possible = np.isfinite(considered.price[:, emergency])
        dearest = np.max(considered.price[:, emergency], initial=0.0, where=possible)
        before = 1.0 - float(gain.min()) + float(dearest)
        gain[:, emergency] = np.where(possible, considered.price[:, emergency] - before, 0.0)
    return gain
