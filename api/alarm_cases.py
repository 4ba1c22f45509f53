"""Let groups of alarms raise cases and make them more urgent, and put back what was put aside, each once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.sealing import Sealer
from twin.catalog import Catalog
from twin.rules.alarm_cases import MOST_AT_ONCE, raise_cases
from twin.rules.case_urgency import raise_urgency
from twin.rules.shelving import put_back
from twin.store.journal import CHANNEL
from twin.store.locks import Lock
from twin.store.news import follow
from twin.store.outage import is_outage

PERIOD_S: Final = 2.0
"""How often it looks although the journal tells of nothing: what is put aside comes back by the clock."""

_GATHER_S: Final = 0.1

_log = logging.getLogger("gridtwin.cases")
_ALONE: Final = text(f"SELECT pg_try_advisory_xact_lock({Lock.ALARM_CASES})")


async def raise_alarm_cases(
    own: AsyncEngine, catalog: Catalog, sealer: Sealer, counts: Counter[str] | None = None
) -> None:
    """Look whenever the journal tells of something, and every `PERIOD_S`, for ever."""
    counts = Counter() if counts is None else counts
    news = asyncio.Event()

    async def wake() -> None:
        news.set()

    following = asyncio.create_task(follow(own, CHANNEL, wake, gather_s=_GATHER_S), name="alarm cases news")
    try:
        while True:
            news.clear()
            try:
                again = await _look(own, catalog, sealer, counts)
            except Exception as error:
                again = False
                if not is_outage(error):
                    _log.exception("groups of alarms could not be looked at")
                await asyncio.sleep(PERIOD_S)
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), PERIOD_S)
    finally:
        following.cancel()


async def _look(own: AsyncEngine, catalog: Catalog, sealer: Sealer, counts: Counter[str]) -> bool:
    """Raise what is due and make more urgent what got worse; say whether there may be more."""
    async with own.begin() as alone:
        if not (await alone.execute(_ALONE)).scalar_one():
            return False
        now = datetime.now(UTC)
        async with own.begin() as connection:
            counts["put_back"] += await put_back(connection)
        done = await raise_cases(own, catalog, sealer, now=now)
        counts["raised"] += done.raised
        counts["refused"] += done.refused
        counts["worsened"] += await raise_urgency(own, catalog, now=now)
        return done.looked_at == MOST_AT_ONCE and bool(done.raised or done.refused)
