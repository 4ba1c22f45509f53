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

from ingest.decoders.resolve import Resolver
from ingest.flood import PUBLISHER_RATE, Flood, Mask
from ingest.transports.accounts import CHANNEL
from ingest.transports.arrivals import Arrivals
from ingest.transports.broker import BrokerAddress
from ingest.transports.counters import FeedCounters
from ingest.transports.gateways import Codes, Gateways
from ingest.transports.late_ack import LateAckClient
from ingest.transports.topics import ROOT
from ingest.transports.window import Window
from twin.errors import TwinError, UnavailableError
from twin.judge import as_reading
from twin.store.news import follow
from twin.store.quarantine import Refused
from twin.twin import ObservationBatch, ObserveResult, Refusal, Twin

log = logging.getLogger(__name__)

WINDOW_S = 0.02
"""Messages that arrive within this time go into one commit."""

_KEEPALIVE_S = 8  # a broker that hangs is known to be away after twice as long
_UNANSWERED = 4  # pings, one a second, after which a broker is said to hang
_IN_FLIGHT = 4  # batches handed to the twin that have not come back
_WINDOW_ROWS = 10_000
_PAUSE_BYTES = 64 * 1024 * 1024
_PAUSE_READINGS = 1_000_000
_RETRY_FIRST_S, _RETRY_MOST_S = 0.1, 2.0


