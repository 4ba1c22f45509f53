"""Let the clocks of cases tell what they have to tell, one server at a time."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.cases.acting import tell_clocks
from twin.store.locks import Lock
from twin.store.outage import is_outage

PERIOD_S: Final = 5.0

_log = logging.getLogger("gridtwin.cases")
_ALONE: Final = text(f"SELECT pg_try_advisory_xact_lock({Lock.CASE_CLOCKS})")


async def tell_case_clocks(own: AsyncEngine) -> None:
    """Look every `PERIOD_S` for clocks that have something to tell, for ever."""
    while True:
        told = 0
        try:
            async with own.begin() as connection:
                if (await connection.execute(_ALONE)).scalar_one():
                    told = await tell_clocks(connection, now=datetime.now(UTC))
        except Exception as error:
            if not is_outage(error):
                _log.exception("the clocks of cases could not be told")
        # Where there were some there may be more.
        await asyncio.sleep(0 if told else PERIOD_S)
