"""Know when each worker is on duty: only then may it be known where their tracker is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

CHANNEL: Final = "duty"
"""PostgreSQL notification channel: a duty began, ended or was changed, or a tracker changed hands."""

_FOR_EVER_US: Final = np.iinfo(np.int64).max
_READ: Final = text(
    """
    SELECT w.device_id, (extract(epoch FROM d.starts_at) * 1000000)::int8 AS starts_us,
           (extract(epoch FROM d.ends_at) * 1000000)::int8 AS ends_us
    FROM duty AS d JOIN worker AS w ON w.id = d.worker_id
    WHERE w.device_id IS NOT NULL AND (d.ends_at IS NULL OR d.ends_at > now() - make_interval(days => :days))
    ORDER BY w.device_id, d.starts_at
    """
)
_NEXT_END: Final = text(
    "SELECT (extract(epoch FROM min(ends_at)) * 1000000)::int8 FROM duty WHERE ended_by IS NULL"
)
# Who is no longer on duty is not shown where they were last. What was stored of the time on duty stays.
_LEAVE: Final = (
    text("UPDATE worker SET on_duty = false WHERE on_duty AND device_id = ANY(:ids)"),
    text("UPDATE device_state SET lon = NULL, lat = NULL WHERE device_id = ANY(:ids) AND lon IS NOT NULL"),
)


class Duties:
    """Intervals of duty by tracker, in memory; a tracker without any is never on duty.

    Parameters
    ----------
    days
        How far back they are kept: what is observed longer ago is refused anyway.
    """

    def __init__(self, days: float) -> None:
        self._days = int(days) + 2
        self.next_end_us: int | None = None
        """When the next duty runs out whose end is not noted yet, Unix µs; None where none will."""
        self.replace(())

    def replace(self, intervals: Sequence[tuple[int, int, int | None]]) -> None:
        """Take over intervals (tracker's device id, first µs, µs after the last or None), by tracker."""
        ids = [device_id for device_id, _, _ in intervals]
        self._ids, index, counts = np.unique(np.array(ids, np.int64), return_inverse=True, return_counts=True)
        # One row a tracker, as wide as the busiest one; an unused place begins after everything.
        shape = len(self._ids), int(counts.max(initial=1))
        self._starts = np.full(shape, _FOR_EVER_US, np.int64)
        self._ends = np.zeros(shape, np.int64)
        used: dict[int, int] = {}
        for row, (_, starts_us, ends_us) in zip(index.tolist(), intervals, strict=True):
            place = used.get(row, 0)
            used[row] = place + 1
            self._starts[row, place] = starts_us
            self._ends[row, place] = _FOR_EVER_US if ends_us is None else ends_us

    async def refresh(self, engine: AsyncEngine) -> None:
        """Read them anew."""
        async with engine.connect() as connection:
            rows = (await connection.execute(_READ, {"days": self._days})).all()
            self.next_end_us = (await connection.execute(_NEXT_END)).scalar_one()
        self.replace([tuple(row) for row in rows])

    def cover(self, device_id: NDArray[np.int32], time_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say for n trackers and times (Unix µs) whether the tracker's worker was on duty then."""
        covered = np.zeros(len(device_id), np.bool_)
        if not len(self._ids):
            return covered
        at = np.minimum(np.searchsorted(self._ids, device_id), len(self._ids) - 1)
        known = np.flatnonzero(self._ids[at] == device_id)
        at, time = at[known], time_us[known, None]
        covered[known] = ((self._starts[at] <= time) & (time < self._ends[at])).any(axis=1)
        return covered


async def leave(connection: AsyncConnection, device_ids: Sequence[int]) -> None:
    """Say in the database that the workers with these trackers are not on duty, and forget where they are."""
    for statement in _LEAVE:
        await connection.execute(statement, {"ids": list(device_ids)})
