"""Messages whose senders wait: each is told of its own, also when the database is away for a moment."""

from __future__ import annotations

import asyncio
import json
import time

import psycopg
import pytest

from ingest.decoders.envelope import Envelope
from ingest.delivery import Delivery
from ingest.feeds import load_feeds
from ingest.flood import Flood
from ingest.intake import Intake, Sender
from ingest.pauses import Pauses
from twin.errors import UnavailableError
from twin.store.engine import create_async_engine
from twin.twin import Twin

pytestmark = pytest.mark.postgis

FEEDS = load_feeds()
OF_DEVICES, OF_GATEWAYS = FEEDS["device-http"], FEEDS["gateway-http"]


@pytest.fixture
async def running(database, install_devices):
    """A twin with four devices, what takes messages for it, and its database."""
    fresh = database.fresh()
    install_devices(fresh, {f"level-{i:02}": "water_level" for i in range(4)})
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    yield twin, Intake(Delivery(twin, Flood(twin.board)), FEEDS, Pauses(engine)), fresh
    await twin.close()
    await engine.dispose()


def sent(intake, uid, *readings):
    """Send readings of a device, as that device."""
    message = Envelope(json.dumps(readings).encode(), uid)
    return intake.take(OF_DEVICES, message, Sender(uid, "device"), f"device-http {uid}")


def level(value, ago_s=0.0):
    return {"t": time.time_ns() // 1_000_000 - round(ago_s * 1000), "p": "level", "v": value}


async def test_senders_at_once_share_commits_and_each_is_told_of_its_own(running):
    twin, intake, _ = running
    now = level(1.0)
    await sent(intake, "level-03", now)
    before = twin.totals.commits
    ordinary = [sent(intake, f"level-{i % 3:02}", level(i, 60 + i)) for i in range(30)]
    broken = intake.take(OF_DEVICES, Envelope(b"{", "level-00"), Sender("level-00", "device"), "device-http")
    elsewhere = Sender("gate-0001", "gateway", 510105009000000, 510105009999999)
    foreign = Envelope(json.dumps({**level(9, 5), "d": "level-01"}).encode())
    answers = await asyncio.gather(
        sent(intake, "level-03", now, level(2.0, 30), level(1e9), {"t": 1}, level(3.0, -1)),
        broken,
        intake.take(OF_GATEWAYS, foreign, elsewhere, "gateway-http gate-0001"),
        *ordinary,
    )
    mixed, unread, refused, *rest = answers
    assert (mixed.stored, mixed.duplicate, mixed.late, mixed.refused) == (2, 1, 1, 2)
    assert {one.reason for one in mixed.told} == {"out_of_range", "missing_field"}
    assert [one.reason for one in unread.told] == ["malformed"]
    assert [one.reason for one in refused.told] == ["wrong_device"]
    assert all((one.stored, one.refused, one.duplicate) == (1, 0, 0) for one in rest)
    assert twin.totals.commits - before <= 3
    assert not intake._storing


async def test_nobody_is_told_of_a_commit_that_failed(running, monkeypatch):
    twin, intake, fresh = running
    whole = twin.observe

    async def away(_batch):
        await asyncio.sleep(0.01)
        raise UnavailableError("the database is away")

    monkeypatch.setattr(twin, "observe", away)
    messages = [(f"level-{i % 4:02}", level(i, i)) for i in range(12)]
    first = [asyncio.ensure_future(sent(intake, uid, reading)) for uid, reading in messages]
    await asyncio.sleep(0)
    first[0].cancel()  # one who goes away takes nobody along
    told = await asyncio.gather(*first, return_exceptions=True)
    assert isinstance(told[0], asyncio.CancelledError)
    assert all(isinstance(one, UnavailableError) for one in told[1:])
    assert intake.counters["device-http"].readings == 0
    monkeypatch.setattr(twin, "observe", whole)
    again = await asyncio.gather(*(sent(intake, uid, reading) for uid, reading in messages))
    assert [one.stored for one in again] == [1] * 12
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM observation").fetchone() == (12,)


async def test_message_that_comes_again_is_refused_and_counted_once(running, monkeypatch):
    twin, intake, fresh = running
    now = time.time_ns() // 1_000_000
    readings = [{"t": now, "p": p, "v": 1} for p in ("level", "colour")] + [{"t": now}]
    whole = twin.observe

    async def away(_batch):
        raise UnavailableError("the database is away")

    monkeypatch.setattr(twin, "observe", away)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await sent(intake, "level-00", *readings)
    monkeypatch.setattr(twin, "observe", whole)
    receipt = await sent(intake, "level-00", *readings)
    assert (receipt.stored, receipt.refused) == (1, 2)
    counters = intake.counters["device-http"]
    assert (counters.readings, counters.stored, counters.retries) == (3, 1, 2)
    assert dict(counters.refused) == {"unknown_property": 1, "missing_field": 1}
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        kept = connection.execute("SELECT reason FROM quarantine ORDER BY reason").fetchall()
    assert kept == [("missing_field",), ("unknown_property",)]
