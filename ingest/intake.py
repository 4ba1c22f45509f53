"""Take single messages of senders who wait for an answer, and say what became of each reading."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ingest.arrivals import read_into
from ingest.counters import FeedCounters
from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.delivery import Delivery
from ingest.feeds import Feed
from ingest.pauses import Pauses
from ingest.receipt import Receipt
from ingest.transports.gateways import Codes
from ingest.window import Window
from twin.access.scope import EVERYWHERE
from twin.errors import TwinError


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: a device, or a gateway that speaks for the devices of a range of area codes."""

    name: str
    kind: Literal["device", "gateway"]
    low: int = EVERYWHERE.ranges[0][0]
    high: int = EVERYWHERE.ranges[0][1]

    @property
    def own_uid(self) -> str | None:
        """The device that speaks for itself; None for a gateway."""
        return self.name if self.kind == "device" else None

    def limits(self, readings: int) -> tuple[Codes, Codes] | None:
        """Return the lowest and highest area code for each of its readings, shape (n,) each.

        Returns
        -------
        limits
            None where it may speak for every device, or for itself.
        """
        if self.kind == "device" or (self.low, self.high) == EVERYWHERE.ranges[0]:
            return None
        return np.full(readings, self.low, np.int64), np.full(readings, self.high, np.int64)


class Intake:
    """Takes messages one at a time, each answered once it is committed.

    Parameters
    ----------
    delivery
        Where they go.
    feeds
        Every way in, by name.
    pauses
        Says of which ones nothing is taken now.
    """

    def __init__(self, delivery: Delivery, feeds: Mapping[str, Feed], pauses: Pauses) -> None:
        self._delivery = delivery
        self._pauses = pauses
        self.counters = {
            feed.name: FeedCounters(feed.name) for feed in feeds.values() if feed.transport == "http"
        }

    async def take(self, feed: Feed, message: Envelope, sender: Sender, source: str) -> Receipt:
        """Decode a message, hand it to the twin, and return when everything of it is on disk.

        Parameters
        ----------
        source
            Where it came from, for the quarantine: the names of the feed and of the sender.

        Raises
        ------
        UnavailableError
            The database is away: nothing was taken, and the same message may be sent again.
        PausedError
            So it is where a person paused the feed.
        """
        self._pauses.require_running(feed.name)
        counters = self.counters[feed.name]
        counters.hear(1)
        receipt = Receipt()
        window = Window(counters, receipt=receipt)
        number = self._delivery.flood.number_of(sender.kind, sender.name)
        gateway = sender.name if sender.kind == "gateway" else ""
        index = window.begin(source.encode(), message.payload, gateway, number, (None, 0))
        if feed.format == "mapped":
            window.whole.add(index)
        decode = FORMATS[feed.format]
        read_into(
            window,
            index,
            message.payload,
            f"{sender.kind} {sender.name}",
            message.uid,
            lambda readings: decode(message, readings),
            self._delivery.refusals,
        )
        try:
            await self._delivery.store(window, sender.limits(len(window.readings)))
        except TwinError:
            counters.readings -= window.heard  # it comes again
            raise
        kept = window.refused.get(index)
        if kept:
            await asyncio.wait(kept)
        counters.acknowledged += 1
        return receipt
