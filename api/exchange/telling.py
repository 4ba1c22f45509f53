"""Tell one partner what it is owed, in the order of the journal; where that fails, wait and try again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from api.exchange.ways import Database, Way
from twin.access.record import SERVER, Entry, write
from twin.exchange import owing, retrying
from twin.exchange.owing import Failed
from twin.exchange.partners import Partner
from twin.exchange.retrying import Failure
from twin.exchange.telling import Owed
from twin.store import journal

_KEEP_PASSED_S: Final = 60.0
"""How often to keep that nothing was owed: what is not kept is only looked at once more."""

_KEEP_TOLD_S: Final = 0.5
"""How often to keep what was told: who is killed between tells that much twice, by the same ids."""

_BREATH_S: Final = 0.01
"""Pause after each message: who catches up takes the processor from nobody who acts."""

_GONE: Final = "对方应答 410，不再接收 · it answered 410: nothing more shall be sent there"


class Telling:
    """One partner, as it was when this began; ends when somebody has changed it.

    As long as the partner fails, only the first event that it is owed is tried, once in a while: a partner
    that is down gets one request, and the order stays.

    Parameters
    ----------
    partner, way
        Who is told, and how.
    database
        See `Database`.
    wake
        Set when something happened to a case.
    """

    def __init__(self, partner: Partner, way: Way, database: Database, wake: asyncio.Event) -> None:
        self._partner = partner
        self._way = way
        self._database = database
        self._wake = wake
        self._done = self._kept = partner.sent_seq
        self._kept_at = time.monotonic()
        self._has_told = False
        self._tries = partner.tries
        self._next = partner.next_try_at

    async def run(self) -> None:
        """Tell until somebody changed the partner."""
        while True:
            self._wake.clear()
            if self._next is not None:
                await asyncio.sleep((self._next - datetime.now(UTC)).total_seconds())
                self._next = None
            async with self._database() as connection:
                until = await journal.newest(connection)
                owed = await owing.read_owed(connection, self._partner, self._done, until)
            if owed:
                if not await self._tell(owed):
                    return
            elif not await self._pass(until):
                return
            else:
                await self._way.look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._way.look_s):
                        await self._wake.wait()

    async def _pass(self, until: int) -> bool:
        """Go on behind what was not for this partner."""
        self._done = until
        if until == self._kept or time.monotonic() - self._kept_at < _KEEP_PASSED_S:
            return True
        self._kept, self._kept_at = until, time.monotonic()
        async with self._database() as connection:
            return await owing.note_passed(connection, self._partner, until)

    async def _tell(self, owed: list[Owed]) -> bool:
        """Tell of events until one fails; say whether nobody changed the partner."""
        for n, event in enumerate(owed):
            failed = await self._way.tell(event)
            now = datetime.now(UTC)
            if failed is not None:
                return await self._keep(now) and await self._note_failed(owed[n:], failed, now)
            self._done, self._tries, self._has_told = event.seq, 0, True
            if time.monotonic() - self._kept_at > _KEEP_TOLD_S and not await self._keep(now):
                return False
            await asyncio.sleep(_BREATH_S)
        return await self._keep(datetime.now(UTC))

    async def _keep(self, now: datetime) -> bool:
        """Keep up to where the partner was told; say whether nobody changed it."""
        if not self._has_told:
            return True
        self._kept, self._kept_at, self._has_told = self._done, time.monotonic(), False
        async with self._database() as connection:
            return await owing.note_told(connection, self._partner, self._done, now)

    async def _note_failed(self, left: list[Owed], failed: Failed, now: datetime) -> bool:
        partner = self._partner
        self._tries += 1
        if failed.failure is Failure.GONE:
            async with self._database() as connection:
                if await owing.note_gone(connection, partner, _GONE, now):
                    await write(
                        connection, SERVER, Entry("partner.paused", f"partner/{partner.id}", reason=_GONE)
                    )
            return False
        if failed.status in retrying.REFUSED and self._tries >= retrying.REFUSED_TRIES:
            return await self._park([left[0].seq], failed, is_well=True)
        wait_s = retrying.wait_s(self._tries, failed.asked_s, random.random)  # nosec B311  # jitter
        self._next = now + timedelta(seconds=wait_s)
        async with self._database() as connection:
            if not await owing.note_failed(connection, partner, failed, self._tries, now, self._next):
                return False
        # What it was paused for, and what is sent again, does not count as waiting.
        oldest = now - retrying.OLDEST
        # Only at the head: where a clock was put back, an old one may stand behind one that is not.
        old = [
            event.seq
            for event in itertools.takewhile(lambda one: max(one.at, partner.begun_at) < oldest, left)
        ]
        return await self._park(old, failed, is_well=False) if old else True

    async def _park(self, seqs: list[int], failed: Failed, *, is_well: bool) -> bool:
        async with self._database() as connection:
            if not await owing.park(connection, self._partner, seqs, failed, is_well=is_well):
                return False
        self._done = self._kept = seqs[-1]
        if is_well:
            self._tries = 0
        return True
