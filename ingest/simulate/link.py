"""Speak MQTT as a gateway does: QoS 1, a bounded window, a bounded store for when the broker is away.

gmqtt reconnects on its own, but forgets unacknowledged messages where the broker kept no session, and
keeps their packet numbers for ever. So each connection here is a new client, and what was not
acknowledged is sent again from our own store; a message that comes twice is harmless.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gmqtt import Client as MqttClient
from gmqtt import Message
from gmqtt.storage import PersistentStorage

from ingest.transports.broker import BrokerAddress
from twin.errors import UnavailableError

_LOG = logging.getLogger(__name__)
_QUIET = logging.getLogger(f"{__name__}.gmqtt")
_QUIET.setLevel(logging.CRITICAL)

_NO_RECONNECT = -2
_CONNECT_S = 10.0
_REFUSED_FOR_GOOD = (4, 5, 134, 135, 138, 140)
_PATIENCE_S = 5.0  # the broker hears of an account that was made just now a moment later


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send and how many readings it carries."""

    topic: str
    payload: bytes
    readings: int
    retain: bool = False


@dataclass(slots=True)
class LinkCounts:
    """What a link has done since the start, in messages and readings; `dropped` counts readings."""

    published: int = 0
    readings: int = 0
    acknowledged: int = 0
    acknowledged_readings: int = 0
    dropped: int = 0
    reconnects: int = 0


class _Window(PersistentStorage):  # type: ignore[misc]  # gmqtt has no types
    """Hear from gmqtt which packet number a message got and when it is acknowledged."""

    def __init__(self, acknowledged: Callable[[int], None]) -> None:
        super().__init__()
        self._acknowledged = acknowledged
        self.last = 0

    def push_message(self, mid: int, raw_package: bytes) -> None:
        del raw_package  # what is sent again is kept by the link
        super().push_message(mid, b"")
        self.last = mid

    def remove_message_by_mid(self, mid: int) -> None:
        super().remove_message_by_mid(mid)
        self._acknowledged(mid)


