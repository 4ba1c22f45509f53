"""Hear over a notification channel that something changed, and read it anew, connection lost or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

_RETRY_S = 1.0


async def follow(
    engine: AsyncEngine,
    channel: str,
    refresh: Callable[[], Awaitable[None]],
    *,
    meant: Callable[[str], bool] = lambda _payload: True,
    gather_s: float = 0.0,
) -> None:
    """Refresh whenever a notification comes that is meant, and after each new connection; until cancelled.

    Parameters
    ----------
    engine
        Gives the connection that listens.
    channel
        PostgreSQL notification channel.
    refresh
        Reads anew what changed. When it fails, it is tried again with a new connection.
    meant
        Says of a payload whether it is about what is read.
    gather_s
        How long to wait for more before reading: an import is many statements.
    """
    while True:
        with contextlib.suppress(Exception):
            await _listen(engine, channel, refresh, meant, gather_s)
        await asyncio.sleep(_RETRY_S)


async def _listen(
    engine: AsyncEngine,
    channel: str,
    refresh: Callable[[], Awaitable[None]],
    meant: Callable[[str], bool],
    gather_s: float,
) -> None:
    changed, lost = asyncio.Event(), asyncio.Event()

    def told(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        if meant(payload):
            changed.set()

    def gone(_connection: object) -> None:
        lost.set()
        changed.set()

    connection = await engine.connect()
    try:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(gone)
        await driver.add_listener(channel, told)
        changed.set()  # whatever changed before we listened
        while not lost.is_set():
            await changed.wait()
            await asyncio.sleep(gather_s)
            changed.clear()
            if not lost.is_set():
                await refresh()
    finally:
        with contextlib.suppress(Exception):
            await asyncio.shield(connection.invalidate())
