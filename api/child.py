"""Run one child process of the supervisor, with its log, its end and its starts counted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from twin.store.account import follow_parent

_LOG_MIB = 20
_SHORT_LIFE_S = 60.0
_LONGEST_WAIT_S = 30.0


class BackOff:
    """How long to wait before the next start: 1, 2, 4 ... 30 s, forgotten after a minute of good life."""

    def __init__(self) -> None:
        self.failures = 0

    def next_wait_s(self, lived_s: float) -> float:
        """Count one end after `lived_s` seconds of life and give the wait before the next start."""
        self.failures = 1 if lived_s > _SHORT_LIFE_S else self.failures + 1
        return float(min(2 ** (self.failures - 1), _LONGEST_WAIT_S))


class Child:
    """A program that is kept running.

    Parameters
    ----------
    name
        What a person calls it (``the server``).
    command
        Program and arguments.
    environment
        Its whole environment.
    log
        File for what it prints; the last 20 MiB or so are kept, in two files.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def lived_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started_s

    @property
    def how_it_ended(self) -> str:
        """Its exit code or signal, in words."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return "running"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def start(self) -> None:
        """Start it in a session of its own, so that the terminal's Ctrl-C does not reach it before us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.trim_log()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*follow_parent("TERM"), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._started_s = time.monotonic()

    def stop(self, patience_s: float) -> None:
        """Ask it to end; after `patience_s` seconds force it."""
        process = self._process
        if process is None:
            return
        for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
            if process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)

    def last_words(self) -> str:
        """Give the line of its log that says most about its end."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in deque(file, maxlen=200) if line.strip()]
        except OSError:
            return ""
        telling = [line for line in lines if line.startswith("gridtwin:") or "Error" in line]
        return (telling or lines or [""])[-1].removeprefix("gridtwin: ")

    def trim_log(self) -> None:
        """Move a long log aside; the program goes on writing to the same, now empty file (it appends)."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > _LOG_MIB * 2**20:
                aside = self.log.with_name(self.log.name + ".1")
                aside.write_bytes(self.log.read_bytes())
                os.truncate(self.log, 0)


def wait_until(condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.05) -> bool:
    """Ask until it is true or the time is over; gives the last answer."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
