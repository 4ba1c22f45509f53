"""Check the lean websocket reader against the reference implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench.live.websocket import BINARY, TEXT, LeanSocket, make_socket

SIZES = (0, 1, 125, 126, 65_535, 65_536, 700_000, 3)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def talk(connection: ServerConnection) -> None:
        assert await connection.recv() == "go"
        for size in SIZES:
            await connection.send(bytes([size % 251]) * size)
        await connection.send("text")
        await connection.send([b"frag", b"men", b"ted"])
        pong = await connection.ping()
        await pong
        await connection.send(b"ponged")
        await connection.close(4008, "too slow")

    async with serve(talk, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        yield server.sockets[0].getsockname()[1]


async def _read(port: int, *, keep: bool) -> LeanSocket:
    _, reader = await asyncio.get_running_loop().create_connection(
        lambda: LeanSocket("127.0.0.1", port, "/", keep=keep), sock=make_socket("127.0.0.1", port)
    )
    await asyncio.wait_for(reader.opened, 10)
    reader.send(TEXT, b"go")
    async with asyncio.timeout(20):
        while reader.closed is None:  # noqa: ASYNC110 (the reader has no event for it)
            await asyncio.sleep(0.01)
    return reader


async def test_messages_of_all_sizes_whole_and_in_fragments(port: int) -> None:
    reader = await _read(port, keep=True)
    expected = [bytes([size % 251]) * size for size in SIZES] + [b"text", b"fragmented", b"ponged"]
    assert reader.kept == expected
    assert list(reader.opcodes) == [BINARY] * len(SIZES) + [TEXT, BINARY, BINARY]
    assert list(reader.arrived_s) == sorted(reader.arrived_s)
    assert reader.closed == "closed with 4008 too slow"
    # A header is 2, 4 or 10 bytes.
    assert [wire - size for wire, size in zip(reader.sizes, SIZES, strict=False)] == [
        2,
        2,
        2,
        4,
        4,
        10,
        10,
        2,
    ]


async def test_counting_keeps_nothing(port: int) -> None:
    reader = await _read(port, keep=False)
    assert len(reader.sizes) == len(SIZES) + 3
    assert reader.kept == []


async def test_a_refused_handshake_says_so() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Exception, match="404 Not Found"):
            await _read(port, keep=True)
