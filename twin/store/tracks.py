"""Delete what trackers of workers observed once it is older than it may be kept."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_PARTITIONS: Final = text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
    "WHERE inhparent = 'observation'::regclass ORDER BY relname"
)
_NAME: Final = re.compile(r"observation_(\d{4})(\d{2})(\d{2})")
_EXPIRE: Final = text("SELECT expire_tracks(:day, :before)")
_FORGET_STATE: Final = text(
    "UPDATE device_state SET lon = NULL, lat = NULL WHERE lon IS NOT NULL AND phenomenon_time < :before "
    "AND device_id IN (SELECT id FROM device WHERE kind = 'worker')"
)


async def expire_tracks(engine: AsyncEngine, days: float) -> int:
    """Delete the observations of trackers older than this many days; return how many there were.

    One transaction a daily partition, found by the trackers' part of its primary key, so that nothing else
    of the partition is read and no commit of observations has to wait long. The space, and with it the
    bytes, is freed by PostgreSQL's own vacuum. Deleting twice deletes nothing more.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    async with engine.connect() as connection:
        names = (await connection.execute(_PARTITIONS)).scalars().all()
    found = (_NAME.fullmatch(name) for name in names)
    days_there = [date(*map(int, match.groups())) for match in found if match]
    deleted = 0
    for day in days_there:
        if day <= before.date():
            async with engine.begin() as connection:
                deleted += (await connection.execute(_EXPIRE, {"day": day, "before": before})).scalar_one()
    async with engine.begin() as connection:
        await connection.execute(_FORGET_STATE, {"before": before})
    return deleted
