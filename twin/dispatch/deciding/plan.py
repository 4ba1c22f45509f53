"""Hold a decision: who goes where, who waits and why, and the price of each pair that was considered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twin.dispatch.deciding.problem import NOBODY, Bools, Doing, Integers, Problem
from twin.dispatch.deciding.terms import Considered, Refused


class Outcome(IntEnum):
    """What comes of a task."""

    GOES = 1
    """Somebody sets out for it now."""
    KEPT = 2
    """Who is on the way goes on."""
    WAITS_FOR = 3
    """It waits for somebody who is still busy."""
    OTHERS_FIRST = 4
    """It waits: who could serve it goes to other tasks."""
    WORTH_WAITING = 5
    """It waits: who could be sent now costs more than waiting."""
    NOBODY_CAN = 6
    """It waits: everybody is refused, each for the reason in `Offer.refused`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One worker for one task: what it would cost, in weighted minutes by term, or why it cannot be."""

    worker: int
    later: bool
    start_s: float
    arrival_s: float
    refused: Refused
    terms: dict[str, float]
    price: float


@dataclass(frozen=True)
class Plan:
    """What is decided at one moment.

    Attributes
    ----------
    worker
        Row of who goes, or is waited for, shape (t,); `NOBODY` where neither.
    outcome
        Values of `Outcome`, shape (t,).
    considered
        All pairs with their prices, for words.
    """

    considered: Considered
    worker: Integers
    outcome: Integers

    @property
    def sent(self) -> Integers:
        """Pairs of rows (worker, task) of those who set out now, shape (n, 2), by worker."""
        task = np.flatnonzero(self.outcome == Outcome.GOES)
        order = np.argsort(self.worker[task])
        return np.column_stack((self.worker[task], task))[order]

    @property
    def called_off(self) -> Integers:
        """Pairs of rows (worker, task) of those who break off their way, shape (n, 2), by worker."""
        workers = self.considered.problem.workers
        kept = np.zeros(len(workers), bool)
        kept[self.worker[self.outcome == Outcome.KEPT]] = True
        off = np.flatnonzero((workers.task != NOBODY) & ~kept)
        return np.column_stack((off, workers.task[off]))

    def offers(self, task: int) -> list[Offer]:
        """Return everybody who was considered for a task, the cheapest first, those refused last."""
        of = self.considered
        order = np.argsort(of.price[:, task], kind="stable")
        return [
            Offer(
                int(of.worker[row]),
                bool(of.later[row]),
                float(of.start_s[row]),
                float(of.arrival_s[row, task]),
                Refused(int(of.refused[row, task])),
                {name: float(term[row, task]) for name, term in of.terms.items()},
                float(of.price[row, task]),
            )
            for row in order.tolist()
        ]


def plan_of(considered: Considered, chosen: Integers) -> Plan:
    """Make a plan of the chosen candidate of each task, shape (t,), -1 where none.

    Who is on the way to a task keeps it where neither got another choice and there is a way.
    """
    problem = considered.problem
    worker = np.full(len(chosen), NOBODY, np.int64)
    outcome = _waiting(considered, chosen)
    has = np.flatnonzero(chosen >= 0)
    worker[has] = considered.worker[chosen[has]]
    later = considered.later[chosen[has]]
    outcome[has] = np.where(later, Outcome.WAITS_FOR, Outcome.GOES)
    outcome[has[~later & (worker[has] == problem.tasks.worker[has])]] = Outcome.KEPT
    _keep(problem, worker, outcome)
    return Plan(considered, worker, outcome)


def _waiting(considered: Considered, chosen: Integers) -> Integers:
    """Return why each task would wait, shape (t,)."""
    possible = considered.refused == Refused.NO
    taken = np.zeros(len(considered.worker), bool)
    taken[chosen[chosen >= 0]] = True
    free = (possible & ~taken[:, None]).any(axis=0)
    return np.where(
        free, Outcome.WORTH_WAITING, np.where(possible.any(axis=0), Outcome.OTHERS_FIRST, Outcome.NOBODY_CAN)
    ).astype(np.int64)


def _keep(problem: Problem, worker: Integers, outcome: Integers) -> None:
    """Let those go on whose task nobody else sets out for and who set out for no other; in place.

    Only who has no way any more is called off for nothing.
    """
    leaves: Bools = np.zeros(len(problem.workers), bool)
    goes = (outcome == Outcome.GOES) | (outcome == Outcome.KEPT)
    leaves[worker[goes]] = True
    for row in np.flatnonzero(problem.workers.doing == Doing.ON_THE_WAY).tolist():
        task = int(problem.workers.task[row])
        if not leaves[row] and not goes[task] and np.isfinite(problem.seconds[row, task]):
            worker[task], outcome[task] = row, Outcome.KEPT
