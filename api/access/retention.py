"""Erase persons once a day, when their time is over."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.persons import expire
from twin.store.outage import is_outage

EVERY_S: Final = 86_400.0
_AGAIN_S: Final = 600.0

_log = logging.getLogger("gridtwin.server")


async def expire_persons(engine: AsyncEngine, days: float) -> None:
    """Delete who reported cases that were closed longer ago than this, until cancelled.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    days
        Days after the last case of a person was closed.
    """
    while True:
        try:
            deleted = await expire(engine, days)
            if deleted:
                _log.info("%d persons were erased: their cases are closed for %g days", deleted, days)
            await asyncio.sleep(EVERY_S)
        except Exception as error:
            if not is_outage(error):
                _log.exception("persons whose time is over could not be erased")
            await asyncio.sleep(_AGAIN_S)
