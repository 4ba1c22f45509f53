"""Speak as much MQTT 3.1.1 as load needs: sign in, publish with QoS 1, subscribe, cut packets apart.

A full client costs several times more processor time per message than the broker it is to measure.
Sections named are those of the OASIS standard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90


def text(value: str) -> bytes:
    """Encode a string as the standard does (1.5.3)."""
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def length(size: int) -> bytes:
    """Encode the remaining length (2.2.3): seven bits a byte."""
    out = bytearray()
    while True:
        size, part = divmod(size, 128)
        out.append(part | (0x80 if size else 0))
        if not size:
            return bytes(out)


def connect(client_id: str, username: str, password: str, keep_alive_s: int = 0) -> bytes:
    """Make CONNECT (3.1), clean session; keep alive 0 is off."""
    body = text("MQTT") + bytes([4, 0xC2]) + keep_alive_s.to_bytes(2, "big")
    body += text(client_id) + text(username) + text(password)
    return b"\x10" + length(len(body)) + body


def publish(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """Make PUBLISH with QoS 1 (3.3); `topic` is already encoded with `text`."""
    body_size = len(topic) + 2 + len(payload)
    return b"".join((b"\x32", length(body_size), topic, packet_id.to_bytes(2, "big"), payload))


def subscribe(packet_id: int, topics: Iterable[str]) -> bytes:
    """Make SUBSCRIBE with QoS 0 for all topics (3.8)."""
    body = packet_id.to_bytes(2, "big") + b"".join(text(topic) + b"\x00" for topic in topics)
    return b"\x82" + length(len(body)) + body


def packets(buffer: bytes | bytearray | memoryview, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Cut a stream apart: first byte, begin and end of the body of each whole packet from `start` on."""
    end = len(buffer)
    while start + 2 <= end:
        size = shift = 0
        cursor = start + 1
        while True:
            if cursor >= end:
                return
            byte = buffer[cursor]
            size |= (byte & 0x7F) << shift
            cursor += 1
            shift += 7
            if byte < 0x80:
                break
        if cursor + size > end:
            return
        yield buffer[start], cursor, cursor + size
        start = cursor + size
