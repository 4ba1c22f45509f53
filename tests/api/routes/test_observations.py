"""Observations over HTTP: who may send, what becomes of them, and what is said of each."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from sqlalchemy import text

from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis

DEVICE = "/ingest/v1/devices/water-0001/observations"
GATEWAY = "/ingest/v1/gateways/gate-0001/observations"


def bearer(token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.secret}"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_answered_once_it_is_committed(served, tokens, http):
    at = now_ms()
    readings = [{"t": at - i, "p": "level", "v": 20 + i, "u": "cm"} for i in range(3)]
    first = await http.post(DEVICE, json=readings, headers=bearer(tokens["device"]))
    assert first.status_code == 200, first.text
    assert first.json() == {"stored": 3, "duplicate": 0, "refused": 0, "late": 0, "told": []}
    again = await http.post(DEVICE, json=readings, headers=bearer(tokens["device"]))
    assert (again.json()["stored"], again.json()["duplicate"]) == (0, 3)
    assert await served.run_sql("SELECT count(*) FROM observation") == [(3,)]


async def test_user_name_and_secret_as_at_the_broker(tokens, http):
    token = tokens["device"]
    reading = {"t": now_ms(), "p": "level", "v": 20, "u": "cm"}
    assert (await http.post(DEVICE, json=reading, auth=(token.user_name, token.secret))).status_code == 200
    for auth in ((token.user_name, "no"), ("water-0002", token.secret), ("", "")):
        assert (await http.post(DEVICE, json=reading, auth=auth)).status_code == 401, auth
    for header in (
        "",
        "Basic",
        "Basic !!!",
        "Bearer",
        "Digest x",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ):
        answer = await http.post(DEVICE, json=reading, headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert "gridtwin device token" in answer.json()["hint"]


async def test_device_speaks_for_itself_and_a_gateway_for_its_area(tokens, http):
    reading = {"t": now_ms(), "p": "level", "v": 20, "u": "cm"}
    assert (await http.post(DEVICE, json=reading, headers=bearer(tokens["other"]))).status_code == 403
    assert (await http.post(GATEWAY, json=reading, headers=bearer(tokens["elsewhere"]))).status_code == 403
    assert (await http.post(DEVICE, json=reading, headers=bearer(tokens["gateway"]))).status_code == 403
    named = {**reading, "d": ["water-0001", "nobody-9"], "v": [20, 21]}
    told = (await http.post(GATEWAY, json=named, headers=bearer(tokens["gateway"]))).json()
    assert (told["stored"], told["refused"]) == (1, 1)
    assert told["told"][0]["reason"] == "unknown_device"
    away = GATEWAY.replace("gate-0001", "gate-0002")
    answer = await http.post(
        away, json={**named, "d": "water-0001", "v": 22, "t": now_ms()}, headers=bearer(tokens["elsewhere"])
    )
    assert answer.status_code == 422
    assert "wrong_device" in answer.json()["detail"]


async def test_what_is_refused_is_told_and_kept(served, tokens, http):
    at = now_ms()
    readings = [
        {"t": at, "p": "level", "v": 20, "u": "cm"},
        {"t": at, "p": "level", "v": 1e6, "u": "cm"},
        {"t": at + 7_200_000, "p": "level", "v": 20, "u": "cm"},
        {"t": at, "p": "colour", "v": 1},
        {"t": at, "p": "level"},
    ]
    answer = await http.post(DEVICE, json=readings, headers=bearer(tokens["device"]))
    told = answer.json()
    assert (answer.status_code, told["stored"], told["refused"]) == (200, 1, 4)
    assert {one["reason"] for one in told["told"]} == {
        "out_of_range",
        "from_the_future",
        "unknown_property",
        "missing_field",
    }
    assert all(one["hint"] for one in told["told"])
    kept = await served.run_sql("SELECT source, reason FROM quarantine")
    assert sorted(reason for _, reason in kept) == sorted(one["reason"] for one in told["told"])
    assert {source for source, _ in kept} == {"device-http water-0001"}


UNREADABLE = [b"", b"{", b"NaN", b'{"t": 1e999}', b"[" * 50_000, b"\xff", b"null"]


async def test_what_cannot_be_read_is_said(tokens, http):
    for body in UNREADABLE:
        answer = await http.post(DEVICE, content=body, headers=bearer(tokens["device"]))
        assert answer.status_code == 422, body[:20]
        assert answer.json()["hint"], body[:20]


async def test_what_is_refused_before_it_is_read_is_counted_on_its_way_in(
    served, tokens, http, signed_in, monkeypatch, caplog
):
    async def told(token, length: int) -> bytes:
        """Begin a body of a length, and wait for the answer."""
        reader, writer = await asyncio.open_connection(served.host, served.port)
        head = f"POST {DEVICE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token.secret}\r\n"
        writer.write(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
        status = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return status.split()[1]

    monkeypatch.setattr("api.edge.BODY_S", 0.1)
    assert (await http.post(DEVICE, content=b"{}")).status_code == 401
    assert (await http.post(DEVICE, content=b"{}", headers=bearer(tokens["other"]))).status_code == 403
    assert await told(tokens["device"], 2 << 20) == b"413"
    assert await told(tokens["device"], 100) == b"408"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert (await http.post("/ingest/v1/nowhere", content=b"{}")).status_code in (401, 404)
    sources = (await (await signed_in("system_admin")).get("/api/sources")).json()["sources"]
    told = {row["id"]: row for row in sources}
    assert {row["code"]: row["count"] for row in told["device-http"]["refused_reasons"]} == {
        "not_known": 1, "too_large": 1, "wrong_device": 1, "unfinished": 1,
    }  # fmt: skip
    assert (told["device-http"]["messages"], told["device-http"]["refused_share"]) == (4, 1.0)
    assert sum(row["messages"] for row in sources) == 4


async def test_closed_account_is_told_at_once(served, tokens, http):
    reading = {"t": now_ms(), "p": "level", "v": 20, "u": "cm"}
    assert (await http.post(DEVICE, json=reading, headers=bearer(tokens["device"]))).status_code == 200
    engine = create_engine(served.database.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE publisher SET disabled_at = now() WHERE name = 'water-0001'"))
    engine.dispose()
    for _ in range(100):
        answer = await http.post(DEVICE, json=reading, headers=bearer(tokens["device"]))
        if answer.status_code == 401:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a closed account still reports")


async def test_people_have_no_business_here(served, client):
    answer = await client.post(DEVICE, json={"t": now_ms(), "p": "level", "v": 20, "u": "cm"})
    assert answer.status_code == 401


async def test_mover_off_duty_leaves_no_bytes(served, tokens, http):
    token = tokens["worker"]
    await served.run_sql("UPDATE duty SET ends_at = now() - interval '1 hour'")
    await asyncio.sleep(0.5)
    path = DEVICE.replace("water-0001", "worker-0001")
    answer = await http.post(
        path, json={"t": now_ms(), "p": "speed", "v": 1, "lon": 104.06, "lat": 30.66}, headers=bearer(token)
    )
    assert answer.status_code == 422
    assert "off_duty" in answer.json()["detail"]
    broken = await http.post(path, content=b'{"lon": 104.0612345', headers=bearer(token))
    assert broken.status_code == 422
    assert await served.run_sql("SELECT payload FROM quarantine WHERE payload <> ''") == []
