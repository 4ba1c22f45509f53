"""Be a camera that serves real video, with a counter in the picture, and can be told to misbehave.

RTSP with the video between the messages (H.264 or H.265 in RTP), and HTTP with a snapshot and a stream of
JPEGs, each with Basic or Digest where there is a password. What it serves tells by its brightness which
picture it is, so that a test knows how fresh one is.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import itertools
import random
import re
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from PIL import Image

BITS = 16
"""Of the number in the picture: black and white squares in the top row."""

MTU = 1_400


def drawn(number: int, width: int, height: int) -> np.ndarray:
    """Return a picture (height, width, 3) with a number of `BITS` bits in squares, and some noise below."""
    picture = np.full((height, width, 3), 96, np.uint8)
    picture[height // 2 :] += np.random.default_rng(number).integers(0, 60, 3, np.uint8)
    side = width // BITS
    for bit in range(BITS):
        picture[:side, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 16
    return picture


def read_number(jpeg: bytes) -> int:
    """Return the number in a picture that was served."""
    image = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))
    side = image.shape[1] // BITS
    return sum(int(image[side // 2, bit * side + side // 2] > 128) << bit for bit in range(BITS))


@lru_cache(maxsize=8)
def film(codec: str, width: int, height: int, pictures: int, gop: int) -> tuple[tuple[bytes, ...], ...]:
    """Return coded pictures numbered from 0, each as its NAL units."""
    context = av.VideoCodecContext.create({"h264": "libx264", "hevc": "libx265"}[codec], "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.gop_size = Fraction(1, 25), gop
    context.thread_count = 1
    context.options = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "hevc":
        context.options = context.options | {"x265-params": "log-level=none:pools=none:repeat-headers=1"}
    packets = []
    for number in range(pictures):
        frame = av.VideoFrame.from_ndarray(drawn(number, width, height), "rgb24").reformat(format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return tuple(tuple(nals(bytes(packet))) for packet in packets)


def nals(annex_b: bytes) -> Iterator[bytes]:
    yield from (part for part in re.split(b"\x00\x00\x00?\x01", annex_b) if part)


def jpeg(number: int, width: int = 320, height: int = 192) -> bytes:
    out = io.BytesIO()
    Image.fromarray(drawn(number, width, height)).save(out, "JPEG", quality=85)
    return out.getvalue()


@dataclass
class Camera:
    """A camera on a free port of this machine; started by `running`."""

    codec: str = "h264"
    width: int = 640
    height: int = 384
    fps: float = 25.0
    gop: int = 25
    user: str = ""
    password: str = ""
    scheme: str = "digest"
    mood: str = "well"
    """`well`, `silent`, `frozen`, `garbage`, `endless`, `refusing`, `redirecting`, `slow`, `no_video`,
    `odd_codec`, `closing`."""
    begins_with_key: bool = True
    heeds_wishes: bool = False
    """Whether it sends a key picture at once when asked (PLI): then it sends nothing else any more."""
    groups: int = 8
    """After so many groups of pictures its film begins again."""
    seed: int = 1
    port: int = 0
    began_s: float = 0.0
    connections: int = 0
    open_now: int = 0
    asked: list[str] = field(default_factory=list)
    wishes: list[bytes] = field(default_factory=list)

    @property
    def rtsp(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}/snapshot"

    @property
    def number(self) -> int:
        """Number of the picture that is newest now."""
        return int((time.monotonic() - self.began_s) * self.fps) % self._count

    @property
    def _count(self) -> int:
        return self.groups * self.gop

    @contextlib.asynccontextmanager
    async def running(self):
        if self.width:
            for gop in (self.gop, 1) if self.heeds_wishes else (self.gop,):
                await asyncio.to_thread(film, self.codec, self.width, self.height, self._count, gop)
        self.began_s = time.monotonic()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        playing = None
        try:
            if self.mood == "closing":
                return
            if self.mood == "garbage":
                writer.write(random.Random(self.seed).randbytes(20_000))
                await writer.drain()
                return
            while head := await self._head(reader):
                self.asked.append(head.split("\r\n", 1)[0])
                if self.mood == "slow":
                    await asyncio.sleep(30)
                if self.mood == "endless":
                    with contextlib.suppress(ConnectionError):
                        while True:
                            writer.write(b"a" * 65_536)
                            await writer.drain()
                if " HTTP/1.1" in head.split("\r\n", 1)[0]:
                    await self._http(head, writer)
                    return
                playing = self._rtsp(head, writer) or playing
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            if playing is not None:
                playing.cancel()
            with contextlib.suppress(Exception):
                writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> str:
        try:
            while (sign := await reader.readexactly(1)) == b"$":
                _, high, low = await reader.readexactly(3)
                self.wishes.append(await reader.readexactly(high << 8 | low))
            return (sign + await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return ""

    # who asks

    def _lets_in(self, head: str) -> bool:
        if not self.user:
            return True
        found = re.search(r"^Authorization: (.*)$", head.replace("\r", ""), re.MULTILINE)
        if not found:
            return False
        said = found[1]
        if self.scheme == "basic":
            return said == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        pairs = dict(re.findall(r'(\w+)="?([^",]*)"?', said))
        hashed = hashlib.md5 if self.scheme == "digest" else hashlib.sha256
        method, target = head.split(" ")[:2]

        def of(text: str) -> str:
            return hashed(text.encode()).hexdigest()

        who, what = of(f"{self.user}:Camera:{self.password}"), of(f"{method}:{pairs.get('uri')}")
        middle = f"abc:{pairs['nc']}:{pairs['cnonce']}:auth" if "qop" in pairs else "abc"
        return pairs.get("uri") == target and pairs.get("response") == of(f"{who}:{middle}:{what}")

    @property
    def _challenge(self) -> str:
        if self.scheme == "basic":
            return 'WWW-Authenticate: Basic realm="Camera"'
        if self.scheme == "digest":
            return 'WWW-Authenticate: Digest realm="Camera", nonce="abc"'
        return 'WWW-Authenticate: Digest realm="Camera", nonce="abc", qop="auth", algorithm=SHA-256'

    # RTSP

    def _rtsp(self, head: str, writer: asyncio.StreamWriter) -> asyncio.Task[None] | None:
        method = head.split(" ", 1)[0]
        number = re.search(r"CSeq: (\d+)", head)[1]
        body = b""
        lines = ["RTSP/1.0 200 OK", f"CSeq: {number}"]
        playing = None
        if self.mood == "refusing":
            lines[0] = "RTSP/1.0 404 Not Found"
        elif self.mood == "redirecting":
            lines[0] = "RTSP/1.0 302 Moved"
            lines.append("Location: rtsp://127.0.0.1:1/other")
        elif not self._lets_in(head):
            lines[0] = "RTSP/1.0 401 Unauthorized"
            lines.append(self._challenge)
        elif method == "DESCRIBE":
            body = self._description()
            lines += [
                f"Content-Base: {self.rtsp}/",
                "Content-Type: application/sdp",
                f"Content-Length: {len(body)}",
            ]
        elif method == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1234;timeout=60"]
        elif method == "PLAY" and self.mood != "silent":
            playing = asyncio.create_task(self._play(writer))
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return playing

    def _description(self) -> bytes:
        if self.mood == "no_video":
            media = "m=audio 0 RTP/AVP 0\r\n"
        else:
            name = "VP9" if self.mood == "odd_codec" else {"h264": "H264", "hevc": "H265"}[self.codec]
            media = f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {name}/90000\r\na=control:trackID=1\r\n"
        return f"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\n{media}".encode()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        units = film(self.codec, self.width, self.height, self._count, self.gop)
        sequence = itertools.count(65_500)
        first = self.number
        if self.begins_with_key:
            first -= first % self.gop
        with contextlib.suppress(ConnectionError):
            for sent in itertools.count():
                while self.mood == "silent":  # noqa: ASYNC110  # of what plays already nothing comes either
                    await asyncio.sleep(0.02)
                number = (first + sent) % self._count
                if self.heeds_wishes and self.wishes:
                    units = film(self.codec, self.width, self.height, self._count, 1)
                if self.mood == "frozen" and sent:
                    await asyncio.sleep(3600)
                for packet in packets(units[number], self.codec, sequence, (first + sent) * 3600):
                    writer.write(b"$\x00" + struct.pack(">H", len(packet)) + packet)
                await writer.drain()
                # What is behind is sent at once: a film that begins with a key picture catches up.
                due_s = self.began_s + ((first + sent + 1) / self.fps)
                turns = round((time.monotonic() - due_s) * self.fps / self._count)
                await asyncio.sleep(max(0.0, due_s + turns * self._count / self.fps - time.monotonic()))

    # HTTP

    async def _http(self, head: str, writer: asyncio.StreamWriter) -> None:
        if self.mood == "redirecting":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
            return
        if self.mood == "refusing":
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        if not self._lets_in(head):
            writer.write(f"HTTP/1.1 401 No\r\n{self._challenge}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        number = 7 if self.mood == "frozen" else self.number
        if "/snapshot" in head:
            body = jpeg(number)
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
        elif "/chunked" in head:
            body = jpeg(number)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 700):
                part = body[at : at + 700]
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            writer.write(b"0\r\n\r\n")
        else:  # a stream of them, with lengths or without
            told = "/lengths" in head
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
            )
            with contextlib.suppress(ConnectionError):
                while True:
                    body = jpeg(self.number)
                    length = f"Content-Length: {len(body)}\r\n" if told else ""
                    writer.write(
                        f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + body + b"\r\n"
                    )
                    await writer.drain()
                    await asyncio.sleep(0.04)
        await writer.drain()


def packets(units: tuple[bytes, ...], codec: str, sequence: Iterator[int], timestamp: int) -> Iterator[bytes]:
    """Put the NAL units of a picture into RTP: small ones as they are, large ones in fragments."""
    head = 1 if codec == "h264" else 2
    payloads = []
    for unit in units:
        if len(unit) <= MTU:
            payloads.append(unit)
            continue
        rest = unit[head:]
        parts = [rest[at : at + MTU] for at in range(0, len(rest), MTU)]
        for at, part in enumerate(parts):
            ends = (0x80 if at == 0 else 0) | (0x40 if at == len(parts) - 1 else 0)
            if codec == "h264":
                payloads.append(bytes([unit[0] & 0xE0 | 28, ends | unit[0] & 0x1F]) + part)
            else:
                payloads.append(
                    bytes([unit[0] & 0x81 | 49 << 1, unit[1], ends | (unit[0] >> 1) & 0x3F]) + part
                )
    for at, payload in enumerate(payloads):
        marked = 0x80 if at == len(payloads) - 1 else 0
        yield (
            struct.pack(">BBHII", 0x80, 96 | marked, next(sequence) & 0xFFFF, timestamp & 0xFFFFFFFF, 1)
            + payload
        )
