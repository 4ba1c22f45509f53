"""Fetch one picture over HTTP/1.1: a snapshot, or the first whole one of a stream of them (MJPEG)."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from ingest.cameras.address import CameraAddress, connected
from ingest.cameras.challenge import answer_to
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import MOST_UNIT_BYTES, Footage
from ingest.cameras.heads import Head, read_head, require_success
from twin.address_ranges import Ranges

_BOUNDARY: Final = re.compile(r'boundary="?([^";,\s]{1,200})', re.IGNORECASE)
_JPEG: Final = b"\xff\xd8\xff"
_MOST_LINES: Final = 100


async def fetch_picture(address: CameraAddress, ranges: Ranges) -> Footage:
    """Fetch one JPEG; the caller sets the time limit.

    Raises
    ------
    StreamError
        The camera refuses, points elsewhere, or sends no JPEG of at most `MOST_UNIT_BYTES`.
    """
    head, picture = await _get(address, ranges, None)
    challenges = head.all("www-authenticate")
    if head.status == 401 and challenges and address.user:
        said = answer_to(challenges, "GET", address.target, address.user, address.password)
        if said is None:
            raise StreamError(Reason.UNAUTHORIZED)
        head, picture = await _get(address, ranges, said)
    require_success(head)
    if not picture.startswith(_JPEG):
        raise StreamError(Reason.GARBAGE)
    return Footage("mjpeg", (picture,))


async def _get(address: CameraAddress, ranges: Ranges, authorization: str | None) -> tuple[Head, bytes]:
    """Ask once, over a connection of its own; the body is read only where the answer is one of success."""
    lines = [
        f"GET {address.target} HTTP/1.1",
        f"Host: {address.url.split('/')[2]}",
        "User-Agent: GridTwin",
        "Accept: image/jpeg, multipart/x-mixed-replace",
        "Connection: close",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    async with connected(address, ranges) as (reader, writer):
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        try:
            head = await read_head(reader)
            if head.status is None or not 200 <= head.status < 300:
                return head, b""
            return head, await _picture(head, reader)
        except asyncio.IncompleteReadError as error:
            raise StreamError(Reason.CLOSED) from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise StreamError(Reason.GARBAGE) from error
        except OSError as error:
            raise StreamError(Reason.CLOSED) from error


async def _picture(head: Head, reader: asyncio.StreamReader) -> bytes:
    chunked = head.get("transfer-encoding").lower() == "chunked"
    body = _Body(reader, chunked, None if chunked else head.length(MOST_UNIT_BYTES))
    kind = head.get("content-type").lower()
    if not kind.startswith("multipart/"):
        return await body.rest()
    found = _BOUNDARY.search(head.get("content-type"))
    if found is None:
        raise StreamError(Reason.GARBAGE)
    return await _first_part(body, b"--" + found[1].encode("latin-1").removeprefix(b"--"))


async def _first_part(body: _Body, boundary: bytes) -> bytes:
    for _ in range(_MOST_LINES):
        if (await body.line()).strip() == boundary:
            break
    else:
        raise StreamError(Reason.GARBAGE)
    length = None
    for _ in range(_MOST_LINES):
        line = (await body.line()).strip()
        if not line:
            break
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "content-length":
            length = Head("", (("content-length", value.strip()),)).length(MOST_UNIT_BYTES)
    if length is not None:
        return await body.exactly(length)
    return (await body.until(b"\r\n" + boundary)).removesuffix(b"\r\n" + boundary)


class _Body:
    """The body of an answer, however it is sent, at most `MOST_UNIT_BYTES` and a little of it."""

    def __init__(self, reader: asyncio.StreamReader, chunked: bool, length: int | None) -> None:
        self._reader, self._chunked, self._left = reader, chunked, length
        self._held = bytearray()
        self._ended = False

    async def _more(self) -> bool:
        """Read some more; False at the end."""
        if len(self._held) > MOST_UNIT_BYTES + (64 << 10):
            raise StreamError(Reason.GARBAGE)
        if self._ended:
            return False
        if self._chunked:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0].strip()[:8] or b"x", 16)
            if not 0 <= size <= MOST_UNIT_BYTES:
                raise StreamError(Reason.GARBAGE)
            part = await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        else:
            part = await self._reader.read(64 << 10 if self._left is None else min(self._left, 64 << 10))
            if self._left is not None:
                self._left -= len(part)
        self._held += part
        self._ended = not part
        return not self._ended

    async def rest(self) -> bytes:
        while await self._more():
            pass
        if self._left:
            raise StreamError(Reason.CLOSED)
        return bytes(self._held)

    async def exactly(self, length: int) -> bytes:
        while len(self._held) < length:
            if not await self._more():
                raise StreamError(Reason.CLOSED)
        return self._taken(length)

    async def line(self) -> bytes:
        return await self.until(b"\n")

    async def until(self, end: bytes) -> bytes:
        at = 0
        while (found := self._held.find(end, at)) < 0:
            at = max(0, len(self._held) - len(end))
            if not await self._more():
                raise StreamError(Reason.CLOSED)
        return self._taken(found + len(end))

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._held[:length])
        del self._held[:length]
        return taken
