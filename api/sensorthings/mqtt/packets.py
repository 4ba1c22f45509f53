"""Read and write the packets of MQTT 3.1.1 and 5.0 that a server without retained messages needs.

Numbers in brackets are sections of the OASIS standards. Messages go out at QoS 0 and come in at 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

V3, V5 = 4, 5
"""The protocol level of CONNECT."""

MAX_PACKET_BYTES: Final = 64 << 10

# Reason codes of MQTT 5 [2.4]; of CONNACK and SUBACK of 3.1.1 where these differ.
OK: Final = 0x00
REFUSED: Final = 0x80
BAD_PACKET: Final = 0x81
NOT_SUPPORTED: Final = 0x84
BAD_CREDENTIALS: Final = 0x86
NOT_ALLOWED: Final = 0x87
UNAVAILABLE: Final = 0x88
TAKEN_OVER: Final = 0x8E
BAD_FILTER: Final = 0x8F
BAD_TOPIC: Final = 0x90
QUOTA: Final = 0x97
BAD_PAYLOAD: Final = 0x99
NO_RETAIN: Final = 0x9A
NO_QOS_2: Final = 0x9B
_CONNACK_V3: Final = {OK: 0, NOT_SUPPORTED: 1, UNAVAILABLE: 3, BAD_CREDENTIALS: 4, NOT_ALLOWED: 5}

# What a client must know of a server that keeps nothing [3.2.2.3]: QoS 1 at most, nothing retained, no
# wildcards, no subscription identifiers, nothing shared.
_ABOUT_US: Final = bytes([0x24, 1, 0x25, 0, 0x28, 0, 0x29, 0, 0x2A, 0])


class MalformedError(Exception):
    """Bytes that are no packet a client may send; ``code`` is the reason of MQTT 5."""

    def __init__(self, what: str, code: int = BAD_PACKET) -> None:
        super().__init__(what)
        self.code = code


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet of a client [3.1]."""

    version: int
    client_id: str
    username: str
    password: str
    keepalive_s: int


@dataclass(frozen=True, slots=True)
class Publish:
    """A message; ``number`` is 0 at QoS 0 [3.3]."""

    topic: str
    payload: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Topic filters that a client wants to follow, or no more where ``ends`` [3.8, 3.10]."""

    number: int
    filters: tuple[str, ...]
    ends: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """A question whether we are there [3.12]."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The last packet of a client [3.14]."""


Packet = Connect | Publish | Subscribe | Ping | Disconnect