class MqttTransport:
    """The subscriber: decode what comes, hand it to the twin in batches, acknowledge what is on disk.

    Parameters
    ----------
    twin
        Where observations go.
    address
        The broker.
    client_id
        Name of our session, which the broker keeps while we are away; two servers must not share one.
    session_expiry_s
        For how long it keeps it.
    publisher_rate
        Readings a second that one gateway may send.
    """

    def __init__(
        self,
        twin: Twin,
        address: BrokerAddress,
        *,
        client_id: str = "gridtwin-server",
        session_expiry_s: int = 604_800,
        window_s: float = WINDOW_S,
        publisher_rate: float = PUBLISHER_RATE,
    ) -> None:
        self.counters = FeedCounters()
        self.client_id = client_id
        self._twin = twin
        self._address = address
        self._window_s = window_s
        self._resolver = Resolver(twin.board)
        self._client = LateAckClient(client_id, self._on_publish, session_expiry_s=session_expiry_s)
        self._client.set_auth_credentials(address.username, address.password)
        self._client.reconnect_delay = 1
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._subscriptions = [
            # 2: what was kept of observations is old news; only a status is meant to be kept. Published: so
            # that we see that somebody tries, which the broker cannot forbid for a topic.
            *(
                Subscription(
                    f"{ROOT}/{senders}/+/observations",
                    qos=1,
                    retain_handling_options=2,
                    retain_as_published=True,
                )
                for senders in ("devices", "gateways")
            ),
            Subscription(f"{ROOT}/devices/+/status", qos=1),
            Subscription(f"{ROOT}/gateways/+/status", qos=1),
        ]
        self._gateways = Gateways(twin.engine)
        self.flood = Flood(twin.board, publisher_rate)
        self._arrivals = Arrivals(twin, self.counters, self.flood)
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
            asyncio.create_task(
                follow(self._twin.engine, CHANNEL, self._gateways.refresh), name="mqtt.gateways"
            ),
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
                while self.counters.waiting or self._tasks:
                    self._arrived.set()
                    await asyncio.sleep(0.01)
        for task in (*self._workers, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._workers, *self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.0):
                self._client.resume()
                await self._client.disconnect()
        self.counters.connected = False

    # the wire

    def _on_connect(self, client: LateAckClient, _flags: int, _result: int, _properties: object) -> None:
        self.counters.connected = True
        self.counters.connections += 1
        self.counters.paused = False
        client.resume()
        client.subscriptions.clear()
        client.subscribe(self._subscriptions)
        if self.counters.connections > 1:
            log.warning("the broker is back")

    def _on_disconnect(self, _client: LateAckClient, *_: object) -> None:
        if self.counters.connected and not self._leaving:
            log.warning("the broker is away")
        self.counters.connected = False

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
            counters = self.counters
            if not counters.connected or counters.paused or self._client.last_heard_s != before_s:
                unanswered = 0
            else:
                unanswered += 1
            answering = unanswered < _UNANSWERED
            if answering != counters.answering:
                counters.answering = answering
                log.warning("the broker answers again" if answering else "the broker does not answer")

    def _on_publish(
        self, topic: bytes, payload: bytes, number: int, connection: object, retained: bool
    ) -> None:
        """Take one message off the wire; nothing here waits."""
        counters = self.counters
        self._arrivals.take(topic, payload, number, connection, retained)
        if not self._arrived.is_set():
            counters.last_message_at = time.time()
            self._arrived.set()
        if not counters.paused and (
            counters.waiting_bytes > _PAUSE_BYTES or counters.waiting > _PAUSE_READINGS
        ):
            counters.paused = True
            self._client.pause()

    # batches

    async def _collect(self) -> None:
        """Close a window every 20 ms while something comes, and send it on its way."""
        while True:
            await self._arrived.wait()
            if len(self._arrivals.window.readings) < _WINDOW_ROWS:
                await asyncio.sleep(self._window_s)
            await self._slots.acquire()
            self._arrived.clear()
            window = self._arrivals.close_window()
            task = asyncio.create_task(self._deliver(window), name="mqtt.deliver")
            self._tasks.add(task)
            task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("a batch was not acknowledged and will come again", exc_info=task.exception())

    async def _deliver(self, window: Window) -> None:
        counters = self.counters
        total = len(window.readings.uid)
        try:
            over = self._arrivals.over_messages(window)
            if total:
                await self._store(window, over)
            self._acknowledge(window)
        finally:
            counters.waiting -= total
            counters.waiting_bytes -= sum(size for _, _, size, _ in window.messages)
            if counters.paused and (
                counters.waiting_bytes < _PAUSE_BYTES // 2 and counters.waiting < _PAUSE_READINGS // 2
            ):
                counters.paused = False
                self._client.resume()

    async def _store(self, window: Window, over: Mask | None) -> None:
        counters = self.counters
        limits = await self._limits(window)
        received_us = time.time_ns() // 1000
        batch, kept, refused = self._resolver.resolve(window.readings, received_us, window.trace, limits)
        for i, reading in refused:
            self._arrivals.quarantine(window, window.message_of(i), reading)
        batch, kept = self._arrivals.hold_back(window, batch, kept, over)
        if not len(batch):
            return
        result = await self._observe(batch)
        for refusal in result.refusals:
            counters.refused[refusal.reason] += 1
            if refusal.written is not None:
                window.refused[window.message_of(int(kept[refusal.index]))].append(refusal.written)
        counters.stored += result.stored
        counters.duplicate += result.duplicate
        counters.late += result.late
        counters.measure_lag(float(np.median(batch.received_us - batch.phenomenon_us)) / 1e6)

    async def _limits(self, window: Window) -> tuple[Codes, Codes] | None:
        """Return in which areas the senders of a window may report, as far as that is not everywhere."""
        names = {name for name in window.senders if name}
        with contextlib.suppress(Exception):  # the database is away: what is known holds
            await self._gateways.require(names)
        return self._gateways.limits(window.senders, window.counts())

    async def _observe(self, batch: ObservationBatch) -> ObserveResult:
        """Hand a batch to the twin until it is taken; what alone cannot be stored goes into quarantine."""
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return await self._twin.observe(batch)
            except UnavailableError:
                self.counters.retries += 1
                await asyncio.sleep(pause_s)
                pause_s = min(_RETRY_MOST_S, pause_s * 2)
            except TwinError as error:
                if len(batch) > 1:
                    half = len(batch) // 2
                    first = await self._observe(batch.part(0, half))
                    return first.plus(await self._observe(batch.part(half, len(batch))), half)
                uid = self._twin.board.uid[int(batch.row[0])]
                source, place = batch.came_from(0)
                written = self._twin.quarantine.put(
                    Refused(
                        source,
                        "not_storable",
                        str(error),
                        as_reading(self._twin.board, batch, 0),
                        f"device {uid}, {place}",
                    )
                )
                return ObserveResult(quarantined=1, refusals=[Refusal(0, "not_storable", written)])

    def _acknowledge(self, window: Window) -> None:
        """Acknowledge what is on disk; messages with a refused reading wait for the quarantine alone."""
        ready: dict[object, list[int]] = defaultdict(list)
        for index, (connection, number, _, _) in enumerate(window.messages):
            if number and index not in window.refused:
                ready[connection].append(number)
        for connection, numbers in ready.items():
            if self._client.acknowledge(connection, numbers):
                self.counters.acknowledged += len(numbers)
        for index, futures in window.refused.items():
            connection, number, _, _ = window.messages[index]
            if number:
                _when_all(futures, partial(self._acknowledge_one, connection, number))

    def _acknowledge_one(self, connection: object, number: int) -> None:
        """Acknowledge one message."""
        if self._client.acknowledge(connection, [number]):
            self.counters.acknowledged += 1


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
