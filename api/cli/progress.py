"""Show how far a command is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

_PLAIN_EVERY_S = 5.0


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Show a moving bar and the time on a terminal, for as long as the block runs; nothing elsewhere.

    Lines that are written to standard error meanwhile appear above it.
    """
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield
        return
    with Progress(TextColumn(" "), BarColumn(), TimeElapsedColumn(), console=console, transient=True) as bars:
        bars.add_task("", total=None)
        yield


class TerminalProgress:
    """What an import reports to; use it as a context manager.

    ``begin`` ends the phase before it. On a terminal every phase is one bar with its elapsed time; elsewhere
    a phase gets a line when it takes longer than two seconds, then one every five.
    """

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
            )
        self._task: TaskID | None = None
        self._what = ""
        self._total: int | None = None
        self._done = 0
        self._begun_s = 0.0
        self._told_s = 0.0

    def __enter__(self) -> TerminalProgress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish()
        if self._bars is not None:
            self._bars.stop()

    def begin(self, what: str, total: int | None) -> None:
        """Start a phase of `total` steps; None where the number is not known."""
        self._finish()
        self._what, self._total, self._done = what, total, 0
        self._begun_s = self._told_s = time.monotonic()
        if self._bars is not None:
            self._task = self._bars.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        """Report that so many steps of the phase are done."""
        self._done += steps
        if self._bars is not None:
            if self._task is not None:
                self._bars.advance(self._task, steps)
            return
        now_s = time.monotonic()
        pause_s = 2.0 if self._told_s == self._begun_s else _PLAIN_EVERY_S
        if now_s - self._told_s >= pause_s:
            self._told_s = now_s
            of = f" of {self._total:,}" if self._total else ""
            sys.stderr.write(f"  {self._what}: {self._done:,}{of}, {now_s - self._begun_s:.0f} s\n")
            sys.stderr.flush()

    def _finish(self) -> None:
        if not self._what:
            return
        if self._bars is not None and self._task is not None:
            # A phase whose length was not known is full when it ends.
            self._bars.update(
                self._task,
                total=self._total or max(self._done, 1),
                completed=self._total or max(self._done, 1),
            )
            self._bars.stop_task(self._task)
        elif time.monotonic() - self._begun_s > 2:
            sys.stderr.write(f"  {self._what}: done in {time.monotonic() - self._begun_s:.0f} s\n")
            sys.stderr.flush()
        self._what, self._task = "", None
