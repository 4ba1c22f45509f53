"""Hold what is to be decided: workers, tasks, and how long each way between them takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvalidError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NO_SKILL = -1
"""Skill of a task that everybody may do."""
NOBODY = -1
"""Worker of a task to whom nobody is on the way; task of a worker who is on the way to none."""
MOST_URGENT, LEAST_URGENT = 1, 4
"""Priorities of cases: emergency, urgent, normal, low."""


class Doing(IntEnum):
    """What a worker does now."""

    OFF_DUTY = 0
    BREAK = 1
    IDLE = 2
    ON_THE_WAY = 3
    WORKING = 4


@dataclass(frozen=True, slots=True)
class Workers:
    """w workers; each column has shape (w,) but ``skills``. Times are seconds of one clock.

    Where they are and how they travel is in the seconds of the `Problem`.

    Attributes
    ----------
    id
        Numbers by which others know them.
    doing
        Values of `Doing`.
    free_s
        When they can set out: now or earlier for the idle, else the expected end of the work or break, with
        the break that is due after the work. For who is on the way: the expected end of that task.
    until_s
        End of duty: nobody is sent to where he would arrive later.
    skills
        Which of k skills each holds, shape (w, k).
    grid
        The grid each owns; -1 is none.
    task
        Row among the tasks of the one to which they are on the way, or `NOBODY`.
    worked_s
        What they have done today.
    """

    id: Integers
    doing: Integers
    free_s: Floats
    until_s: Floats
    skills: Bools
    grid: Integers
    task: Integers
    worked_s: Floats

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class Tasks:
    """t tasks at which nobody works yet; each column has shape (t,).

    Attributes
    ----------
    priority
        1 (emergency) to 4 (low).
    skill
        Column of the workers' skills, or `NO_SKILL`.
    grid
        The grid in which it lies; -1 is none.
    since_s, due_s
        When it became known, and until when somebody must be there.
    worker
        Row among the workers of who is on the way, or `NOBODY`.
    """

    id: Integers
    priority: Integers
    skill: Integers
    grid: Integers
    since_s: Floats
    due_s: Floats
    worker: Integers

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is known at one moment.

    Attributes
    ----------
    now_s
        The moment, by the clock of all times.
    seconds
        From order to arrival, shape (w, t); inf is no way. From where the worker is now; from where he works
        or has his break for those who do.
    then_seconds
        The same from where those who are on the way will be when that task is done; None: they are not
        planned further.

    Raises
    ------
    InvalidError
        Columns do not fit together, seconds are negative or no number, a priority or skill is unknown, a task
        is held by somebody who is not on the way to it.
    """

    now_s: float
    workers: Workers
    tasks: Tasks
    seconds: Floats
    then_seconds: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.workers), len(self.tasks))
        for name in ("seconds", "then_seconds"):
            matrix = getattr(self, name)
            if matrix is None:
                continue
            if matrix.shape != shape:
                raise InvalidError(
                    f"{name} has shape {matrix.shape}, not one row a worker and one column a task"
                )
            if np.isnan(matrix).any() or (matrix < 0).any():
                raise InvalidError(f"{name} holds a negative time or what is no number")
        _same_length("workers", self.workers)
        _same_length("tasks", self.tasks)
        out_of_range = (self.tasks.priority < MOST_URGENT) | (self.tasks.priority > LEAST_URGENT)
        if out_of_range.any():
            raise InvalidError(f"task {self.tasks.id[out_of_range][0]} has a priority that is not 1 to 4")
        unknown = (self.tasks.skill < NO_SKILL) | (self.tasks.skill >= self.workers.skills.shape[1])
        if unknown.any():
            raise InvalidError(
                f"task {self.tasks.id[unknown][0]} needs a skill that is no column of the skills"
            )
        held = np.flatnonzero(self.tasks.worker != NOBODY)
        holder = self.tasks.worker[held]
        going = np.flatnonzero(self.workers.doing == Doing.ON_THE_WAY)
        if not np.array_equal(self.workers.task[holder], held) or not np.array_equal(np.sort(holder), going):
            raise InvalidError("who is on the way to which task is not told alike by workers and tasks")


def _same_length(what: str, columns: Workers | Tasks) -> None:
    """Raise where the columns of one table differ in length."""
    lengths = {len(getattr(columns, name)) for name in columns.__slots__}
    if len(lengths) > 1:
        raise InvalidError(f"the columns of {what} differ in length: {sorted(lengths)}")
