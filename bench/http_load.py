"""Ask one server for many paths over kept connections, as fast as it answers, and count.

Written for load: a request is bytes made once, an answer is cut by its Content-Length. One client for all
contenders, so that its own cost (reported) is the same for all.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench.live.websocket import make_socket
from twin.errors import UnavailableError


@dataclass(slots=True)
class Outcome:
    """What came back: counts, wall seconds, this client's processor seconds, latency of each answer."""

    answers: int = 0
    not_ok: int = 0
    bytes: int = 0
    wall_s: float = 0.0
    client_cpu_s: float = 0.0
    latency_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.wall_s if self.wall_s else 0.0


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self.load = load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._needed = -1
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(UnavailableError(f"the server closed a connection: {exc or 'no reason'}"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if self._needed < 0:
            head_end = buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = bytes(buffer[:head_end]).lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 : (head.find(b"\r\n", at) + 1 or len(head) + 1) - 1]) if at >= 0 else 0
            self._needed = head_end + 4 + size
            # 204 is how some servers answer a tile without features.
            self.load.outcome.not_ok += head[9:12] not in {b"200", b"204"}
        if len(buffer) >= self._needed:
            outcome = self.load.outcome
            outcome.answers += 1
            outcome.bytes += self._needed
            outcome.latency_s.append(time.perf_counter() - self._sent_s)
            buffer.clear()
            self._needed = -1
            self._next()

    def _next(self) -> None:
        assert self._transport is not None
        request = self.load.take()
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_s = time.perf_counter()
        self._transport.write(request)


class _Load:
    def __init__(self, requests: Sequence[bytes], seconds: float | None) -> None:
        self.outcome = Outcome()
        self._requests = requests
        self._number = 0
        self._until = None if seconds is None else time.perf_counter() + seconds

    def take(self) -> bytes | None:
        if self._until is None:
            if self._number >= len(self._requests):
                return None
        elif time.perf_counter() >= self._until:
            return None
        request = self._requests[self._number % len(self._requests)]
        self._number += 1
        return request


def ask(
    port: int,
    paths: Sequence[str],
    *,
    connections: int,
    seconds: float | None = None,
    tokens: Sequence[str] = (),
) -> Outcome:
    """Ask for every path once, or over and over for some seconds.

    Parameters
    ----------
    tokens
        Who asks, in turns; nobody in particular when empty.

    Raises
    ------
    UnavailableError
        The server closed a connection or refused it.
    """
    # Over and over: each path is asked by others each time round.
    rounds = 1 if seconds is None else max(1, -(-len(tokens) // len(paths)))
    signed = [f"Authorization: Bearer {token}\r\n" for token in tokens] or [""]
    requests = [
        (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n{who}"
            "Connection: keep-alive\r\n\r\n"
        ).encode()
        for path, who in zip([*paths] * rounds, itertools.cycle(signed), strict=False)
    ]

    async def go() -> Outcome:
        load = _Load(requests, seconds)
        loop = asyncio.get_running_loop()
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        made = [
            (await loop.create_connection(lambda: _Connection(load), sock=make_socket("127.0.0.1", port)))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(connection.done for connection in made))
        load.outcome.wall_s = time.perf_counter() - begun_s
        load.outcome.client_cpu_s = time.process_time() - begun_cpu_s
        return load.outcome

    return uvloop.run(go())
