"""Know by which mapping messages of a foreign platform are read now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from ingest.counters import Heard
from ingest.decoders.mapping import Mapping, read_mapping
from ingest.decoders.readings import DecodeError
from twin.errors import InvalidError
from twin.store.feed_mappings import CHANNEL, KeptMapping, list_newest
from twin.store.news import follow

log = logging.getLogger(__name__)

_LOOK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest version of a mapping: None where this build cannot read it; ``retired`` is used no more."""

    version: int
    retired: bool
    mapping: Mapping | None


class Mappings:
    """The newest version of every mapping, by name, in memory, and what came by each.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[str, _Known] | None = None
        self._counters: dict[str, Heard] = {}
        self._read_s = 0.0
        self._reading = asyncio.Lock()
        self._were_read = asyncio.Event()

    async def follow(self) -> None:
        """Keep in step with what people change, until cancelled."""
        await follow(self._engine, CHANNEL, self.refresh)

    async def refresh(self) -> None:
        """Read them anew."""
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        async with self._engine.connect() as connection:
            rows = await list_newest(connection)
        before, self._known = self._known or {}, {}
        for row in rows:
            known = before.get(row.name)
            if known is None or known.version != row.version:
                known = _Known(row.version, row.retired, _readable(row))
            self._known[row.name] = known
        self._read_s = time.monotonic()
        self._were_read.set()

    async def wait(self) -> None:
        """Return once they were read for the first time: before, nobody can be told that one is missing."""
        await self._were_read.wait()

    async def require(self, name: str) -> bool:
        """Say whether there is a mapping; look again, at most once a second, where it is not known.

        Raises
        ------
        Exception
            The database is away, and they were never read.
        """
        if self._known is not None and name in self._known:
            return True
        async with self._reading:
            if self._known is None:
                await self._read()
            elif name not in self._known and time.monotonic() - self._read_s > _LOOK_AGAIN_S:
                with contextlib.suppress(Exception):  # what is known holds
                    await self._read()
        return self._known is not None and name in self._known

    def get(self, name: str) -> Mapping | None:
        """Return a mapping; None where it cannot be read.

        Raises
        ------
        DecodeError
            There is none, or it was retired.
        """
        known = (self._known or {}).get(name)
        if known is None:
            raise DecodeError("no_mapping", mapping=name[:64])
        if known.retired:
            raise DecodeError("mapping_retired", mapping=name[:64])
        return known.mapping

    def counters(self, name: str) -> Heard | None:
        """Return the counts of a mapping, a retired one too, since the start; None where there is none."""
        if self._known is None or name not in self._known:
            return None
        return self._counters.setdefault(name, Heard())


def _readable(row: KeptMapping) -> Mapping | None:
    try:
        return read_mapping(row.content)
    except InvalidError as error:  # another build wrote it
        log.warning("messages by the mapping “%s” cannot be read: %s", row.name, error)
        return None


def mapping_in(source: str) -> str:
    """Return the name of the mapping in the source of a foreign message: a topic, or feed, sender and it."""
    return source.replace("/", " ").rpartition(" ")[2]
