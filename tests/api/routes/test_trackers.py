"""Positions of tracking apps over HTTP."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.postgis


async def places(served) -> list[tuple]:
    return await served.run_sql(
        "SELECT DISTINCT d.uid, round(o.lon::numeric, 4)::float, round(o.lat::numeric, 4)::float "
        "FROM observation AS o JOIN device AS d ON d.id = o.device_id ORDER BY 2"
    )


async def test_owntracks_app_signs_in_as_the_tracker(served, tokens, http):
    message = {
        "_type": "location",
        "lat": 30.66,
        "lon": 104.061,
        "tst": int(time.time()),
        "batt": 46,
        "acc": 9,
        "tid": "5t",
    }
    token = tokens["worker"]
    answer = await http.post("/ingest/v1/owntracks", json=message, auth=(token.user_name, token.secret))
    assert (answer.status_code, answer.json()) == (200, [])
    assert await places(served) == [("worker-0001", 104.061, 30.66)]
    for ignored in (b"", b'{"_type":"lwt","tst":1}'):
        answer = await http.post(
            "/ingest/v1/owntracks", content=ignored, auth=(token.user_name, token.secret)
        )
        assert (answer.status_code, answer.json()) == (200, [])
    assert (await http.post("/ingest/v1/owntracks", json=message)).status_code == 401


async def test_what_cannot_be_used_does_not_block_the_app(served, tokens, http):
    token = tokens["worker"]
    for body in (
        b"{",
        b'{"_type":"location","lat":30.66,"lon":104.06}',
        b'{"_type":"encrypted","data":"AAAA"}',
    ):
        answer = await http.post("/ingest/v1/owntracks", content=body, auth=(token.user_name, token.secret))
        assert (answer.status_code, answer.json()) == (200, [])
    kept = await served.run_sql("SELECT reason, payload FROM quarantine ORDER BY id")
    assert [reason for reason, _ in kept] == ["malformed", "missing_field", "malformed"]
    assert {bytes(payload) for _, payload in kept} == {b""}, "a worker's bytes may say where they are"


async def test_traccar_client_and_osmand_give_the_secret_as_their_number(served, tokens, http):
    secret = tokens["worker"].secret
    now = time.time_ns() // 1_000_000
    query = {"id": secret, "lat": "30.66", "lon": "104.062", "timestamp": str(now), "speed": "2"}
    assert (await http.get("/ingest/v1/osmand", params=query)).status_code == 200
    form = {**query, "timestamp": str(now + 1), "lon": "104.063"}
    assert (await http.post("/ingest/v1/osmand", data=form)).status_code == 200
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now / 1000 + 2))
    content = {
        "location": {
            "timestamp": iso,
            "coords": {"latitude": 30.66, "longitude": 104.064, "accuracy": 5, "speed": 1},
        },
        "device_id": secret,
    }
    assert (await http.post("/ingest/v1/osmand", json=content)).status_code == 200
    assert await places(served) == [("worker-0001", lon, 30.66) for lon in (104.062, 104.063, 104.064)]
    for wrong in ({**query, "id": "worker-0001"}, {k: v for k, v in query.items() if k != "id"}):
        assert (await http.get("/ingest/v1/osmand", params=wrong)).status_code == 401


async def test_secret_is_kept_nowhere(served, tokens, http):
    secret = tokens["device"].secret
    for query in ({"id": secret, "lat": "x", "lon": "1"}, {"id": secret, "lat": "30.66", "lon": "104.06"}):
        assert (await http.get("/ingest/v1/osmand", params=query)).status_code == 200
        assert (await http.post("/ingest/v1/osmand", data=query)).status_code == 200
    kept = await served.run_sql("SELECT reason, source, detail, payload FROM quarantine")
    assert {row[0] for row in kept} == {"wrong_type", "unknown_property"}
    assert secret not in str(kept)


async def test_off_duty_nothing_is_kept(served, tokens, http):
    await served.run_sql("UPDATE duty SET ends_at = now() - interval '1 hour'")
    query = {"id": tokens["worker"].secret, "lat": "30.66", "lon": "104.062"}
    for _ in range(100):  # until the server has heard that the duty is over
        await served.run_sql("DELETE FROM observation")
        assert (await http.get("/ingest/v1/osmand", params=query)).status_code == 200
        if not await places(served):
            break
    else:
        raise AssertionError("places are taken off duty")
    assert "104.06" not in str(await served.run_sql("SELECT detail, payload FROM quarantine"))


async def test_gateway_names_its_tracker(served, tokens, http):
    secret = tokens["gateway"].secret
    query = {"id": "worker-0001", "lat": "30.66", "lon": "104.065"}
    answer = await http.get("/ingest/v1/osmand", params=query, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert await places(served) == [("worker-0001", 104.065, 30.66)]