class Link:
    """One MQTT connection: a gateway, a device that sends for itself, or a worker's phone.

    Parameters
    ----------
    login
        The broker.
    client_id
        Unique on the broker.
    will
        What the broker publishes when we vanish without a word; None: nothing.
    greeting, farewell
        Sent first on each connection, and last before a clean end.
    window
        Most messages that wait for their acknowledgement; the broker's receive maximum if that is less.
    outbox
        Most messages kept while the broker is away or slow; the oldest are dropped and counted.
    """

    def __init__(
        self,
        login: BrokerAddress,
        client_id: str,
        *,
        will: Outgoing | None = None,
        greeting: Outgoing | None = None,
        farewell: Outgoing | None = None,
        window: int,
        outbox: int,
    ) -> None:
        self._login = login
        self._client_id = client_id
        self._will, self._greeting, self._farewell = will, greeting, farewell
        self._most_in_flight = window
        self._room = window
        self._waiting: deque[Outgoing] = deque()
        self._most_waiting = outbox
        self._in_flight: dict[int, Outgoing] = {}
        self._client: Any = None
        self._numbers = _Window(self._on_acknowledged)
        self._lost = asyncio.Event()
        self._drained = asyncio.Event()
        self._backoff = random.Random(client_id)  # noqa: S311  (spreads reconnects, no secret)
        self.counts = LinkCounts()

    @property
    def connected(self) -> bool:
        """Whether messages can go out now."""
        return self._client is not None

    @property
    def backlog(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._waiting) + len(self._in_flight)

    @property
    def congested(self) -> bool:
        """Whether a message handed over now would have to wait for others."""
        return bool(self._waiting) or len(self._in_flight) >= self._room

    def send(self, message: Outgoing) -> None:
        """Hand over a message; it goes out when the window has room."""
        if len(self._waiting) >= self._most_waiting:
            self.counts.dropped += self._waiting.popleft().readings
        self._waiting.append(message)
        self._pump()

    async def run(self) -> None:
        """Keep connected until cancelled.

        Raises
        ------
        UnavailableError
            The broker refuses our name and password.
        """
        delay_s = 0.5
        first = True
        patient_until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                await self._connect()
            except UnavailableError:
                if not first or time.monotonic() > patient_until:
                    raise
                await asyncio.sleep(self._backoff.uniform(0.2, 0.5))
                continue
            except (OSError, TimeoutError) as error:
                if delay_s <= 0.5:
                    _LOG.warning("%s: the broker does not answer (%s), trying again", self._client_id, error)
                # Full jitter, so that a thousand gateways do not come back in one moment.
                await asyncio.sleep(self._backoff.uniform(0.2, delay_s))
                delay_s = min(delay_s * 2.0, 15.0)
                continue
            if delay_s > 0.5:
                _LOG.info("%s: the broker is back", self._client_id)
            delay_s = 0.5
            self.counts.reconnects += 0 if first else 1
            first = False
            await self._lost.wait()
            self._forget_connection()
            await asyncio.sleep(self._backoff.uniform(0.05, 0.5))

    async def close(self, timeout_s: float = 3.0) -> None:
        """Send what waits as far as time allows, say farewell and disconnect."""
        client = self._client
        if client is None:
            return
        if self._farewell is not None:
            self.send(self._farewell)
        try:
            async with asyncio.timeout(timeout_s):
                while self.backlog and self._client is client:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            _LOG.warning("%s: %d messages were not acknowledged", self._client_id, self.backlog)
        self._client = None
        try:
            async with asyncio.timeout(timeout_s):
                await client.disconnect()
        except (TimeoutError, OSError):
            _LOG.debug("%s: the connection did not close in time", self._client_id)

    async def _connect(self) -> None:
        numbers = _Window(self._on_acknowledged)
        will = self._will
        client = MqttClient(
            self._client_id,
            clean_session=True,
            will_message=Message(will.topic, will.payload, qos=1, retain=will.retain) if will else None,
            persistent_storage=numbers,
            logger=_QUIET,
        )
        client.set_config({"reconnect_retries": _NO_RECONNECT, "reconnect_delay": 0})
        client.set_auth_credentials(self._login.username, self._login.password)
        lost = asyncio.Event()
        limits: dict[str, Any] = {}
        client.on_connect = lambda _client, _flags, _rc, properties: limits.update(properties)
        client.on_disconnect = lambda _client, _packet, *_: lost.set()
        try:
            async with asyncio.timeout(_CONNECT_S):
                await client.connect(self._login.host, self._login.port, keepalive=30)
        except (OSError, TimeoutError):
            raise
        except Exception as error:
            code = getattr(error, "_code", None)
            if code in _REFUSED_FOR_GOOD:
                raise UnavailableError(
                    "the broker refuses the simulator's name or password",
                    where=f"{self._login.host}:{self._login.port}",
                    hint="remove the file of its accounts and start it again",
                ) from error
            raise OSError(str(error)) from error
        # gmqtt numbers packets below the broker's receive maximum and raises when they are used up.
        most = limits.get("receive_maximum", [65535])[0]
        self._room = max(1, min(self._most_in_flight, int(most) - 2))
        self._lost, self._client, self._numbers = lost, client, numbers
        if self._greeting is not None:
            self._waiting.appendleft(self._greeting)
        self._pump()

    def _pump(self) -> None:
        client = self._client
        while client is not None and self._waiting and len(self._in_flight) < self._room:
            message = self._waiting.popleft()
            client.publish(message.topic, message.payload, qos=1, retain=message.retain)
            self._in_flight[self._numbers.last] = message
            self.counts.published += 1
            self.counts.readings += message.readings

    def _on_acknowledged(self, mid: int) -> None:
        message = self._in_flight.pop(mid, None)
        if message is None:
            return
        self.counts.acknowledged += 1
        self.counts.acknowledged_readings += message.readings
        self._pump()
        if not self.backlog:
            self._drained.set()

    def _forget_connection(self) -> None:
        self._client = None
        # Sent again in their order, before what came later.
        self._waiting.extendleft(reversed(list(self._in_flight.values())))
        self._in_flight.clear()
