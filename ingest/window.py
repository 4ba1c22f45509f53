"""Hold the messages that go into one commit, and know which reading came in which of them."""

from __future__ import annotations

import asyncio
import bisect
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.counters import FeedCounters, Heard
from ingest.decoders.readings import Readings, RefusedReading
from ingest.receipt import Receipt
from twin.runs import lengths_of


class Message(NamedTuple):
    """One message as it came.

    Parameters
    ----------
    connection, number
        Over which connection, and the packet number there; 0 where none is acknowledged.
    payload
        Its bytes.
    source
        Where it came from: of MQTT the topic.
    """

    connection: object
    number: int
    payload: bytes
    source: bytes


class Wrong(NamedTuple):
    """What is wrong with readings of one message; ``kept`` says whether they go into the quarantine."""

    message: int
    what: RefusedReading
    readings: int = 1
    kept: bool = True


@dataclass(slots=True)
class Window:
    """What arrived since the last batch: readings as columns, and where each message begins in them."""

    counters: FeedCounters
    """Of the feed by which the messages came."""
    readings: Readings = field(default_factory=Readings)
    messages: list[Message] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    """Gateway each message came from; "" where a device speaks for itself."""
    publishers: list[int] = field(default_factory=list)
    """Number of each message's publisher for the limits; 0 where none holds."""
    wrong: list[Wrong] = field(default_factory=list)
    """Counted and kept once the rest is stored."""
    heard: int = 0
    """Readings that came, refused ones too; a message that was not read counts as one."""
    refused: dict[int, list[asyncio.Future[None]]] = field(default_factory=lambda: defaultdict(list))
    stored: tuple[NDArray[np.intp], NDArray[np.int32]] | None = None
    """Of readings that are stored: in which message each came, ascending, and the number of its device."""
    withheld: set[int] = field(default_factory=set)
    """Messages that are not to be shown: what was refused of them may be nobody's business."""
    whole: set[int] = field(default_factory=set)
    """Messages that are kept as they came where something of them is refused, so that they can be decoded
    anew: with one, all of the window are."""
    of_mapping: dict[int, Heard] = field(default_factory=dict)
    """Counters of the mapping by which a message is read."""
    receipts: list[Receipt] | None = None
    """Of each message, where their senders wait; None where nobody does."""

    def begin(
        self,
        source: bytes,
        payload: bytes,
        gateway: str,
        publisher: int,
        wire: tuple[object, int],
    ) -> int:
        """Begin a message, and return its index; its readings are appended next."""
        self.messages.append(Message(*wire, payload, source))
        self.begins.append(len(self.readings.uid))
        self.senders.append(gateway)
        self.publishers.append(publisher)
        if self.receipts is not None:
            self.receipts.append(Receipt())
        return len(self.messages) - 1

    def read_by(self, index: int, counters: Heard | None) -> None:
        """Note that a message is foreign: kept whole, and counted by its mapping where that is known."""
        self.whole.add(index)
        if counters is not None:
            counters.hear(1)
            self.of_mapping[index] = counters

    def refuse(self, index: int, reason: str, readings: int) -> None:
        """Count readings of a message that are refused."""
        self.counters.refused[reason] += readings
        if index in self.of_mapping:
            self.of_mapping[index].refused[reason] += readings

    def hear(self, readings: int) -> None:
        """Count readings, read or not."""
        self.counters.readings += readings
        self.heard += readings

    def tell(self, message: int, wrong: RefusedReading, readings: int = 1) -> None:
        """Tell the sender of a message, where one waits, what was refused of it."""
        if self.receipts is not None:
            self.receipts[message].tell(wrong, readings)

    def message_of(self, reading: int) -> int:
        """Return the index of the message that a reading came in."""
        return bisect.bisect_right(self.begins, reading) - 1

    def counts(self) -> NDArray[np.intp]:
        """Return how many readings each message holds, shape (messages,)."""
        return lengths_of(np.array(self.begins, np.intp), len(self.readings.uid))

    def source(self, message: int) -> str:
        """Return where a message came from as text."""
        return self.messages[message].source.decode("utf-8", "replace")

    def trace(self, reading: int) -> tuple[str, str]:
        """Return where a reading came from and its place in the message."""
        return self.source(self.message_of(reading)), f"reading {self.readings.index[reading]}"

    def size_bytes(self) -> int:
        """Return the bytes of all payloads together."""
        return sum(len(one.payload) for one in self.messages)
