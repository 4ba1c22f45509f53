"""Put coded pictures together from RTP packets: H.264 (RFC 6184) and H.265 (RFC 7798)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import MOST_UNIT_BYTES, Unit

_START: Final = b"\x00\x00\x00\x01"
_HEADER: Final = struct.Struct(">BBHI")
_HEADER_BYTES: Final = 12  # with the source's number
_SOURCE: Final = slice(8, 12)
_OURSELVES: Final = bytes(4)


@dataclass(frozen=True, slots=True)
class _Form:
    """What of a codec matters here: types of units, and where a packet says them."""

    header: int
    aggregate: int
    fragment: int
    keys: frozenset[int]
    sets: frozenset[int]

    def type_of(self, first: int) -> int:
        return first & 0x1F if self.header == 1 else (first >> 1) & 0x3F


_FORMS: Final = {
    # A set of sequence parameters begins what can be decoded, also where the picture is no IDR.
    "h264": _Form(1, 24, 28, frozenset({5, 7}), frozenset({7, 8})),
    "hevc": _Form(2, 48, 49, frozenset(range(16, 22)), frozenset({32, 33, 34})),
}


class Depacketizer:
    """Takes the packets of one stream in their order and gives whole pictures.

    Parameters
    ----------
    codec
        Which of the two.
    payload_type
        Packets of others are passed over.
    parameter_sets
        What was said of the stream beforehand (SDP): put before key pictures that come without.
    """

    def __init__(
        self, codec: Literal["h264", "hevc"], payload_type: int, parameter_sets: tuple[bytes, ...] = ()
    ) -> None:
        self._form = _FORMS[codec]
        self._payload_type = payload_type
        self._parameter_sets = parameter_sets
        self._sequence: int | None = None
        self._timestamp: int | None = None
        self._parts: list[bytes] = []
        self._fragment: list[bytes] = []
        self._types: set[int] = set()
        self._size = 0
        self._damaged = False  # the picture in hand
        self._waits = True  # for a key picture
        self._source = b""
        self.lacks_key = False
        """Whether a picture went by that cannot be shown for want of a key picture."""
        self.ended_at: int | None = None
        """When the picture was taken that ended last, shown or not: the camera's clock, 1/90,000 s."""

    def ask_for_key(self) -> bytes:
        """Return the RTCP packet that asks the sender for a key picture now (PLI, RFC 4585, 6.3.1).

        A sender need not heed it. An empty report of a receiver goes before it, as RFC 3550 (6.1) wants.
        """
        self.lacks_key = False
        return b"\x80\xc9\x00\x01" + _OURSELVES + b"\x81\xce\x00\x02" + _OURSELVES + self._source

    def feed(self, packet: bytes) -> Iterator[Unit]:
        """Take a packet and give the pictures that are whole now, at most two.

        A picture of which a packet is missing, and all that build on it, are left out.

        Raises
        ------
        StreamError
            It is no RTP packet, or a picture grows too large.
        """
        if len(packet) < _HEADER_BYTES:
            raise StreamError(Reason.GARBAGE)
        flags, marked, sequence, timestamp = _HEADER.unpack_from(packet)
        if flags >> 6 != 2:
            raise StreamError(Reason.GARBAGE)
        if marked & 0x7F != self._payload_type:
            return
        lost = self._sequence is not None and sequence != (self._sequence + 1) & 0xFFFF
        self._damaged |= lost
        self._sequence = sequence
        self._source = packet[_SOURCE]
        if timestamp != self._timestamp:
            yield from self._whole()
            self._timestamp = timestamp
            self._damaged |= lost  # the end of the one or the beginning of the other
        self._take(_payload(packet, flags))
        if marked & 0x80:
            self.ended_at = timestamp
            yield from self._whole()

    def _take(self, payload: bytes) -> None:
        form = self._form
        if len(payload) <= form.header:
            return
        self._size += len(payload)
        if self._size > MOST_UNIT_BYTES:
            raise StreamError(Reason.GARBAGE)
        kind = form.type_of(payload[0])
        if kind == form.fragment:
            self._take_fragment(payload)
        elif kind == form.aggregate:
            at = form.header
            while at + 2 <= len(payload):
                length = int.from_bytes(payload[at : at + 2], "big")
                self._add(payload[at + 2 : at + 2 + length])
                at += 2 + length
        else:
            self._add(payload)

    def _take_fragment(self, payload: bytes) -> None:
        form = self._form
        if len(payload) < form.header + 2:
            return
        said = payload[form.header]
        if said & 0x80:
            if form.header == 1:
                head = bytes([payload[0] & 0xE0 | said & 0x1F])
            else:
                head = bytes([payload[0] & 0x81 | (said & 0x3F) << 1, payload[1]])
            self._fragment = [head]
        elif not self._fragment:
            self._damaged = True
            return
        self._fragment.append(payload[form.header + 1 :])
        if said & 0x40:
            self._add(b"".join(self._fragment))
            self._fragment = []

    def _add(self, unit: bytes) -> None:
        if len(unit) > self._form.header:
            self._types.add(self._form.type_of(unit[0]))
            self._parts.append(unit)

    def _whole(self) -> Iterator[Unit]:
        parts, types, damaged = self._parts, self._types, self._damaged or bool(self._fragment)
        self._parts, self._fragment, self._types, self._size, self._damaged = [], [], set(), 0, False
        if damaged:
            self._waits = True
        key = bool(types & self._form.keys)
        if damaged or (parts and self._waits and not key):
            self.lacks_key = True
            return
        if not parts:
            return
        self._waits = self.lacks_key = False
        if key and not types & self._form.sets:
            parts = [*self._parameter_sets, *parts]
        yield Unit(key, b"".join(_START + part for part in parts))


def _payload(packet: bytes, flags: int) -> bytes:
    at = _HEADER_BYTES + 4 * (flags & 0x0F)
    if flags & 0x10:
        if len(packet) < at + 4:
            return b""
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    end = len(packet)
    if flags & 0x20 and end:
        end -= packet[-1]
    return packet[at:end] if end > at else b""
