"""The ways in of a server over a real broker: each is paused alone, and misses nothing by it."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest

from api.ingest import Ingest
from api.settings import Settings
from tests.ingest.transports.conftest import (  # noqa: F401 fixtures
    allow_gateways,
    broker,
    now_ms,
    sender,
    until,
)
from tests.reading import rows
from twin.store.engine import create_async_engine
from twin.twin import Twin

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


@contextlib.asynccontextmanager
async def running(settings, database):
    """A server's ways in, on a twin of its own."""
    engine = create_async_engine(database.async_url)
    twin = await Twin.open(engine)
    ingest = Ingest(settings, engine, twin)
    await ingest.pauses.refresh()
    work = asyncio.create_task(ingest.run())
    try:
        yield ingest
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await twin.close()
        await engine.dispose()


def state(ingest: Ingest, feed: str) -> str:
    return next(source.state for source in ingest.sources() if source.feed.name == feed)


def execute(database, statement: str) -> None:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute(statement)


async def test_paused_feed_leaves_messages_with_the_broker_and_delays_no_other(
    database,
    install_devices,
    broker,  # noqa: F811
    sender,  # noqa: F811
):
    fresh = database.fresh()
    install_devices(fresh, {f"level-{i:02d}": "water_level" for i in range(4)})
    allow_gateways(fresh)
    settings = Settings(data_dir=broker.data_dir)
    now = now_ms()

    def send(at: int) -> None:
        sender.send("devices/level-00/observations", {"t": now + at, "p": "level", "v": 1})
        sender.send("gateways/gw-1/observations", {"t": now + at, "p": "level", "v": 1, "d": "level-01"})

    def stored(uid: str) -> int:
        count = "SELECT count(*) FROM observation JOIN device ON device.id = device_id WHERE uid = %s"
        return rows(fresh, count, uid)[0][0]

    async with running(settings, fresh) as ingest:
        await until(lambda: ingest.state().connected)
        assert {source.state for source in ingest.sources()} == {"running"}
        await asyncio.sleep(0.3)  # the subscriptions are on their way
        send(0)
        await until(lambda: (stored("level-00"), stored("level-01")) == (1, 1))
        execute(fresh, "INSERT INTO feed_pause VALUES ('device-mqtt', now(), 'li', '传感器检修')")
        await until(lambda: state(ingest, "device-mqtt") == "paused")
        await until(lambda: "device-mqtt" not in ingest._transports)
        send(1)
        await until(lambda: stored("level-01") == 2)
        assert stored("level-00") == 1
        assert ingest.state().connected
        assert ingest.state().detail == "paused by a person: device-mqtt"
        pause = next(source.pause for source in ingest.sources() if source.feed.name == "device-mqtt")
        assert (pause.by, pause.reason) == ("li", "传感器检修")
        await sender.drained()
    async with running(settings, fresh) as ingest:  # after a restart it is paused still
        await until(lambda: ingest.state().connected)
        send(2)
        await until(lambda: stored("level-01") == 3)
        assert (state(ingest, "device-mqtt"), stored("level-00")) == ("paused", 1)
        execute(fresh, "DELETE FROM feed_pause")
        await until(lambda: stored("level-00") == 3)
        assert state(ingest, "device-mqtt") == "running"
        counters = {source.feed.name: source.counters for source in ingest.sources()}
        await until(lambda: counters["device-mqtt"].acknowledged == 2)
        assert counters["device-mqtt"].per_minute()[-2:] in ([0, 2], [2, 0], [1, 1])
        assert (counters["gateway-mqtt"].messages, counters["owntracks-mqtt"].messages) == (1, 0)


async def test_feeds_of_a_broker_that_never_was_are_off(database, tmp_path):
    fresh = database.fresh()
    async with running(Settings(data_dir=tmp_path), fresh) as ingest:
        await until(lambda: state(ingest, "gateway-mqtt") == "off")
        assert not ingest.state().connected
        assert state(ingest, "device-http") == "running"
