"""Take observations from an MQTT broker, acknowledged only after they are committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np
from gmqtt import Subscription

from ingest.arrivals import read_into
from ingest.counters import FeedCounters
from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.decoders.observations import decode_device, decode_gateway
from ingest.decoders.readings import DecodeError, Readings
from ingest.decoders.status import decode_status
from ingest.delivery import Delivery
from ingest.feeds import Feed
from ingest.mappings import mapping_in
from ingest.transports.broker import SESSION_DAYS, BrokerAddress
from ingest.transports.late_ack import LateAckClient
from ingest.transports.link import Link
from ingest.transports.routes import Route, Routes
from ingest.window import Window
from twin.errors import UnavailableError

log = logging.getLogger(__name__)

WINDOW_S = 0.02
"""Messages that arrive within this time go into one commit."""

_KEEPALIVE_S = 8  # a broker that hangs is known to be away after twice as long
_UNANSWERED = 4  # pings, one a second, after which a broker is said to hang
_IN_FLIGHT = 4  # batches handed to the twin that have not come back
_WINDOW_ROWS = 10_000
_FULL_BYTES = 64 * 1024 * 1024
_FULL_READINGS = 1_000_000


class MqttTransport:
    """A subscriber: decode what comes, hand it to the twin in batches, acknowledge what is on disk.

    Parameters
    ----------
    delivery
        Where windows of messages go.
    feed
        What this connection subscribes to.
    address
        The broker. Our user name is also the name of our session, which it keeps while we are away; two
        servers must not share one.
    counters
        What is counted of the feed; new ones when left out.
    session_expiry_s
        For how long it keeps it.
    """

    def __init__(
        self,
        delivery: Delivery,
        feed: Feed,
        address: BrokerAddress,
        counters: FeedCounters | None = None,
        *,
        session_expiry_s: int = SESSION_DAYS * 86_400,
        window_s: float = WINDOW_S,
    ) -> None:
        self.link = Link()
        self.counters = counters or FeedCounters(feed.name)
        self._format = feed.format
        self.delivery = delivery
        self._twin = delivery.twin
        self._address = address
        self._window_s = window_s
        self._client = LateAckClient(address.username, self._on_publish, session_expiry_s=session_expiry_s)
        self._client.set_auth_credentials(address.username, address.password)
        self._client.reconnect_delay = 1
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._routes = Routes(feed, delivery.flood)
        self._subscriptions = [
            # 2: what was kept of observations is old news; only a status is meant to be kept. Published: so
            # that we see that somebody tries, which the broker cannot forbid for a topic.
            Subscription(address, qos=1, retain_handling_options=2, retain_as_published=True)
            if form == "observations"
            else Subscription(address, qos=1)
            for address, form in self._routes.filters
        ]
        self._window = Window(self.counters)
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._leaving = False

    async def start(self) -> None:
        """Connect, and go on trying in the background once connected; return after the first connection.

        Raises
        ------
        UnavailableError
            The broker cannot be reached or refuses us.
        """
        self._workers = [
            asyncio.create_task(self._collect(), name="mqtt.collect"),
            asyncio.create_task(self._watch_broker(), name="mqtt.watch"),
        ]
        try:
            async with asyncio.timeout(15.0):
                await self._client.connect(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)
        except Exception as error:
            await self.stop()
            raise UnavailableError(
                f"the broker cannot be reached: {error or 'no answer within 15 s'}",
                where=f"{self._address.host}:{self._address.port}",
                hint="see whether it runs and whether the password is right",
            ) from error

    async def stop(self) -> None:
        """Stop reading, give what is in hand two seconds to be committed, and leave; the rest comes again."""
        self._leaving = True
        self._client.stop_reconnect()
        self._client.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while self.link.waiting or self._tasks:
                    self._arrived.set()
                    await asyncio.sleep(0.01)
        for task in (*self._workers, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._workers, *self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.0):
                self._client.resume()
                await self._client.disconnect()
        self.link.connected = False

    # the wire

    def _on_connect(self, client: LateAckClient, _flags: int, _result: int, _properties: object) -> None:
        self.link.connected = True
        self.link.connections += 1
        self.link.full = False
        client.resume()
        client.subscriptions.clear()
        client.subscribe(self._subscriptions)
        if self.link.connections > 1:
            log.warning("the broker is back")

    def _on_disconnect(self, _client: LateAckClient, *_: object) -> None:
        if self.link.connected and not self._leaving:
            log.warning("the broker is away")
        self.link.connected = False

    async def _watch_broker(self) -> None:
        """Tell within seconds when a broker is there but hangs; the connection itself is given more time.

        What counts is that nothing came in a whole second after a ping, several times over: a second in
        which we hung ourselves is followed by one that finds the answer.
        """
        unanswered = 0
        while True:
            before_s = self._client.last_heard_s
            self._client.ping()
            await asyncio.sleep(1.0)
            link = self.link
            if not link.connected or link.full or self._client.last_heard_s != before_s:
                unanswered = 0
            else:
                unanswered += 1
            answering = unanswered < _UNANSWERED
            if answering != link.answering:
                link.answering = answering
                log.warning("the broker answers again" if answering else "the broker does not answer")

    def _on_publish(
        self, topic: bytes, payload: bytes, number: int, connection: object, retained: bool
    ) -> None:
        """Take one message off the wire; nothing here waits."""
        link, window, route = self.link, self._window, self._routes.of(topic)
        before = len(window.readings)
        self._read(window, route, topic, payload, (connection, number), retained)
        link.waiting += len(window.readings) - before
        link.waiting_bytes += len(payload)
        self._arrived.set()
        if not link.full and (link.waiting_bytes > _FULL_BYTES or link.waiting > _FULL_READINGS):
            link.full = True
            self._client.pause()

    def _read(
        self,
        window: Window,
        route: Route,
        topic: bytes,
        payload: bytes,
        wire: tuple[object, int],
        retained: bool,
    ) -> None:
        gateway = ""
        if route.kind == "gateway":
            gateway = route.name
            if route.form == "observations":
                self.link.hear_gateway(gateway)
        index = window.begin(topic, payload, gateway, route.number, wire)
        mappings, mapping = self.delivery.mappings, ""
        if self._format == "mapped":
            mapping = mapping_in(window.source(index))
            window.read_by(index, mappings.counters(mapping))

        def decode(readings: Readings) -> None:
            if route.form == "status":
                self._take_status(route, payload)
            elif route.form == "none":
                raise DecodeError("no_topic")
            elif self._format != "device_schema":
                by = mappings.get(mapping) if mapping else None
                message = Envelope(payload, route.uid, mapping=by, received_us=time.time_ns() // 1000)
                FORMATS[self._format](message, readings)
            elif retained:
                if payload:  # nothing: what was kept is deleted
                    raise DecodeError("retained")
            elif route.kind == "device":
                decode_device(route.name, payload, readings)
            else:
                decode_gateway(payload, readings)

        read_into(window, index, payload, route.who, route.uid, decode, self.delivery.refusals)

    def _take_status(self, route: Route, payload: bytes) -> None:
        if not payload:
            return  # a retained status that was deleted
        online = decode_status(payload)
        if route.kind == "gateway":
            if online:
                self.link.hear_gateway(route.name)
            else:
                self.link.gateways.pop(route.name, None)
            return
        row = self._twin.board.row_of_uid.get(route.name)
        if row is None:
            raise DecodeError("not_installed", device=route.name[:64])
        self.counters.statuses += 1
        rows = np.array([row], np.int32)
        if online:
            self._twin.connection_found(rows)
        else:
            self._twin.connection_lost(rows)

    # batches

    async def _collect(self) -> None:
        """Close a window every 20 ms while something comes, and send it on its way."""
        while True:
            await self._arrived.wait()
            if len(self._window.readings) < _WINDOW_ROWS:
                await asyncio.sleep(self._window_s)
            await self._slots.acquire()
            self._arrived.clear()
            window, self._window = self._window, Window(self.counters)
            task = asyncio.create_task(self._deliver(window), name="mqtt.deliver")
            self._tasks.add(task)
            task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("a batch was not acknowledged and will come again", exc_info=task.exception())

    async def _deliver(self, window: Window) -> None:
        link, total = self.link, len(window.readings)
        self.counters.hear(len(window.messages))
        try:
            await self.delivery.store_patiently(window)
            self._acknowledge(window)
        finally:
            link.waiting -= total
            link.waiting_bytes -= window.size_bytes()
            if link.full and (link.waiting_bytes < _FULL_BYTES // 2 and link.waiting < _FULL_READINGS // 2):
                link.full = False
                self._client.resume()

    def _acknowledge(self, window: Window) -> None:
        """Acknowledge what is on disk; messages with a refused reading wait for the quarantine alone."""
        ready: dict[object, list[int]] = defaultdict(list)
        for index, message in enumerate(window.messages):
            if message.number and index not in window.refused:
                ready[message.connection].append(message.number)
        for connection, numbers in ready.items():
            self._acknowledge_all(connection, numbers)
        for index, futures in window.refused.items():
            message = window.messages[index]
            if message.number:
                _when_all(futures, partial(self._acknowledge_all, message.connection, [message.number]))

    def _acknowledge_all(self, connection: object, numbers: list[int]) -> None:
        if self._client.acknowledge(connection, numbers):
            self.counters.acknowledged += len(numbers)


def _when_all(futures: list[asyncio.Future[None]], act: Callable[[], None]) -> None:
    """Act once every future is done and none was cancelled."""
    left = len(futures)

    def one(done: asyncio.Future[None]) -> None:
        nonlocal left
        if not done.cancelled():
            left -= 1
            if left == 0:
                act()

    for future in futures:
        future.add_done_callback(one)
