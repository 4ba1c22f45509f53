"""Let assignments go on without an operator, one server at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from twin.dispatch.assignments_clock import go_on
from twin.store.outage import is_outage
from twin.twin import Twin

PERIOD_S: Final = 2.0

_log = logging.getLogger("gridtwin.dispatch")


async def go_on_with_assignments(own: AsyncEngine, twin: Twin) -> None:
    """Look every `PERIOD_S` for assignments that go on without an operator, for ever."""
    while True:
        try:
            await go_on(own, twin)
        except Exception as error:
            if not is_outage(error):
                _log.exception("assignments could not go on")
        await asyncio.sleep(PERIOD_S)
