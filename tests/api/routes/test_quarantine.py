"""What was refused can be seen, and is taken once after what was wrong has been put right."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from tests.waiting import until

pytestmark = pytest.mark.postgis

GATEWAY = "/ingest/v1/gateways/gate-0001/observations"
INSTALL = (
    "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, simulated, position_source) "
    "SELECT 1, %s, '', %s, %s, ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), true, 'measured'"
)


@pytest.fixture
def sender(tokens, http):
    async def send(who: str, path: str, content: object) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await http.post(path, content=body, headers={"Authorization": f"Bearer {tokens[who].secret}"})

    return send


async def install(served, uid: str, kind: str = "water_level") -> None:
    await served.run_sql(INSTALL, uid, uid, kind)
    await until(lambda: uid in served.runtime.twin.board.row_of_uid)


async def test_what_a_new_device_sent_too_early_is_taken_once(served, signed_in, sender):
    admin = await signed_in("system_admin")
    at = time.time_ns() // 1_000_000 - 60_000
    columns = {
        "d": ["water-0009"] * 3 + ["water-0001"],
        "t": [at, at + 1, at + 2, at],
        "p": "level",
        "v": [1, 2, 3, 4],
    }
    answer = (await sender("gateway", GATEWAY, columns)).json()
    assert (answer["stored"], answer["refused"]) == (1, 3)

    # Nothing was put right: all stay, as often as it is tried.
    for _ in range(2):
        done = (await admin.post("/api/replays", json={})).json()
        assert (done["messages"], done["taken"], done["again"]) == (3, 0, {"unknown_device": 3})
    before = await served.run_sql("SELECT received_at FROM quarantine ORDER BY id")

    await install(served, "water-0009")
    done = (await admin.post("/api/replays", json={"reason": "unknown_device"})).json()
    assert (done["messages"], done["taken"], done["stored"], done["again"]) == (3, 3, 3, {})
    stored = await served.run_sql(
        "SELECT value, o.received_at FROM observation o JOIN device d ON d.id = device_id "
        "WHERE uid = 'water-0009' ORDER BY value"
    )
    assert [row[0] for row in stored] == [1.0, 2.0, 3.0]
    assert [row[1] for row in stored] == [row[0] for row in before]  # when it came, not when it was replayed
    done = (await admin.post("/api/replays", json={})).json()
    assert done["messages"] == 0
    assert await served.run_sql("SELECT count(*) FROM quarantine WHERE replayed_at IS NOT NULL") == [(3,)]
    told = await served.run_sql("SELECT count(*) FROM audit WHERE action = 'quarantine.replayed'")
    assert told == [(4,)]


async def test_a_reading_that_was_sent_again_meanwhile_is_not_stored_twice(served, signed_in, sender):
    admin = await signed_in("system_admin")
    reading = {"d": "water-0009", "t": time.time_ns() // 1_000_000, "p": "level", "v": 7}
    assert (await sender("gateway", GATEWAY, [reading])).status_code == 422
    await install(served, "water-0009")
    assert (await sender("gateway", GATEWAY, [reading])).json()["stored"] == 1
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["stored"], done["duplicate"]) == (1, 0, 1)


async def test_what_fails_for_another_reason_says_so(served, signed_in, sender):
    admin = await signed_in("system_admin")
    reading = {"d": "water-0009", "t": time.time_ns() // 1_000_000, "p": "level", "v": 99_999}
    await sender("gateway", GATEWAY, [reading])
    await install(served, "water-0009")
    done = (await admin.post("/api/replays", json={})).json()
    assert done["again"] == {"out_of_range": 1}
    listed = (await admin.get("/api/quarantine")).json()
    assert listed["by_reason"] == {"out_of_range": 1}
    ((number, detail),) = [(m["id"], m["detail"]) for m in listed["messages"]]
    assert "0 to 1000" in detail
    shown = (await admin.get(f"/api/quarantine/{number}")).json()
    assert json.loads(shown["payload"])["v"] == 99_999
    assert (await admin.get("/api/quarantine/999999")).status_code == 404


async def test_a_replay_gives_nobody_more_rights_than_they_had(served, signed_in, sender):
    """A gateway of another area stays refused; so does one without an account, and a device for another."""
    admin = await signed_in("system_admin")
    reading = {"d": "water-0001", "t": time.time_ns() // 1_000_000, "p": "level", "v": 7}
    path = "/ingest/v1/gateways/gate-0002/observations"
    assert (await sender("elsewhere", path, [reading])).status_code == 422
    for source in (
        "gt/v1/gateways/nobody/observations",
        "gt/v1/devices/water-0002/observations",
        "osmand-http water-0002",
    ):
        await served.run_sql(
            "INSERT INTO quarantine (source, reason, detail, payload) VALUES (%s, 'malformed', '', %s)",
            source, json.dumps(reading).encode(),
        )  # fmt: skip
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["messages"], done["stored"], done["again"]) == (4, 0, {"wrong_device": 4})
    assert await served.run_sql("SELECT count(*) FROM observation") == [(0,)]


async def test_bytes_of_every_way_in_find_their_decoder(served, signed_in):
    admin = await signed_in("system_admin")
    seconds = time.time_ns() // 1_000_000_000
    await install(served, "wg-0007", "worker")
    await served.run_sql(
        "WITH w AS (INSERT INTO worker (code, name, device_id) "
        "SELECT 'w7', 'w7', id FROM device WHERE uid = 'wg-0007' RETURNING id) "
        "INSERT INTO duty (worker_id, starts_at, consent_at) "
        "SELECT id, now() - interval '1 hour', now() - interval '1 hour' FROM w"
    )
    await asyncio.sleep(0.5)
    kept = {
        "gt/v1/devices/water-0001/observations": {"t": seconds * 1000, "p": "level", "v": 5},
        "device-http water-0002": {"t": seconds * 1000, "p": "level", "v": 5},
        "owntracks-http wg-0007": {
            "_type": "location", "lat": 30.66, "lon": 104.06, "tst": seconds, "vel": 3, "batt": 50,
        },
    }  # fmt: skip
    for source, content in kept.items():
        await served.run_sql(
            "INSERT INTO quarantine (source, reason, detail, payload) VALUES (%s, 'decoder_failed', '', %s)",
            source, json.dumps(content).encode(),
        )  # fmt: skip
    await served.run_sql(
        "INSERT INTO quarantine (source, reason, detail, payload) VALUES "
        "('osmand-http wg-0007', 'decoder_failed', '', %s), ('gone-feed x', 'malformed', '', 'x'), "
        "('gt/v1/devices/water-0001/observations', 'too_large', 'long (cut from 9 bytes)', 'x')",
        f"lat=30.66&lon=104.06&timestamp={seconds + 1}&batt=49".encode(),
    )
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["messages"], done["taken"], done["again"]) == (5, 4, {"wrong_topic": 1})
    of = await served.run_sql(
        "SELECT uid, count(DISTINCT phenomenon_time) FROM observation o JOIN device d ON d.id = device_id "
        "GROUP BY 1 ORDER BY 1"
    )
    assert of == [("water-0001", 1), ("water-0002", 1), ("wg-0007", 2)]


async def test_what_one_way_in_refused_is_told_and_replayed_apart(served, signed_in):
    admin = await signed_in("system_admin")
    sources = (
        "gt/v1/devices/water-0009/observations",
        "gt/v1/gateways/gate-0001/observations",
        "owntracks/wg-0007/phone",
        "owntracks/wg-0007/phone/event",
        "device-http water-0009",
        "other-device-http water-0009",
    )
    for source in sources:
        await served.run_sql(
            "INSERT INTO quarantine (source, reason, detail, payload) VALUES (%s, 'malformed', '', 'x')",
            source,
        )
    seen = {}
    for feed in ("device-mqtt", "gateway-mqtt", "owntracks-mqtt", "owntracks-events", "device-http"):
        told = (await admin.get("/api/quarantine", params={"feed": feed})).json()
        seen[feed] = [one["source"] for one in told["messages"]]
        assert told["by_reason"] == {"malformed": 1}, feed
    assert seen == dict(zip(seen, [[one] for one in sources[:5]], strict=True))
    done = (await admin.post("/api/replays", json={"feed": "gateway-mqtt"})).json()
    assert done["messages"] == 1
    ((detail,),) = await served.run_sql("SELECT detail FROM audit WHERE action = 'quarantine.replayed'")
    assert detail["feed"] == "gateway-mqtt"
    assert (await admin.get("/api/quarantine", params={"feed": "nothing"})).status_code == 404
    assert (await admin.post("/api/replays", json={"feed": "nothing"})).status_code == 404


async def test_nothing_is_kept_of_who_is_off_duty(served, signed_in):
    admin = await signed_in("system_admin")
    await served.run_sql(
        "UPDATE duty SET ends_at = now() - interval '2 hours' WHERE ends_at IS NULL OR ends_at > now()"
    )
    await asyncio.sleep(0.5)
    await served.run_sql(
        "INSERT INTO quarantine (source, reason, detail, payload) VALUES "
        "('owntracks-http worker-0001', 'decoder_failed', '', %s)",
        json.dumps(
            {"_type": "location", "lat": 30.66, "lon": 104.06, "tst": time.time_ns() // 10**9}
        ).encode(),
    )
    done = (await admin.post("/api/replays", json={})).json()
    assert set(done["again"]) == {"off_duty"}
    assert await served.run_sql("SELECT payload FROM quarantine") == [(b"",)]


async def test_who_may(signed_in):
    for role, seen in (("manager", 403), ("auditor", 403), ("system_admin", 200)):
        client = await signed_in(role)
        assert (await client.get("/api/quarantine")).status_code == seen, role
        assert (await client.post("/api/replays", json={})).status_code == seen, role
