"""Slow and endless requests against a real server: they end, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api import connections
from twin.store.sockets import free_tcp_port

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


def told(answer: bytes) -> dict[str, Any]:
    """Return the problem that an answer holds, whole and said to be one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ") for line in head.decode().lower().split("\r\n")[1:])
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    return json.loads(body)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    port = free_tcp_port()
    config = uvicorn.Config(
        app, port=port, http="api.connections:BoundedHttp", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


async def answer_to(port: int, sent: bytes) -> tuple[bytes, float]:
    """Send bytes, and return what came until the server closed, and after how long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(sent)
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(65536), 10):
            got += data
    writer.close()
    return got, time.monotonic() - began


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-", GET + b"GET / HT"],
    ids=["nothing", "half a head", "half of a second head"],
)
async def test_a_head_that_does_not_end_is_given_up(monkeypatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.6)
    async with listening() as port:
        got, after_s = await answer_to(port, sent)
    assert got.count(b"200 OK") == sent.count(GET)
    assert 0.4 < after_s < 8  # the pause between requests is bound by uvicorn, 5 s


async def test_bytes_that_trickle_in_do_not_keep_it_open(monkeypatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.6)
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await reader.readuntil(b"ok")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and time.monotonic() - began < 8:
                writer.write(b"\r\n")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.1)
        assert time.monotonic() - began < 4
        writer.close()


async def test_headers_without_end_are_refused() -> None:
    async with listening() as port:
        got, _ = await answer_to(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000)
        assert got.startswith(b"HTTP/1.1 431")
        assert told(got)["detail"] == "the headers are larger than 65536 bytes"
        fair = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"a" * 30_000 + b"\r\n\r\n"
        got, _ = await answer_to(port, fair)
        assert got.startswith(b"HTTP/1.1 200")


async def test_what_cannot_be_read_is_a_problem_too() -> None:
    """An address that the parser cannot hold, and bytes that are no request at all."""
    async with listening() as port:
        for length in (0xFFFF, 2_000_000):
            got, _ = await answer_to(port, b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 414")
            assert told(got)["detail"] == "the address is longer than 65535 bytes"
        for what in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"nothing\r\n\r\n"):
            got, _ = await answer_to(port, what)
            assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n"), what
            assert told(got)["detail"] == "this is no request of HTTP/1.1"


async def test_300_half_open_connections_delay_nobody() -> None:
    async with listening() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _, writer in held:
            writer.write(b"GET / HTTP/1.1\r\nX-")
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.wait_for(reader.readuntil(b"ok"), 5)
        assert time.monotonic() - began < 1
        for _, other in [*held, (reader, writer)]:
            other.close()
