"""Write states of devices: what was observed, what begins by the clock; on the board once it is stored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.batch import Fate, ObserveResult
from twin.errors import TwinError, UnavailableError
from twin.live.board import Board
from twin.live.fold import Folded, Observations, Transition, fold, joined
from twin.live.off_duty import OffDuty
from twin.rules.alarms import record
from twin.rules.limits import LimitTable, ripe
from twin.states import State
from twin.store.answers import LastAnswer
from twin.store.outage import is_outage
from twin.store.quarantine import QuarantineWriter
from twin.store.writer import ObservationWriter

log = logging.getLogger(__name__)

_MOST_ROWS = 20_000  # observations in one transaction
_SET_STATE = text("UPDATE device_state SET state = :state WHERE device_id = :device AND property = :slot")

Told = Callable[[Observations, NDArray[np.bool_], NDArray[np.bool_]], None]
"""Hears what was committed: which of it, shape (n,), was in order, and which was new."""


@dataclass(slots=True)
class _Job:
    seen: Observations
    at: NDArray[np.intp]
    """Where in the batch each was."""
    done: asyncio.Future[ObserveResult]
    result: ObserveResult


@dataclass(slots=True)
class Totals:
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
    alarms: int = 0


class Commits:
    """What waits to be stored, and how it is: one transaction at a time.

    Parameters
    ----------
    board, limits
        Where it is shown, and when that is a worse state.
    off_duty
        Takes late places of a duty that is over off the board again.
    quarantine
        Counts what was of a device that has gone.
    told
        Called after each commit; must not wait.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        board: Board,
        limits: LimitTable,
        writer: ObservationWriter,
        off_duty: OffDuty,
        quarantine: QuarantineWriter,
        told: Told,
    ) -> None:
        self._engine = engine
        self.totals = Totals()
        self.waiting: deque[_Job] = deque()
        self.turn = asyncio.Lock()
        """Held by whoever writes states of devices."""
        self.answer = LastAnswer()
        """Of the last transaction of these."""
        self._board = board
        self._limits = limits
        self._writer = writer
        self._off_duty = off_duty
        self._quarantine = quarantine
        self._told = told
        self._wake = asyncio.Event()

    async def store(self, seen: Observations, at: NDArray[np.intp], result: ObserveResult) -> ObserveResult:
        """Store what stood at these places of a batch; return the result when it is committed and shown.

        Raises
        ------
        UnavailableError
            The database is away; nothing is taken.
        """
        job = _Job(seen, at, asyncio.get_running_loop().create_future(), result)
        self.waiting.append(job)
        self._wake.set()
        return await job.done

    def close(self) -> None:
        """Refuse what waits."""
        while self.waiting:
            self._fail([self.waiting.popleft()], _closing())

    async def commit_forever(self) -> None:
        """Commit whatever gathered while the last commit ran, one transaction at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.waiting:
                jobs, rows = [self.waiting.popleft()], 0
                rows = len(jobs[0].seen.row)
                while self.waiting and rows + len(self.waiting[0].seen.row) <= _MOST_ROWS:
                    jobs.append(self.waiting.popleft())
                    rows += len(jobs[-1].seen.row)
                try:
                    async with self.turn:
                        await self._commit(jobs)
                except asyncio.CancelledError:
                    self._fail(jobs, _closing())
                    raise

    async def _commit(self, jobs: list[_Job]) -> None:
        begun = self.totals.commit_begun = time.perf_counter()
        try:
            await self._settle()
            for job in jobs:
                self._drop_removed(job)
            seen = joined([job.seen for job in jobs])
            folded = fold(self._board, self._limits, seen)
            written = await self._writer.write(
                self._board, seen, folded, self._alarms(seen, folded.rounds) if folded.rounds else None
            )
            self.answer.came()
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
        self._told(seen, folded.in_order, written.stored)
        self.totals.last_commit_s = time.perf_counter() - begun
        if not self.totals.database_up:
            self.totals.database_up = True
            log.warning("the database is back")

    async def mature(self) -> None:
        """Let states begin whose hold time ran out although nothing new came; hold the turn."""
        await self.answer.settle(self._engine)
        board, n = self._board, self._board.count
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

        async with self._engine.begin() as connection:
            await self.answer.note(connection, show)
            await connection.execute(
                _SET_STATE,
                [
                    {
                        "state": t.new,
                        "device": int(board.device_id[t.row]),
                        "slot": t.slot,
                    }
                    for t in due
                ],
            )
            self.totals.alarms += await record(connection, board, [due])
        self.answer.came()
        show()

    def _show(self, folded: Folded) -> None:
        self._board.apply(folded.newest)
        self._off_duty.hide(folded.newest.moved_row)  # a late place of a duty that is over

    async def _settle(self) -> None:
        """Take over what was committed although its answer was lost; errors as of `LastAnswer.settle`."""
        try:
            await self.answer.settle(self._engine)
        except Exception as error:
            if is_outage(error):
                raise UnavailableError("the database does not answer", where="observations") from error
            raise

    def _take_over(self, seen: Observations) -> None:
        """Show a commit that nobody was told of; its senders find all of it double if they send it again."""
        seen = seen.only(self._board.device_id[seen.row] != 0)
        folded = fold(self._board, self._limits, seen)
        self._show(folded)
        self.totals.stored += int(folded.in_order.sum())
        self._told(seen, folded.in_order, folded.in_order)

    def _alarms(self, seen: Observations, rounds: Sequence[Sequence[Transition]]) -> Any:
        async def write(connection: AsyncConnection) -> None:
            await self.answer.note(connection, lambda: self._take_over(seen))
            self.totals.alarms += await record(connection, self._board, rounds)

        return write

    def _drop_removed(self, job: _Job) -> None:
        """Leave out what a device sent that was removed after its batch was let in."""
        there = self._board.device_id[job.seen.row] != 0
        if not there.all():
            job.result.quarantined += int((~there).sum())
            self._quarantine.reasons["unknown_device"] += int((~there).sum())
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
            np.add.at(self._board.stored, job.seen.row[mine], 1)
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


def _closing() -> UnavailableError:
    return UnavailableError("the twin is closing", where="observations")


def _now_us() -> int:
    return time.time_ns() // 1000
