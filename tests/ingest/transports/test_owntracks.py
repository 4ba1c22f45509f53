"""OwnTracks in MQTT mode: the app's own topics, over a real broker, beside the device schema."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import gmqtt
import pytest

from ingest.transports.broker import owntracks_user
from tests.ingest.transports.conftest import rows, transport_of, until

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


def fix(lon: float, tst: int) -> bytes:
    message = {"_type": "location", "lat": 30.66, "lon": lon, "tst": tst, "acc": 9, "batt": 46, "tid": "5t"}
    return json.dumps(message).encode()


async def test_app_publishes_as_it_does_everywhere(feed, broker, install_devices) -> None:
    twin, schema, database = feed
    address = replace(broker.address, username=owntracks_user(broker.username))
    transport = transport_of(twin, address, "owntracks", client_id="owntracks-test", session_expiry_s=60)
    await transport.start()
    await until(lambda: transport.link.connected)
    app = gmqtt.Client("any")
    app.set_auth_credentials("wg-0001", "wg-0001")
    await app.connect(broker.host, broker.port)
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
        await until(lambda: transport.counters.acknowledged == 5)
        stored = rows(database, "SELECT DISTINCT lon FROM observation ORDER BY 1")
        assert stored == [(104.061,), (104.062,)]
        assert transport.feeds["owntracks-mqtt"].messages == 4
        assert transport.feeds["owntracks-events"].stored == 2
        assert dict(transport.counters.refused) == {"malformed": 1}
        assert rows(database, "SELECT source, payload FROM quarantine") == [("owntracks/wg-0001/phone", b"")]
        assert schema.link.connected, "the two sessions do not push each other out"
    finally:
        await app.disconnect()
        await transport.stop()


async def test_paused_connection_leaves_messages_with_the_broker(feed, sender) -> None:
    _, transport, database = feed
    transport.pause()
    now = time.time_ns() // 1_000_000
    for i in range(50):
        sender.send("devices/level-00/observations", {"t": now - i, "p": "level", "v": 1})
    await sender.drained()
    await asyncio.sleep(6)  # a broker that hangs would be told by now
    assert (transport.counters.stored, transport.link.answering, transport.link.reading) == (0, True, False)
    transport.resume()
    await until(lambda: transport.counters.acknowledged == 50)
    assert rows(database, "SELECT count(*) FROM observation") == [(50,)]
