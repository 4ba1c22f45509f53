"""Keep the newest row of the record of acts outside the database, so that a tail cut off is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.grants import Grants
from twin.access.record import Head, keep_head, newest, read_heads
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE
from twin.access.sealing import KEY_FILE, Sealer, open_sealer
from twin.store.outage import is_outage
from twin.store.scoped import scoped

HEADS_FILE: Final = "record-heads"
EVERY_S: Final = 600.0

_AS_AUDITOR: Final = Grants(reads={DataClass.AUDIT: EVERYWHERE})

_log = logging.getLogger("gridtwin.server")


class HeadKeeper:
    """Writes the newest row to a file at the start, every ten minutes and at the end.

    Parameters
    ----------
    engine
        Signed in as the role that answers requests, which reads the record for auditors.
    secrets_dir
        Folder of the file.
    sealer
        Its key seals the lines: who can write the database cannot write them.
    """

    def __init__(self, engine: AsyncEngine, secrets_dir: Path, sealer: Sealer) -> None:
        self._engine = engine
        self._path = secrets_dir / HEADS_FILE
        self._key = sealer.record_key
        self._failing = False

    async def run(self, every_s: float = EVERY_S) -> None:
        """Keep heads until it is cancelled."""
        try:
            while True:
                await self.keep()
                await asyncio.sleep(every_s)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self.keep()

    async def keep(self) -> None:
        """Write the newest row down now; where that fails the next time does it."""
        try:
            async with scoped(self._engine, _AS_AUDITOR) as connection:
                head = await newest(connection)
            if head is not None:
                await asyncio.to_thread(keep_head, self._path, head, self._key)
        except Exception as error:
            if not is_outage(error):
                raise
            if not self._failing:
                _log.warning("the head of the record of acts cannot be kept at %s: %s", self._path, error)
            self._failing = True
        else:
            self._failing = False


@dataclass(frozen=True, slots=True)
class Kept:
    """The heads outside the database, and what is wrong with the file they are in."""

    heads: tuple[Head, ...]
    faults: tuple[str, ...]


def read_kept(secrets_dir: Path) -> Kept:
    """Return the heads of an installation; none where none were kept yet."""
    path, key_path = secrets_dir / HEADS_FILE, secrets_dir / KEY_FILE
    if not path.is_file():
        return Kept((), ())
    if not key_path.is_file():
        return Kept((), (f"{key_path} is missing: what {path} says cannot be checked",))
    heads, foreign = read_heads(path, open_sealer(secrets_dir).record_key)
    lines = "line was" if foreign == 1 else "lines were"
    faults = (f"{foreign} {lines} not written to {path} by this installation",) if foreign else ()
    return Kept(heads, faults)
