"""Open the twin: one door in for observations, the board and the journal out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.batch import ObservationBatch, ObserveResult, Refusal
from twin.catalog import SLOTS, Catalog, load_catalog
from twin.commits import Commits
from twin.dispatch.streets import Streets
from twin.errors import UnavailableError
from twin.judge import Judge
from twin.live.board import Board
from twin.live.duties import CHANNEL as DUTY_CHANNEL
from twin.live.duties import Duties
from twin.live.fold import Observations
from twin.live.installed import Installed
from twin.live.off_duty import OffDuty
from twin.live.rooms import Rows
from twin.rules.alarms import bring_in_step
from twin.rules.crowds import GatheringWatch
from twin.rules.limits import LimitTable
from twin.rules.watch import RuleWatch
from twin.store.durability import require_durable_commits
from twin.store.news import follow
from twin.store.outage import is_outage
from twin.store.quarantine import QuarantineWriter
from twin.store.retention_terms import Terms, load_terms
from twin.store.writer import ObservationWriter

__all__ = ["ObservationBatch", "ObserveResult", "Refusal", "Twin"]

log = logging.getLogger(__name__)


class Twin:
    """The live twin: board, store and rules behind one door. Open it with `Twin.open`; one event loop."""

    def __init__(self, engine: AsyncEngine, catalog: Catalog, terms: Terms) -> None:
        self.engine = engine
        self.catalog = catalog
        self.board = Board(catalog)
        self.quarantine = QuarantineWriter(engine, int(terms.quarantine_mib * 2**20))
        self.stored_listener: Callable[[Observations], None] | None = None
        """Told of what was stored, after each commit; must not wait."""
        self.rules = RuleWatch(self.board, engine)
        self.gatherings = GatheringWatch(
            self.board, engine, lambda: self.rules.rules, self.observe, self.refresh_devices
        )
        self.streets = Streets(engine, self.board)
        self._limits = LimitTable.of(catalog)
        self._duties = Duties(terms.late_days)
        self._off_duty = OffDuty(self.board, self._duties)
        self._installed = Installed(self.board, engine, self._off_duty.hide)
        self._writer = ObservationWriter(engine)
        self._judge = Judge(self.board, self._limits, self.quarantine, terms, self._duties)
        self._commits = Commits(
            engine,
            self.board,
            self._limits,
            self._writer,
            self._off_duty,
            self.quarantine,
            self._tell,
        )
        self.totals = self._commits.totals
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @classmethod
    async def open(
        cls,
        engine: AsyncEngine,
        *,
        catalog: Catalog | None = None,
        terms: Terms | None = None,
    ) -> Twin:
        """Load devices and their present state, and start to take observations.

        Parameters
        ----------
        engine
            Database of the twin, migrated, with the asyncpg driver.
        catalog
            Kinds of devices; those of ``data/device_kinds.toml`` when left out.
        terms
            How long what is observed is kept; those of ``data/retention.toml`` when left out.

        Raises
        ------
        UnavailableError
            The database does not answer.
        SetupError
            It may lose what it has confirmed.
        """
        catalog = catalog or load_catalog()
        twin = cls(engine, catalog, terms or load_terms(catalog))
        try:
            await require_durable_commits(engine)
            await twin._duties.refresh(engine)
            await twin._installed.refresh(twin._commits.turn)
            async with engine.begin() as connection:
                await bring_in_step(connection, twin.board)
            twin._off_duty.hide_all()
            await twin.rules.refresh()
            await twin._writer.ensure_coming_days()
        except Exception as error:
            await twin._writer.close()
            if is_outage(error):
                raise UnavailableError("the database does not answer", where="start of the twin") from error
            raise
        twin.board.sweep(_now_us())
        twin.quarantine.start()
        for work in (
            twin._commits.commit_forever,
            twin._watch_clock,
            twin._watch_devices,
            twin._watch_duties,
            twin.rules.write_forever,
            twin.rules.follow_changes,
            twin.gatherings.watch_forever,
            twin.streets.follow_changes,
        ):
            twin._tasks.append(asyncio.create_task(work(), name=f"twin.{work.__name__}"))
        return twin

    async def close(self) -> None:
        """Finish the commit in hand, refuse what waits, and let go of the database."""
        self._closed = True
        async with self._commits.turn:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._commits.close()
        with contextlib.suppress(Exception):  # the database may be away: then it learns a little anew
            await asyncio.wait_for(self.rules.write_learned(), 5.0)
        await self.quarantine.close()
        await self._writer.close()

    async def refresh_devices(self) -> None:
        """Bring the board in step with the table of devices, after an import."""
        changed = await self._installed.refresh(self._nothing_written())
        if changed:
            log.info("%d devices on the board changed", changed)
        if self._installed.unknown_kinds:
            log.warning("devices of unknown kinds are left out: %s", sorted(self._installed.unknown_kinds))

    @contextlib.asynccontextmanager
    async def _nothing_written(self) -> AsyncIterator[None]:
        # In this order: who waits for rules holds up no observation.
        async with self.rules.writing, self._commits.turn:
            yield

    # the door

    async def observe(self, batch: ObservationBatch) -> ObserveResult:
        """Take observations; return when they are committed and on the board.

        Those that cannot be true are put into quarantine with their reason and do not hold up the others.

        Raises
        ------
        UnavailableError
            The database is away; nothing is taken, and the same batch may be sent again.
        """
        if self._closed:
            raise UnavailableError("the twin is closing", where="observations")
        result = ObserveResult(fates=np.zeros(len(batch), np.uint8))
        accepted = self._judge.sort_out(batch, result)
        if not len(accepted.row):
            return result
        at = np.arange(len(batch))
        if result.refusals:
            at = np.delete(at, [refusal.index for refusal in result.refusals])
        return await self._commits.store(accepted, at, result)

    def would_refuse(self, batch: ObservationBatch) -> list[Refusal]:
        """Say which observations could not be true; nothing is stored, counted or kept.

        Parameters
        ----------
        batch
            Is ``kept_elsewhere``.
        """
        result = ObserveResult()
        self._judge.sort_out(batch, result)
        return result.refusals

    def connection_lost(self, rows: Rows) -> None:
        """Show devices as offline that said goodbye, or for whom the broker did."""
        self.board.lose(rows)

    def connection_found(self, rows: Rows) -> None:
        """Show devices as there that said so."""
        self.board.hear(rows, np.full(len(rows), _now_us()))
        self.board.show(rows)

    def _tell(self, seen: Observations, in_order: NDArray[np.bool_], stored: NDArray[np.bool_]) -> None:
        """Let rules judge what was committed, and whoever follows know of it."""
        self.rules.take(seen.only(in_order | (seen.slot >= SLOTS)))
        self.streets.hear(seen.row)
        if self.stored_listener is not None and stored.any():
            try:
                self.stored_listener(seen.only(stored))
            except Exception:  # what is committed is committed, whoever cannot hear of it
                log.exception("who follows was not told of a commit")

    # what happens without a message

    async def _watch_clock(self) -> None:
        """Once a second: who fell silent, whose hold time ran out, which day comes."""
        day = 0
        while True:
            await asyncio.sleep(1.0)
            try:
                self.board.sweep(_now_us())
                await self._off_duty.end(self.engine, self._commits.turn)
                async with self._commits.turn:
                    await self._commits.mature()
                    if day != (day := int(time.time() // 86_400)):
                        await self._writer.ensure_coming_days()
                await self.rules.tick(_now_us())
            except Exception as error:
                day = 0
                if not is_outage(error):
                    log.exception("the watch of hold times failed")

    async def _watch_devices(self) -> None:
        """Refresh the board when an import changed the table of devices."""
        await follow(self.engine, "tiles", self.refresh_devices, meant=_of_devices, gather_s=0.2)

    async def _watch_duties(self) -> None:
        """Know at once who begins and ends their duty."""

        async def refresh() -> None:
            await self._duties.refresh(self.engine)
            await self._off_duty.end(self.engine, self._commits.turn)

        await follow(self.engine, DUTY_CHANNEL, refresh)


def _of_devices(payload: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(json.loads(payload).get("table") == "device")
    return False


def _now_us() -> int:
    return time.time_ns() // 1000
