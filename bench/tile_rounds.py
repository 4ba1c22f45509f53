"""Ask two servers for the same tiles in turns, and weigh what each pass takes of the processor."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from bench.http_load import Outcome, ask
from bench.report import spread_ms


@dataclass(slots=True)
class Passes:
    """The passes of one contender over the tiles: what came back, and processor seconds by process group."""

    outcomes: list[Outcome] = field(default_factory=list)
    server_s: float = 0.0
    database_s: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Give rates, bytes, latencies, and processor milliseconds a tile."""
        rates = [outcome.per_second for outcome in self.outcomes]
        answers = sum(outcome.answers for outcome in self.outcomes)
        client_s = sum(outcome.client_cpu_s for outcome in self.outcomes)
        return {
            "passes": len(rates),
            "per_s_median": round(statistics.median(rates), 1),
            "per_s_min": round(min(rates), 1),
            "per_s_max": round(max(rates), 1),
            "not_ok": sum(outcome.not_ok for outcome in self.outcomes),
            "bytes_per_answer": round(sum(outcome.bytes for outcome in self.outcomes) / answers, 1),
            "client_cpu_percent": round(100 * client_s / sum(o.wall_s for o in self.outcomes), 1),
            "server_ms": round(1e3 * self.server_s / answers, 3),
            "database_ms": round(1e3 * self.database_s / answers, 3),
            "latency": spread_ms(np.concatenate([outcome.latency_s for outcome in self.outcomes])),
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, the database's first process, the paths of the tiles in its own words, and who asks."""

    port: int
    server_pid: int
    database_pid: int
    paths: Sequence[str]
    tokens: Sequence[str] = ()

    def go(self, passes: Passes, connections: int, seconds: float | None = None) -> None:
        """Ask for every tile once, or over and over for some seconds."""
        server, database = _processor_s(self.server_pid), _processor_s(self.database_pid)
        outcome = ask(self.port, self.paths, connections=connections, seconds=seconds, tokens=self.tokens)
        passes.outcomes.append(outcome)
        passes.server_s += _since(server, self.server_pid)
        passes.database_s += _since(database, self.database_pid)


def take_turns(
    ours: Contender,
    theirs: Contender,
    throw_away: Callable[[], None],
    *,
    passes: int,
    kept_passes: int,
    connections: int,
    kept_seconds: float,
) -> dict[str, Passes]:
    """Give the passes of ``tipg``, and ours over tiles that were thrown away (``cold``) and over ``kept``."""
    found = {"tipg": Passes(), "cold": Passes(), "kept": Passes()}

    def ask_ours(number: int) -> None:
        throw_away()
        ours.go(found["cold"], connections)
        if number < kept_passes:
            ours.go(found["kept"], connections, kept_seconds)

    def ask_theirs(_: int) -> None:
        theirs.go(found["tipg"], connections)

    for number in range(passes):
        # Who is first changes from pass to pass.
        for one in (ask_theirs, ask_ours) if number % 2 else (ask_ours, ask_theirs):
            one(number)
    return found


def _processor_s(root: int) -> dict[int, float]:
    """Give the processor seconds of a process and of all below it, by process id."""
    found = {}
    first = psutil.Process(root)
    for process in (first, *first.children(recursive=True)):
        try:
            times = process.cpu_times()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        found[process.pid] = times.user + times.system
    return found


def _since(before: dict[int, float], root: int) -> float:
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in _processor_s(root).items())