class Stream:
    """Cuts what comes over a connection into packets, which need not begin where websocket messages do."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.version = 0

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are whole now.

        Raises
        ------
        MalformedError
            These are none, or one is longer than `MAX_PACKET_BYTES`.
        """
        self._held += data
        packets: list[Packet] = []
        while (cut := self._first()) is not None:
            begin, end = cut
            head, body = self._held[0], bytes(self._held[begin:end])
            del self._held[:end]
            packets.append(self._read(head, body))
        return packets

    def _first(self) -> tuple[int, int] | None:
        """Return where the body of the first packet begins and ends, once it is whole [2.1.4]."""
        length = 0
        for i in range(1, 5):
            if i >= len(self._held):
                return None
            length |= (self._held[i] & 0x7F) << (7 * (i - 1))
            if self._held[i] < 0x80:
                if length > MAX_PACKET_BYTES:
                    raise MalformedError(f"a packet has at most {MAX_PACKET_BYTES} bytes", 0x95)
                return (i + 1, i + 1 + length) if len(self._held) >= i + 1 + length else None
        raise MalformedError("the length of a packet has more than four bytes")

    def _read(self, head: int, body: bytes) -> Packet:
        kind, fields = head >> 4, _Fields(body)
        if (kind == 1) != (self.version == 0):
            raise MalformedError("CONNECT is the first packet, and only that", 0x82)
        if kind == 3:
            return self._publish(head, fields)
        if head & 0x0F != (2 if kind in (8, 10) else 0):
            raise MalformedError("the flags of a packet are wrong")
        match kind:
            case 1:
                return self._connect(fields)
            case 8 | 10:
                return self._subscribe(fields, ends=kind == 10)
            case 12:
                return Ping()
            case 14:
                return Disconnect()
        raise MalformedError("clients do not send this packet", 0x82)

    def _connect(self, fields: _Fields) -> Connect:
        name, version, flags = fields.text(), fields.number(1), fields.number(1)
        if name != "MQTT" or version not in (V3, V5):
            raise MalformedError("only MQTT 3.1.1 and 5.0 are spoken", NOT_SUPPORTED)
        self.version = version
        keepalive_s = fields.number(2)
        self._skip_properties(fields)
        client_id = fields.text()
        if flags & 0x04:  # a last will: nothing of a client is passed on, so there is nobody to read it
            self._skip_properties(fields)
            fields.text()
            fields.binary()
        username = fields.text() if flags & 0x80 else ""
        password = fields.binary().decode("utf-8", "replace") if flags & 0x40 else ""
        return Connect(version, client_id, username, password, keepalive_s)

    def _publish(self, head: int, fields: _Fields) -> Publish:
        quality = head >> 1 & 3
        topic = fields.text()
        if quality > 1:
            raise MalformedError("messages are taken at QoS 0 and 1", NO_QOS_2)
        if head & 1:
            raise MalformedError("nothing is retained", NO_RETAIN)
        number = fields.number(2) if quality else 0
        if quality and not number:
            raise MalformedError("the number of a packet is not 0")
        self._skip_properties(fields)
        return Publish(topic, fields.rest(), number)

    def _subscribe(self, fields: _Fields, *, ends: bool) -> Subscribe:
        number, filters = fields.number(2), []
        self._skip_properties(fields)
        while not fields.at_end:
            filters.append(fields.text())
            if not ends:
                fields.number(1)
        if not filters or not number:
            raise MalformedError("a subscription names topics, and has a number")
        return Subscribe(number, tuple(filters), ends)

    def _skip_properties(self, fields: _Fields) -> None:
        if self.version == V5:
            fields.take(fields.length())


class _Fields:
    """The fields of a packet, one after the other [1.5]."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise MalformedError("a packet ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        try:
            found = self.binary().decode()
        except UnicodeDecodeError:
            raise MalformedError("a text is not UTF-8") from None
        if "\x00" in found:
            raise MalformedError("a text holds a zero byte")
        return found

    def length(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedError("a length has more than four bytes")


def connack(version: int, code: int, client_id: str = "") -> bytes:
    """Return the answer to CONNECT; ``client_id`` is one that we gave."""
    if version == V3:
        return _packet(0x20, bytes([0, _CONNACK_V3.get(code, 5)]))
    given = b"\x12" + _text(client_id) if client_id else b""
    about = _ABOUT_US + given if code == OK else b""
    return _packet(0x20, bytes([0, code]) + _length(len(about)) + about)


def suback(version: int, asked: Subscribe, codes: list[int]) -> bytes:
    """Return the answer to a subscription, or to its end: a code for each filter."""
    properties = b"\x00" if version == V5 else b""
    if asked.ends:
        told = bytes(codes) if version == V5 else b""
    else:
        told = bytes(code if version == V5 or code == OK else REFUSED for code in codes)
    return _packet(0xB0 if asked.ends else 0x90, asked.number.to_bytes(2, "big") + properties + told)


def puback(version: int, number: int, code: int = OK, why: str = "") -> bytes:
    """Return the answer to a message of QoS 1; MQTT 3.1.1 has no way to say that it was refused."""
    body = number.to_bytes(2, "big")
    if version == V5 and code != OK:
        reason = b"\x1f" + _text(why[:500])
        body += bytes([code]) + _length(len(reason)) + reason
    return _packet(0x40, body)


def publish(version: int, topic: str, payload: bytes) -> bytes:
    """Return a message of QoS 0."""
    return _packet(0x30, _text(topic) + (b"\x00" if version == V5 else b"") + payload)


def disconnect(version: int, code: int) -> bytes:
    """Return our last packet; MQTT 3.1.1 knows none of a server."""
    return _packet(0xE0, bytes([code, 0])) if version == V5 else b""


PINGRESP: Final = b"\xd0\x00"


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _length(len(body)) + body


def _length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
