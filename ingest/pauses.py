"""Know which feeds a person has paused, and pause and resume them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.errors import ConflictError, PausedError
from twin.store.news import follow

_CHANNEL: Final = "feed_pauses"
_COME_BACK_S: Final = 60
_READ: Final = text("SELECT feed, paused_at, paused_by, reason FROM feed_pause")
_PAUSE: Final = text(
    "INSERT INTO feed_pause (feed, paused_by, reason) VALUES (:feed, :by, :reason) "
    "ON CONFLICT (feed) DO NOTHING RETURNING feed"
)
_RESUME: Final = text("DELETE FROM feed_pause WHERE feed = :feed RETURNING feed")


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when a feed is paused, by whom and why."""

    at: datetime
    by: str
    reason: str


class Pauses:
    """The feeds that are paused, in memory.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._of_feed: Mapping[str, Pause] = MappingProxyType({})
        self._changed = asyncio.Condition()

    async def refresh(self) -> None:
        """Read them anew."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_READ)
            found = {row.feed: Pause(row.paused_at, row.paused_by, row.reason) for row in rows}
        async with self._changed:
            self._of_feed = MappingProxyType(found)
            self._changed.notify_all()

    async def follow(self) -> None:
        """Keep in step with what any server paused and resumed, until cancelled."""
        await follow(self._engine, _CHANNEL, self.refresh)

    def of(self, feed: str) -> Pause | None:
        """Return since when a feed is paused, by whom and why; None where it is not."""
        return self._of_feed.get(feed)

    def require_running(self, feed: str) -> None:
        """Check that a feed is not paused.

        Raises
        ------
        PausedError
            It is.
        """
        pause = self._of_feed.get(feed)
        if pause is not None:
            raise PausedError(
                "this way in is paused, nothing was taken",
                where=feed,
                wait_s=_COME_BACK_S,
                hint="keep the message and send it again later",
            )

    async def wait(self, feed: str, *, paused: bool) -> None:
        """Return once a feed is paused, or is not."""
        async with self._changed:
            await self._changed.wait_for(lambda: (feed in self._of_feed) == paused)


async def pause(connection: AsyncConnection, feed: str, by: str, reason: str) -> None:
    """Pause a feed, in the transaction of a caller who may.

    Raises
    ------
    ConflictError
        It is paused already.
    """
    done = await connection.execute(_PAUSE, {"feed": feed, "by": by, "reason": reason})
    if done.first() is None:
        raise ConflictError("this source is paused already", where=feed)


async def resume(connection: AsyncConnection, feed: str) -> None:
    """Resume a feed, in the transaction of a caller who may.

    Raises
    ------
    ConflictError
        It is not paused.
    """
    if (await connection.execute(_RESUME, {"feed": feed})).first() is None:
        raise ConflictError("this source is not paused", where=feed)
