"""What comes by SensorThings is a feed like others: seen, paused, and what is refused is taken again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.routes.conftest import observe
from tests.api.sensorthings.conftest import ROOT, program
from tests.api.sensorthings.declaring import STREAM, THING, iso
from tests.api.sensorthings.test_mqtt import GRID, connected
from tests.waiting import until

pytestmark = pytest.mark.postgis

NOW = datetime.now(UTC).replace(microsecond=0)
LEVEL = f"{ROOT}/Datastreams(1000)/Observations"


@pytest.fixture
async def writer(served, signed_in):
    return await signed_in("integrator")


@pytest.fixture
async def admin(served, signed_in):
    return await signed_in("system_admin")


async def source(admin: httpx.AsyncClient, name: str = "sensorthings-http") -> dict[str, Any]:
    answer = await admin.get("/api/sources")
    return {one["id"]: one for one in answer.json()["sources"]}[name]


async def refused(served) -> list[tuple]:
    rows = await served.run_sql("SELECT source, reason, payload FROM quarantine ORDER BY id")
    return [(name, reason, bytes(payload)) for name, reason, payload in rows]


def at(minutes: int) -> str:
    return iso(NOW - timedelta(minutes=minutes))


async def test_every_way_to_bring_observations_is_counted(served, writer, admin):
    assert (await source(admin))["messages"] == 0
    body = {"phenomenonTime": at(1), "result": 20}
    for status in (201, 201):  # the same again is a duplicate
        assert (await writer.post(LEVEL, json=body)).status_code == status
    assert (await writer.post(LEVEL, json=body | {"result": 1e6})).status_code == 400
    assert (await writer.post(LEVEL, json={"result": "wet", "phenomenonTime": at(2)})).status_code == 400
    table = {
        "Datastream": {"@iot.id": 1000},
        "components": ["phenomenonTime", "result"],
        "dataArray": [[at(3), 3], [at(4), 4], [at(5), 1e6], ["yesterday", 5], [at(6)]],
    }
    answer = await writer.post(f"{ROOT}/CreateObservations", json=[table])
    assert answer.json()[2:] == ["error"] * 3
    batch = {
        "requests": [{"id": "1", "method": "post", "url": "Datastreams(1000)/Observations", "body": body}]
    }
    assert (await writer.post(f"{ROOT}/$batch", json=batch)).status_code == 200
    deep = THING | {"Datastreams": [STREAM | {"Observations": [{"phenomenonTime": at(1), "result": 5}]}]}
    assert (await writer.post(f"{ROOT}/Things", json=deep)).status_code == 201
    assert (await writer.post(f"{ROOT}/Sensors", json=STREAM["Sensor"])).status_code == 201  # brings none
    one = await source(admin)
    assert (one["messages"], one["stored"], one["refused"]) == (7, 4, 5)
    reasons = {reason["code"]: reason["count"] for reason in one["refused_reasons"]}
    assert reasons == {"out_of_range": 2, "malformed": 3}
    assert one["refused_share"] == pytest.approx(5 / 11)  # two were there already
    assert (one["state"], one["protocol"], one["address"]) == ("running", "http", "/sta/v1.1")
    since = (datetime.now(UTC) - NOW).total_seconds()  # this file may have been read long ago
    assert one["lag_s"] == pytest.approx(since + 90, abs=60)
    assert one["last_message_at"] is not None
    assert len(await refused(served)) == 5
    counters = served.runtime.ingest.intake.counters["sensorthings-http"]
    assert (counters.readings, counters.acknowledged, counters.duplicate) == (11, 7, 2)


async def test_paused_it_takes_nothing_and_makes_nothing(served, writer, admin):
    path = "/api/sources/sensorthings-http"
    assert (await admin.post(f"{path}/pause", json={"reason": "升级"})).json()["state"] == "paused"
    body = {"phenomenonTime": at(1), "result": 20}
    table = {"Datastream": {"@iot.id": 1000}, "components": ["result"], "dataArray": [[1]]}
    deep = THING | {"Datastreams": [STREAM | {"Observations": [{"result": 5}]}]}
    things = await served.run_sql("SELECT count(*) FROM device")
    for where, what in ((LEVEL, body), (f"{ROOT}/CreateObservations", [table]), (f"{ROOT}/Things", deep)):
        answer = await writer.post(where, json=what)
        assert (answer.status_code, answer.json()["where"]) == (503, "sensorthings-http"), answer.text
        assert answer.headers["Retry-After"] == "60"
    assert await served.run_sql("SELECT count(*) FROM device") == things
    assert await served.run_sql("SELECT count(*) FROM observation") == [(0,)]
    assert (await writer.post(f"{ROOT}/Things", json=THING)).status_code == 201  # no observation is in it
    assert (await source(admin))["messages"] == 0
    assert (await admin.post(f"{path}/resume")).status_code == 200
    assert (await writer.post(LEVEL, json=body)).status_code == 201


async def test_by_mqtt_it_is_a_feed_of_its_own(served, admin):
    name, token = await program(served, "integrator", GRID)
    topic = "v1.1/Datastreams(1000)/Observations"
    async with connected(served, name, token) as client:
        for result in (20, 1e6):
            client.mqtt.publish(topic, {"result": result, "phenomenonTime": at(1)}, qos=1)
        await until_counted(served, 2)
        one = await source(admin, "sensorthings-mqtt")
        assert (one["messages"], one["stored"], one["refused"], one["protocol"]) == (2, 1, 1, "websocket")
        assert (await refused(served))[0][:2] == (f"sensorthings-mqtt {name} account", "out_of_range")
        await admin.post("/api/sources/sensorthings-mqtt/pause", json={"reason": "x"})
        # Not acknowledged, so the client keeps it; the connection ends.
        client.mqtt.publish(topic, {"result": 7, "phenomenonTime": at(2)}, qos=1)
        await client.gone.wait()
    assert await served.run_sql("SELECT count(*) FROM observation") == [(1,)]
    assert (await source(admin, "sensorthings-mqtt"))["state"] == "paused"
    assert (await source(admin))["state"] == "running"


async def until_counted(served, messages: int) -> None:
    counters = served.runtime.ingest.intake.counters["sensorthings-mqtt"]
    await until(lambda: counters.acknowledged == messages)


async def test_what_was_refused_is_taken_again_once_it_was_mended(served, writer, admin):
    thing = (await writer.post(f"{ROOT}/Things", json=THING)).json()["@iot.id"]
    stream = thing * 1000
    whole = {
        "phenomenonTime": f"{at(9)}/{at(8)}", "result": 4, "resultTime": at(7), "parameters": {"泵": "开"},
        "validTime": f"{at(6)}/{at(5)}", "resultQuality": {"code": "ok"},
    }  # fmt: skip
    # Its moment is too old: what is kept says all that was sent.
    old = whole | {"phenomenonTime": iso(NOW - timedelta(days=400))}
    assert (await writer.post(f"{ROOT}/Datastreams({stream})/Observations", json=old)).status_code == 400
    body = {"result": 3, "phenomenonTime": at(3)}
    assert (await writer.post(f"{ROOT}/Datastreams(77000)/Observations", json=body)).status_code == 404
    kept = await refused(served)
    assert [reason for _, reason, _ in kept] == ["too_old", "unknown_device"]
    assert kept[0][0].startswith("sensorthings-http test-")
    assert kept[0][0].endswith(" account")
    told = json.loads(kept[0][2])
    assert told["Datastream"] == {"@iot.id": stream}
    assert (told["result"], told["parameters"], told["resultQuality"]) == (4, {"泵": "开"}, {"code": "ok"})
    done = (await admin.post("/api/replays", json={"feed": "sensorthings-http"})).json()
    assert done["again"] == {"too_old": 1, "unknown_device": 1}
    mended = json.dumps(told | {"phenomenonTime": whole["phenomenonTime"]}).encode()
    await served.run_sql("UPDATE quarantine SET payload = %s WHERE reason = 'too_old'", mended)
    done = (await admin.post("/api/replays", json={"feed": "sensorthings-http", "reason": "too_old"})).json()
    assert (done["taken"], done["stored"], done["again"]) == (1, 1, {})
    stored = (await writer.get(f"{ROOT}/Datastreams({stream})/Observations")).json()["value"]
    assert [{key: stored[0][key] for key in whole}] == [whole | {"result": 4}]


async def test_what_is_taken_again_is_its_senders_to_bring_now(served, admin):
    name, token = await program(served, "integrator", GRID)
    async with httpx.AsyncClient(base_url=served.url, headers={"authorization": f"Bearer {token}"}) as http:
        body = {"result": 3, "phenomenonTime": at(3)}
        elsewhere = f"{ROOT}/Datastreams(3000)/Observations"
        assert (await http.post(elsewhere, json=body)).status_code == 404
    assert len(await refused(served)) == 1
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["again"]) == (0, {"wrong_device": 1})
    await served.run_sql("UPDATE membership SET low = 0, high = 999999999999999")
    done = (await admin.post("/api/replays", json={})).json()
    assert (done["taken"], done["stored"]) == (1, 1)
    await served.run_sql("UPDATE quarantine SET replayed_at = NULL")
    await served.run_sql("UPDATE account SET disabled_at = now() WHERE name = %s", name)
    assert (await admin.post("/api/replays", json={})).json()["again"] == {"wrong_device": 1}


async def test_a_device_that_brings_its_own_is_shown_what_it_sent(served, http, tokens, signed_in):
    auth = {"Authorization": f"Bearer {tokens['device'].secret}"}
    content = json.dumps({"result": 21, "phenomenonTime": at(2), "parameters": {"a": 1}}).encode()
    headers = auth | {"content-type": "application/json"}
    assert (await http.post(LEVEL, content=content, headers=headers)).status_code == 201
    integrator = await signed_in("integrator")
    told = (await integrator.get("/api/sources/devices/1/messages")).json()["messages"]
    assert [(one["source"], one["payload"]) for one in told] == [("sensorthings-http", content.decode())]
    assert (await http.post(LEVEL, json={"result": 1e6}, headers=auth)).status_code == 400
    assert (await refused(served))[0][:2] == ("sensorthings-http water-0001", "out_of_range")


async def test_what_others_bring_is_not_counted_here(served, admin):
    await observe(served, "water-0001", [1.0, 2.0])
    assert (await source(admin))["messages"] == 0
