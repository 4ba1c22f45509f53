import asyncio
import base64
import hashlib
from pathlib import Path

import pytest

from api import edge
from api.edge import MAX_BODY_BYTES

pytestmark = pytest.mark.postgis


async def test_every_answer_carries_the_security_headers(reader) -> None:
    for path in ("/api/scene", "/", "/docs", "/api/devices/999", "/nothing"):
        headers = (await reader.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
        assert "http" not in policy, "nothing is fetched from elsewhere"
        assert headers["x-content-type-options"] == "nosniff"


async def test_405_names_every_method_that_is_allowed(reader) -> None:
    answer = await reader.delete("/api/alarms/acknowledge")
    assert answer.status_code == 405
    assert {name.strip() for name in answer.headers["allow"].split(",")} >= {"POST"}
    answer = await reader.post("/api/alarms")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


async def raw(served, head: bytes, chunk: bytes, times: int) -> tuple[bytes, int]:
    """Send a request by hand and return the answer and how much was taken before it came."""
    reader, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(head)
    sent = 0
    answer = asyncio.create_task(reader.read(65536))
    for _ in range(times):
        if answer.done():
            break
        try:
            writer.write(chunk)
            await asyncio.wait_for(writer.drain(), 2.0)
        except (OSError, TimeoutError):
            break
        sent += len(chunk)
        await asyncio.sleep(0)
    data = await asyncio.wait_for(answer, 5.0)
    writer.close()
    return data, sent


async def test_a_10_gb_upload_is_refused_before_it_is_read(served) -> None:
    head = (
        b"POST /api/alarms/acknowledge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10737418240\r\n\r\n"
    )
    data, sent = await raw(served, head, b"x" * 65536, 1)
    assert data.startswith(b"HTTP/1.1 413")
    assert b"gridtwin import" in data
    assert sent <= 65536


async def test_an_endless_body_without_a_length_is_cut(served) -> None:
    head = (
        b"POST /api/alarms/acknowledge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    data, sent = await raw(served, head, chunk, 2_000)
    assert data.startswith(b"HTTP/1.1 413")
    assert sent < 8 * MAX_BODY_BYTES


async def test_pages_are_fresh_and_hashed_files_are_kept_for_ever(served, client) -> None:
    missing = await client.get("/")
    assert missing.status_code == 503
    assert "./gridtwin up" in missing.text
    style = missing.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in missing.headers["content-security-policy"]
    dist: Path = served.runtime.settings.web_dir
    (dist / "assets").mkdir(parents=True)
    pages = {
        "/": "index.html",
        "/wall": "wall.html",
        "/desk": "desk.html",
        "/tasks": "tasks.html",
        "/rules": "rules.html",
        "/maintenance": "maintenance.html",
        "/sign-in": "sign_in.html",
        "/kiosk": "kiosk.html",
        "/admin/accounts": "accounts.html",
        "/admin/record": "record.html",
        "/admin/sources": "sources.html",
    }
    for name in pages.values():
        (dist / name).write_text(f"<!doctype html>{name}")
    (dist / "assets" / "main-abc123.js").write_text("1")
    for path, name in pages.items():
        page = await client.get(path)
        assert page.status_code == 200
        assert page.text.endswith(name)
        assert page.headers["cache-control"] == "no-cache"
    script = await client.get("/assets/main-abc123.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")


async def test_the_openapi_document_names_each_operation_once(reader) -> None:
    document = (await reader.get("/api/openapi.json")).json()
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))


async def test_a_body_that_never_comes_is_given_up(served, monkeypatch) -> None:
    monkeypatch.setattr(edge, "BODY_S", 0.3)
    head = (
        b"POST /api/alarms/acknowledge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    data, _ = await raw(served, head, b"", 0)
    assert data.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within" in data


async def test_a_page_under_a_name_that_was_made_to_point_here_gets_nothing(served, client) -> None:
    for path in ("/api/scene", "/wall", "/tiles/building/16/51711/26899.mvt"):
        answer = await client.get(path, headers={"host": "evil.example:8000"})
        assert answer.status_code == 421
        assert "GRIDTWIN_ALLOWED_HOSTS" in answer.json()["hint"]
    for name in ("localhost:1", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert (await client.get("/api/catalog", headers={"host": name})).status_code == 200, name
    evil = {"host": "evil.example", "origin": "http://evil.example", "connection": "Upgrade"}
    evil |= {"upgrade": "websocket", "sec-websocket-version": "13"}
    evil["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert (await client.get("/live", headers=evil)).status_code == 403


@pytest.mark.parametrize(
    "path", ["/assets/%00", "/%00", "/assets/" + "a" * 300, "/" + "%F0%9F%8F%AF" * 100, "/%0aFAKE"]
)
async def test_a_path_no_file_can_have_is_not_found(reader, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no such page"


@pytest.mark.parametrize(
    "path", ["/nothing-here", "/admin/nothing", "/docs/nothing.md", "/<script>x</script>"]
)
async def test_a_person_who_opens_no_page_is_told_so_and_led_back(reader, path: str) -> None:
    answer = await reader.get(path, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "sha256-" in answer.headers["content-security-policy"]
    assert "没有这个页面" in answer.text
    assert "There is no such page" in answer.text
    assert 'href="/"' in answer.text
    assert "<script>" not in answer.text
    told = await reader.get(path, headers={"accept": "application/json"})
    assert told.status_code == 404
    assert told.headers["content-type"] == "application/problem+json"


async def test_below_the_api_nobody_gets_a_page(reader) -> None:
    answer = await reader.get("/api/nothing", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert answer.json()["where"] == "/api/nothing"
