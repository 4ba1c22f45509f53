"""Count each minute what no table can tell cheaply: who is online, how much came in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.states import State
from twin.twin import Twin

_log = logging.getLogger("gridtwin.sampler")

PERIOD_S: Final = 60.0
KEPT: Final = 180
KEPT_MINUTES: Final = 8 * 1440
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
    """What the board and the door of observations said at one time (Unix seconds)."""

    at_s: float
    devices: int
    online: int
    abnormal: int
    workers: int
    workers_online: int


class Sampler:
    """Samples of the last three hours, the newest last, and observations stored by minute.

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
        self._counted = 0
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self.minutes: dict[int, int] = {}
        """Observations stored, by Unix minute."""
        self.known_since_s = time.time()
        """Unix time from which `minutes` is complete."""

    def now(self) -> Sample:
        """Count now."""
        board = self._twin.board
        n = board.count
        rows = board.device_id[:n] != 0
        state = board.state[:n]
        device = rows & (board.layer[:n] == 0)
        worker = rows & (board.layer[:n] == 1)
        online = (state != State.OFFLINE) & (state != State.UNKNOWN)
        return Sample(
            at_s=time.time(),
            devices=int(device.sum()),
            online=int((device & online).sum()),
            abnormal=int((device & (state >= State.WARNING)).sum()),
            workers=int(worker.sum()),
            workers_online=int((worker & online).sum()),
        )

    def count(self) -> None:
        """Add what was stored since the last call to the present minute."""
        stored = self._twin.totals.stored
        minute = int(time.time() // 60)
        self.minutes[minute] = self.minutes.get(minute, 0) + stored - self._counted
        self._counted = stored
        for old in [m for m in self.minutes if m < minute - KEPT_MINUTES]:
            del self.minutes[old]

    def observations(self, begin_s: float, end_s: float) -> int | None:
        """Return how many observations were stored in a span of whole minutes; None where it is not known."""
        if begin_s < self.known_since_s - 60.0 or begin_s > time.time():
            return None
        return sum(self.minutes.get(m, 0) for m in range(int(begin_s // 60), int(end_s // 60)))

    async def run(self) -> None:
        """Sample until cancelled."""
        before = asyncio.create_task(self._look_back(time.time()))
        try:
            next_sample = 0.0
            while True:
                self.count()
                if time.monotonic() >= next_sample:
                    next_sample = time.monotonic() + PERIOD_S
                    self.samples.append(self.now())
                await asyncio.sleep(_COUNT_S)
        finally:
            before.cancel()

    async def _look_back(self, before_s: float) -> None:
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text(f"SET LOCAL statement_timeout = {_LOOK_BACK_TIMEOUT_MS}"))
                rows = await connection.execute(_BEFORE, {"hours": _LOOK_BACK_H, "before": before_s})
                for minute, n in rows:
                    self.minutes[minute] = self.minutes.get(minute, 0) + n
            self.known_since_s = before_s - _LOOK_BACK_H * 3600
        except Exception as error:
            _log.warning("how much was stored before the start is not known: %s", error)
