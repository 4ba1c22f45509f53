"""Run the ways in of this server, and tell how they do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from api.health import IngestState
from api.settings import Settings
from ingest.counters import FeedCounters
from ingest.delivery import Delivery
from ingest.feeds import Feed, load_feeds
from ingest.flood import Flood
from ingest.intake import Intake
from ingest.replay import Replay
from ingest.transports.broker import owntracks_user
from ingest.transports.mqtt import CLIENT_ID, MqttTransport
from ingest.transports.topics import SIMULATED_GATEWAY
from twin.errors import TwinError
from twin.twin import Twin

_log = logging.getLogger("gridtwin.ingest")

_RETRY_FIRST_S: Final = 0.5
_RETRY_MOST_S: Final = 10.0
_MAIN: Final = "device_schema"


@dataclass(frozen=True, slots=True)
class Source:
    """One feed and how it does; ``listening`` says whether its messages are read now."""

    feed: Feed
    counters: FeedCounters
    listening: bool


class Ingest:
    """Every way in: messages over HTTP, and one connection to the broker for each format that comes there.

    A broker that is not there when the server starts is tried again until it is.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    """

    def __init__(self, settings: Settings, engine: AsyncEngine, twin: Twin) -> None:
        self.feeds = load_feeds()
        self._settings = settings
        self.delivery = Delivery(twin, Flood(twin.board, settings.publisher_rate))
        self.intake = Intake(self.delivery, self.feeds)
        self.replay = Replay(engine, twin, self.feeds)
        self._transports: dict[str, MqttTransport] = {}
        self._why = "starting"

    def sources(self) -> list[Source]:
        """Return every feed, in the order of its table."""
        found = []
        for feed in self.feeds.values():
            transport = self._transports.get(feed.format) if feed.transport == "mqtt" else None
            if transport is not None:
                found.append(Source(feed, transport.feeds[feed.name], transport.link.reading))
            else:
                counters = self.intake.counters.get(feed.name) or FeedCounters()
                found.append(Source(feed, counters, listening=feed.transport == "http"))
        return found

    def state(self) -> IngestState:
        """Return the state of the connection that most comes by, and what came by all."""
        transport = self._transports.get(_MAIN)
        if transport is None:
            return IngestState(connected=False, detail=self._why, counts={})
        link, counters = transport.link, FeedCounters.sum(source.counters for source in self.sources())
        if not link.connected:
            detail = "the broker is away"
        elif not link.answering:
            detail = "the broker does not answer"
        elif link.full:
            detail = f"{counters.messages} messages; no more are read until those that wait are stored"
        else:
            detail = f"{counters.messages} messages"
        return IngestState(
            connected=link.connected and link.answering,
            detail=detail,
            listening=link.reading,
            floods=self.delivery.flood.notices(),
            simulator_silent_s=link.gateway_silent_s(SIMULATED_GATEWAY),
            counts={
                "messages": counters.messages,
                "readings": counters.readings,
                "waiting": sum(one.link.waiting for one in self._transports.values()),
            },
        )

    async def run(self) -> None:
        """Run until cancelled."""
        formats: dict[str, list[Feed]] = {}
        for feed in self.feeds.values():
            if feed.transport == "mqtt":
                formats.setdefault(feed.format, []).append(feed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.delivery.follow_gateways(), name="ingest.gateways")
            for name, feeds in formats.items():
                tasks.create_task(self._run(name, feeds), name=f"ingest.{name}")

    async def _run(self, name: str, feeds: Sequence[Feed]) -> None:
        pause_s = _RETRY_FIRST_S
        while name not in self._transports:
            try:
                transport = self._transport(name, feeds)
                await transport.start()
                self._transports[name] = transport
            except TwinError as error:
                if str(error) != self._why:
                    _log.warning("no observations come in: %s", error)
                self._why = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(_RETRY_MOST_S, pause_s * 2)
        try:
            await asyncio.Event().wait()
        finally:
            await self._transports[name].stop()

    def _transport(self, name: str, feeds: Sequence[Feed]) -> MqttTransport:
        address, client_id = self._settings.broker, CLIENT_ID
        if name != _MAIN:
            address = replace(address, username=owntracks_user(address.username))
            client_id = f"{CLIENT_ID}.{name}"
        return MqttTransport(self.delivery, feeds, address, client_id=client_id)
