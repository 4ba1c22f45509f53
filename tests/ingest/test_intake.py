"""Messages whose senders wait: what becomes of them when the database is away for a moment."""

from __future__ import annotations

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


async def test_message_that_comes_again_is_refused_and_counted_once(database, install_devices, monkeypatch):
    fresh = database.fresh()
    install_devices(fresh, {"level-00": "water_level"})
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    feeds = load_feeds()
    intake = Intake(Delivery(twin, Flood(twin.board)), feeds, Pauses(engine))
    now = time.time_ns() // 1_000_000
    readings = [{"t": now, "p": p, "v": 1} for p in ("level", "colour")] + [{"t": now}]
    message = Envelope(json.dumps(readings).encode(), "level-00")
    sender, whole = Sender("level-00", "device"), twin.observe

    async def away(_batch):
        raise UnavailableError("the database is away")

    try:
        monkeypatch.setattr(twin, "observe", away)
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await intake.take(feeds["device-http"], message, sender, "device-http level-00")
        monkeypatch.setattr(twin, "observe", whole)
        receipt = await intake.take(feeds["device-http"], message, sender, "device-http level-00")
        assert (receipt.stored, receipt.refused) == (1, 2)
        counters = intake.counters["device-http"]
        assert (counters.readings, counters.stored, counters.retries) == (3, 1, 2)
        assert dict(counters.refused) == {"unknown_property": 1, "missing_field": 1}
        with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
            kept = connection.execute("SELECT reason FROM quarantine ORDER BY reason").fetchall()
        assert kept == [("missing_field",), ("unknown_property",)]
    finally:
        await twin.close()
        await engine.dispose()
