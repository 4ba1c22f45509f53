"""Run the ways in of this server, and tell how they do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from api.health import IngestState
from api.settings import Settings
from ingest.counters import FeedCounters
from ingest.delivery import Delivery
from ingest.feeds import Feed, load_feeds
from ingest.flood import Flood
from ingest.intake import Intake
from ingest.pauses import Pause, Pauses
from ingest.replay import Replay, Take
from ingest.transports.broker import user_of_feed
from ingest.transports.link import Link
from ingest.transports.mqtt import MqttTransport
from ingest.transports.topics import SIMULATED_GATEWAY
from twin.errors import TwinError
from twin.twin import Twin

_log = logging.getLogger("gridtwin.ingest")

_NONE: Final[Mapping[str, Take]] = MappingProxyType({})
_RETRY_FIRST_S: Final = 0.5
_RETRY_MOST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """One feed and how it does.

    ``running`` is one whose messages are taken, ``paused`` one that a person paused, ``down`` one whose
    broker is away, ``off`` one that has no broker.
    """

    feed: Feed
    counters: FeedCounters
    state: Literal["running", "paused", "down", "off"]
    pause: Pause | None


class Ingest:
    """Every way in: messages over HTTP, and one connection to the broker for each feed that comes there.

    A broker that is not there when the server starts is tried again until it is.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    standards
        What takes again messages of ways in that speak a standard, by format.
    """

    def __init__(
        self, settings: Settings, engine: AsyncEngine, twin: Twin, standards: Mapping[str, Take] = _NONE
    ) -> None:
        self.feeds = load_feeds()
        self._settings = settings
        self.pauses = Pauses(engine)
        self.delivery = Delivery(twin, Flood(twin.board, settings.publisher_rate))
        self.intake = Intake(self.delivery, self.feeds, self.pauses)
        self.replay = Replay(engine, twin, self.feeds, self.delivery.mappings, standards)
        self._over_mqtt = [feed for feed in self.feeds.values() if feed.transport == "mqtt"]
        self._counters = {feed.name: FeedCounters(feed.name) for feed in self._over_mqtt}
        self._transports: dict[str, MqttTransport] = {}
        self._has_broker = True
        self._why = "starting"

    def sources(self) -> list[Source]:
        """Return every feed, in the order of its table."""
        counters = {**self.intake.counters, **self._counters}
        return [
            Source(feed, counters[feed.name], self._state(feed), self.pauses.of(feed.name))
            for feed in self.feeds.values()
        ]

    def _state(self, feed: Feed) -> Literal["running", "paused", "down", "off"]:
        if self.pauses.of(feed.name) is not None:
            return "paused"
        if feed.transport != "mqtt":
            return "running"
        transport = self._transports.get(feed.name)
        if transport is not None and transport.link.connected and transport.link.answering:
            return "running"
        return "down" if self._has_broker else "off"

    def state(self) -> IngestState:
        """Return the state of the connections to the broker, and what came by all ways in."""
        links = [transport.link for transport in self._transports.values()]
        counters = FeedCounters.sum((*self.intake.counters.values(), *self._counters.values()))
        connected, detail = self._said(links)
        silent_s = [one for link in links if (one := link.gateway_silent_s(SIMULATED_GATEWAY)) is not None]
        return IngestState(
            connected=connected,
            detail=detail or f"{counters.messages} messages",
            listening=len(links) == len(self._over_mqtt) and all(link.reading for link in links),
            floods=self.delivery.flood.notices(),
            simulator_silent_s=min(silent_s, default=None),
            counts={
                "messages": counters.messages,
                "readings": counters.readings,
                "waiting": sum(link.waiting for link in links),
            },
        )

    def _said(self, links: list[Link]) -> tuple[bool, str]:
        """Return whether the broker is there and answers, and what is to be said; "" where all is well."""
        paused = [feed.name for feed in self._over_mqtt if self.pauses.of(feed.name) is not None]
        if len(links) + len(paused) < len(self._over_mqtt):
            return False, self._why
        if not all(link.connected for link in links):
            return False, "the broker is away"
        if not all(link.answering for link in links):
            return False, "the broker does not answer"
        if any(link.full for link in links):
            return True, "no more messages are read until those that wait are stored"
        return True, f"paused by a person: {', '.join(paused)}" if paused else ""

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.delivery.follow_gateways(), name="ingest.gateways")
            tasks.create_task(self.delivery.mappings.follow(), name="ingest.mappings")
            tasks.create_task(self.pauses.follow(), name="ingest.pauses")
            for feed in self._over_mqtt:
                tasks.create_task(self._run(feed), name=f"ingest.{feed.name}")

    async def _run(self, feed: Feed) -> None:
        """Be connected for a feed whenever it is not paused."""
        while True:
            await self.pauses.wait(feed.name, paused=False)
            if feed.format == "mapped":
                await self.delivery.mappings.wait()
            transport = await self._connect(feed)
            if transport is None:
                continue
            self._transports[feed.name] = transport
            try:
                await self.pauses.wait(feed.name, paused=True)
            finally:
                del self._transports[feed.name]
                await transport.stop()

    async def _connect(self, feed: Feed) -> MqttTransport | None:
        """Connect, however long it takes; None where the feed was paused meanwhile."""
        pause_s = _RETRY_FIRST_S
        while self.pauses.of(feed.name) is None:
            try:
                transport = self._transport(feed)
                await transport.start()
                return transport
            except TwinError as error:
                if str(error) != self._why:
                    _log.warning("no observations come in: %s", error)
                self._why = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(_RETRY_MOST_S, pause_s * 2)
        return None

    def _transport(self, feed: Feed) -> MqttTransport:
        self._has_broker = False
        address = self._settings.broker
        self._has_broker = True
        return MqttTransport(
            self.delivery,
            feed,
            replace(address, username=user_of_feed(address.username, feed.name)),
            self._counters[feed.name],
        )
