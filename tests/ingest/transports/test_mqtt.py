"""Observations over a real broker into a real PostGIS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import gmqtt
import psycopg
import pytest

from ingest.decoders.readings import Readings
from ingest.transports import mqtt
from ingest.transports.accounts import mqtt_hash
from ingest.transports.broker import Admitted, Broker, BrokerAddress
from ingest.transports.mqtt import MqttTransport
from twin.errors import TwinError, UnavailableError
from twin.states import State
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine
from twin.store.migrations.runner import upgrade
from twin.twin import ObservationBatch, ObserveResult, Twin

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about in time")


def rows(database, query: str, *parameters) -> list[tuple]:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        return connection.execute(query, parameters).fetchall()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


GATEWAYS = ("gw-1", "gw-area", "sim-gw-001", "sim-gw-002")
DEVICES = (*(f"level-{i:02d}" for i in range(20)), "wg-0001", "cam-0001", "nobody-1")


def admit_all(broker: Broker) -> None:
    """Let every sender of these tests in; the password of each is its name."""
    names = [(name, "gateway") for name in GATEWAYS] + [(name, "device") for name in DEVICES]
    broker.admit([Admitted(name, name, kind, mqtt_hash(name)) for name, kind in names])


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


async def forget_session(broker) -> None:
    """End the session the broker keeps for the server's account: the one before was another test's."""
    client = gmqtt.Client("", clean_session=True)
    client.set_auth_credentials(broker.username, broker.password)
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
def broker(server_dir: Path) -> Iterator[Broker]:
    """A broker of this file's own: another's would bring the retained messages of other tests."""
    with Broker(server_dir / "broker-of-mqtt-tests", port=0) as running:
        admit_all(running)
        yield running


@pytest.fixture
async def sender(broker):
    made = await Sender().connect(broker)
    yield made
    await made.disconnect()


@pytest.fixture
async def feed(database, broker, install_devices):
    """A twin with its MQTT transport on a fresh database and a session of its own."""
    fresh = database.fresh()
    install_devices(fresh, {f"level-{i:02d}": "water_level" for i in range(20)})
    install_devices(fresh, {"wg-0001": "worker", "cam-0001": "camera"})
    allow_gateways(fresh)
    await forget_session(broker)
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    transport = MqttTransport(twin, broker, client_id=f"test-{uuid.uuid4().hex[:8]}", session_expiry_s=60)
    await transport.start()
    await until(lambda: transport.counters.connected)
    await asyncio.sleep(0.2)  # the subscription is on its way
    yield twin, transport, fresh
    await transport.stop()
    await twin.close()
    await engine.dispose()


async def test_every_form_of_message_arrives(feed, sender) -> None:
    twin, transport, database = feed
    now = now_ms()
    sender.send("devices/level-00/observations", {"t": now, "p": "level", "v": 0.314, "u": "m"})
    sender.send(
        "devices/level-01/observations",
        [{"t": now - 1, "p": "level", "v": 1}, {"t": now, "p": "level", "v": 2}],
    )
    sender.send(
        "devices/wg-0001/observations",
        {"t": now, "v": {"speed": 1.2, "battery": 80}, "lon": 104.07, "lat": 30.66},
    )
    sender.send(
        "gateways/gw-1/observations",
        {
            "t": now,
            "p": "level",
            "d": [f"level-{i:02d}" for i in range(2, 12)],
            "v": [float(i) for i in range(2, 12)],
        },
    )
    sender.send("devices/level-12/observations", {"t": now, "p": "level", "v": 12}, qos=0)
    await until(lambda: transport.counters.stored == 16)
    board = twin.board
    assert board.value[board.row_of_uid["level-00"]] == pytest.approx(31.4)
    assert board.value[board.row_of_uid["level-01"]] == 2
    assert [board.value[board.row_of_uid[f"level-{i:02d}"]] for i in range(2, 13)] == list(range(2, 13))
    assert board.lon[board.row_of_uid["wg-0001"]] == 104.07
    assert rows(database, "SELECT count(*), count(lon) FROM observation") == [(16, 2)]
    await until(lambda: transport.counters.acknowledged == 4)
    counts = transport.counters.as_dict()
    assert counts["messages"] == 5
    assert counts["refused"] == 0
    assert counts["waiting"] == 0
    assert 0 <= counts["lag_s"] < 5


POISON = {
    b"not json": "malformed",
    b'{"t":1,"p":"level","v":NaN}': "malformed",
    b'{"t":1,"p":"level","v":1e999}': "malformed",
    b"[" * 100_000: "malformed",
    b'{"t":1,"p":"\xff\xfe","v":1}': "malformed",
    b'{"t":1,"p":"level","v":1,"x":"' + b"x" * 262_120 + b'"}': "too_large",
    b'{"t":1,"p":"level","v":true}': "wrong_type",
    b'{"t":1,"p":"level"}': "missing_field",
    b'{"t":"2026-07-16T16:42:08","p":"level","v":1}': "bad_time",
    b'{"t":NOW,"p":"level","v":1,"u":"Pa"}': "wrong_unit",
    b'{"t":NOW,"p":"nonsense","v":1}': "unknown_property",
    b'{"t":NOW,"p":"level","v":-1}': "out_of_range",
    b'{"t":NOW,"p":"level","v":1e308}': "out_of_range",
    b'{"t":4102444800000,"p":"level","v":1}': "from_the_future",
    b'{"t":1,"p":"level","v":1}': "too_old",
    b'{"t":NOW,"p":"level","v":1,"lon":104,"lat":30}': "does_not_move",
    b'{"t":NOW,"p":"level","v":1,"d":"level-01"}': "wrong_device",
    b"[]": "empty",
}


async def test_poison_is_kept_with_its_reason_and_delays_nothing(feed, sender) -> None:
    _, transport, database = feed
    now = now_ms()
    good = 0
    for i, payload in enumerate(POISON):
        sender.send("devices/level-00/observations", payload.replace(b"NOW", str(now).encode()))
        sender.send("devices/level-03/observations", {"t": now + i, "p": "level", "v": 3})
        good += 1
    sender.send("devices/nobody-1/observations", {"t": now, "p": "level", "v": 1})
    sender.send(
        "gateways/gw-1/observations", {"t": now, "p": "level", "d": ["nobody-2", "level-04"], "v": [1, 4]}
    )
    sender.send("devices/level-00/status", b"perhaps")
    refused = len(POISON) + 3
    await until(lambda: transport.counters.acknowledged == 2 * len(POISON) + 3)
    kept = rows(database, "SELECT reason, payload FROM quarantine ORDER BY id")
    assert len(kept) == refused == transport.counters.refused.total()
    expected = sorted([*POISON.values(), "unknown_device", "unknown_device", "malformed"])
    assert sorted(reason for reason, _ in kept) == expected
    assert (b"not json",) in {(bytes(payload),) for _, payload in kept}
    who = dict(rows(database, "SELECT detail, source FROM quarantine WHERE reason = 'unknown_device'"))
    assert sorted(who.values()) == ["gt/v1/devices/nobody-1/observations", "gt/v1/gateways/gw-1/observations"]
    kept = rows(database, "SELECT reason, source, detail FROM quarantine")
    one, many = "gt/v1/devices/level-00/observations", "gt/v1/gateways/gw-1/observations"
    assert {source for _, source, _ in kept} == {
        *(one, many, "gt/v1/devices/nobody-1/observations", "gt/v1/devices/level-00/status")
    }
    assert all(detail.count(" · ") == 2 for _, _, detail in kept), "what, where, what to do"
    details = {(reason, source): detail for reason, source, detail in kept}
    assert "at device nobody-2, reading 0 · import the device first" in details["unknown_device", many]
    assert "at device level-00, reading 0 · set the device's clock" in details["from_the_future", one]
    assert "at device level-00 · send JSON" in details["malformed", one]
    assert transport.counters.stored == good + 1
    assert rows(database, "SELECT count(*) FROM observation") == [(good + 1,)]


async def test_fault_of_the_decoder_keeps_the_message_and_the_feed(feed, sender, monkeypatch) -> None:
    _, transport, database = feed
    real = mqtt.decode_device

    def broken(uid: str, payload: bytes, into: Readings) -> Readings:
        real(uid, payload, into)
        if uid == "level-00":
            raise RuntimeError("a fault of ours")
        return into

    monkeypatch.setattr(mqtt, "decode_device", broken)
    for uid in ("level-00", "level-01"):
        sender.send(f"devices/{uid}/observations", {"t": now_ms(), "p": "level", "v": 1})
    await until(lambda: transport.counters.acknowledged == 2)
    assert [reason for (reason,) in rows(database, "SELECT reason FROM quarantine")] == ["decoder_failed"]
    assert rows(database, "SELECT count(*) FROM observation") == [(1,)]


async def test_reading_the_store_refuses_is_found_and_the_others_are_taken(feed, sender, monkeypatch) -> None:
    twin, transport, database = feed
    real = twin.observe

    async def picky(batch: ObservationBatch) -> ObserveResult:
        if (batch.value == 13).any():
            raise TwinError("the store does not like 13")
        return await real(batch)

    monkeypatch.setattr(twin, "observe", picky)
    uids = [f"level-{i:02d}" for i in range(20)]
    message = {"t": now_ms(), "p": "level", "d": uids, "v": list(range(20))}
    sender.send("gateways/gw-1/observations", message)
    await until(lambda: transport.counters.acknowledged == 1)
    assert transport.counters.stored == 19
    ((reason, source, detail, payload),) = rows(
        database, "SELECT reason, source, detail, payload FROM quarantine"
    )
    assert (reason, bytes(payload)) == ("not_storable", b"level-13 13.0")
    assert source == "gt/v1/gateways/gw-1/observations"
    assert "the store does not like 13 · at device level-13, reading 13" in detail


async def test_gateway_reports_only_for_its_own_area(feed, sender) -> None:
    _, transport, database = feed
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE device SET scope_code = 510104021001001 WHERE uid = 'level-01'")
        connection.execute("UPDATE device SET scope_code = 510104022001001 WHERE uid = 'level-02'")
    board = transport._twin.board
    await until(lambda: board.scope_code[board.row_of_uid["level-02"]] == 510104022001001)
    uids = ["level-01", "level-02", "level-03"]
    sender.send("gateways/gw-area/observations", {"t": now_ms(), "p": "level", "d": uids, "v": [1, 2, 3]})
    await until(lambda: transport.counters.acknowledged == 1)
    kept = rows(database, "SELECT reason, detail FROM quarantine ORDER BY id")
    assert [reason for reason, _ in kept] == ["wrong_device"] * 2
    assert "“level-02” lies outside the area" in kept[0][1]
    assert "make the gateway's account anew" in kept[0][1]
    stored = rows(database, "SELECT uid FROM observation JOIN device ON device.id = device_id")
    assert stored == [("level-01",)]
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE publisher SET disabled_at = now() WHERE name = 'gw-area'")
    await until(lambda: not transport._gateways.knows("gw-area"))
    sender.send("gateways/gw-area/observations", {"t": now_ms() + 1, "p": "level", "d": "level-01", "v": 1})
    await until(lambda: transport.counters.refused["wrong_device"] == 3)


async def test_message_that_may_say_where_a_worker_is_is_kept_without_its_bytes(feed, sender) -> None:
    _, transport, database = feed
    sender.send("devices/wg-0001/observations", b'{"t": 1, "lon": 104.07, "lat": 30.66')
    sender.send("gateways/gw-1/observations", b'{"d": "wg-0001", "lon": 104.07, "lat": 30.66')
    sender.send("gateways/gw-1/observations", b'{"d": "level-01"')
    await until(lambda: transport.counters.acknowledged == 3)
    kept = rows(database, "SELECT reason, payload, detail FROM quarantine ORDER BY length(payload)")
    assert [(reason, bytes(payload)) for reason, payload, _ in kept] == [
        ("malformed", b""),
        ("malformed", b""),
        ("malformed", b'{"d": "level-01"'),
    ]
    assert "104" not in "".join(detail for *_, detail in kept)


async def test_status_makes_a_device_offline_and_back(feed, sender) -> None:
    twin, _, _ = feed
    row = twin.board.row_of_uid["cam-0001"]
    assert twin.board.state[row] == State.UNKNOWN
    sender.send("devices/cam-0001/status", b"online")
    await until(lambda: twin.board.state[row] == State.NORMAL)
    sender.send("devices/cam-0001/status", {"status": "offline"})
    await until(lambda: twin.board.state[row] == State.OFFLINE)
    sender.send("devices/cam-0001/observations", {"t": now_ms(), "p": "frame_rate", "v": 25})
    await until(lambda: twin.board.state[row] == State.NORMAL)


async def test_what_came_while_the_server_was_away_is_there_after(feed, sender, broker) -> None:
    twin, transport, database = feed
    await transport.stop()
    now = now_ms()
    for i in range(500):
        sender.send("devices/level-00/observations", {"t": now - i, "p": "level", "v": i % 10})
    await sender.drained()
    again = MqttTransport(twin, broker, client_id=transport.client_id, session_expiry_s=60)
    await again.start()
    try:
        await until(lambda: again.counters.stored == 500)
        await until(lambda: again.counters.acknowledged == 500)
    finally:
        await again.stop()
    assert rows(database, "SELECT count(*) FROM observation") == [(500,)]


async def test_wrong_password_is_said_at_once(feed, broker) -> None:
    twin, _, _ = feed
    transport = MqttTransport(
        twin, BrokerAddress(broker.host, broker.port, broker.username, "wrong"), client_id="nobody"
    )
    with pytest.raises(UnavailableError, match="broker"):
        await transport.start()


async def test_leaving_is_not_taken_for_a_broker_that_is_away(feed, caplog) -> None:
    _, transport, _ = feed
    await transport.stop()
    assert not transport.counters.connected
    assert "away" not in caplog.text


async def test_cut_connections_lose_and_double_nothing(feed, sender) -> None:
    _, transport, database = feed
    stop = asyncio.Event()
    flow = asyncio.create_task(_flow(sender, stop, 2000))
    for _ in range(3):
        await asyncio.sleep(0.3)
        transport._client._connection._transport.abort()  # what a broken network looks like
        await until(lambda: not transport.counters.connected)
        await until(lambda: transport.counters.connected)
    stop.set()
    sent = await flow
    await sender.drained()
    await until(lambda: rows(database, "SELECT count(*) FROM observation") == [(sent,)])
    await until(lambda: transport.counters.waiting == 0)
    assert transport.counters.connections == 4
    assert transport.counters.stored == sent


async def test_a_gateway_is_heard_until_it_says_goodbye(feed, sender) -> None:
    _, transport, _ = feed
    counters = transport.counters
    assert counters.gateway_silent_s("sim-gw-") is None
    sender.send("gateways/sim-gw-001/status", b"online")
    sender.send("gateways/gw-1/status", {"status": "online"})
    await until(lambda: set(counters.gateways) == {"sim-gw-001", "gw-1"})
    assert 0 <= counters.gateway_silent_s("sim-gw-") < 2
    sender.send("gateways/sim-gw-001/status", b"offline")
    await until(lambda: counters.gateway_silent_s("sim-gw-") is None)
    sender.send("gateways/sim-gw-002/observations", {"t": now_ms(), "p": "level", "d": "level-00", "v": 1})
    await until(lambda: counters.gateway_silent_s("sim-gw-") is not None)
    sender.send("gateways/gw-1/status", b"perhaps")
    await until(lambda: counters.refused.total() == 1)
    assert counters.acknowledged >= 3


async def test_broker_that_hangs_is_told_within_seconds_and_so_is_its_return(
    database, server_dir, caplog
) -> None:
    broker = Broker(server_dir / f"broker-{uuid.uuid4().hex[:6]}", port=0)
    broker.start()
    admit_all(broker)
    engine = create_async_engine(database.fresh().async_url)
    twin = await Twin.open(engine)
    transport = MqttTransport(twin, broker.address, client_id="hanging")
    try:
        await transport.start()
        await until(lambda: transport.counters.connected)
        await asyncio.sleep(6)  # nothing is sent all the while: quiet is not hanging
        assert transport.counters.answering
        os.kill(broker.pid, signal.SIGSTOP)
        begun = time.monotonic()
        await until(lambda: not transport.counters.answering)
        assert time.monotonic() - begun < 8
        os.kill(broker.pid, signal.SIGCONT)
        await until(lambda: transport.counters.answering, 4)
        assert transport.counters.connections == 1, "the connection lived through it"
        assert "does not answer" in caplog.text
    finally:
        os.kill(broker.pid, signal.SIGCONT)
        await transport.stop()
        await twin.close()
        await engine.dispose()
        broker.stop()


async def test_broker_that_restarts_is_found_again(database, install_devices, server_dir) -> None:
    fresh = database.fresh()
    install_devices(fresh, {f"level-{i:02d}": "water_level" for i in range(20)})
    broker = Broker(server_dir / f"broker-{uuid.uuid4().hex[:6]}", port=0)
    broker.start()
    admit_all(broker)
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    transport = MqttTransport(twin, broker.address, client_id="restart")
    try:
        await transport.start()
        for i in range(2):
            sender = await Sender().connect(broker)
            await until(lambda: transport.counters.connected)
            await asyncio.sleep(0.3)
            sender.send("devices/level-00/observations", {"t": now_ms(), "p": "level", "v": i})
            await until(lambda i=i: transport.counters.stored == i + 1)
            await sender.disconnect()
            broker.stop()
            await until(lambda: not transport.counters.connected)
            broker.start()
        await until(lambda: transport.counters.connected)
    finally:
        await transport.stop()
        await twin.close()
        await engine.dispose()
        broker.stop()


async def _flow(sender: Sender, stop: asyncio.Event, per_s: int) -> int:
    """Publish one numbered reading after the other; return how many."""
    start, n = now_ms(), 0
    while not stop.is_set():
        uid = f"level-{n % 20:02d}"
        level = 22 if n // 20 % 10 == 0 else 2  # two hundred ms of alarm a second
        late = 1001 if n % 7 == 0 else 0  # odd, so that no two share a time
        sender.send(f"devices/{uid}/observations", {"t": start + 2 * n - late, "p": "level", "v": level})
        n += 1
        if n % 20 == 0:
            await asyncio.sleep(20 / per_s)
    return n


async def _outages(server_dir: Path, broker, install_devices, *, rounds: int, per_s: int, kill: bool) -> None:
    """Take the database away in mid-flow and see that nothing acknowledged is lost and nothing is double."""
    folder = server_dir / f"outage-{uuid.uuid4().hex[:6]}"
    cluster = PrivateCluster(folder)
    cluster.start()
    transport = twin = engine = None
    sender = await Sender().connect(broker)
    try:
        upgrade(cluster.url)
        database = cluster  # has .url
        install_devices(database, {f"level-{i:02d}": "water_level" for i in range(20)})
        await forget_session(broker)
        engine = create_async_engine(cluster.url)
        twin = await Twin.open(engine)
        transport = MqttTransport(
            twin, broker, client_id=f"test-{uuid.uuid4().hex[:8]}", session_expiry_s=600
        )
        await transport.start()
        await asyncio.sleep(0.3)
        stop = asyncio.Event()
        flow = asyncio.create_task(_flow(sender, stop, per_s))
        for i in range(rounds):
            await asyncio.sleep(0.6 + 0.13 * i)
            os.kill(cluster.pid, signal.SIGKILL if kill else signal.SIGINT)
            await until(lambda: not cluster.alive)
            retries, acknowledged = transport.counters.retries, transport.counters.acknowledged
            await asyncio.sleep(2.0)
            assert transport.counters.retries > retries
            assert transport.counters.acknowledged == acknowledged  # nothing is promised meanwhile
            cluster.start()
        await asyncio.sleep(0.5)
        stop.set()
        sent = await flow
        await sender.drained()
        await until(lambda: transport.counters.acknowledged >= sent, 60)
        stored = rows(
            cluster, "SELECT count(*), count(DISTINCT (device_id, phenomenon_time)) FROM observation"
        )
        assert stored == [(sent, sent)]
        assert transport.counters.retries > 0
        assert transport.counters.refused.total() == 0
        told = rows(
            cluster,
            "SELECT kind, count(*), count(DISTINCT data->>'alarm_id') FROM journal GROUP BY 1 ORDER BY 1",
        )
        alarms = rows(cluster, "SELECT count(cleared_at), count(*) FROM alarm")[0]
        assert alarms[0] > 0
        assert told == [("alarm.cleared", alarms[0], alarms[0]), ("alarm.raised", alarms[1], alarms[1])]
        assert rows(cluster, "SELECT count(*) = max(seq) FROM journal") == [(True,)]
    finally:
        await sender.disconnect()
        if transport:
            await transport.stop()
        if twin:
            await twin.close()
        if engine:
            await engine.dispose()
        cluster.stop()


async def test_kill_of_the_database_loses_nothing(server_dir, broker, install_devices) -> None:
    await _outages(server_dir, broker, install_devices, rounds=2, per_s=1000, kill=True)


async def test_outage_of_the_database_loses_nothing(server_dir, broker, install_devices) -> None:
    await _outages(server_dir, broker, install_devices, rounds=1, per_s=1000, kill=False)


@pytest.mark.slow
async def test_ten_kills_of_the_database_lose_nothing(server_dir, broker, install_devices) -> None:
    await _outages(server_dir, broker, install_devices, rounds=10, per_s=1000, kill=True)
