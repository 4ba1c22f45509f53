"""Answer requests that come as lines of JSON; the standard library only, any Python from 3.11 on."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


def answer_lines(answers: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer each request ``{"do": NAME, ...}`` of the input with a line, until the input ends.

    What an answer raises goes back as ``{"error": words}``. What a peer writes to its output goes to its log.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            said = answers[request.pop("do")](**request)
        except Exception as error:  # a peer that fails is a result
            said = {"error": f"{type(error).__name__}: {error}"[:300]}
        out.write(json.dumps(said) + "\n")
        out.flush()


@dataclass(frozen=True)
class Took:
    """What something took: seconds, and seconds of the processor in this process and programs it ran."""

    seconds: float
    cpu_s: float

    def answer(self, **more: Any) -> Answer:
        """Return an answer with it."""
        return {"seconds": self.seconds, "cpu_s": self.cpu_s, **more}


def timed(ask: Callable[[], Any], also_s: Callable[[], float] = lambda: 0.0) -> tuple[Took, Any]:
    """Return what an answer took and the answer.

    ``also_s`` gives the processor time of another process that takes part.
    """
    begun, cpu_s, others_s = time.perf_counter(), _cpu_s(), also_s()
    found = ask()
    return Took(time.perf_counter() - begun, _cpu_s() - cpu_s + also_s() - others_s), found


def _cpu_s() -> float:
    programs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + programs.ru_utime + programs.ru_stime


def memory_mib() -> float:
    """Return the memory this process holds, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def files_mib(folder: Path) -> float:
    """Return what the files of a folder take, MiB."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
