"""Bound how long and how large the head of a request may be: a slow or endless one holds nothing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import problem

HEAD_S: Final = 15.0
"""Longest time from the connection, or the first byte of a further request, to the end of its headers."""

MAX_HEAD_BYTES: Final = 64 << 10
"""Most bytes that are read before the headers must have ended."""

_LONGEST_ADDRESS: Final = 0xFFFF
"""Most bytes of the address of a request: the parser counts them in 16 bits."""

NO_HTTP: Final = "this is no request of HTTP/1.1"

TOO_LONG_ADDRESS: Final = 414
TOO_LARGE_HEAD: Final = 431


def _bytes_of(answer: Response) -> bytes:
    """Return an answer as it goes over the wire: there is no request yet that it could be sent for."""
    lines = [f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}", "connection: close"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in answer.raw_headers]
    return "\r\n".join((*lines, "", "")).encode() + bytes(answer.body)


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, which by itself waits for headers for ever and takes any number of them."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Read on; refuse what has no end."""
        if self._head_timer is None and self.cycle is not None and self.cycle.response_complete:
            self._expect_head()
        self._head_bytes += len(data)
        super().data_received(data)
        if (
            self._head_timer is not None
            and self._head_bytes > MAX_HEAD_BYTES
            and not self.transport.is_closing()
        ):
            self._refuse(problem(TOO_LARGE_HEAD, f"the headers are larger than {MAX_HEAD_BYTES} bytes"))

    def send_400_response(self, _msg: str) -> None:
        """Say of what the parser could not read what is wrong with it."""
        self._refuse(problem(400, NO_HTTP))

    def _refuse(self, answer: Response) -> None:
        if len(getattr(self, "url", b"")) > _LONGEST_ADDRESS:  # there is none before a first request began
            what = f"the address is longer than {_LONGEST_ADDRESS} bytes"
            answer = problem(TOO_LONG_ADDRESS, what, hint="send long values in a body")
        self.transport.write(_bytes_of(answer))
        self.transport.close()

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the application bounds what comes."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        transport: Any = self.transport
        if not transport.is_closing():
            transport.close()
