"""A follower over MQTT 3.1.1 and a websocket, which knows nothing of the server."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import websockets


def text(written: str) -> bytes:
    return len(written.encode()).to_bytes(2, "big") + written.encode()


def packet(head: int, body: bytes) -> bytes:
    length, bytes_ = len(body), bytearray()
    while True:
        length, low = divmod(length, 128)
        bytes_.append(low | (0x80 if length else 0))
        if not length:
            return bytes([head]) + bytes(bytes_) + body


@dataclass
class Told:
    """What a follower was told; ``code`` is what the server said to CONNECT, 0 where it let them in."""

    code: int = -1
    messages: list[tuple[str, bytes]] = field(default_factory=list)


async def follow(url: str, name: str, token: str, topics: list[str], ready: asyncio.Barrier) -> Told:
    """Follow topics until nothing more is told for a while; `ready` is where all wait until all follow."""
    told, held = Told(), bytearray()
    async with websockets.connect(url, subprotocols=["mqtt"], max_size=None) as socket:
        head = text("MQTT") + bytes([4, 0xC2]) + (60).to_bytes(2, "big")
        await socket.send(packet(0x10, head + text(f"at-{name}") + text(name) + text(token)))
        told.code = (await socket.recv())[3]
        if told.code == 0:
            await socket.send(packet(0x82, b"\x00\x01" + b"".join(text(one) + b"\x00" for one in topics)))
            granted = await socket.recv()
            assert granted[-len(topics) :] == bytes(len(topics)), (topics, granted)
        await ready.wait()
        with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
            while told.code == 0:
                held += await asyncio.wait_for(socket.recv(), 2.0)
                _cut(held, told)
    return told


def _cut(held: bytearray, told: Told) -> None:
    while len(held) >= 2:
        length, shift, i = 0, 0, 1
        while True:
            if i >= len(held):
                return
            length |= (held[i] & 0x7F) << shift
            shift, i = shift + 7, i + 1
            if held[i - 1] < 0x80:
                break
        if len(held) < i + length:
            return
        head, body = held[0], bytes(held[i : i + length])
        del held[: i + length]
        if head >> 4 == 3:
            end = 2 + int.from_bytes(body[:2], "big")
            told.messages.append((body[2:end].decode(), body[end:]))
