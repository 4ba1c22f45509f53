"""Hand a window of messages to the twin, and see to it that each of its readings is stored or refused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.counters import FeedCounters
from ingest.decoders.readings import RefusedReading
from ingest.decoders.resolve import Resolver
from ingest.flood import Flood, Mask
from ingest.mappings import Mappings
from ingest.newest import Newest
from ingest.receipt import Receipt
from ingest.refusals import Refusals
from ingest.transports.accounts import CHANNEL
from ingest.transports.gateways import Codes, Gateways
from ingest.window import Window, Wrong
from twin.batch import Fate
from twin.errors import TwinError, UnavailableError
from twin.faults import Fault
from twin.judge import as_reading
from twin.live.sight import WORKERS
from twin.store.news import follow
from twin.store.quarantine import Refused
from twin.twin import ObservationBatch, ObserveResult, Refusal, Twin

_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 2.0


class Delivery:
    """What all ways in have in common behind the wire: who may report what, how much, and where it goes.

    Parameters
    ----------
    twin
        Where observations go.
    flood
        Says who sends more than they may.
    """

    def __init__(self, twin: Twin, flood: Flood) -> None:
        self.twin = twin
        self.flood = flood
        self.gateways = Gateways(twin.engine)
        self.mappings = Mappings(twin.engine)
        self.refusals = Refusals(twin, flood)
        self.newest = Newest()
        self._resolver = Resolver(twin.board)

    async def follow_gateways(self) -> None:
        """Keep in step with the accounts of gateways, until cancelled."""
        await follow(self.twin.engine, CHANNEL, self.gateways.refresh)

    async def store_patiently(self, window: Window) -> None:
        """Store the readings of a window, trying again for as long as the database is away.

        Returns when they are on disk; what is refused is on its way there.
        """
        names = {name for name in window.senders if name}
        with contextlib.suppress(Exception):  # the database is away: what is known holds
            await self.gateways.require(names)
        limits = self.gateways.limits(window.senders, window.counts())
        await self._store(window, limits, patient=True)

    async def store(self, window: Window, limits: tuple[Codes, Codes] | None) -> None:
        """Store the readings of a window of messages whose senders wait.

        Parameters
        ----------
        limits
            Lowest and highest area code for each reading, shape (n,) each; None where nothing bounds them.

        Raises
        ------
        UnavailableError
            The database is away: the same messages may be sent again.
        """
        await self._store(window, limits, patient=False)

    async def _store(self, window: Window, limits: tuple[Codes, Codes] | None, *, patient: bool) -> None:
        over = self.refusals.over_messages(window)
        if len(window.readings):
            await self._observe(window, limits, over, patient)
        self.newest.note(window)
        self.refusals.settle(window)

    async def _observe(
        self, window: Window, limits: tuple[Codes, Codes] | None, over: Mask | None, patient: bool
    ) -> None:
        received_us = time.time_ns() // 1000
        batch, kept, refused = self._resolver.resolve(window.readings, received_us, window.trace, limits)
        self.refusals.refuse_unresolved(window, refused)
        batch, kept = self.refusals.hold_back(window, batch, kept, over)
        batch.kept_elsewhere = bool(window.whole)
        if len(batch):
            result = await observe(self.twin, batch, window.counters, patient=patient)
            messages = np.searchsorted(np.array(window.begins, np.intp), kept, side="right") - 1
            self._note_stored(window, batch, messages, result)
            _tell(window, batch, kept, result)
            if window.receipts is not None:
                _tell_senders(window.receipts, messages, result.fates)

    def _note_stored(
        self, window: Window, batch: ObservationBatch, messages: NDArray[np.intp], result: ObserveResult
    ) -> None:
        """Note of which devices something of each message was stored, and which were taken in part only."""
        board = self.twin.board
        taken = np.ones(len(batch), bool)
        taken[[refusal.index for refusal in result.refusals]] = False
        in_part = {wrong.message for wrong in window.wrong} | set(messages[~taken].tolist())
        if in_part:
            of_persons = set(messages[board.layer[batch.row] == WORKERS].tolist())
            window.withheld |= {one for one in in_part if window.senders[one] or one in of_persons}
        if taken.any():
            window.stored = messages[taken], board.device_id[batch.row[taken]]
        if window.of_mapping:
            _count_by_mapping(window, batch, messages, result.fates)


async def observe(
    twin: Twin, batch: ObservationBatch, counters: FeedCounters | None = None, *, patient: bool = False
) -> ObserveResult:
    """Hand a batch to the twin; what alone cannot be stored goes into quarantine, the rest is taken.

    Parameters
    ----------
    counters
        Where an outage of the database is counted.
    patient
        Try again for as long as the database is away.

    Raises
    ------
    UnavailableError
        The database is away and the caller is not patient; the same batch may be sent again.
    """
    pause_s = _RETRY_FIRST_S
    while True:
        try:
            return await twin.observe(batch)
        except UnavailableError:
            if counters is not None:
                counters.retries += 1
            if not patient:
                raise
            await asyncio.sleep(pause_s)
            pause_s = min(_RETRY_MOST_S, pause_s * 2)
        except TwinError as error:
            if len(batch) == 1:
                return _not_storable(twin, batch, error)
            half = len(batch) // 2
            first = await observe(twin, batch.part(0, half), counters, patient=patient)
            second = await observe(twin, batch.part(half, len(batch)), counters, patient=patient)
            return first.plus(second, half)


def _not_storable(twin: Twin, batch: ObservationBatch, error: TwinError) -> ObserveResult:
    written, fault = None, Fault("not_storable", {"error": str(error)})
    if not batch.kept_elsewhere:
        source, place = batch.came_from(0)
        where = f"device {twin.board.uid[int(batch.row[0])]}, {place}"
        kept = Refused(source, fault, as_reading(twin.board, batch, 0), where)
        written = twin.quarantine.put(kept)
    refusals = [Refusal(0, fault, written)]
    return ObserveResult(quarantined=1, refusals=refusals, fates=np.array([Fate.REFUSED], np.uint8))


def _tell(window: Window, batch: ObservationBatch, kept: NDArray[np.intp], result: ObserveResult) -> None:
    """Count what became of a batch, and tell senders who wait why something was refused."""
    counters = window.counters
    for refusal in result.refusals:
        reading = int(kept[refusal.index])
        if batch.kept_elsewhere:
            window.wrong.append(Wrong(window.message_of(reading), _told(window, reading, refusal)))
            continue
        window.refuse(window.message_of(reading), refusal.reason, 1)
        window.tell(window.message_of(reading), _told(window, reading, refusal))
        if refusal.written is not None:
            window.refused[window.message_of(reading)].append(refusal.written)
    counters.stored += result.stored
    counters.duplicate += result.duplicate
    counters.late += result.late
    counters.lag.add((batch.received_us - batch.phenomenon_us) * 1e-6)


def _tell_senders(receipts: list[Receipt], messages: NDArray[np.intp], fates: NDArray[np.uint8]) -> None:
    """Tell each sender what became of the readings of the message, shape (n,) each."""
    counts = np.bincount(messages * len(Fate) + fates, minlength=len(receipts) * len(Fate))
    for receipt, of_fate in zip(receipts, counts.reshape(-1, len(Fate)).tolist(), strict=True):
        receipt.duplicate += of_fate[Fate.DUPLICATE]
        receipt.stored += of_fate[Fate.STORED] + of_fate[Fate.LATE]
        receipt.late += of_fate[Fate.LATE]


def _count_by_mapping(
    window: Window, batch: ObservationBatch, messages: NDArray[np.intp], fates: NDArray[np.uint8]
) -> None:
    """Count for each mapping what became of the readings that it read, shape (n,) each."""
    counters = list({id(one): one for one in window.of_mapping.values()}.values())
    numbers = {id(one): number for number, one in enumerate(counters)}
    of_message = np.full(len(window.messages), -1, np.intp)
    for message, one in window.of_mapping.items():
        of_message[message] = numbers[id(one)]
    lag_s = (batch.received_us - batch.phenomenon_us) * 1e-6
    for number, one in enumerate(counters):
        own = of_message[messages] == number
        one.stored += int(np.isin(fates[own], (Fate.STORED, Fate.LATE)).sum())
        one.duplicate += int((fates[own] == Fate.DUPLICATE).sum())
        one.lag.add(lag_s[own])


def _told(window: Window, reading: int, refusal: Refusal) -> RefusedReading:
    readings = window.readings
    where = f"device {readings.uid[reading]}, reading {readings.index[reading]}"
    return RefusedReading(refusal.fault, b"", where)
