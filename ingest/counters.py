"""Count what came by a feed or by a mapping, and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.lately import LagLately, Lately

_MINUTE_S = 60


@dataclass(slots=True, kw_only=True)
class Heard:
    """What came since the start, and how fast: messages, and what became of their readings.

    ``lag`` is of what was stored, duplicates too.
    """

    messages: int = 0
    stored: int = 0
    duplicate: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    last_message_at: float | None = None
    lag: LagLately = field(default_factory=LagLately)
    _seconds: Lately = field(default_factory=lambda: Lately(_MINUTE_S, 1.0))
    _minutes: Lately = field(default_factory=lambda: Lately(60, 60.0))

    def hear(self, messages: int) -> None:
        """Note that messages came just now."""
        self.messages += messages
        self.last_message_at = time.time()
        self._seconds.running()[0] += messages
        self._minutes.running()[0] += messages

    def messages_per_s(self) -> float:
        """Return the mean rate of the last minute."""
        return float(self._seconds.total()[0]) / _MINUTE_S

    def per_minute(self) -> list[int]:
        """Return the messages of each of the last sixty minutes, the oldest first, the one that runs last."""
        return [int(n) for n in self._minutes.counts()[:, 0]]


@dataclass(slots=True)
class FeedCounters(Heard):
    """Counts of a feed since the start; ``messages`` and ``acknowledged`` of messages, others of readings.

    readings = stored + duplicate + refused + those on their way. ``late`` are those of the stored that were
    older than what was shown. ``retries`` counts what could not be stored at once because the database was
    away.
    """

    feed: str = ""
    acknowledged: int = 0
    readings: int = 0
    late: int = 0
    statuses: int = 0
    retries: int = 0

    def turn_away(self, reason: str) -> None:
        """Count a message that was refused before it was read, as one reading."""
        self.hear(1)
        self.readings += 1
        self.refused[reason] += 1

    @classmethod
    def sum(cls, counters: Iterable[FeedCounters]) -> FeedCounters:
        """Return the counts since the start of several feeds together."""
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
        return total
