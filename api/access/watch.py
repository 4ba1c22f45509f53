"""End the live sockets of sessions that ran out, and clear away secrets that ended."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.hub import CLOSE_SIGNED_OUT, Hub
from twin.access import credentials

_log = logging.getLogger("gridtwin.access")

EVERY_S: Final = 20.0
"""A revoked session is told of at once by a notice; one that ran out is found this often."""


async def watch_sessions(engine: AsyncEngine, hub: Hub) -> None:
    """Look at the open sockets until cancelled.

    Parameters
    ----------
    engine
        Signed in as the role that sees accounts.
    hub
        Whose sockets are looked at.
    """
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            async with engine.begin() as connection:
                open_now = {viewer.credential_id for viewer in hub.viewers}
                ended = open_now - await credentials.still_good(connection, list(open_now))
                await credentials.sweep(connection)
        except Exception as error:
            # Nobody is let in meanwhile either; who is in stays until it can be asked again.
            _log.warning("sessions cannot be looked at: %s", str(error).splitlines()[0])
            continue
        for credential_id in ended:
            hub.end_credential(credential_id, CLOSE_SIGNED_OUT, "the session is over: sign in again")
