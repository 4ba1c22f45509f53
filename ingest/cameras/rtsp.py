"""Speak RTSP (RFC 2326) with a camera over one TCP connection, video in between (interleaved).

Nothing but this one connection is ever opened: no UDP, no redirection, no other address that an answer names.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import Final

from ingest.cameras.address import CameraAddress, Streams, connected
from ingest.cameras.challenge import answer_to
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Film
from ingest.cameras.heads import Head, read_head, require_success
from ingest.cameras.pace import Pace
from ingest.cameras.rtp import Depacketizer
from ingest.cameras.sdp import find_video
from twin.address_ranges import Ranges

_MOST_DESCRIPTION: Final = 64 << 10
_CHANNELS: Final = re.compile(r"interleaved=([0-9]{1,3})(?:-([0-9]{1,3}))?")
_TIMEOUT: Final = re.compile(r"timeout\s*=\s*([0-9]{1,5})")
_USUAL_TIMEOUT_S: Final = 60
_ASK_AGAIN_S: Final = 1.0


class RtspStream:
    """A stream that plays; made by `playing`."""

    def __init__(self, address: CameraAddress, streams: Streams) -> None:
        self._address = address
        self._reader, self._writer = streams
        self._number = 0
        self._session = ""
        self._channel, self._feedback_channel = 0, 1
        self._challenges: list[str] = []
        self._depacketizer: Depacketizer | None = None
        self._keep_alive_s = _USUAL_TIMEOUT_S / 2
        self._due_s = 0.0
        self._base = address.url
        self._pace = Pace()
        self._asked_s = 0.0
        self.film = Film("h264")
        self.newest_s = 0.0
        """When the newest picture was whole, by ``time.monotonic``; 0 before the first."""

    @property
    def is_current(self) -> bool:
        """Whether the newest picture is of now, and not of a past that the camera sends first."""
        return self._pace.is_real(time.monotonic())

    async def begin(self) -> None:
        """Ask what there is, choose the video and let it play.

        Raises
        ------
        StreamError
            The camera refuses, or has no video that can be decoded.
        """
        url = self._address.url
        head, description = await self._ask("DESCRIBE", url, {"Accept": "application/sdp"})
        video = find_video(description)
        self._base = base = head.get("content-base") or head.get("content-location") or url
        control = video.control
        if "://" not in control:  # an absolute one is only a name here: nobody connects to it
            control = base if control in {"", "*"} else f"{base.rstrip('/')}/{control.lstrip('/')}"
        head, _ = await self._ask("SETUP", control, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        if "tcp" not in head.get("transport").lower():
            raise StreamError(Reason.ANSWERED_ERROR)
        if found := _CHANNELS.search(head.get("transport")):
            self._channel = int(found[1])
            self._feedback_channel = int(found[2] or self._channel + 1)
        self._session = head.get("session").partition(";")[0].strip()[:200]
        if found := _TIMEOUT.search(head.get("session")):
            self._keep_alive_s = max(1.0, int(found[1]) / 2)
        self.film = Film(video.codec)
        self._depacketizer = Depacketizer(video.codec, video.payload_type, video.parameter_sets)
        self._due_s = time.monotonic() + self._keep_alive_s
        await self._ask("PLAY", base, {"Range": "npt=0.000-"})

    async def next_picture(self) -> None:
        """Read until another picture is whole; the film has it where it builds on a key picture.

        Raises
        ------
        StreamError
            The camera closes the connection, or sends what is no stream.
        """
        seen_s = self.newest_s
        while self.newest_s == seen_s:
            await self._next()
            if time.monotonic() > self._due_s:
                self._send("OPTIONS", self._base, {})
                self._due_s = time.monotonic() + self._keep_alive_s

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", "User-Agent: GridTwin"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._challenges:
            said = answer_to(self._challenges, method, url, self._address.user, self._address.password)
            if said is None:
                raise StreamError(Reason.UNAUTHORIZED)
            lines.append(f"Authorization: {said}")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))

    async def _ask(self, method: str, url: str, headers: dict[str, str]) -> tuple[Head, bytes]:
        """Send a request and return its answer; the first time with what it asks of user and password."""
        for _ in range(2):
            self._send(method, url, headers)
            answer = None
            while answer is None:
                answer = await self._next()
            head, body = answer
            asked = head.all("www-authenticate")
            if head.status != 401 or not asked or self._challenges or not self._address.user:
                break
            self._challenges = asked
        require_success(head)
        return head, body

    async def _next(self) -> tuple[Head, bytes] | None:
        """Read what comes next: an answer, which is returned, a packet, or a request of the camera."""
        try:
            sign = await self._reader.readexactly(1)
            if sign == b"$":
                channel, high, low = await self._reader.readexactly(3)
                packet = await self._reader.readexactly(high << 8 | low)
                if channel == self._channel and self._depacketizer is not None:
                    self._take(packet, self._depacketizer)
                return None
            head = await read_head(self._reader, sign)
            body = await self._reader.readexactly(head.length(_MOST_DESCRIPTION) or 0)
        except asyncio.IncompleteReadError as error:
            raise StreamError(Reason.CLOSED) from error
        except OSError as error:
            raise StreamError(Reason.CLOSED) from error
        if head.status is None:
            if not head.first.endswith("RTSP/1.0"):
                raise StreamError(Reason.GARBAGE)
            if head.first.startswith("REDIRECT "):
                raise StreamError(Reason.REDIRECTED)
            return None
        return head, body

    def _take(self, packet: bytes, depacketizer: Depacketizer) -> None:
        now_s = time.monotonic()
        for unit in depacketizer.feed(packet):
            self.film.add(unit)
            self.newest_s = now_s
        self._pace.note(depacketizer.ended_at, now_s)
        if depacketizer.lacks_key and now_s - self._asked_s > _ASK_AGAIN_S:
            asked = depacketizer.ask_for_key()
            head = bytes([ord("$"), self._feedback_channel & 0xFF]) + len(asked).to_bytes(2, "big")
            self._writer.write(head + asked)
            self._asked_s = now_s

    def end(self) -> None:
        """Say goodbye without waiting for an answer, so that the camera frees the place at once."""
        with contextlib.suppress(StreamError, OSError, RuntimeError):
            if self._session:
                self._send("TEARDOWN", self._base, {})


@contextlib.asynccontextmanager
async def playing(address: CameraAddress, ranges: Ranges) -> AsyncIterator[RtspStream]:
    """Let a camera play for as long as the context lasts; the caller sets the time limits.

    Raises
    ------
    StreamError
        See `RtspStream.begin` and `connected`.
    """
    async with connected(address, ranges) as streams:
        stream = RtspStream(address, streams)
        try:
            await stream.begin()
            yield stream
        finally:
            stream.end()
