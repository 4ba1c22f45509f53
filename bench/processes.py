"""Watch groups of processes: processor time and memory over a window, sampled once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from bench.report import slope_per_minute


@dataclass(slots=True)
class _Sample:
    at_s: float
    cpu_s: float
    rss_mib: float


class ProcessWatch:
    """Sample the processor time and memory of named process trees on a thread of its own.

    Parameters
    ----------
    groups
        Name -> process ids; the children of each are counted with it. Memory is the proportional
        set size where the system gives it, so that PostgreSQL's shared buffers are counted once.
    """

    def __init__(self, groups: Mapping[str, list[int]], every_s: float = 1.0) -> None:
        self._groups = {name: [psutil.Process(pid) for pid in pids] for name, pids in groups.items()}
        self._every_s = every_s
        self._samples: dict[str, list[_Sample]] = {name: [] for name in groups}
        self._ended_cpu_s: dict[str, dict[int, float]] = {name: {} for name in groups}
        self._machine: list[tuple[float, float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="process-watch", daemon=True)

    def __enter__(self) -> ProcessWatch:
        self._take()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._take()

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            self._take()

    def _take(self) -> None:
        total = psutil.cpu_times()
        idle_s = total.idle + getattr(total, "iowait", 0.0)
        for name, roots in self._groups.items():
            seen = self._ended_cpu_s[name]
            memory = 0
            at_s = time.time()
            for process in _trees(roots):
                try:
                    times = process.cpu_times()
                    seen[process.pid] = times.user + times.system
                    memory += _memory(process)
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue
            # A child that has ended keeps the time it was last seen with.
            self._samples[name].append(_Sample(at_s, sum(seen.values()), memory / 2**20))
        ours_s = sum(samples[-1].cpu_s for samples in self._samples.values())
        self._machine.append((time.time(), sum(total) - idle_s, ours_s))

    def other_cpu_percent(self, from_s: float, to_s: float) -> float | None:
        """Give what everything else on the machine took, in percent of one core; tells a disturbed run."""
        inside = [s for s in self._machine if from_s - self._every_s <= s[0] <= to_s + self._every_s]
        if len(inside) < 2:
            return None
        (first_s, first_busy_s, first_ours_s), (last_s, last_busy_s, last_ours_s) = inside[0], inside[-1]
        others_s = (last_busy_s - first_busy_s) - (last_ours_s - first_ours_s)
        return round(max(0.0, 100 * others_s / (last_s - first_s)), 1)

    @staticmethod
    def children_of(pid: int) -> list[psutil.Process]:
        """Give the processes a process has started, and those they have started."""
        return psutil.Process(pid).children(recursive=True)

    def figures(self, from_s: float, to_s: float) -> dict[str, dict[str, Any]]:
        """Give, for each group, percent of one core and memory between two Unix times.

        ``memory_growth_mib_per_min`` is the slope over the second half of the window, when caches
        and pools have been filled.
        """
        out: dict[str, dict[str, Any]] = {}
        for name, samples in self._samples.items():
            inside = [s for s in samples if from_s - self._every_s <= s.at_s <= to_s + self._every_s]
            if len(inside) < 2:
                out[name] = {"cpu_percent": None, "memory_start_mib": None, "memory_end_mib": None}
                continue
            first, last = inside[0], inside[-1]
            late = inside[len(inside) // 2 :]
            out[name] = {
                "cpu_percent": round(100 * (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s), 1),
                "memory_start_mib": round(first.rss_mib, 1),
                "memory_end_mib": round(last.rss_mib, 1),
                "memory_peak_mib": round(max(s.rss_mib for s in inside), 1),
                "memory_growth_mib_per_min": slope_per_minute(
                    [s.at_s for s in late], [s.rss_mib for s in late]
                ),
            }
        return out


def _trees(roots: list[psutil.Process]) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            for process in (root, *root.children(recursive=True)):
                found[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)
