"""Messages of foreign platforms over a real broker, read by the mapping that their topic names."""

from __future__ import annotations

import json
import time

import gmqtt
import psycopg
import pytest

from tests.ingest.transports.conftest import transport_of, until
from tests.reading import rows

pytestmark = [pytest.mark.postgis, pytest.mark.broker]

MAPPING = {
    "items": "list",
    "device": "id",
    "prefix": "level-",
    "time": "ts",
    "time_form": "seconds",
    "values": [{"property": "level", "path": "v"}],
}


def message(*values: tuple[str, object]) -> bytes:
    now = int(time.time())
    return json.dumps({"list": [{"id": number, "ts": now, "v": value} for number, value in values]}).encode()


async def client(broker, name: str) -> gmqtt.Client:
    made = gmqtt.Client("any")
    made.set_auth_credentials(name, name)
    await made.connect(broker.host, broker.port)
    return made


async def test_a_platform_publishes_under_its_own_name_by_a_mapping(feed, broker) -> None:
    twin, schema, database = feed
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO feed_mapping (name, version, zh, en, content, changed_by) "
            "VALUES ('waterworks', 1, '水', 'w', %s, 'x')",
            [json.dumps(MAPPING)],
        )
    await schema.delivery.mappings.refresh()
    platforms, devices = (
        transport_of(twin, broker.address, name, schema.delivery, session_expiry_s=60)
        for name in ("mapped-gateway-mqtt", "mapped-device-mqtt")
    )
    for one in (platforms, devices):
        await one.start()
        await until(lambda one=one: one.link.connected)
    gateway, device = await client(broker, "gw-1"), await client(broker, "level-02")
    try:
        topic = "foreign/gateways/gw-1/waterworks"
        bad, early = message(("00", "x"), ("77", 3)), message(("00", 5))
        gateway.publish("foreign/gateways/sim-gw-001/waterworks", message(("00", 9)), qos=1)  # dropped there
        gateway.publish(topic, message(("00", 1.5), ("01", 2.5)), qos=1)
        gateway.publish(topic, bad, qos=1)
        gateway.publish("foreign/gateways/gw-1/powerworks", early, qos=1)
        device.publish("foreign/devices/level-02/waterworks", message(("02", 4), ("03", 4)), qos=1)
        await until(lambda: platforms.counters.acknowledged == 3 and devices.counters.acknowledged == 1)
        stored = rows(
            database,
            "SELECT uid, value FROM observation JOIN device ON device.id = device_id ORDER BY 1",
        )
        assert stored == [("level-00", 1.5), ("level-01", 2.5), ("level-02", 4.0)]
        assert dict(platforms.counters.refused) == {"wrong_type": 1, "unknown_device": 1, "wrong_topic": 1}
        assert dict(devices.counters.refused) == {"wrong_device": 1}
        by = schema.delivery.mappings.counters("waterworks")
        assert (by.messages, by.stored) == (3, 3)
        assert dict(by.refused) == {"wrong_type": 1, "unknown_device": 1, "wrong_device": 1}
        assert schema.delivery.mappings.counters("powerworks") is None
        kept = rows(database, "SELECT source, reason, payload FROM quarantine ORDER BY source, id")
        assert [row[:2] for row in kept] == [
            ("foreign/devices/level-02/waterworks", "wrong_device"),
            ("foreign/gateways/gw-1/powerworks", "wrong_topic"),
            ("foreign/gateways/gw-1/waterworks", "wrong_type"),
        ]
        assert (kept[1][2], kept[2][2]) == (early, bad)
    finally:
        for one in (gateway, device):
            await one.disconnect()
        await platforms.stop()
        await devices.stop()
