"""End the live sockets of sessions that ran out, put their end on the record, and clear away old secrets."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from api.access.door import Door
from api.live.hub import CLOSE_SIGNED_OUT, Hub
from twin.access import credentials

_log = logging.getLogger("gridtwin.access")

EVERY_S: Final = 2.0
"""A revoked session is told of at once by a notice; one that ran out is found this often."""

_SWEEP_EVERY_S: Final = 60.0


async def watch_sessions(door: Door, hub: Hub) -> None:
    """Look at the open sockets until cancelled.

    Parameters
    ----------
    door
        Knows the accounts, and how long a session lasts in which nobody does anything.
    hub
        Whose sockets are looked at.
    """
    swept_s = -_SWEEP_EVERY_S
    failing = False
    while True:
        await asyncio.sleep(EVERY_S)
        open_now = {viewer.credential_id for viewer in hub.viewers}
        sweeps = time.monotonic() - swept_s > _SWEEP_EVERY_S
        if not open_now and not sweeps:
            continue
        try:
            async with door.engine.begin() as connection:
                ended = open_now - await credentials.still_good(connection, list(open_now), door.idle)
                if sweeps:
                    await credentials.sweep(connection)
                    await credentials.end_overdue(connection, door.idle)  # the record comes last
                    swept_s = time.monotonic()
        except Exception as error:
            # Nobody is let in meanwhile either; who is in stays until it can be asked again.
            if not failing:
                _log.warning("sessions cannot be looked at: %s", str(error).splitlines()[0])
            failing = True
            continue
        if failing:
            _log.warning("sessions are looked at again")
        failing = False
        for credential_id in ended:
            hub.end_credential(credential_id, CLOSE_SIGNED_OUT, "the session is over: sign in again")
