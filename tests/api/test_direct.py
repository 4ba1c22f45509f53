"""Devices and gateways are answered past the router, with every promise of the other routes kept."""

from __future__ import annotations

import asyncio
import gzip
import time

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from starlette.routing import Router

from api import edge
from api.access import limits
from api.access.permissions import BY_SENDER, needs_sender, permission_of
from api.direct import DirectRoutes
from api.edge import MAX_BODY_BYTES, SECURITY_HEADERS, Edge
from api.routes import ROUTERS
from twin.errors import UnavailableError
from twin.store.engine import create_engine

pytestmark = pytest.mark.postgis

DEVICE = "/ingest/v1/devices/water-0001/observations"


def bearer(token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.secret}"}


def level(value: object = 20, ago_ms: int = 0) -> dict:
    return {"t": time.time_ns() // 1_000_000 - ago_ms, "p": "level", "v": value, "u": "cm"}


def edge_of(served) -> Edge:
    layer = served.app.middleware_stack
    while not isinstance(layer, Edge):
        layer = vars(layer).get("app") or layer._app
    return layer


def never(*_: object) -> None:
    raise AssertionError("the router was asked")


def test_every_route_of_a_device_or_gateway_is_called_directly() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    declared = {route.path for route in routes if permission_of(route) == BY_SENDER}
    assert len(declared) >= 5
    direct = DirectRoutes(routes)
    for path in declared:
        scope = {"path": path.replace("{uid}", "abcd").replace("{name}", "abcd"), "type": "http"}
        scope["path"] = scope["path"].replace("{mapping}", "abcd")
        assert direct.find({**scope, "method": "POST"}) is not None, path
        assert direct.find({**scope, "method": "DELETE"}) is None
        assert direct.find({**scope, "path": scope["path"] + "/x", "method": "POST"}) is None


def test_a_route_that_asks_for_more_is_found_at_the_start() -> None:
    router = APIRouter()

    @router.post("/ingest/v1/other")
    async def other(most: int, sender: object = needs_sender()) -> None: ...

    with pytest.raises(RuntimeError, match="/ingest/v1/other"):
        DirectRoutes(router.routes)


async def test_it_answers_as_the_router_does(served, tokens, http, monkeypatch) -> None:
    """Each request is sent twice, past the router and through it: whoever asks can tell no difference."""
    device, worker = tokens["device"], tokens["worker"]
    readings = [level(20, 5_000), level("x"), level(1e9)]
    place = {"id": worker.secret, "lat": "30.66", "lon": "104.062"}
    requests = [
        ("POST", DEVICE, {"json": readings, "headers": bearer(device)}),
        ("POST", DEVICE, {"json": {"t": 1}, "headers": bearer(device)}),
        ("POST", DEVICE, {"content": b"{", "headers": bearer(device)}),
        ("POST", DEVICE, {"json": readings}),
        ("POST", DEVICE, {"json": readings, "headers": bearer(tokens["other"])}),
        ("POST", DEVICE, {"json": readings, "headers": {**bearer(device), "origin": "https://evil.example"}}),
        ("POST", DEVICE, {"content": b" " * (MAX_BODY_BYTES + 1), "headers": bearer(device)}),
        ("POST", DEVICE.replace("water-0001", "a.b"), {"json": readings, "headers": bearer(device)}),
        ("DELETE", DEVICE, {"headers": bearer(device)}),
        ("POST", "/ingest/v1/mapped/nothing", {"json": {}, "headers": bearer(device)}),
        ("POST", "/ingest/v1/owntracks", {"content": b"{", "headers": bearer(worker)}),
        ("GET", "/ingest/v1/osmand", {"params": {**place, "timestamp": "1"}}),
        ("GET", "/ingest/v1/osmand", {"params": {"lat": "1"}}),
        ("POST", "/ingest/v1/osmand", {"data": {**place, "lat": "x"}}),
        ("PUT", "/ingest/v1/osmand", {}),
    ]
    first = await http.post(DEVICE, json=readings, headers=bearer(device))
    assert first.json()["stored"] == 1

    async def answers() -> list[tuple]:
        found = []
        for method, path, more in requests:
            said = await http.request(method, path, **more)
            headers = {name: value for name, value in said.headers.items() if name != "date"}
            found.append((method, path, said.status_code, headers, said.content))
        return found

    passed = await answers()
    assert {status for _, _, status, *_ in passed} == {200, 401, 403, 404, 405, 413, 422}
    for *_, headers, _ in passed:
        assert set(headers) >= {name for name, _ in SECURITY_HEADERS}
    monkeypatch.setattr(edge_of(served), "_direct", DirectRoutes(()))
    for ours, theirs in zip(passed, await answers(), strict=True):
        assert ours == theirs


async def test_the_router_is_not_asked(tokens, http, monkeypatch) -> None:
    monkeypatch.setattr(Router, "app", never)
    assert (await http.post(DEVICE, json=level(), headers=bearer(tokens["device"]))).json()["stored"] == 1


async def test_a_database_that_is_away_is_told_and_nothing_is_taken(served, tokens, http, monkeypatch):
    assert (await http.post(DEVICE, json=level(20, 1), headers=bearer(tokens["device"]))).status_code == 200

    async def away(_batch: object) -> None:
        raise UnavailableError("the database does not answer")

    monkeypatch.setattr(served.runtime.twin, "observe", away)
    said = await asyncio.gather(
        *(http.post(DEVICE, json=level(20, 2 + i), headers=bearer(tokens["device"])) for i in range(4))
    )
    assert {(one.status_code, one.headers["retry-after"]) for one in said} == {(503, "2")}
    assert {one.json()["type"] for one in said} == {"/problems/unavailable"}
    assert await served.run_sql("SELECT count(*) FROM observation") == [(1,)]


async def test_who_sends_is_unknown_while_accounts_cannot_be_read(served, tokens, http, monkeypatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(served.runtime.publishers, "find", refused)
    by_header = await http.post(DEVICE, json=level(), headers=bearer(tokens["device"]))
    by_name = await http.get("/ingest/v1/osmand", params={"id": "anything", "lat": "1", "lon": "1"})
    for said in (by_header, by_name):
        assert (said.status_code, said.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize("how", ["closed", "replaced"])
async def test_a_token_that_was_taken_back_is_refused_within_five_seconds(
    served, tokens, http, how: str
) -> None:
    token = tokens["device"]
    assert (await http.post(DEVICE, json=level(20, 1), headers=bearer(token))).status_code == 200
    engine = create_engine(served.database.url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE publisher_secret SET valid_to = now() WHERE publisher = 'water-0001'")
            if how == "replaced"
            else text("UPDATE publisher SET disabled_at = now() WHERE name = 'water-0001'")
        )
    engine.dispose()
    begun = time.monotonic()
    while (await http.post(DEVICE, json=level(), headers=bearer(token))).status_code == 200:
        assert time.monotonic() - begun < 5.0
        await asyncio.sleep(0.05)


async def test_who_sends_too_often_is_told_when_to_come_back(tokens, http, monkeypatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_PER_MINUTE", 3)
    said = [await http.post(DEVICE, json=level(20, i), headers=bearer(tokens["device"])) for i in range(5)]
    assert [one.status_code for one in said] == [200, 200, 200, 429, 429]
    assert 1 <= int(said[-1].headers["retry-after"]) <= 61
    assert said[-1].json()["where"] == DEVICE
    beside = DEVICE.replace("0001", "0002")
    assert (await http.post(beside, json=level(), headers=bearer(tokens["other"]))).status_code == 200


async def test_a_body_is_bounded_in_bytes_and_time(served, tokens, monkeypatch) -> None:
    secret = tokens["device"].secret

    async def sent(length: str, *chunks: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        head = f"POST {DEVICE} HTTP/1.1\r\nHost: localhost\r\n"
        writer.write(f"{head}Authorization: Bearer {secret}\r\n{length}\r\n\r\n".encode() + b"".join(chunks))
        answer = await asyncio.wait_for(reader.read(65_536), 5.0)
        writer.close()
        return answer

    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    endless = await sent("Transfer-Encoding: chunked", *[chunk] * (MAX_BODY_BYTES // 65_536 + 1))
    assert endless.startswith(b"HTTP/1.1 413")
    assert b"1048576 bytes" in endless
    monkeypatch.setattr(edge, "BODY_S", 0.2)
    assert (await sent("Content-Length: 100", b"{")).startswith(b"HTTP/1.1 408")


async def test_a_packed_body_is_not_unpacked(served, tokens, http) -> None:
    """So nothing small becomes large here: what is no JSON as it came is refused and kept as it came."""
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    said = await http.post(
        DEVICE, content=bomb, headers={**bearer(tokens["device"]), "Content-Encoding": "gzip"}
    )
    assert said.status_code == 422
    assert "malformed" in said.json()["detail"]
    assert await served.run_sql("SELECT reason, length(payload) FROM quarantine") == [
        ("malformed", len(bomb))
    ]


async def test_a_fault_of_ours_is_one_answer_and_one_line_of_the_log(
    served, tokens, http, monkeypatch, caplog
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(served.runtime.ingest.delivery.flood, "number_of", broken)
    said = await http.post(DEVICE, json=level(), headers=bearer(tokens["device"]))
    assert (said.status_code, said.json()["type"]) == (500, "/problems/internal")
    assert [r for r in caplog.records if "failed" in r.message and r.exc_info]
    monkeypatch.undo()
    assert (await http.post(DEVICE, json=level(), headers=bearer(tokens["device"]))).status_code == 200


async def test_who_hangs_up_is_no_fault(served, tokens, http, caplog) -> None:
    token = tokens["device"]
    _, writer = await asyncio.open_connection(served.host, served.port)
    head = f"POST {DEVICE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token.secret}\r\n"
    writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.2)
    assert isinstance(http, httpx.AsyncClient)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
