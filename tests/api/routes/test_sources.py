"""How every way in does, pausing one over HTTP, and what a device sent as it came."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import httpx
import pytest

from api.access.door import COOKIE
from ingest.transports import accounts
from twin.access.roles import ROLES, Act
from twin.access.scope import WHOLE_CODE
from twin.store.engine import create_engine

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]  # before the server

DEVICE = "/ingest/v1/devices/water-0001/observations"
GATEWAY = "/ingest/v1/gateways/gate-0001/observations"
GRID = "510105001001001"


@pytest.fixture
def tokens(served):
    engine = create_engine(served.database.url)
    with engine.begin() as connection:
        made = {
            name: accounts.add_publisher(connection, name, kind)
            for name, kind in {
                "water-0001": "device",
                "worker-0001": "device",
                "gate-0001": "gateway",
            }.items()
        }
    yield made
    engine.dispose()


@pytest.fixture
async def send(served, tokens):
    async with httpx.AsyncClient(base_url=served.url, timeout=20.0) as client:

        async def post(who: str, path: str, body: object) -> httpx.Response:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Authorization": f"Bearer {tokens[who].secret}"}
            return await client.post(path, content=content, headers=headers)

        yield post


@pytest.fixture
async def admin(served):
    client = await served.signed_in("system_admin")
    yield client
    await client.aclose()


async def held(served, *roles: tuple[str, str]) -> httpx.AsyncClient:
    secret = await served.secret(*roles)
    return httpx.AsyncClient(base_url=served.url, timeout=20.0, cookies={COOKIE: secret})


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def reading(**also: object) -> dict[str, object]:
    return {"t": now_ms(), "p": "level", "v": 20, "u": "cm", **also}


def named(answer: httpx.Response) -> dict[str, dict]:
    assert answer.status_code == 200, answer.text
    return {source["id"]: source for source in answer.json()["sources"]}


async def ids(served) -> dict[str, int]:
    return dict(await served.run_sql("SELECT uid, id FROM device WHERE valid_to IS NULL"))


async def test_every_feed_is_told_with_what_is_known_of_it(served, send, admin):
    quiet = named(await admin.get("/api/sources"))
    assert list(quiet) == list(served.runtime.ingest.feeds)
    one = quiet["device-http"]
    assert (one["protocol"], one["format"], one["state"]) == ("http", "device_schema", "running")
    assert quiet["gateway-mqtt"]["state"] == "off"
    unknown = ("lag_s", "last_message_at", "refused_share", "messages_per_s", "paused_at", "pause_reason")
    assert [one[name] for name in unknown] == [None] * 6
    assert (one["messages"], one["per_minute"]) == (0, [0] * 60)
    now = now_ms()
    for i in range(3):
        assert (await send("water-0001", DEVICE, reading(t=now - 10_000 - i))).status_code == 200
    assert (await send("water-0001", DEVICE, reading(v=1e6))).status_code == 422
    answer = await admin.get("/api/sources")
    one = named(answer)["device-http"]
    assert (one["messages"], one["stored"], one["refused"], one["refused_share"]) == (4, 3, 1, 0.25)
    assert one["refused_reasons"] == [{"code": "out_of_range", "count": 1}]
    assert sum(one["per_minute"]) == 4
    assert one["messages_per_s"] == pytest.approx(4 / 60)
    assert one["lag_s"] == pytest.approx(10, abs=3)
    assert one["last_message_at"] <= answer.json()["taken_at"]


async def test_paused_feed_answers_503_and_the_others_go_on(served, send, admin):
    path = "/api/sources/device-http"
    paused = await admin.post(f"{path}/pause", json={"reason": "网关升级"})
    assert paused.status_code == 200, paused.text
    told = named(await admin.get("/api/sources"))["device-http"]
    assert told == paused.json()
    assert (told["state"], told["pause_reason"], told["paused_by"][:5]) == ("paused", "网关升级", "test-")
    refused = await send("water-0001", DEVICE, reading())
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert (refused.json()["type"], refused.json()["where"]) == ("/problems/paused", "device-http")
    assert (await send("gate-0001", GATEWAY, reading(d="water-0001"))).status_code == 200
    assert await served.run_sql("SELECT count(*) FROM observation") == [(1,)]
    assert (await admin.post(f"{path}/pause", json={"reason": "again"})).status_code == 409
    assert (await admin.post(f"{path}/resume")).json()["state"] == "running"
    assert (await send("water-0001", DEVICE, reading())).status_code == 200
    assert (await admin.post(f"{path}/resume")).status_code == 409
    assert (await admin.post("/api/sources/nobody/pause", json={"reason": "x"})).status_code == 404
    assert (await admin.post(f"{path}/pause", json={"reason": ""})).status_code == 422
    acts = "SELECT action, object, reason FROM audit WHERE action LIKE 'source.%' ORDER BY seq"
    assert await served.run_sql(acts) == [
        ("source.paused", "source/device-http", "网关升级"),
        ("source.resumed", "source/device-http", ""),
    ]


async def test_only_who_manages_the_system_pauses(served):
    for role in ("integrator", "operator", "auditor"):
        async with await held(served, (role, WHOLE_CODE)) as client:
            assert (await client.get("/api/sources")).status_code == 403
            answer = await client.post("/api/sources/device-http/pause", json={"reason": "x"})
            assert answer.status_code == 403


async def test_messages_of_a_device_as_they_came(served, send):
    own = json.dumps(reading()).encode()
    await send("water-0001", DEVICE, own)
    await send("water-0001", DEVICE, b"\xff\x00 no text")
    at = reading()["t"]
    both = reading(t=at, d=["water-0001", "water-0009"], v=[21, 22])
    await send("gate-0001", GATEWAY, both)
    partly = reading(t=at + 1, d=["water-0001", "nobody-9"], v=[23, 24])
    await send("gate-0001", GATEWAY, partly)
    await send("gate-0001", GATEWAY, reading(t=at + 2, d=["water-0009", "water-0001"], v=[25, 1e6]))
    number = await ids(served)
    path = f"/api/sources/devices/{number['water-0001']}/messages"
    async with await held(served, ("integrator", WHOLE_CODE)) as client:
        told = (await client.get(path)).json()
        assert told["uid"] == "water-0001"
        seen = [(one["outcome"], one["reason"], one["withheld"]) for one in told["messages"]]
        assert seen == [
            ("refused", "out_of_range", None),
            ("stored", None, "refused_in_part"),
            ("stored", None, None),
            ("refused", "malformed", None),
            ("stored", None, None),
        ]
        first, second, third, fourth, fifth = told["messages"]
        assert json.loads(first["payload"])["d"] == "water-0001"
        assert second["payload"] is None
        assert json.loads(third["payload"]) == both
        assert base64.b64decode(fourth["payload"]) == b"\xff\x00 no text"
        assert (fourth["encoding"], fourth["source"]) == ("base64", "device-http")
        assert (fifth["payload"], fifth["address"]) == (own.decode(), "device-http water-0001")
        assert len((await client.get(f"{path}?limit=2")).json()["messages"]) == 2
        assert (await client.get("/api/sources/devices/99999/messages")).status_code == 404
    async with await held(served, ("integrator", GRID)) as client:
        told = (await client.get(path)).json()["messages"]
        assert [one["withheld"] for one in told] == [None, "refused_in_part", "other_areas", None, None]
        assert "water-0009" not in json.dumps(told)
        beside = f"/api/sources/devices/{number['water-0009']}/messages"
        assert (await client.get(beside)).status_code == 404


async def test_where_persons_are_is_for_who_may_see_them_on_duty_and_on_the_record(served, send):
    positions = {"t": now_ms(), "d": "worker-0001", "p": "speed", "v": 1, "lon": 104.06, "lat": 30.66}
    answer = await send("gate-0001", GATEWAY, positions)
    assert answer.json()["stored"] == 1, answer.text
    number = await ids(served)
    path = f"/api/sources/devices/{number['worker-0001']}/messages"
    looks = "SELECT object, detail -> 'workers' FROM audit WHERE action = 'track.read'"
    async with await held(served, ("integrator", WHOLE_CODE)) as client:
        assert (await client.get(path)).status_code == 404
    async with await held(served, ("integrator", WHOLE_CODE), ("operator", WHOLE_CODE)) as client:
        told = (await client.get(path)).json()["messages"]
        assert [json.loads(one["payload"]) for one in told] == [positions]
        assert await served.run_sql(looks) == [("worker/1", [1])]
        assert (await client.get(path)).status_code == 200
        assert len(await served.run_sql(looks)) == 1, "once in ten minutes"
        await served.run_sql("UPDATE duty SET ends_at = now() WHERE worker_id = 1")
        board = served.runtime.twin.board
        row = board.row_of_uid["worker-0001"]
        for _ in range(200):
            if board.room[row] == 0:
                break
            await asyncio.sleep(0.02)
        told = (await client.get(path)).json()["messages"]
        assert [(one["payload"], one["withheld"]) for one in told] == [(None, "persons")]


def test_the_page_names_every_role_that_sees_what_devices_sent():
    """The words `sentWhose` of the page say who can, to whoever cannot."""
    assert [role.name for role in ROLES if Act.MANAGE_DEVICES in role.acts] == ["integrator"]
