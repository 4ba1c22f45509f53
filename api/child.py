"""Run one child process of the supervisor, with its log and how it ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from twin.store.account import follow_parent
from twin.store.bounded_log import BoundedLog


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
        File for what it prints; its size is bounded, see `BoundedLog`.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = BoundedLog(log)
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

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
        with self.log.pipe() as log:
            self._process = subprocess.Popen(
                [*follow_parent("TERM"), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

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
        """Give the line it printed that says most about its end."""
        lines = self.log.last_lines(wait_s=0.0 if self.alive else 2.0)
        telling = [line for line in lines if line.startswith("gridtwin:") or "Error" in line]
        return (telling or lines or [""])[-1].removeprefix("gridtwin: ")

    def why_it_ended(self) -> str:
        """Say how it ended, its last words, and where to read more."""
        return f"{self.how_it_ended} · {self.last_words() or 'it said nothing'} · at {self.log.path}"


def wait_until(condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.05) -> bool:
    """Ask until it is true or the time is over; gives the last answer."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
