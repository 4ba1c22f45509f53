"""Frame messages for the wire once, so that every socket can be handed the same bytes."""

from __future__ import annotations

import struct
from typing import Final

TEXT: Final = 1
BINARY: Final = 2
"""Opcodes of RFC 6455, 5.2."""


def websocket_frame(payload: bytes, opcode: int) -> bytes:
    """Return a message as one complete, unmasked websocket frame (RFC 6455, 5.2)."""
    n = len(payload)
    first = 0x80 | opcode
    if n < 126:
        head = struct.pack("!BB", first, n)
    elif n < 65536:
        head = struct.pack("!BBH", first, 126, n)
    else:
        head = struct.pack("!BBQ", first, 127, n)
    return head + payload
