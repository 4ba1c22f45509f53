"""Count what a feed brought and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_RATE_S = 60


@dataclass(slots=True)
class FeedCounters:
    """Counts since the start. ``messages`` and ``acknowledged`` count messages, the others readings.

    readings = stored + duplicate + refused + those on their way. ``lag_s`` is the running mean of received
    minus phenomenon time of what was stored; ``late`` are those of the stored that were older than what was
    shown. ``retries`` counts what could not be stored at once because the database was away.
    """

    messages: int = 0
    acknowledged: int = 0
    readings: int = 0
    stored: int = 0
    duplicate: int = 0
    late: int = 0
    statuses: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    lag_s: float = 0.0
    last_message_at: float | None = None
    _heard: list[int] = field(default_factory=lambda: [0] * _RATE_S)
    _heard_s: int = 0

    def hear(self, messages: int) -> None:
        """Note that messages came just now."""
        self.messages += messages
        self.last_message_at = time.time()
        self._forget_old()
        self._heard[self._heard_s % _RATE_S] += messages

    def messages_per_s(self) -> float:
        """Return the mean rate of the last minute."""
        self._forget_old()
        return sum(self._heard) / _RATE_S

    def _forget_old(self) -> None:
        now_s = int(time.monotonic())
        for second in range(max(self._heard_s + 1, now_s - _RATE_S + 1), now_s + 1):
            self._heard[second % _RATE_S] = 0
        self._heard_s = now_s

    def measure_lag(self, lag_s: float) -> None:
        """Take the median lag of one batch into the running mean."""
        self.lag_s += 0.1 * (lag_s - self.lag_s)

    @classmethod
    def sum(cls, counters: Iterable[FeedCounters]) -> FeedCounters:
        """Return the counts of several feeds together; the lag is that of the slowest."""
        total = cls()
        for one in counters:
            total.messages += one.messages
            total.acknowledged += one.acknowledged
            total.readings += one.readings
            total.stored += one.stored
            total.duplicate += one.duplicate
            total.late += one.late
            total.statuses += one.statuses
            total.refused += one.refused
            total.retries += one.retries
            total.lag_s = max(total.lag_s, one.lag_s)
            heard = (total.last_message_at, one.last_message_at)
            total.last_message_at = max((at for at in heard if at is not None), default=None)
        return total
