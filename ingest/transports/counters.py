"""Count what a feed brought and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_MOST_GATEWAYS = 10_000  # names come from outside


@dataclass(slots=True)
class FeedCounters:
    """Counts since the start. ``messages`` and ``acknowledged`` count messages, the others readings.

    readings = stored + duplicate + refused + waiting. ``lag_s`` is the running mean of received minus
    phenomenon time of what was stored; ``late`` are those of the stored that were older than what was shown.
    ``answering`` is False while a broker that is connected gives no sign of life. ``gateways`` has the time
    of each gateway's last word, on the monotonic clock, until it says that it goes.
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
    answering: bool = True
    connections: int = 0
    paused: bool = False
    last_message_at: float | None = None
    gateways: dict[str, float] = field(default_factory=dict)

    def hear_gateway(self, name: str) -> None:
        """Note that a gateway sent something now."""
        if len(self.gateways) >= _MOST_GATEWAYS and name not in self.gateways:
            self.gateways.clear()
        self.gateways[name] = time.monotonic()

    def gateway_silent_s(self, prefix: str) -> float | None:
        """Return the seconds since the last word of any gateway of such a name; None where none speaks."""
        heard_s = max((at for name, at in self.gateways.items() if name.startswith(prefix)), default=None)
        return None if heard_s is None else time.monotonic() - heard_s

    def measure_lag(self, lag_s: float) -> None:
        """Take the median lag of one batch into the running mean."""
        self.lag_s += 0.1 * (lag_s - self.lag_s)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for the page of health, refusals in all and by reason, ages in seconds."""
        age_s = None if self.last_message_at is None else round(time.time() - self.last_message_at, 3)
        return {
            "connected": self.connected,
            "answering": self.answering,
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
