"""Read the heads of answers, which RTSP and HTTP share, and judge their status."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from ingest.cameras.errors import Reason, StreamError

_STATUS: Final = re.compile(r"(?:RTSP|HTTP)/[0-9.]{1,4} ([0-9]{3})(?: |$)")
_REASONS: Final = {401: Reason.UNAUTHORIZED, 403: Reason.UNAUTHORIZED, 404: Reason.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class Head:
    """First line and header lines of a message; names in small letters, in their order."""

    first: str
    lines: tuple[tuple[str, str], ...]

    @property
    def status(self) -> int | None:
        """Status of an answer, None where it is a request."""
        found = _STATUS.match(self.first)
        return None if found is None else int(found[1])

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.lines if key == name]

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a header."""
        return next(iter(self.all(name)), default)

    def length(self, most: int) -> int | None:
        """Return the length of the body, None where it is not said.

        Raises
        ------
        StreamError
            It is no number, or more than there may be.
        """
        said = self.get("content-length")
        if not said:
            return None
        if not said.isascii() or not said.isdigit() or len(said) > 12 or int(said) > most:
            raise StreamError(Reason.GARBAGE)
        return int(said)


async def read_head(reader: asyncio.StreamReader, begun: bytes = b"") -> Head:
    """Read a head to its empty line; ``begun`` was read before.

    Raises
    ------
    StreamError
        It is no head, is longer than the reader's limit, or ends too soon.
    """
    try:
        raw = begun + await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise StreamError(Reason.GARBAGE) from error
    except asyncio.IncompleteReadError as error:
        raise StreamError(Reason.CLOSED) from error
    first, *rest = raw.decode("latin-1").strip("\r\n").split("\r\n")
    split = (line.partition(":") for line in rest)
    return Head(first[:1_000], tuple((name.strip().lower(), value.strip()) for name, _, value in split))


def require_success(head: Head) -> None:
    """Check the status of an answer.

    Raises
    ------
    StreamError
        It is none of success; a redirection is not followed.
    """
    status = head.status
    if status is None:
        raise StreamError(Reason.GARBAGE)
    if 300 <= status < 400:
        raise StreamError(Reason.REDIRECTED)
    if not 200 <= status < 300:
        raise StreamError(_REASONS.get(status, Reason.ANSWERED_ERROR))
