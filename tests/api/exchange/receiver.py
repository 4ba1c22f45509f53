"""Stand for the system of a partner: a real HTTP server on this machine that does what a test wants of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Behaviour = Callable[["Came", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Came:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict:
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """Check the signature by the words of the specification, without the product's code."""
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{wanted}"


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer at once."""

    async def behave(_came: Came, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return behave


async def hang(_came: Came, _writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.sleep(600)


async def drip(_came: Came, writer: asyncio.StreamWriter) -> None:
    """Answer one letter at a time."""
    for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 6_000:
        writer.write(bytes([letter]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def huge(_came: Came, writer: asyncio.StreamWriter) -> None:
    """Answer without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()


OK = answer(200)


@dataclass
class Receiver:
    """What came, and what is done with it: the behaviours of ``next`` one by one, then ``behave``."""

    port: int = 0
    scheme: str = "http"
    came: list[Came] = field(default_factory=list)
    next: list[Behaviour] = field(default_factory=list)
    behave: Behaviour = OK
    news: asyncio.Event = field(default_factory=asyncio.Event)
    serving: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/told"

    async def wait(self, count: int, timeout_s: float = 10.0) -> list[Came]:
        """Wait until so many requests came."""
        async with asyncio.timeout(timeout_s):
            while len(self.came) < count:
                self.news.clear()
                await self.news.wait()
        return self.came

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                came = Came(method, path, headers, body)
                self.came.append(came)
                self.news.set()
                await (self.next.pop(0) if self.next else self.behave)(came, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver(scheme="http" if tls is None else "https")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.serving:
            task.cancel()
