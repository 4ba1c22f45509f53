"""Count the observations of each day that is over, so that nobody has to count them again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = logging.getLogger(__name__)

_LOCKED: Final = "55P03"
_KNOWN: Final = text("SELECT day, counted_at FROM counted_day")
_COUNTED: Final = text("SELECT day FROM counted_day WHERE counted_at IS NOT NULL ORDER BY day")
_WATCH: Final = text("SELECT watch_observations(:day)")
_COUNT: Final = text("SELECT count_observations(:day)")
_SCATTERED: Final = text(
    "SELECT day FROM observation_count GROUP BY day, device_id, property HAVING count(*) > 1"
)
_FOLD: Final = text("SELECT fold_observation_counts(:day)")


async def counted_days(connection: AsyncConnection) -> list[date]:
    """Return the days (UTC) whose observations `observation_count` holds the numbers of, ascending."""
    rows = await connection.execute(_COUNTED)
    return [row.day for row in rows]


async def count_days(engine: AsyncEngine, partitions: Iterable[date], now: datetime | None = None) -> int:
    """Count the observations of all days that are over for a day, and are not counted yet.

    Whatever comes or goes later is counted by triggers, so that the numbers stay exact; where it came row by
    row the rows are put together here.

    Parameters
    ----------
    partitions
        The days there are observations of.

    Returns
    -------
    int
        How many days were counted.
    """
    newest = (now or datetime.now(UTC)).date() - timedelta(days=2)
    async with engine.connect() as connection:
        known = {row.day: row.counted_at for row in await connection.execute(_KNOWN)}
    done = 0
    for day in sorted(partitions):
        if day > newest or known.get(day) is not None:
            continue
        if day not in known and not await _watched(engine, day):
            continue
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(_COUNT, {"day": day})
        done += 1
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        scattered = await connection.execute(_SCATTERED)
        for day in sorted({row.day for row in scattered}):
            await connection.execute(_FOLD, {"day": day})
    return done


async def _watched(engine: AsyncEngine, day: date) -> bool:
    """Have what comes to a day noted from now on; False where the day is in use for too long."""
    try:
        async with engine.begin() as connection:
            await connection.execute(_WATCH, {"day": day})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCKED:
            raise
        log.info("the observations of %s are in use and are counted the next time", day)
        return False
    return True
