"""Take messages of senders who wait for an answer, and say what became of each reading."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ingest.arrivals import read_into
from ingest.counters import FeedCounters
from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import Readings
from ingest.delivery import Delivery
from ingest.feeds import Feed
from ingest.mappings import mapping_in
from ingest.pauses import Pauses
from ingest.receipt import Receipt
from ingest.transports.gateways import ANYWHERE, limits_of
from ingest.window import Window
from twin.errors import TwinError

_FULL_READINGS: Final = 20_000
"""A window that holds so many takes no further message."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: a device, or a gateway that speaks for the devices of a range of area codes."""

    name: str
    kind: Literal["device", "gateway"]
    low: int = ANYWHERE[0]
    high: int = ANYWHERE[1]

    @property
    def own_uid(self) -> str | None:
        """The device that speaks for itself; None for a gateway."""
        return self.name if self.kind == "device" else None

    @property
    def codes(self) -> tuple[int, int]:
        """The lowest and the highest area code of devices it may speak for; a device is asked for none."""
        return ANYWHERE if self.kind == "device" else (self.low, self.high)


@dataclass(slots=True)
class _Gathered:
    """A window, and those who wait until it is stored; ``error`` says why it was not."""

    window: Window
    codes: list[tuple[int, int]] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Intake:
    """Takes messages of senders who wait, each answered once it is committed.

    What comes by a feed while a window of it is stored goes into the next one: so a commit, and all that is
    worked out for one, is shared by as many messages as there are, and a single one does not wait.

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
        direct = [feed.name for feed in feeds.values() if feed.transport != "mqtt"]
        self.counters = {name: FeedCounters(name) for name in direct}
        self._waiting: dict[str, deque[_Gathered]] = {name: deque() for name in direct}
        self._storing: dict[str, asyncio.Task[None]] = {}

    async def take(self, feed: Feed, message: Envelope, sender: Sender, source: str) -> Receipt:
        """Decode a message, hand it to the twin, and return when everything of it is on disk.

        Parameters
        ----------
        source
            Where it came from, for the quarantine: the names of the feed, of the sender, and of the mapping
            of a foreign message.

        Raises
        ------
        UnavailableError
            The database is away: the same message may be sent again.
        PausedError
            So it is where a person paused the feed.
        """
        self._pauses.require_running(feed.name)
        gathered = self._gathering(feed.name)
        window = gathered.window
        number = self._delivery.flood.number_of(sender.kind, sender.name)
        gateway = sender.name if sender.kind == "gateway" else ""
        index = window.begin(source.encode(), message.payload, gateway, number, (None, 0))
        gathered.codes.append(sender.codes)
        mappings, name = self._delivery.mappings, ""
        if feed.format == "mapped":
            name = mapping_in(source)
            window.read_by(index, mappings.counters(name))

        def decode(readings: Readings) -> None:
            read = replace(message, mapping=mappings.get(name)) if name else message
            FORMATS[feed.format](read, readings)

        read_into(
            window,
            index,
            message.payload,
            f"{sender.kind} {sender.name}",
            message.uid,
            decode,
            self._delivery.refusals,
        )
        await gathered.done.wait()
        if gathered.error is not None:
            raise gathered.error
        kept = window.refused.get(index)
        if kept:
            await asyncio.wait(kept)
        self.counters[feed.name].acknowledged += 1
        assert window.receipts is not None
        return window.receipts[index]

    def _gathering(self, feed: str) -> _Gathered:
        """Return the window of a feed that takes messages now, and see to it that it is stored."""
        waiting = self._waiting[feed]
        if not waiting or len(waiting[-1].window.readings) >= _FULL_READINGS:
            waiting.append(_Gathered(Window(self.counters[feed], receipts=[])))
        if feed not in self._storing:
            self._storing[feed] = asyncio.create_task(self._store_waiting(feed), name=f"intake.{feed}")
        return waiting[-1]

    async def _store_waiting(self, feed: str) -> None:
        """Store window after window until none waits."""
        waiting = self._waiting[feed]
        try:
            while waiting:
                gathered = waiting.popleft()
                try:
                    await self._store(gathered)
                except Exception as error:  # it is for those who wait
                    gathered.error = error
                finally:
                    gathered.done.set()
        finally:
            del self._storing[feed]

    async def _store(self, gathered: _Gathered) -> None:
        window = gathered.window
        window.counters.hear(len(window.messages))
        try:
            await self._delivery.store(window, limits_of(gathered.codes, window.counts()))
        except TwinError:
            window.counters.readings -= window.heard  # it comes again
            raise
