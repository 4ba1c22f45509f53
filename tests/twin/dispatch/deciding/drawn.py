"""Draw problems for tests: workers and tasks of all kinds, ways of which some do not exist."""

from __future__ import annotations

import numpy as np

from twin.dispatch.deciding.problem import NOBODY, Doing, Problem, Tasks, Workers

NOW = 36_000.0
DUE_MIN = np.array([10.0, 30.0, 120.0, 480.0])


def drawn(seed: int, workers: int, tasks: int, *, priorities=(1, 2, 3, 4), unreachable=0.1) -> Problem:
    """Return a problem of so many workers and tasks, the same for the same seed."""
    rng = np.random.default_rng(seed)
    doing = rng.choice(list(Doing), workers, p=(0.1, 0.1, 0.4, 0.2, 0.2))
    going = np.flatnonzero(doing == Doing.ON_THE_WAY)
    doing[going[tasks:]] = Doing.IDLE
    going = going[:tasks]
    task, holder = np.full(workers, NOBODY), np.full(tasks, NOBODY)
    task[going] = rng.permutation(tasks)[: len(going)]
    holder[task[going]] = going
    skills = rng.random((workers, 3)) < 0.5
    needed = np.where(rng.random(tasks) < 0.5, -1, rng.integers(0, 3, tasks))
    skills[going, np.maximum(needed[task[going]], 0)] = True
    priority = rng.choice(priorities, tasks)
    since = NOW - rng.uniform(0, 3600, tasks)
    seconds = rng.uniform(60, 2400, (workers, tasks))
    seconds[rng.random((workers, tasks)) < unreachable] = np.inf
    seconds[going, task[going]] = 300.0
    then = rng.uniform(60, 2400, (workers, tasks))
    return Problem(
        NOW,
        Workers(
            np.arange(workers) + 100,
            doing,
            np.where(doing == Doing.IDLE, NOW - 60, NOW + rng.uniform(60, 2400, workers)),
            NOW + rng.choice([300.0, 1200.0, 20_000.0], workers, p=(0.1, 0.2, 0.7)),
            skills,
            rng.integers(-1, 5, workers),
            task,
            rng.uniform(0, 18_000, workers),
        ),
        Tasks(
            np.arange(tasks) + 500,
            priority,
            needed,
            rng.integers(-1, 5, tasks),
            since,
            since + DUE_MIN[priority - 1] * 60,
            holder,
        ),
        seconds,
        then,
    )
