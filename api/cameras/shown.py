"""Hold pictures for the minute in which they may be fetched, under addresses nobody can guess."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from api.cameras.terms import MOST_SHOWN, SHOWN_S
from twin.errors import GoneError, NotFoundError

_TOKEN: Final = struct.Struct(">16sQ")
_SEAL_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was taken, of which camera."""

    device_id: int
    jpeg: bytes
    until_s: float


class ShownPictures:
    """Pictures in memory, in this process: none is ever written to a disk or a database.

    Parameters
    ----------
    key
        Signs their addresses.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._of: OrderedDict[bytes, Picture] = OrderedDict()

    def put(self, device_id: int, jpeg: bytes, session: UUID) -> tuple[str, float]:
        """Keep a picture for a session; return the end of its address, and until when (Unix s)."""
        self._sweep()
        while len(self._of) >= MOST_SHOWN:
            self._of.popitem(last=False)
        number, until_s = secrets.token_bytes(16), time.time() + SHOWN_S
        self._of[number] = Picture(device_id, jpeg, until_s)
        head = _TOKEN.pack(number, int(until_s * 1000))
        return base64.urlsafe_b64encode(head + self._seal(head, session)).decode(), until_s

    def get(self, token: str, session: UUID) -> Picture:
        """Return the picture of an address, to the session that looked.

        Raises
        ------
        NotFoundError
            It is no such address, or one of another session.
        GoneError
            Its time is over, or the server began anew since.
        """
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        head, seal = raw[: _TOKEN.size], raw[_TOKEN.size :]
        if len(head) != _TOKEN.size or not hmac.compare_digest(seal, self._seal(head, session)):
            raise NotFoundError("there is no such picture · 没有这张画面", where="token")
        self._sweep()
        number, until_ms = _TOKEN.unpack(head)
        kept = self._of.get(number)
        if kept is None or until_ms < time.time() * 1000:
            raise GoneError(
                "the time of this picture is over · 画面已过期", where="token", hint="look again · 请重新查看"
            )
        return kept

    def _seal(self, head: bytes, session: UUID) -> bytes:
        return hmac.new(self._key, head + session.bytes, hashlib.sha256).digest()[:_SEAL_BYTES]

    def _sweep(self) -> None:
        now_s = time.time()
        for number in [number for number, kept in self._of.items() if kept.until_s < now_s]:
            del self._of[number]
