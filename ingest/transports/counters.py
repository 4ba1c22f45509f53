"""Count what a feed brought and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class FeedCounters:
    """Counts since the start. ``messages`` and ``acknowledged`` count messages, the others readings.

    readings = stored + duplicate + refused + waiting. ``lag_s`` is the running mean of received minus
    phenomenon time of what was stored; ``late`` are those of the stored that were older than what was shown.
    """

    messages: int = 0
    acknowledged: int = 0
    readings: int = 0
    stored: int = 0
    duplicate: int = 0
    late: int = 0
    statuses: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    waiting_bytes: int = 0
    retries: int = 0
    lag_s: float = 0.0
    connected: bool = False
    connections: int = 0
    paused: bool = False
    last_message_at: float | None = None

    def measure_lag(self, lag_s: float) -> None:
        """Take the median lag of one batch into the running mean."""
        self.lag_s += 0.1 * (lag_s - self.lag_s)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for the page of health, refusals in all and by reason, ages in seconds."""
        age_s = None if self.last_message_at is None else round(time.time() - self.last_message_at, 3)
        return {
            "connected": self.connected,
            "paused": self.paused,
            "messages": self.messages,
            "acknowledged": self.acknowledged,
            "readings": self.readings,
            "stored": self.stored,
            "duplicate": self.duplicate,
            "late": self.late,
            "refused": self.refused.total(),
            "refused_by_reason": dict(self.refused),
            "statuses": self.statuses,
            "waiting": self.waiting,
            "retries": self.retries,
            "lag_s": round(self.lag_s, 3),
            "last_message_age_s": age_s,
        }
