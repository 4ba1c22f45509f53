"""Observations over a real broker into a real PostGIS: what is cut, killed or away on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from ingest.transports.broker import Broker, BrokerAddress
from tests.ingest.transports.conftest import Sender, admit_all, forget_sessions, now_ms, transport_of, until
from tests.reading import rows
from twin.errors import TwinError, UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine
from twin.store.migrations.runner import upgrade
from twin.twin import ObservationBatch, ObserveResult, Twin

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


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
    kept = {"d": "level-13", "t": message["t"], "p": "level", "v": 13.0}  # what can be replayed
    assert (reason, json.loads(payload)) == ("not_storable", kept)
    assert source == "gt/v1/gateways/gw-1/observations"
    assert "the store does not like 13 · at device level-13, reading 13" in detail


async def test_what_came_while_the_server_was_away_is_there_after(feed, sender, broker) -> None:
    twin, transport, database = feed
    await transport.stop()
    now = now_ms()
    for i in range(500):
        sender.send("devices/level-00/observations", {"t": now - i, "p": "level", "v": i % 10})
    await sender.drained()
    again = transport_of(twin, broker.address, "device-mqtt", session_expiry_s=60)
    await again.start()
    try:
        await until(lambda: again.counters.stored == 500)
        await until(lambda: again.counters.acknowledged == 500)
    finally:
        await again.stop()
    assert rows(database, "SELECT count(*) FROM observation") == [(500,)]


async def test_wrong_password_is_said_at_once(feed, broker) -> None:
    twin, _, _ = feed
    transport = transport_of(
        twin, BrokerAddress(broker.host, broker.port, broker.username, "wrong"), "device-mqtt"
    )
    with pytest.raises(UnavailableError, match="broker"):
        await transport.start()


async def test_leaving_is_not_taken_for_a_broker_that_is_away(feed, caplog) -> None:
    _, transport, _ = feed
    await transport.stop()
    assert not transport.devices.link.connected
    assert "away" not in caplog.text


async def test_cut_connections_lose_and_double_nothing(feed, sender) -> None:
    _, transport, database = feed
    stop = asyncio.Event()
    flow = asyncio.create_task(_flow(sender, stop, 2000))
    for _ in range(3):
        await asyncio.sleep(0.3)
        transport.devices._client._connection._transport.abort()  # what a broken network looks like
        await until(lambda: not transport.devices.link.connected)
        await until(lambda: transport.devices.link.connected)
    stop.set()
    sent = await flow
    await sender.drained()
    await until(lambda: rows(database, "SELECT count(*) FROM observation") == [(sent,)])
    await until(lambda: transport.waiting == 0)
    assert transport.devices.link.connections == 4
    assert transport.counters.stored == sent


async def test_broker_that_hangs_is_told_within_seconds_and_so_is_its_return(
    database, server_dir, caplog
) -> None:
    broker = Broker(server_dir / f"broker-{uuid.uuid4().hex[:6]}", port=0)
    broker.start()
    admit_all(broker)
    engine = create_async_engine(database.fresh().async_url)
    twin = await Twin.open(engine)
    transport = transport_of(twin, broker.address, "device-mqtt")
    try:
        await transport.start()
        await until(lambda: transport.link.connected)
        await asyncio.sleep(6)  # nothing is sent all the while: quiet is not hanging
        assert transport.link.answering
        os.kill(broker.pid, signal.SIGSTOP)
        begun = time.monotonic()
        await until(lambda: not transport.link.answering)
        assert time.monotonic() - begun < 8
        os.kill(broker.pid, signal.SIGCONT)
        await until(lambda: transport.link.answering, 4)
        assert transport.link.connections == 1, "the connection lived through it"
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
    transport = transport_of(twin, broker.address, "device-mqtt")
    try:
        await transport.start()
        for i in range(2):
            sender = await Sender().connect(broker)
            await until(lambda: transport.link.connected)
            await asyncio.sleep(0.3)
            sender.send("devices/level-00/observations", {"t": now_ms(), "p": "level", "v": i})
            await until(lambda i=i: transport.counters.stored == i + 1)
            await sender.disconnect()
            broker.stop()
            await until(lambda: not transport.link.connected)
            broker.start()
        await until(lambda: transport.link.connected)
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
        await forget_sessions(broker)
        engine = create_async_engine(cluster.url)
        twin = await Twin.open(engine)
        transport = transport_of(twin, broker.address, "device-mqtt", session_expiry_s=600)
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
