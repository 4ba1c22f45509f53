"""Tell partners what happens to cases: one server at a time, each partner by a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.exchange.georeport import GeoReport
from api.exchange.posting import Line, Posting
from api.exchange.telling import Telling
from api.exchange.ways import Way, Webhook
from twin.access.sealing import Sealer
from twin.address_ranges import Ranges
from twin.errors import SetupError
from twin.exchange import partners, receiving
from twin.exchange.partners import Partner
from twin.store import journal
from twin.store.locks import Lock
from twin.store.outage import CUT, is_outage

_log = logging.getLogger("gridtwin.exchange")

_GATHER_S: Final = 0.2
"""How long to wait for more after a notice: partners need not be told within the same breath."""
_LOOK_S: Final = 30.0
"""How often to look without a notice."""
_RETRY_S: Final = 1.0
_CHECK_S: Final = 5.0
"""Also about how soon another server takes over from one that ended."""

_LOCK: Final = f"SELECT pg_try_advisory_lock({Lock.PARTNERS})"
_NEWEST_OF_CASES: Final = text("SELECT max(seq) FROM journal WHERE seq > :after AND kind LIKE 'case.%'")


class Exchange:
    """The part of a server that tells partners; nobody who acts on a case waits for anything here.

    Of the server's connections to the database it takes one at a time, and none while a partner is asked.

    Parameters
    ----------
    dsn
        As asyncpg takes it: one connection holds the lock by which one server tells, and listens.
    own
        The server's own hand.
    sealer
        Opens the secrets of partners.
    ranges
        Addresses at which partners may be.
    """

    def __init__(self, dsn: str, own: AsyncEngine, sealer: Sealer, ranges: Ranges) -> None:
        self._dsn = dsn
        self._own = own
        self._sealer = sealer
        self._posting = Posting(ranges)
        self._one_at_a_time = asyncio.Semaphore(1)
        self._told: dict[UUID, tuple[int, asyncio.Task[None]]] = {}
        self._wakes: dict[UUID, asyncio.Event] = {}
        self._seen = 0
        self._news = asyncio.Event()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Let go of what is held beside the tasks."""
        self._posting.close()

    @contextlib.asynccontextmanager
    async def way_to(self, partner: Partner) -> AsyncIterator[Way]:
        """Give a way to a partner for as long as the context lasts, beside the one by which it is told."""
        async with self._posting.line(partner.address) as line:
            yield self._way(partner, line)

    async def run(self) -> None:
        """Tell partners until cancelled, whenever no other server does."""
        while True:
            try:
                await self._while_alone()
            except CUT as error:
                _log.info("partners are not told for a moment: %s", error)
            await asyncio.sleep(_RETRY_S)

    async def _while_alone(self) -> None:
        connection = await asyncpg.connect(
            self._dsn, timeout=_CHECK_S, server_settings={"application_name": "gridtwin exchange"}
        )
        work: list[asyncio.Task[None]] = []
        try:
            if not await connection.fetchval(_LOCK, timeout=_CHECK_S):
                await asyncio.sleep(_CHECK_S)  # another server tells
                return
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(journal.CHANNEL, lambda *_: self._news.set())
            await connection.add_listener(partners.CHANNEL, lambda *_: self._changed.set())
            for step in (self._follow, self._keep_tasks):
                work.append(asyncio.create_task(_for_ever(step)))
            while not lost.is_set():
                await _wait(lost, _CHECK_S)
                if not lost.is_set():  # a host that vanished says nothing
                    await connection.execute("SELECT 1", timeout=_CHECK_S)
        finally:
            # The lock is gone with the connection: another server may tell from now on.
            connection.terminate()
            work += [task for _, task in self._told.values()]
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._told.clear()
            self._wakes.clear()

    async def _follow(self) -> None:
        """Wake the tasks of partners when something happened to a case; alarms come by the thousand."""
        await _wait(self._news, _LOOK_S)
        await asyncio.sleep(_GATHER_S)
        self._news.clear()
        async with self._database() as connection:
            newest = (await connection.execute(_NEWEST_OF_CASES, {"after": self._seen})).scalar()
        if newest is not None:
            self._seen = newest
            for wake in self._wakes.values():
                wake.set()

    async def _keep_tasks(self) -> None:
        """Have a task for each partner that is told, begun anew where people changed something about it."""
        self._changed.clear()
        async with self._database() as connection:
            known = {p.id: p.version for p in await partners.list_partners(connection) if p.is_sending}
            await receiving.forget_old(connection, datetime.now(UTC))
        for partner_id, (version, task) in list(self._told.items()):
            if known.get(partner_id) != version or task.done():
                task.cancel()
                await asyncio.wait([task])
                del self._told[partner_id], self._wakes[partner_id]
        for partner_id, version in known.items():
            if partner_id not in self._told:
                wake = self._wakes[partner_id] = asyncio.Event()
                task = asyncio.create_task(self._tell(partner_id, wake))
                self._told[partner_id] = version, task
        await _wait(self._changed, _LOOK_S)

    async def _tell(self, partner_id: UUID, wake: asyncio.Event) -> None:
        """Tell one partner until somebody changes it; what goes wrong here stays with it."""

        async def tell() -> None:
            async with self._database() as connection:
                partner = await partners.find_with_secrets(connection, partner_id)
            if partner is None or not partner.is_sending:
                await asyncio.sleep(_LOOK_S)  # until its task is ended
                return
            async with self._posting.line(partner.address) as line:
                await Telling(partner, self._way(partner, line), self._database, wake).run()

        await _for_ever(tell)

    def _way(self, partner: Partner, line: Line) -> Way:
        if partner.kind == "open311":
            return GeoReport(partner, line, self._sealer, self._database)
        return Webhook(partner, line, self._sealer)

    @contextlib.asynccontextmanager
    async def _database(self) -> AsyncIterator[AsyncConnection]:
        async with self._one_at_a_time, self._own.begin() as connection:
            yield connection


async def _wait(event: asyncio.Event, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await event.wait()


async def _for_ever(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except SetupError as error:
            _log.warning("a partner cannot be told: %s", error)
            await asyncio.sleep(_LOOK_S)
        except Exception as error:
            if not is_outage(error):
                _log.exception("telling partners went wrong")
            await asyncio.sleep(_RETRY_S)
