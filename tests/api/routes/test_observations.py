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


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"t": 1e999}', b"[" * 50_000, b"\xff", b"null"])
async def test_what_cannot_be_read_is_said(tokens, http, body):
    answer = await http.post(DEVICE, content=body, headers=bearer(tokens["device"]))
    assert answer.status_code == 422
    assert answer.json()["hint"]


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
