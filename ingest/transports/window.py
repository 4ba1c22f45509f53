"""Hold the messages that go into one commit, and know which reading came in which of them."""

from __future__ import annotations

import asyncio
import bisect
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.decoders.readings import Readings

Message = tuple[object, int, int, bytes]
"""Connection, packet number (0 at QoS 0), bytes of payload, topic."""


@dataclass(slots=True)
class Window:
    """What arrived since the last batch: readings as columns, and where each message begins in them."""

    readings: Readings = field(default_factory=Readings)
    messages: list[Message] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    """Gateway each message came from; "" where a device speaks for itself."""
    publishers: list[int] = field(default_factory=list)
    """Number of who published each message, 0 where its readings were not read."""
    refused: dict[int, list[asyncio.Future[None]]] = field(default_factory=lambda: defaultdict(list))

    def message_of(self, reading: int) -> int:
        """Return the index of the message that a reading came in."""
        return bisect.bisect_right(self.begins, reading) - 1

    def counts(self) -> NDArray[np.intp]:
        """Return how many readings each message holds, shape (messages,)."""
        return np.diff(self.begins, append=len(self.readings.uid))

    def topic(self, message: int) -> str:
        """Return the topic of a message as text."""
        return self.messages[message][3].decode("utf-8", "replace")

    def trace(self, reading: int) -> tuple[str, str]:
        """Return the topic a reading came on and its place in the message."""
        return self.topic(self.message_of(reading)), f"reading {self.readings.index[reading]}"
