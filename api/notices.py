"""Hear from the database what changed: tiles and journal, and lose nothing when the connection breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from api.access.door import Door
from api.live.hub import CLOSE_RIGHTS_CHANGED, KEPT_EVENTS, Hub
from api.tiles import TileStore
from twin.access import credentials
from twin.store import journal
from twin.store.outage import CUT, is_outage

_log = logging.getLogger("gridtwin.notices")

TILES_CHANNEL: Final = "tiles"
_RETRY_S: Final = 0.5
_CHECK_S: Final = 5.0
_READ_AT_ONCE: Final = 500


class NoticeListener:
    """One connection that listens, made anew whenever it breaks.

    Parameters
    ----------
    dsn
        As asyncpg takes it.
    engine
        Reads the journal rows.
    hub, tiles, door
        Who is told.
    """

    def __init__(self, dsn: str, engine: AsyncEngine, hub: Hub, tiles: TileStore, door: Door) -> None:
        self._dsn = dsn
        self._engine = engine
        self._hub = hub
        self._tiles = tiles
        self._door = door
        self._journal_news = asyncio.Event()
        self.connected = False

    async def start_journal(self) -> None:
        """Take the newest journal number and the events before it, so that clients can resume."""
        async with self._engine.connect() as connection:
            newest = await journal.newest(connection)
            events = await journal.read_after(connection, max(0, newest - KEPT_EVENTS), KEPT_EVENTS)
        self._hub.remember(events)
        self._hub.journal = max(newest, self._hub.journal)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._follow_journal())

    async def _listen(self) -> None:
        first = True
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(
                    self._dsn, timeout=5.0, server_settings={"application_name": "gridtwin notices"}
                )
                await connection.add_listener(TILES_CHANNEL, self._on_tiles)
                await connection.add_listener(journal.CHANNEL, self._on_journal)
                await connection.add_listener(credentials.CHANNEL, self._on_access)
                if not first:
                    # What was said meanwhile was not heard.
                    self._hub.announce_tiles(self._tiles.invalidate_all())
                    self._door.forget_all()
                    await self._end_changed()
                    _log.warning("listening to the database again")
                first = False
                self.connected = True
                self._journal_news.set()
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                while not lost.is_set():
                    # A host that vanished says nothing: ask now and then.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_CHECK_S):
                            await lost.wait()
                    if not lost.is_set():
                        await connection.execute("SELECT 1", timeout=_CHECK_S)
                raise ConnectionError("the database closed the connection")
            except CUT as error:
                if self.connected or first:
                    _log.warning("cannot listen to the database: %s", error)
                self.connected = False
                first = False
                await asyncio.sleep(_RETRY_S)
            finally:
                if connection is not None:
                    connection.terminate()

    async def _end_changed(self) -> None:
        """Close the sockets of accounts that may see something else than when these were opened."""
        held = {(viewer.account_id, viewer.grants.key) for viewer in self._hub.viewers}
        try:
            async with self._door.engine.connect() as connection:
                for account_id, key in held:
                    grants = await credentials.grants_of_account(connection, account_id)
                    if grants.key != key:
                        self._end(account_id)
        except Exception as error:
            if not is_outage(error):
                raise
            raise ConnectionError("rights cannot be read") from error  # it listens anew

    def _end(self, account_id: UUID) -> None:
        self._hub.end(account_id, CLOSE_RIGHTS_CHANGED, "come back: what you may see is another now")

    def _on_tiles(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            notice = orjson.loads(str(payload))
            table, bbox = str(notice["table"]), notice["bbox"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            _log.warning("a notice about tiles cannot be read: %.200s", payload)
            return
        self._hub.announce_tiles(self._tiles.invalidate(table, bbox))

    def _on_access(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            account_id = UUID(str(payload))
        except ValueError:
            _log.warning("a notice about an account cannot be read: %.100s", payload)
            return
        self._door.forget(account_id)
        self._end(account_id)

    def _on_journal(self, _connection: object, _pid: int, _channel: str, _payload: object) -> None:
        self._journal_news.set()

    async def _follow_journal(self) -> None:
        while True:
            await self._journal_news.wait()
            self._journal_news.clear()
            try:
                await self._read_journal()
            except Exception as error:
                _log.warning("the journal cannot be read: %s", error)
                await asyncio.sleep(_RETRY_S)
                self._journal_news.set()

    async def _read_journal(self) -> None:
        async with self._engine.connect() as connection:
            while True:
                events = await journal.read_after(connection, self._hub.journal, _READ_AT_ONCE)
                self._hub.publish(events)
                if len(events) < _READ_AT_ONCE:
                    return
