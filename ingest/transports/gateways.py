"""Know within which area each gateway may report, whatever its messages say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.scope import EVERYWHERE

_READ: Final = text(
    "SELECT name, low, high FROM publisher WHERE kind = 'gateway' AND disabled_at IS NULL ORDER BY name"
)
_LOOK_AGAIN_S: Final = 1.0
_TRY_AGAIN_S: Final = 0.5
_NOBODY: Final = (1, 0)
ANYWHERE: Final = EVERYWHERE.ranges[0]
"""Lowest and highest code of whoever speaks for every device, or for itself."""

Codes = NDArray[np.int64]


class Gateways:
    """Ranges of area codes by the name of a gateway, in memory."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._ranges: dict[str, tuple[int, int]] | None = None
        self._read_s = 0.0
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read them anew."""
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        async with self._engine.connect() as connection:
            self._ranges = {name: (low, high) for name, low, high in await connection.execute(_READ)}
        self._read_s = time.monotonic()

    async def require(self, names: set[str]) -> None:
        """Look again, at most once a second, when a name is not known: its account may be that new.

        Before they were read for the first time nobody can be told to be a stranger: that is waited for,
        however long the database is away.
        """
        if self._ranges is not None and names <= self._ranges.keys():
            return
        async with self._reading:  # who comes while they are read waits for the answer
            while self._ranges is None:
                try:
                    await self._read()
                except Exception:  # nothing is acknowledged meanwhile
                    await asyncio.sleep(_TRY_AGAIN_S)
            if not names <= self._ranges.keys() and time.monotonic() - self._read_s > _LOOK_AGAIN_S:
                await self._read()

    def knows(self, name: str) -> bool:
        """Say whether a gateway has an open account."""
        return self._ranges is not None and name in self._ranges

    def limits(self, senders: Sequence[str], counts: NDArray[np.intp]) -> tuple[Codes, Codes] | None:
        """Return the lowest and highest area code for each reading, shape (n,) each.

        Parameters
        ----------
        senders
            Gateway of each message, "" for a device, which reports for itself.
        counts
            Readings in each message; they add up to n.

        Returns
        -------
        limits
            None where every reading may be of any device.
        """
        known = self._ranges or {}
        return limits_of([known.get(name, _NOBODY) if name else ANYWHERE for name in senders], counts)


def limits_of(ranges: Sequence[tuple[int, int]], counts: NDArray[np.intp]) -> tuple[Codes, Codes] | None:
    """Return the lowest and highest area code for each reading, shape (n,) each; see `Gateways.limits`.

    Parameters
    ----------
    ranges
        Lowest and highest code for each message.
    """
    if all(one == ANYWHERE for one in ranges):
        return None
    codes = np.array(ranges, np.int64)
    return np.repeat(codes[:, 0], counts), np.repeat(codes[:, 1], counts)
