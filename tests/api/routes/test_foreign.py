"""Messages of foreign platforms: read by their mapping, kept whole where that is wrong, and mended by it."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from tests.api.routes.test_mappings import MAPPING, MAPPINGS, NEW, item, message

pytestmark = pytest.mark.postgis

PATH = "/ingest/v1/mapped/waterworks"


@pytest.fixture
def send(http, tokens):
    async def post(who: str, content: object, path: str = PATH) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await http.post(path, content=body, headers={"Authorization": f"Bearer {tokens[who].secret}"})

    return post


@pytest.fixture
async def admin(signed_in):
    client = await signed_in("system_admin")
    assert (await client.post(MAPPINGS, json=NEW)).status_code == 201
    return client


async def change(admin: httpx.AsyncClient, version: int, **more: object) -> None:
    body = {"zh": "水", "en": "w", "mapping": {**MAPPING, **more}, "version": version}
    answer = await admin.put(f"{MAPPINGS}/waterworks", json=body)
    assert answer.status_code == 200, answer.text


def shown(served, uid: str) -> float:
    board = served.runtime.twin.board
    return float(board.values[board.row_of_uid[uid], 0])


async def kept(served) -> list[tuple[object, ...]]:
    return await served.run_sql(
        "SELECT source, reason, detail, convert_from(payload, 'UTF8') FROM quarantine "
        "WHERE replayed_at IS NULL ORDER BY id"
    )


async def test_a_message_is_stored_by_its_mapping(served, admin, send):
    answer = await send("gateway", message(item(lvl=31.5), item(devId="0002", lvl=12)))
    assert (answer.status_code, answer.json()["stored"]) == (200, 2), answer.text
    assert (shown(served, "water-0001"), shown(served, "water-0002")) == (31.5, 12.0)
    assert (await send("gateway", message(item()), "/ingest/v1/mapped/nothing")).status_code == 404
    counters = served.runtime.ingest.intake.counters["mapped-http"]
    assert (counters.messages, counters.stored) == (1, 2)


async def test_what_comes_is_counted_by_its_mapping_and_a_retired_one_is_used_no_more(served, admin, send):
    assert (await admin.post(MAPPINGS, json={**NEW, "name": "quiet"})).status_code == 201
    await send("gateway", message(item(), item(devId="0002"), item(devId="x")))
    await send("gateway", b"{")

    async def flow(name: str) -> tuple[object, ...]:
        (row,) = [one for one in (await admin.get(MAPPINGS)).json() if one["name"] == name]
        told = row["flow"]
        reasons = {one["code"]: one["count"] for one in told["refused_reasons"]}
        assert (told["last_message_at"] is None) is (told["messages"] == 0)
        return row["retired"], told["messages"], told["stored"], reasons, sum(told["per_minute"])

    assert await flow("waterworks") == (False, 2, 2, {"unknown_device": 1, "malformed": 1}, 2)
    assert await flow("quiet") == (False, 0, 0, {}, 0)

    path = f"{MAPPINGS}/waterworks"
    assert (await admin.post(f"{path}/retire", json={"newest": 7})).json()["where"] == "version"
    retired = (await admin.post(f"{path}/retire", json={"newest": 1})).json()
    assert (retired["version"], retired["retired"], retired["mapping"]) == (2, True, MAPPING)
    answer = await send("gateway", message(item(lvl=44, ts=int(time.time()) + 1)))
    assert (answer.status_code, "retired" in answer.json()["detail"]) == (422, True), answer.text
    assert await flow("waterworks") == (
        True, 3, 2, {"unknown_device": 1, "malformed": 1, "wrong_topic": 1}, 3,
    )  # fmt: skip
    for request in (
        admin.post(f"{path}/retire", json={"newest": 2}),
        admin.put(path, json={"zh": "水", "en": "w", "mapping": MAPPING, "version": 2}),
    ):
        again = await request
        assert (again.status_code, again.json()["where"]) == (409, "retired")

    # Put back it is used again, and what came meanwhile is taken after all.
    back = await admin.post(f"{path}/restore", json={"version": 1, "newest": 2})
    assert (back.status_code, back.json()["version"], back.json()["retired"]) == (200, 3, False)
    done = (await admin.post("/api/replays", json={"reason": "wrong_topic"})).json()
    assert (done["taken"], shown(served, "water-0001")) == (1, 44.0)
    acts = "SELECT action, detail ->> 'version' FROM audit WHERE object = 'mapping/waterworks' ORDER BY seq"
    assert await served.run_sql(acts) == [
        ("mapping.created", "1"), ("mapping.retired", "2"), ("mapping.restored", "3"),
    ]  # fmt: skip


async def test_what_came_over_mqtt_before_its_mapping_was_made_is_replayed_by_it(served, admin, send):
    for source in ("foreign/gateways/gate-0001/later", "foreign/devices/water-0001/later"):
        await served.run_sql(
            "INSERT INTO quarantine (source, reason, detail, payload) VALUES (%s, 'wrong_topic', '', %s)",
            source, json.dumps(message(item(), item(devId="0002"))).encode(),
        )  # fmt: skip
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["again"]) == (0, {"wrong_topic": 2})
    assert (await admin.post(MAPPINGS, json={**NEW, "name": "later"})).status_code == 201
    done = (await admin.post("/api/replays", json={})).json()
    # The device may not speak for another; what it said of itself is there already.
    assert (done["taken"], done["stored"], done["duplicate"], done["again"]) == (1, 2, 1, {"wrong_device": 1})


FAULTS = {
    "the list lies elsewhere": ({"items": "data.rows"}, "missing_field"),
    "the list is taken for an item": ({"items": "data"}, "missing_field"),
    "the device lies elsewhere": ({"device": "id"}, "missing_field"),
    "the number is not ours": ({"prefix": "WL-"}, "unknown_device"),
    "the time is taken for milliseconds": ({"time_form": "milliseconds"}, "too_old"),
    "the property is another": (
        {"values": [{"property": "depth", "path": "lvl"}]}, "unknown_property",
    ),
    "the unit is no length": (
        {"values": [{"property": "level", "path": "lvl", "unit": "kg"}]}, "wrong_unit",
    ),
    "the factor is a thousand times too large": (
        {"values": [{"property": "level", "path": "lvl", "factor": 1000}]}, "out_of_range",
    ),
}  # fmt: skip


async def test_what_a_wrong_mapping_refused_is_on_the_board_once_that_is_mended(served, admin, send):
    """Every fault a mapping can have: refused, kept as it came, mended by a route, replayed, shown."""
    replays, version = "/api/replays", 1
    for number, (fault, (wrong, reason)) in enumerate(FAULTS.items()):
        await change(admin, version, **wrong)
        at = int(time.time()) - 100 + number
        sent = message(item(ts=at, lvl=20.5 + number), item(devId="0002", ts=at, lvl=40.5 + number))
        answer = await send("gateway", sent)
        assert answer.status_code == 422, fault
        ((source, refused, detail, payload),) = await kept(served)
        assert (source, refused, json.loads(payload)) == ("mapped-http gate-0001 waterworks", reason, sent), (
            fault
        )
        assert detail, fault

        # Nothing was mended: it stays, as often as it is tried.
        done = (await admin.post(replays, json={})).json()
        assert (done["messages"], done["taken"], done["again"]) == (1, 0, {reason: 1}), fault

        await change(admin, version + 1)
        version += 2
        done = (await admin.post(replays, json={})).json()
        assert (done["messages"], done["taken"], done["stored"], done["again"]) == (1, 1, 2, {}), fault
        assert shown(served, "water-0001") == 20.5 + number, fault
        assert shown(served, "water-0002") == 40.5 + number, fault
        assert await kept(served) == []


async def test_one_bad_item_does_not_hold_up_the_others_and_is_stored_once_when_mended(served, admin, send):
    sent = message(item(lvl=1), item(devId="0002", lvl={"cm": 2}), item(devId="x", lvl=3), item(devId=None))
    answer = (await send("gateway", sent)).json()
    assert (answer["stored"], answer["refused"]) == (1, 3)
    assert sorted(told["reason"] for told in answer["told"]) == [
        "missing_field",
        "unknown_device",
        "wrong_type",
    ]
    ((_, reason, detail, payload),) = await kept(served)
    assert json.loads(payload) == sent
    assert "2 more" in detail
    assert reason in {told["reason"] for told in answer["told"]}
    reasons = served.runtime.twin.quarantine.reasons
    assert (reasons["missing_field"], reasons["wrong_type"], reasons["unknown_device"]) == (1, 1, 1)

    both = [{"property": "level", "path": "lvl.cm"}]
    await change(admin, 1, values=both)
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["stored"], len(done["again"])) == (0, 1, 1)
    assert (shown(served, "water-0001"), shown(served, "water-0002")) == (1.0, 2.0)
    count = await served.run_sql("SELECT count(*) FROM observation")
    assert count == [(2,)]


async def test_a_device_speaks_for_itself_and_a_gateway_for_its_area(served, admin, send):
    own = await send("device", message(item(), item(devId="0002")))
    assert (own.json()["stored"], own.json()["refused"]) == (1, 1)
    assert own.json()["told"][0]["reason"] == "wrong_device"
    foreign = await send("elsewhere", message(item()))
    assert foreign.status_code == 422
    assert "wrong_device" in foreign.json()["detail"]
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["stored"], done["again"]) == (0, 0, {"wrong_device": 2})


async def test_what_is_kept_says_nowhere_where_somebody_is(served, admin, send):
    place = {"gps": [104.0668123, 30.6572123], "lon": 104.0668123}
    assert (await send("gateway", message(item(devId="x", **place)))).status_code == 422
    ((_, reason, detail, payload),) = await kept(served)
    assert reason == "unknown_device"
    assert "104.06" not in payload
    assert "without its places" in detail
    assert json.loads(payload)["data"]["list"][0]["devId"] == "x"
    # No JSON: nobody can tell where in it a place stands.
    assert (await send("gateway", b"id=x&lat=30.6572123")).status_code == 422
    assert (await kept(served))[1][3] == ""
    await change(admin, 1, devices={"x": "water-0001"})
    done = (await admin.post("/api/replays", json={"reason": "unknown_device"})).json()
    assert (done["taken"], done["stored"]) == (1, 1)


async def test_nothing_is_kept_of_a_message_that_tells_of_somebody_off_duty(served, admin, send):
    await served.run_sql("UPDATE duty SET ends_at = now() - interval '2 hours'")
    await asyncio.sleep(0.5)
    values = [{"property": "battery", "path": "bat"}]
    await change(admin, 1, values=values, prefix="", place={"lon": "x", "lat": "y"})
    told = {"devId": "worker-0001", "ts": int(time.time()), "bat": 50, "x": 104.0601, "y": 30.6601}
    answer = await send("gateway", message(told, {"devId": None}))
    assert answer.status_code == 422
    assert served.runtime.twin.quarantine.reasons["off_duty"] == 1
    assert await kept(served) == []

    # Nobody could tell of whom it is before the mapping was mended: then nothing of it stays.
    await change(admin, 2, device="id", values=values, prefix="")
    assert (await send("gateway", message(told, {"devId": None}))).status_code == 422
    assert len(await kept(served)) == 1
    await change(admin, 3, values=values, prefix="")
    done = (await admin.post("/api/replays", json={})).json()
    assert done["again"] == {"off_duty": 1}
    assert [(reason, payload) for _, reason, _, payload in await kept(served)] == [("off_duty", "")]


async def test_hostile_messages_are_refused_once_each(served, admin, send):
    for payload, reason in (
        (b"[" * 100_000, "malformed"),
        (json.dumps({"data": {"list": [1] * 5_001}}).encode(), "too_large"),
        (json.dumps(message(*[item(lvl="x")] * 3_000)).encode(), "wrong_type"),
    ):
        answer = await send("gateway", payload)
        assert (answer.status_code, reason in answer.json()["detail"]) == (422, True), answer.text
    assert [row[1] for row in await kept(served)] == ["malformed", "too_large", "wrong_type"]
