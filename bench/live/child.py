"""Start a helper process that speaks in lines, and end it whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from bench.machine import ROOT
from twin.errors import UnavailableError


class Child:
    """A process we started: orders go to its standard input, answers come as lines of its output.

    Parameters
    ----------
    name
        What it is, for messages and for its log file.
    command
        Program and arguments.
    folder
        Where its error output is written (``<name>.log``).
    """

    def __init__(
        self, name: str, command: list[str], folder: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        # If the benchmark itself is killed, what it started must not go on.
        setpriv = shutil.which("setpriv")
        if setpriv is not None:
            command = [setpriv, "--pdeathsig", "TERM", *command]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                text=True,
                start_new_session=True,
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    @classmethod
    def python(cls, name: str, module: str, specification: dict[str, Any], folder: Path) -> Child:
        """Start one of our modules with a specification it reads from a file."""
        path = folder / f"{name}.json"
        path.write_text(json.dumps(specification), encoding="utf-8")
        return cls(name, [sys.executable, "-m", module, str(path)], folder)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def order(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def answer(self, timeout_s: float) -> str:
        """Give the next line it says.

        Raises
        ------
        UnavailableError
            It ended, or said nothing in time; with the last line of its log.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise UnavailableError(
                f"{self.name} said nothing for {timeout_s:.0f} s",
                where=str(self.log),
                hint=self._last_words(),
            ) from None
        if line is None:
            raise UnavailableError(f"{self.name} ended", where=str(self.log), hint=self._last_words())
        return line

    def stop(self, timeout_s: float = 15.0) -> None:
        """End it: SIGTERM, then SIGKILL."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        # It leads a group of its own; a wrapper may pass no signal on to what it has started.
        if self.alive:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + timeout_s
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
