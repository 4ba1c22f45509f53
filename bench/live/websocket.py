"""Read websockets cheaply: a client that cuts frames apart in one buffer and keeps what it is told to.

Made for load: a hundred of these in one process take a few percent of a core at 1,000 frames/s. It does
what RFC 6455 asks of a client that is sent whole, unmasked, uncompressed messages: handshake, ping,
close, fragments. For correctness tests use `api.live.client`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import time
from array import array
from typing import cast

from twin.errors import UnavailableError

_FIRST_BUFFER_BYTES = 1 << 18
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_CONTINUATION = 0


class LeanSocket(asyncio.BufferedProtocol):
    """One websocket connection that counts what comes and, if `keep`, keeps every message.

    Attributes
    ----------
    arrived_s, sizes
        Unix time at which each message was whole, and its bytes with frame headers.
    kept
        The payloads in the same order, when `keep`; else empty.
    opcodes
        1 text, 2 binary.
    ready
        Done when what was asked for begins to come; where nothing is asked, when it is open.
    closed
        Why the connection ended; None while it is open.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        *,
        keep: bool,
        read_text: bool = False,
        subprotocol: str = "",
        token: str = "",
    ) -> None:
        self.keep = keep
        self._looks_at_text = read_text
        self.arrived_s = array("d")
        self.sizes = array("L")
        self.opcodes = array("B")
        self.kept: list[bytes] = []
        self.closed: str | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready: asyncio.Future[None] = self.opened
        self._request = _handshake(host, port, path, subprotocol, token)
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(_FIRST_BUFFER_BYTES)
        self._begin = self._end = 0
        self._is_open = False
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._part_opcode = 0

    # -- to be overridden -------------------------------------------------------------------------

    def on_message(self, opcode: int, payload: bytes) -> None:
        """See a message before the next is read: any when `keep`, text when `read_text`."""

    # -- what the owner calls ---------------------------------------------------------------------

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one message, with the mask of four zero bytes that leaves the payload as it is."""
        if self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65_536:
            head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
        self._transport.write(head + b"\0\0\0\0" + payload)

    def stall(self) -> None:
        """Stop reading for good, as a laptop that was closed does; the connection stays open."""
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.BufferedProtocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport, but are not of its class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.closed or (f"cut: {exc}" if exc else "cut")
        if not self.opened.done():
            self.opened.set_exception(UnavailableError(f"the websocket was not opened: {self.closed}"))

    def get_buffer(self, _sizehint: int) -> memoryview:
        if len(self._buffer) - self._end < 65_536:
            waiting = self._end - self._begin
            if self._begin and waiting < len(self._buffer) // 2:
                self._buffer[:waiting] = self._buffer[self._begin : self._end]
            else:
                larger = bytearray(2 * len(self._buffer))
                larger[:waiting] = self._buffer[self._begin : self._end]
                self._buffer = larger
            self._begin, self._end = 0, waiting
        return memoryview(self._buffer)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        now_s = time.time()
        if not self._is_open and not self._finish_handshake():
            return
        buffer, begin, end = self._buffer, self._begin, self._end
        while end - begin >= 2:
            size = buffer[begin + 1]
            body = begin + 2
            if size == 126:
                if end - begin < 4:
                    break
                size = (buffer[begin + 2] << 8) | buffer[begin + 3]
                body = begin + 4
            elif size == 127:
                if end - begin < 10:
                    break
                size = int.from_bytes(buffer[begin + 2 : begin + 10], "big")
                body = begin + 10
            stop = body + size
            if stop > end:
                break
            self._take(buffer[begin], body, stop, stop - begin, now_s)
            begin = stop
        self._begin = begin
        if begin == end:
            self._begin = self._end = 0

    # -- inside -----------------------------------------------------------------------------------

    def _finish_handshake(self) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n", self._begin, self._end)
        if head_end < 0:
            return False
        status = bytes(self._buffer[self._begin : head_end]).split(b"\r\n", 1)[0]
        if b" 101 " not in status + b" ":
            self.closed = f"refused: {status.decode(errors='replace')}"
            if not self.opened.done():
                self.opened.set_exception(UnavailableError(f"the websocket was {self.closed}"))
            self.close()
            return False
        self._begin = head_end + 4
        self._is_open = True
        if not self.opened.done():
            self.opened.set_result(None)
        return True

    def _take(self, first: int, body: int, stop: int, wire_bytes: int, now_s: float) -> None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            payload = bytes(self._buffer[body:stop])
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
                self.closed = f"closed with {code} {payload[2:].decode(errors='replace')}".strip()
                self.send(CLOSE, payload[:2])
                if self._transport is not None:
                    self._transport.close()
            return
        if first >= 0x80 and opcode != _CONTINUATION:
            wanted = self.keep or (self._looks_at_text and opcode == TEXT)
            payload = bytes(self._buffer[body:stop]) if wanted else b""
            self._whole(opcode, payload, wire_bytes, now_s)
            return
        # A message in fragments: rare, so joined plainly.
        if opcode != _CONTINUATION:
            self._part_opcode = opcode
        self._parts.append(bytes(self._buffer[body:stop]))
        self._part_bytes += wire_bytes
        if first >= 0x80:
            payload, size = b"".join(self._parts), self._part_bytes
            self._parts, self._part_bytes = [], 0
            self._whole(self._part_opcode, payload, size, now_s)

    def _whole(self, opcode: int, payload: bytes, wire_bytes: int, now_s: float) -> None:
        self.arrived_s.append(now_s)
        self.sizes.append(wire_bytes)
        self.opcodes.append(opcode)
        if self.keep:
            self.kept.append(payload)
        if self.keep or (self._looks_at_text and opcode == TEXT):
            self.on_message(opcode, payload)


def make_socket(host: str, port: int, receive_buffer: int = 0) -> socket.socket:
    """Make a connected TCP socket; `receive_buffer` bytes fixes the kernel's buffer (0 leaves it)."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.connect((host, port))
    made.setblocking(False)
    return made


def _handshake(host: str, port: int, path: str, subprotocol: str, token: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: http://{host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
