"""Find about the best a clairvoyant could have done with a day: simulated annealing over all sequences.

He knows all cases and true durations beforehand. Under the rules of the day he may hold a worker for a case
he foresees, but sends nobody before a case has come, and moves nobody but by the rule (back to the post after
ten idle minutes). It begins with the best plan of the policies; what it finds is an upper bound of the true
optimum.

The inner loop is C (`annealing.c`), compiled when a C compiler is found: millions of moves a second, which
Python does not reach. The price of what it returns is worked out again here, in Python.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.dispatch.day import BREAK_S, DUE_MIN, MINUTE_PRICE, TURNOUT_S, Day
from bench.dispatch.figures import case_cost
from bench.dispatch.simulator import PATROL_AFTER_S
from twin.dispatch.deciding.problem import NOBODY
from twin.dispatch.network.roads import Floats, Integers
from twin.errors import SetupError

SOURCE = Path(__file__).with_name("annealing.c")

HOT, COLD = 20.0, 0.05
"""Temperatures at the beginning and at the end, in the objective's weighted minutes."""


@dataclass(frozen=True, slots=True)
class Best:
    """What was found: who serves each case, in which order each worker does, and the mean price of a case."""

    worker: Integers
    order: list[list[int]]
    arrival_s: Floats
    cost: float


def best_start(day: Day, orders: Sequence[Sequence[Sequence[int]]]) -> list[list[int]]:
    """Return the cheapest of several plans under the rules of the day."""
    return min((carried_out(day, order) for order in orders), key=lambda best: best.cost).order


def improve(day: Day, order: Sequence[Sequence[int]], moves: int, seed: int = 1) -> Best:
    """Improve a plan of a day, the cases of each worker in order.

    Raises
    ------
    SetupError
        There is no C compiler.
    """
    library = compiled()
    if library is None:
        raise SetupError(
            "no C compiler was found", hint="install cc, or leave the clairvoyant out: --moves 0"
        )
    who, at = np.full(day.cases, NOBODY, np.int32), np.zeros(day.cases, np.int32)
    for worker, cases in enumerate(order):
        who[list(cases)] = worker
        at[list(cases)] = np.arange(len(cases))
    held = _columns(day)
    given = _Day(day.cases, day.workers, day.ways.metres.shape[1])
    for name, column in held.items():
        setattr(given, name, column.ctypes.data)
    given.rest_s = BREAK_S
    arrival = np.full(day.cases, np.nan)
    told = library.anneal(
        ctypes.byref(given), who.ctypes.data, at.ctypes.data, arrival.ctypes.data, moves, HOT, COLD, seed
    )
    found = [
        sorted(np.flatnonzero(who == worker).tolist(), key=lambda case: int(at[case]))
        for worker in range(day.workers)
    ]
    best = carried_out(day, found)
    if abs(best.cost * day.cases - told) > 1e-6 * max(1.0, told):
        raise AssertionError(f"the inner loop says {told}, the rules say {best.cost * day.cases}")
    return best


def carried_out(day: Day, order: Sequence[Sequence[int]]) -> Best:
    """Work out, by the rules of the day, what becomes of sequences of cases.

    A case is left out, unserved, where its worker would arrive after the end of duty or lacks the skill.
    """
    served: list[list[int]] = [[] for _ in order]
    worker, arrival = np.full(day.cases, NOBODY, np.int64), np.full(day.cases, np.nan)
    for who, cases in enumerate(order):
        ready, node, rested = float(day.begin_s[who]), int(day.home[who]), False
        for case in cases:
            out, rests = max(ready, float(day.release_s[case])), False
            if not rested and out >= day.break_s[who]:
                out, rests = max(out, max(ready, float(day.break_s[who])) + BREAK_S), True
            at, lead = node, 0.0
            if out - ready > PATROL_AFTER_S:
                gone = (out - ready - PATROL_AFTER_S) * float(day.metres_per_s[who])
                at, lead = day.ways.after(day.cases + who, node, 0.0, gone)
            ride = (day.ways.metres[case, at] + lead) / day.metres_per_s[who]
            there = out + TURNOUT_S + float(day.bike_s[who]) + float(ride)
            if there > day.end_s[who] or (day.skill[case] >= 0 and not day.skills[who, day.skill[case]]):
                continue
            served[who].append(case)
            rested = rested or rests
            worker[case], arrival[case] = who, there
            ready, node = there + float(day.work_s[case]), int(day.ways.target[case])
    cost = float(case_cost(day, worker, arrival).mean())
    return Best(worker, served, arrival, cost)


@lru_cache(maxsize=1)
def compiled() -> Any | None:
    """Compile the inner loop with the C compiler of this machine; None where there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    with TemporaryDirectory(prefix="gridtwin-annealing-") as folder:
        target = Path(folder) / "annealing.so"
        command = [
            compiler,
            "-O3",
            "-march=native",
            "-shared",
            "-fPIC",
            "-o",
            str(target),
            str(SOURCE),
            "-lm",
        ]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
        library = ctypes.CDLL(str(target))
    pointer = ctypes.c_void_p
    library.anneal.argtypes = [
        pointer, pointer, pointer, pointer, ctypes.c_int64, ctypes.c_double, ctypes.c_double, ctypes.c_uint64,
    ]  # fmt: skip
    library.anneal.restype = ctypes.c_double
    return library


class _Day(ctypes.Structure):
    """The struct of the same name in `annealing.c`."""

    _fields_ = (
        ("cases", ctypes.c_int32),
        ("workers", ctypes.c_int32),
        ("nodes", ctypes.c_int32),
        ("metres", ctypes.c_void_p),
        ("hop", ctypes.c_void_p),
        ("node", ctypes.c_void_p),
        ("release_s", ctypes.c_void_p),
        ("work_s", ctypes.c_void_p),
        ("minute", ctypes.c_void_p),
        ("due_min", ctypes.c_void_p),
        ("begin_s", ctypes.c_void_p),
        ("end_s", ctypes.c_void_p),
        ("break_s", ctypes.c_void_p),
        ("metres_per_s", ctypes.c_void_p),
        ("bike_s", ctypes.c_void_p),
        ("rest_s", ctypes.c_double),
        ("able", ctypes.c_void_p),
        ("own", ctypes.c_void_p),
    )


def _columns(day: Day) -> dict[str, Any]:
    """Return the columns of a day as the inner loop reads them."""
    able = (day.skill < 0) | day.skills[:, np.maximum(day.skill, 0)]
    columns = {
        "hop": day.ways.hop.astype(np.int32),
        "node": day.ways.target.astype(np.int32),
        "able": able.astype(np.uint8),
        "own": (day.home_grid[:, None] == day.grid).astype(np.uint8),
        "metres": day.ways.metres,
        "minute": MINUTE_PRICE[day.priority - 1],
        "due_min": DUE_MIN[day.priority - 1],
    }
    for name in ("release_s", "work_s", "begin_s", "end_s", "break_s", "metres_per_s", "bike_s"):
        columns[name] = np.asarray(getattr(day, name), float)
    return {name: np.ascontiguousarray(column) for name, column in columns.items()}
