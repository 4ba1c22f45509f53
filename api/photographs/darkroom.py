"""Have photographs opened in a process apart, and say in words why one is refused."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

from api.apart.process import Apart, LostError
from api.photographs.terms import Kind, Terms, refusal

_log = logging.getLogger("gridtwin.photographs")


@dataclass(frozen=True, slots=True)
class Print:
    """A clean picture and its thumbnail, JPEG without metadata, and what the file said of itself."""

    picture: bytes
    thumbnail: bytes
    facts: dict[str, Any]


class Darkroom:
    """One process apart, started with the first picture; pictures wait for one another.

    Parameters
    ----------
    terms
        What one picture may take and what becomes of it.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self._terms = terms or Terms()
        self._apart = Apart("api.photographs.developing")

    @property
    def pid(self) -> int | None:
        """Number of the process while there is one."""
        return self._apart.pid

    async def develop(self, body: bytes, kind: Kind) -> Print:
        """Make a clean picture and its thumbnail of a file.

        Raises
        ------
        InvalidError
            The file is refused; in words for a person.
        UnavailableError
            The process cannot be started.
        """
        terms = asdict(self._terms) | {"opened_as": kind.opened_as, "max_pixels": kind.max_pixels}
        try:
            facts, picture, thumbnail = await self._apart.ask(body, terms, self._terms.wall_s)
        except LostError:
            # It was killed by a limit, or says what it never would: neither happens to a photograph.
            _log.warning("a picture of %d bytes ended the process that opened it", len(body))
            raise refusal("too_costly") from None
        if "refused" in facts:
            raise refusal(str(facts["refused"]))
        return Print(picture, thumbnail, facts)

    async def close(self) -> None:
        """End the process."""
        await self._apart.close()
