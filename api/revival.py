"""Start parts again that ended, after a wait that grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from twin.errors import TwinError

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


@dataclass
class Kept:
    """A part that is kept running.

    Parameters
    ----------
    name
        What a person calls it (``the server``).
    alive
        Whether it runs.
    start
        Starts it; may raise `TwinError` or `OSError`.
    why
        Says of one that ended why, and where to read more.
    """

    name: str
    alive: Callable[[], bool]
    start: Callable[[], None]
    why: Callable[[], str]
    back_off: BackOff = field(default_factory=BackOff)
    started_s: float = field(default_factory=time.monotonic)
    retry_at_s: float | None = None


class Revival:
    """Looks after parts that run already; says once when one ended and once when it was started again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._parts: list[Kept] = []

    def keep(self, part: Kept) -> None:
        """Look after one more part."""
        self._parts.append(part)

    def look(self) -> None:
        """Look at every part once; start again what has waited long enough."""
        for part in self._parts:
            if part.retry_at_s is not None:
                if time.monotonic() >= part.retry_at_s:
                    self._start(part)
            elif not part.alive():
                self._wait(part, f"ended unexpectedly: {part.why()}")

    def _wait(self, part: Kept, what: str) -> None:
        now_s = time.monotonic()
        wait_s = part.back_off.next_wait_s(now_s - part.started_s)
        part.retry_at_s = now_s + wait_s
        self._say(f"{part.name} {what} · starting it again in {wait_s:.0f} s")

    def _start(self, part: Kept) -> None:
        part.retry_at_s = None
        part.started_s = time.monotonic()
        try:
            part.start()
        except (TwinError, OSError) as error:
            self._wait(part, f"does not start: {error}")
        else:
            self._say(f"{part.name} was started again")
