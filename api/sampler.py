"""Count each minute what no table can tell cheaply: who is online, how much came in, and where."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.tally import Tally
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.live.sight import WORKERS
from twin.states import State
from twin.twin import Twin

_log = logging.getLogger("gridtwin.sampler")

PERIOD_S: Final = 60.0
KEPT: Final = 180
KEPT_MINUTES: Final = 49 * 60
"""Minutes of observations; the timeline shows two days, and the day may be an hour longer."""

_COUNT_S: Final = 10.0
_LOOK_BACK_H: Final = 48
_LOOK_BACK_TIMEOUT_MS: Final = 60_000

# Asked once at the start: a table of billions has no index by time alone, and then the past stays empty.
_BEFORE: Final = text(
    """
    SELECT (extract(epoch FROM date_trunc('minute', received_at)) / 60)::int8 AS minute, count(*) AS n
    FROM observation
    WHERE phenomenon_time >= now() - make_interval(hours => :hours) AND received_at < to_timestamp(:before)
    GROUP BY minute"""
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the board said at one time (Unix seconds), of what one caller may see."""

    at_s: float
    devices: int
    online: int
    workers_online: int


class Sampler:
    """Samples of the last three hours, the newest last, and observations stored by minute.

    Everything is kept by the area it lies in, so that the past that a caller is told is the past of what
    they may see. Of the time before this process began only the whole is known.

    Parameters
    ----------
    twin
        Whose board is sampled.
    engine
        Tells what was stored before this process began.
    """

    def __init__(self, twin: Twin, engine: AsyncEngine) -> None:
        self._twin = twin
        self._engine = engine
        self._counted = np.zeros(0, np.int64)
        self._samples: deque[tuple[float, Tally]] = deque(maxlen=KEPT)
        self._minutes: dict[int, Tally] = {}
        """Observations of devices and of workers since this process began, by Unix minute."""
        self._before: dict[int, int] = {}
        self._began_s = time.time()
        self._known_since_s = self._began_s

    def now(self, grants: Grants) -> Sample:
        """Count now what grants let their holder see."""
        return _told(time.time(), self._look(), grants)

    def samples(self, grants: Grants) -> list[Sample]:
        """Return the samples of what grants let their holder see, the newest last."""
        return [_told(at_s, tally, grants) for at_s, tally in self._samples]

    def _look(self) -> Tally:
        board = self._twin.board
        rows = np.flatnonzero(board.device_id[: board.count])
        worker = board.layer[rows] == WORKERS
        online = (board.state[rows] != State.OFFLINE) & (board.state[rows] != State.UNKNOWN)
        counts = np.stack([~worker, ~worker & online, worker & online], axis=1)
        return Tally.of(board.scope_code[rows], counts, self._samples[-1][1] if self._samples else None)

    def count(self) -> None:
        """Add what was stored since the last call to the present minute."""
        board = self._twin.board
        stored = board.stored[: board.count].copy()
        stored[: len(self._counted)] -= self._counted
        self._counted = board.stored[: board.count].copy()
        rows = np.flatnonzero(stored > 0)  # the count of a device that was removed is gone with its row
        if not len(rows):
            return
        worker = board.layer[rows] == WORKERS
        counts = np.stack([np.where(worker, 0, stored[rows]), np.where(worker, stored[rows], 0)], axis=1)
        minute = int(time.time() // 60)
        like = next(reversed(self._minutes.values()), None)
        came = Tally.of(board.scope_code[rows], counts, like)
        already = self._minutes.get(minute)
        self._minutes[minute] = came if already is None else already.plus(came, like)
        for kept in (self._minutes, self._before):
            for old in [m for m in kept if m < minute - KEPT_MINUTES]:
                del kept[old]

    def observations(self, begin_s: float, end_s: float, grants: Grants) -> int | None:
        """Return how many observations that grants let their holder see were stored in whole minutes.

        None where it is not known: before the count began, and in the future.
        """
        places, workers = grants.scope(DataClass.PLACE), grants.scope(DataClass.WORKER)
        whole = places.whole and workers.whole
        known_since_s = self._known_since_s if whole else self._began_s
        if begin_s < known_since_s - 60.0 or begin_s > time.time():
            return None
        total = 0
        for minute in range(int(begin_s // 60), int(end_s // 60)):
            if whole:
                total += self._before.get(minute, 0)
            tally = self._minutes.get(minute)
            if tally is not None:
                total += int(tally.within(places)[0] + tally.within(workers)[1])
        return total

    async def run(self) -> None:
        """Sample until cancelled."""
        before = asyncio.create_task(self._look_back(time.time()))
        try:
            next_sample = 0.0
            while True:
                self.count()
                if time.monotonic() >= next_sample:
                    next_sample = time.monotonic() + PERIOD_S
                    self._samples.append((time.time(), self._look()))
                await asyncio.sleep(_COUNT_S)
        finally:
            before.cancel()

    async def _look_back(self, before_s: float) -> None:
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text(f"SET LOCAL statement_timeout = {_LOOK_BACK_TIMEOUT_MS}"))
                rows = await connection.execute(_BEFORE, {"hours": _LOOK_BACK_H, "before": before_s})
                self._before = {row.minute: row.n for row in rows}
            self._known_since_s = before_s - _LOOK_BACK_H * 3600
        except Exception as error:
            _log.warning("how much was stored before the start is not known: %s", error)


def _told(at_s: float, tally: Tally, grants: Grants) -> Sample:
    of_places: NDArray[np.int64] = tally.within(grants.scope(DataClass.PLACE))
    of_workers: NDArray[np.int64] = tally.within(grants.scope(DataClass.WORKER))
    return Sample(at_s, int(of_places[0]), int(of_places[1]), int(of_workers[2]))
