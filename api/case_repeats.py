"""Link cases that were just reported to those they surely repeat, as the journal tells of them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.cases.repeats import link_if_sure
from twin.errors import ConflictError
from twin.store.journal import CHANNEL
from twin.store.news import follow
from twin.store.outage import is_outage

_log = logging.getLogger("gridtwin.cases")
_GATHER_S: Final = 0.2
_MOST_AT_ONCE: Final = 200
_SINCE_BEFORE: Final = 2_000
"""Newest events of the journal that are looked through when a server starts: it may have been away."""

_NEWEST: Final = text("SELECT journal_newest()")
_REPORTED: Final = text(
    "SELECT seq, (data ->> 'case_id')::bigint AS case_id FROM journal "
    f"WHERE seq > :seen AND seq <= :newest AND kind = 'case.reported' ORDER BY seq LIMIT {_MOST_AT_ONCE}"
)


async def link_repeated_cases(own: AsyncEngine) -> None:
    """Look at cases as the journal tells that they were reported, for ever.

    Several servers may look at the same case: only an act on what nobody acted on is done.
    """
    seen: int | None = None

    async def catch_up() -> None:
        nonlocal seen
        before: int | None = -1
        try:
            while seen != before:
                before, seen = seen, await look(own, seen)
        except Exception as error:
            if not is_outage(error):
                _log.exception("repeated cases could not be linked")
            raise  # whoever follows asks again, with a new connection

    await follow(own, CHANNEL, catch_up, gather_s=_GATHER_S)


async def look(own: AsyncEngine, seen: int | None) -> int:
    """Look at the cases reported after an event of the journal, and return the last event looked through."""
    async with own.connect() as connection:
        newest = int((await connection.execute(_NEWEST)).scalar_one())
        if seen is None:
            seen = max(0, newest - _SINCE_BEFORE)
        if newest <= seen:
            return seen
        reported = (await connection.execute(_REPORTED, {"seen": seen, "newest": newest})).all()
    for one in reported:
        try:
            async with own.begin() as connection:
                await link_if_sure(connection, one.case_id, now=datetime.now(UTC))
        except ConflictError:
            pass  # somebody acted on one of the two meanwhile: the case is offered, if it still is one
        except Exception as error:
            if is_outage(error):
                raise
            _log.exception(
                "case %d could not be compared with others", one.case_id
            )  # which are, nevertheless
    return reported[-1].seq if len(reported) == _MOST_AT_ONCE else newest
