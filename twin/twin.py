"""Open the twin: one door in for observations, the board and the journal out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.batch import Fate, ObservationBatch, ObserveResult, Refusal
from twin.catalog import SLOTS, Catalog, load_catalog
from twin.errors import TwinError, UnavailableError
from twin.judge import Judge
from twin.live.board import Board
from twin.live.duties import CHANNEL as DUTY_CHANNEL
from twin.live.duties import Duties
from twin.live.fold import Folded, Observations, Transition, fold, joined
from twin.live.installed import Installed
from twin.live.off_duty import OffDuty
from twin.live.rooms import Rows
from twin.rules.alarms import bring_in_step, record
from twin.rules.crowds import GatheringWatch
from twin.rules.limits import LimitTable, ripe
from twin.rules.watch import RuleWatch
from twin.states import State
from twin.store.answers import LastAnswer
from twin.store.durability import require_durable_commits
from twin.store.news import follow
from twin.store.outage import is_outage
from twin.store.quarantine import QuarantineWriter
from twin.store.retention_terms import Terms, load_terms
from twin.store.writer import ObservationWriter

__all__ = ["ObservationBatch", "ObserveResult", "Refusal", "Twin"]

log = logging.getLogger(__name__)

_US = 1_000_000
_MOST_ROWS = 20_000  # observations in one transaction
_SET_STATE = text("UPDATE device_state SET state = :state WHERE device_id = :device AND property = :slot")


@dataclass(slots=True)
class _Job:
    seen: Observations
    at: NDArray[np.intp]
    """Where in the batch each was."""
    done: asyncio.Future[ObserveResult]
    result: ObserveResult


@dataclass(slots=True)
class _Totals:
    """Counts since the start, for the page of health."""

    stored: int = 0
    duplicate: int = 0
    late: int = 0
    commits: int = 0
    failed_commits: int = 0
    last_commit_s: float = 0.0
    database_up: bool = True
    commit_begun: float | None = None
    """When the commit that runs now began, by ``time.perf_counter``; None while none runs."""
    alarms: int = field(default=0)


class Twin:
    """The live twin: board, store and rules behind one door. Open it with `Twin.open`; one event loop."""

    def __init__(self, engine: AsyncEngine, catalog: Catalog, terms: Terms) -> None:
        self.engine = engine
        self.catalog = catalog
        self.board = Board(catalog)
        self.quarantine = QuarantineWriter(engine, int(terms.quarantine_mib * 2**20))
        self.totals = _Totals()
        self.stored_listener: Callable[[Observations], None] | None = None
        """Told of what was stored, after each commit; must not wait."""
        self.rules = RuleWatch(self.board, engine)
        self.gatherings = GatheringWatch(
            self.board, engine, lambda: self.rules.rules, self.observe, self.refresh_devices
        )
        self._limits = LimitTable.of(catalog)
        self._duties = Duties(terms.late_days)
        self._off_duty = OffDuty(self.board, self._duties)
        self._installed = Installed(self.board, engine, self._off_duty.hide)
        self._writer = ObservationWriter(engine)
        self._judge = Judge(self.board, self._limits, self.quarantine, terms, self._duties)
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._turn, self._answer = asyncio.Lock(), LastAnswer()
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
            await twin._installed.refresh(twin._turn)
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
            twin._commit_forever,
            twin._watch_clock,
            twin._watch_devices,
            twin._watch_duties,
            twin.rules.write_forever,
            twin.rules.follow_changes,
            twin.gatherings.watch_forever,
        ):
            twin._tasks.append(asyncio.create_task(work(), name=f"twin.{work.__name__}"))
        return twin

    async def close(self) -> None:
        """Finish the commit in hand, refuse what waits, and let go of the database."""
        self._closed = True
        async with self._turn:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._jobs:
            self._fail([self._jobs.popleft()], UnavailableError("the twin is closing", where="observations"))
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
        async with self.rules.writing, self._turn:
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
        job = _Job(accepted, at, asyncio.get_running_loop().create_future(), result)
        self._jobs.append(job)
        self._wake.set()
        return await job.done

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

    # commits

    async def _commit_forever(self) -> None:
        """Commit whatever gathered while the last commit ran, one transaction at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                jobs, rows = [self._jobs.popleft()], 0
                rows = len(jobs[0].seen.row)
                while self._jobs and rows + len(self._jobs[0].seen.row) <= _MOST_ROWS:
                    jobs.append(self._jobs.popleft())
                    rows += len(jobs[-1].seen.row)
                try:
                    async with self._turn:
                        await self._commit(jobs)
                except asyncio.CancelledError:
                    self._fail(jobs, UnavailableError("the twin is closing", where="observations"))
                    raise

    async def _commit(self, jobs: list[_Job]) -> None:
        begun = self.totals.commit_begun = time.perf_counter()
        try:
            await self._settle()
            for job in jobs:
                self._drop_removed(job)
            seen = joined([job.seen for job in jobs])
            folded = fold(self.board, self._limits, seen)
            written = await self._writer.write(
                self.board, seen, folded, self._alarms(seen, folded.rounds) if folded.rounds else None
            )
            self._answer.came()
            self._show(folded)
        except UnavailableError as error:
            self._down(error)
            self._fail(jobs, error)
            return
        except Exception as error:
            self.totals.failed_commits += 1
            log.exception("a commit of %d observations failed", sum(len(j.seen.row) for j in jobs))
            self._fail(
                jobs, TwinError(f"the observations could not be stored: {error}", where="observations")
            )
            return
        finally:
            self.totals.commit_begun = None
        self._count(jobs, written.stored, folded.in_order)
        self._tell(seen, folded.in_order, written.stored)
        self.totals.last_commit_s = time.perf_counter() - begun
        if not self.totals.database_up:
            self.totals.database_up = True
            log.warning("the database is back")

    def _show(self, folded: Folded) -> None:
        self.board.apply(folded.newest)
        self._off_duty.hide(folded.newest.moved_row)  # a late place of a duty that is over

    def _tell(self, seen: Observations, in_order: NDArray[np.bool_], stored: NDArray[np.bool_]) -> None:
        """Let rules judge what was committed, and whoever follows know of it."""
        self.rules.take(seen.only(in_order | (seen.slot >= SLOTS)))
        if self.stored_listener is not None and stored.any():
            try:
                self.stored_listener(seen.only(stored))
            except Exception:  # what is committed is committed, whoever cannot hear of it
                log.exception("who follows was not told of a commit")

    async def _settle(self) -> None:
        """Take over what was committed although its answer was lost; errors as of `LastAnswer.settle`."""
        try:
            await self._answer.settle(self.engine)
        except Exception as error:
            if is_outage(error):
                raise UnavailableError("the database does not answer", where="observations") from error
            raise

    def _take_over(self, seen: Observations) -> None:
        """Show a commit that nobody was told of; its senders find all of it double if they send it again."""
        seen = seen.only(self.board.device_id[seen.row] != 0)
        folded = fold(self.board, self._limits, seen)
        self._show(folded)
        self.totals.stored += int(folded.in_order.sum())
        self._tell(seen, folded.in_order, folded.in_order)

    def _alarms(self, seen: Observations, rounds: Sequence[Sequence[Transition]]) -> Any:
        async def write(connection: AsyncConnection) -> None:
            await self._answer.note(connection, lambda: self._take_over(seen))
            self.totals.alarms += await record(connection, self.board, rounds)

        return write

    def _drop_removed(self, job: _Job) -> None:
        """Leave out what a device sent that was removed after its batch was let in."""
        there = self.board.device_id[job.seen.row] != 0
        if not there.all():
            job.result.quarantined += int((~there).sum())
            self.quarantine.reasons["unknown_device"] += int((~there).sum())
            job.seen, job.at = job.seen.only(there), job.at[there]

    def _count(self, jobs: list[_Job], stored: NDArray[np.bool_], in_order: NDArray[np.bool_]) -> None:
        begin = 0
        for job in jobs:
            end = begin + len(job.seen.row)
            mine, result = stored[begin:end], job.result
            result.stored = int(mine.sum())
            result.duplicate = len(mine) - result.stored
            result.fates[job.at] = np.where(
                mine, np.where(in_order[begin:end], Fate.STORED, Fate.LATE), Fate.DUPLICATE
            )
            result.late = int((mine & ~in_order[begin:end]).sum())
            self.totals.stored += result.stored
            np.add.at(self.board.stored, job.seen.row[mine], 1)
            self.totals.duplicate += result.duplicate
            self.totals.late += result.late
            begin = end
            if not job.done.done():
                job.done.set_result(result)
        self.totals.commits += 1

    def _fail(self, jobs: list[_Job], error: TwinError) -> None:
        for job in jobs:
            if not job.done.done():
                job.done.set_exception(error)

    def _down(self, error: UnavailableError) -> None:
        self.totals.failed_commits += 1
        if self.totals.database_up:
            self.totals.database_up = False
            cause = getattr(error.__cause__, "orig", None) or error.__cause__  # without the statement
            log.warning("the database is away: %s", (str(cause) or repr(cause)).splitlines()[0])

    # what happens without a message

    async def _watch_clock(self) -> None:
        """Once a second: who fell silent, whose hold time ran out, which day comes."""
        day = 0
        while True:
            await asyncio.sleep(1.0)
            try:
                self.board.sweep(_now_us())
                await self._off_duty.end(self.engine, self._turn)
                async with self._turn:
                    await self._mature()
                    if day != (day := int(time.time() // 86_400)):
                        await self._writer.ensure_coming_days()
                await self.rules.tick(_now_us())
            except Exception as error:
                day = 0
                if not is_outage(error):
                    log.exception("the watch of hold times failed")

    async def _mature(self) -> None:
        """Let states begin whose hold time ran out although nothing new came."""
        await self._answer.settle(self.engine)
        board, n = self.board, self.board.count
        rows, slots, states, since = ripe(
            self._limits, board.kind[:n], board.values[:n], board.states[:n], board.beyond_us[:n], _now_us()
        )
        if not len(rows):
            return
        due = [
            Transition(row, slot, int(board.states[row, slot]), state, float(board.values[row, slot]), at)
            for row, slot, state, at in zip(
                rows.tolist(), slots.tolist(), states.tolist(), since.tolist(), strict=True
            )
        ]

        def show() -> None:
            for t in due:
                if board.device_id[t.row]:
                    board.hold(t.row, t.slot, State(t.new))

        async with self.engine.begin() as connection:
            await self._answer.note(connection, show)
            await connection.execute(
                _SET_STATE,
                [
                    {
                        "state": t.new,
                        "device": int(board.device_id[t.row]),
                        "slot": t.slot,
                        "seconds": int(board.times_us[t.row, t.slot]) / _US,
                    }
                    for t in due
                ],
            )
            self.totals.alarms += await record(connection, board, [due])
        self._answer.came()
        show()

    async def _watch_devices(self) -> None:
        """Refresh the board when an import changed the table of devices."""
        await follow(self.engine, "tiles", self.refresh_devices, meant=_of_devices, gather_s=0.2)

    async def _watch_duties(self) -> None:
        """Know at once who begins and ends their duty."""

        async def refresh() -> None:
            await self._duties.refresh(self.engine)
            await self._off_duty.end(self.engine, self._turn)

        await follow(self.engine, DUTY_CHANNEL, refresh)


def _of_devices(payload: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(json.loads(payload).get("table") == "device")
    return False


def _now_us() -> int:
    return time.time_ns() // 1000
