"""Have coded pictures decoded in processes apart, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from api.apart.process import Apart, LostError
from api.cameras.terms import DECODERS, WALL_S, Terms
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Footage

_log = logging.getLogger("gridtwin.cameras")


class Decoder:
    """So many processes apart, each started when it is needed; pictures wait for a free one."""

    def __init__(self, processes: int = DECODERS, terms: Terms | None = None) -> None:
        self._terms = terms or Terms()
        self._all = [Apart("api.cameras.decoding") for _ in range(processes)]
        self._free: asyncio.LifoQueue[Apart] = asyncio.LifoQueue()  # the one that is warm is taken first
        for one in reversed(self._all):
            self._free.put_nowait(one)

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes there are."""
        return [one.pid for one in self._all if one.pid is not None]

    async def develop(self, footage: Footage | None, line: str, plain_line: str) -> bytes:
        """Make a JPEG of the newest picture with a line on it; of None a made-up one.

        Parameters
        ----------
        footage
            Coded pictures.
        line, plain_line
            What is written, and what in Latin letters where the first cannot be.

        Raises
        ------
        StreamError
            `garbage`: it cannot be decoded, or not with what one picture may take.
        UnavailableError
            The process cannot be started.
        """
        units = () if footage is None else footage.units
        terms: dict[str, Any] = asdict(self._terms) | {
            "codec": "simulated" if footage is None else footage.codec,
            "lengths": [len(unit) for unit in units],
            "line": line,
            "plain_line": plain_line,
        }
        process = await self._free.get()
        try:
            facts, picture, _ = await process.ask(b"".join(units), terms, WALL_S)
        except LostError:
            _log.warning("pictures of %d bytes ended the process that decoded them", sum(map(len, units)))
            raise StreamError(Reason.GARBAGE) from None
        finally:
            self._free.put_nowait(process)
        if "refused" in facts:
            raise StreamError(Reason.GARBAGE)
        return picture

    async def close(self) -> None:
        """End the processes."""
        for one in self._all:
            await one.close()
