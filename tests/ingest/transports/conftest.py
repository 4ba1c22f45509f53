"""Give tests of the way in senders that are admitted to a real broker, and a twin that listens to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gmqtt
import psycopg
import pytest

from ingest.counters import FeedCounters
from ingest.delivery import Delivery
from ingest.feeds import load_feeds
from ingest.flood import Flood
from ingest.transports.accounts import mqtt_hash
from ingest.transports.broker import Admitted, Broker, BrokerAddress, user_of_feed
from ingest.transports.mqtt import MqttTransport
from tests.waiting import until
from twin.store.engine import create_async_engine
from twin.twin import Twin


def now_ms() -> int:
    return time.time_ns() // 1_000_000


GATEWAYS = ("gw-1", "gw-area", "sim-gw-001", "sim-gw-002")
DEVICES = (*(f"level-{i:02d}" for i in range(20)), "wg-0001", "cam-0001", "nobody-1")


def admit_all(broker: Broker) -> None:
    """Let every sender of these tests in; the password of each is its name."""
    names = [(name, "gateway") for name in GATEWAYS] + [(name, "device") for name in DEVICES]
    admitted = [Admitted(name, name, kind, mqtt_hash(name)) for name, kind in names]
    broker.admit([*admitted, Admitted("wg-0001.2", "wg-0001", "device", mqtt_hash("wg-0001.2"))])


class Sender:
    """Gateways and devices: publish at QoS 1 and know when the broker has taken everything."""

    def __init__(self) -> None:
        self.clients = {name: gmqtt.Client(name) for name in (*GATEWAYS, *DEVICES)}

    async def connect(self, broker) -> Sender:
        for name, client in self.clients.items():
            client.set_auth_credentials(name, name)
            await client.connect(broker.host, broker.port)
        return self

    def send(self, topic: str, payload: object, qos: int = 1) -> None:
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self.clients[topic.split("/")[1]].publish(f"gt/v1/{topic}", payload, qos=qos)

    async def drained(self) -> None:
        await until(lambda: all(c._persistent_storage.is_empty for c in self.clients.values()))

    async def disconnect(self) -> None:
        for client in self.clients.values():
            await client.disconnect()


async def forget_sessions(broker) -> None:
    """End the sessions the broker keeps for the server: those before were another test's."""
    for name in ("device-mqtt", "gateway-mqtt"):
        client = gmqtt.Client("", clean_session=True)
        client.set_auth_credentials(user_of_feed(broker.username, name), broker.password)
        await client.connect(broker.host, broker.port)
        await client.disconnect()


def allow_gateways(database) -> None:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO publisher (name, kind, low, high) SELECT name, 'gateway', 0, 999999999999999 "
            "FROM unnest(%s::text[]) AS name",
            [[name for name in GATEWAYS if name != "gw-area"]],
        )
        connection.execute(
            "INSERT INTO publisher VALUES ('gw-area', 'gateway', 510104021000000, 510104021999999)"
        )


@pytest.fixture(scope="module")
def broker(server_dir: Path, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of a file's own: another's would bring the retained messages of other tests."""
    with Broker(server_dir / f"broker-of-{Path(request.path).stem}", port=0) as running:
        admit_all(running)
        yield running


@pytest.fixture
async def sender(broker):
    made = await Sender().connect(broker)
    yield made
    await made.disconnect()


def transport_of(
    twin: Twin, address: BrokerAddress, name: str, delivery: Delivery | None = None, **named
) -> MqttTransport:
    """Make the transport of a feed; as the user of that feed, whom the broker lets read its topics."""
    user = replace(address, username=user_of_feed(address.username, name))
    return MqttTransport(delivery or Delivery(twin, Flood(twin.board)), load_feeds()[name], user, **named)


class Listening:
    """The transports of devices and of gateways, as a server runs them."""

    def __init__(self, twin: Twin, address: BrokerAddress, **named) -> None:
        self.delivery = Delivery(twin, Flood(twin.board))
        self.devices = transport_of(twin, address, "device-mqtt", self.delivery, **named)
        self.gateways = transport_of(twin, address, "gateway-mqtt", self.delivery, **named)
        self._both = (self.devices, self.gateways)

    @property
    def counters(self) -> FeedCounters:
        """The counts of both."""
        return FeedCounters.sum(one.counters for one in self._both)

    @property
    def waiting(self) -> int:
        """How many readings wait to be stored."""
        return sum(one.link.waiting for one in self._both)

    async def start(self) -> None:
        for one in self._both:
            await one.start()
            await until(lambda one=one: one.link.connected)
        await asyncio.sleep(0.2)  # the subscriptions are on their way

    async def stop(self) -> None:
        for one in self._both:
            await one.stop()


@pytest.fixture
async def feed(database, broker, install_devices):
    """A twin that listens to the broker on a fresh database, with sessions of its own."""
    fresh = database.fresh()
    install_devices(fresh, {f"level-{i:02d}": "water_level" for i in range(20)})
    install_devices(fresh, {"wg-0001": "worker", "cam-0001": "camera"})
    allow_gateways(fresh)
    await forget_sessions(broker)
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    listening = Listening(twin, broker.address, session_expiry_s=60)
    following = asyncio.create_task(listening.delivery.follow_gateways())
    await listening.start()
    yield twin, listening, fresh
    following.cancel()
    await listening.stop()
    await twin.close()
    await engine.dispose()
