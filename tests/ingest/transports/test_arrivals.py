"""What arrives over a real broker: each form of message, and what is wrong with it."""

from __future__ import annotations

import psycopg
import pytest

from ingest.decoders.readings import Readings
from ingest.transports import mqtt
from tests.ingest.transports.conftest import now_ms, until
from tests.reading import rows
from twin.states import State

pytestmark = [pytest.mark.postgis, pytest.mark.broker]


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
    counts = transport.counters
    assert counts.messages == 5
    assert counts.refused.total() == 0
    assert transport.waiting == 0
    assert 0 <= transport.devices.counters.lag.median_s() < 5


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


async def test_gateway_reports_only_for_its_own_area(feed, sender) -> None:
    _, transport, database = feed
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE device SET scope_code = 510104021001001 WHERE uid = 'level-01'")
        connection.execute("UPDATE device SET scope_code = 510104022001001 WHERE uid = 'level-02'")
    board = transport.delivery.twin.board
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
    await until(lambda: not transport.delivery.gateways.knows("gw-area"))
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


async def test_a_gateway_is_heard_until_it_says_goodbye(feed, sender) -> None:
    _, transport, _ = feed
    link = transport.gateways.link
    assert link.gateway_silent_s("sim-gw-") is None
    sender.send("gateways/sim-gw-001/status", b"online")
    sender.send("gateways/gw-1/status", {"status": "online"})
    await until(lambda: set(link.gateways) == {"sim-gw-001", "gw-1"})
    assert 0 <= link.gateway_silent_s("sim-gw-") < 2
    sender.send("gateways/sim-gw-001/status", b"offline")
    await until(lambda: link.gateway_silent_s("sim-gw-") is None)
    sender.send("gateways/sim-gw-002/observations", {"t": now_ms(), "p": "level", "d": "level-00", "v": 1})
    await until(lambda: link.gateway_silent_s("sim-gw-") is not None)
    sender.send("gateways/gw-1/status", b"perhaps")
    await until(lambda: transport.counters.refused.total() == 1)
    await until(lambda: transport.counters.acknowledged >= 3)


async def test_observation_that_the_broker_is_to_keep_is_refused(feed, sender) -> None:
    _, transport, database = feed
    topic, body = "gt/v1/devices/level-02/observations", b'{"t":%d,"p":"level","v":1}' % now_ms()
    client = sender.clients["level-02"]
    client.publish(topic, body, qos=1, retain=True)
    gateway = b'{"t":%d,"p":"level","v":1,"d":"level-03"}' % now_ms()
    sender.clients["gw-1"].publish("gt/v1/gateways/gw-1/observations", gateway, qos=1, retain=True)
    await until(lambda: transport.counters.acknowledged == 2)
    assert transport.counters.refused == {"retained": 2}
    kept = rows(database, "SELECT reason, detail, payload FROM quarantine ORDER BY id")
    assert [(reason, bytes(payload)) for reason, _, payload in kept] == [
        ("retained", body),
        ("retained", gateway),
    ]
    assert "publish observations without the retain flag" in kept[0][1]
    client.publish(topic, b"", qos=1, retain=True)  # what was kept is deleted: no reading, and nothing wrong
    client.publish(topic, body, qos=1)
    sender.clients["cam-0001"].publish("gt/v1/devices/cam-0001/status", b"online", qos=1, retain=True)
    await until(lambda: transport.counters.acknowledged == 5)
    assert transport.counters.refused.total() == 2
    assert (transport.counters.stored, transport.counters.statuses) == (1, 1)
