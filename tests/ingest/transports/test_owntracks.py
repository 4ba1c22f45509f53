"""OwnTracks in MQTT mode: the app's own topics, over a real broker, beside the device schema."""

from __future__ import annotations

import asyncio
import json
import time

import gmqtt
import pytest

from tests.ingest.transports.conftest import transport_of, until
from tests.reading import rows

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


def fix(lon: float, tst: int) -> bytes:
    message = {"_type": "location", "lat": 30.66, "lon": lon, "tst": tst, "acc": 9, "batt": 46, "tid": "5t"}
    return json.dumps(message).encode()


async def test_app_publishes_as_it_does_everywhere(feed, broker, install_devices) -> None:
    twin, schema, database = feed
    fixes, events = (
        transport_of(twin, broker.address, name, schema.delivery, session_expiry_s=60)
        for name in ("owntracks-mqtt", "owntracks-events")
    )
    for one in (fixes, events):
        await one.start()
        await until(lambda one=one: one.link.connected)
    app = gmqtt.Client("any")
    app.set_auth_credentials("wg-0001", "wg-0001")
    await app.connect(broker.host, broker.port)
    renewed = gmqtt.Client("any")
    renewed.set_auth_credentials("wg-0001.2", "wg-0001.2")  # its second secret, beside the first for a week
    await renewed.connect(broker.host, broker.port)
    now = int(time.time())
    try:
        await asyncio.sleep(0.3)
        app.publish(
            "owntracks/wg-0001/phone", fix(104.061, now - 2), qos=1, retain=True
        )  # as the app's default is
        event = {
            "_type": "transition",
            "lat": 30.66,
            "lon": 104.062,
            "tst": now - 1,
            "acc": 9,
            "event": "enter",
            "wtst": 1,
        }
        app.publish("owntracks/wg-0001/phone/event", json.dumps(event).encode(), qos=1)
        app.publish("owntracks/wg-0001/phone", b'{"_type":"lwt","tst":1}', qos=1)
        app.publish("owntracks/wg-0001/phone", b"", qos=1)
        app.publish(
            "owntracks/level-00/phone", fix(104.07, now), qos=1
        )  # of somebody else: dropped at the broker
        app.publish("owntracks/wg-0001/phone", b"{", qos=1)
        renewed.publish("owntracks/wg-0001.2/phone", fix(104.063, now), qos=1)
        await until(lambda: fixes.counters.acknowledged + events.counters.acknowledged == 6)
        stored = rows(database, "SELECT DISTINCT lon FROM observation ORDER BY 1")
        assert stored == [(104.061,), (104.062,), (104.063,)]
        assert fixes.counters.messages == 5
        assert events.counters.stored == 2
        assert dict(fixes.counters.refused) == {"malformed": 1}
        assert rows(database, "SELECT source, payload FROM quarantine") == [("owntracks/wg-0001/phone", b"")]
        assert schema.devices.link.connected, "the sessions do not push each other out"
    finally:
        await app.disconnect()
        await renewed.disconnect()
        await fixes.stop()
        await events.stop()
