"""Hand the readings of one message to the twin, and say what became of each."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import DecodeError, Readings, RefusedReading
from ingest.decoders.resolve import Resolver
from ingest.feeds import Feed
from ingest.transports.counters import FeedCounters
from twin.access.scope import EVERYWHERE
from twin.errors import TwinError, UnavailableError
from twin.judge import as_reading
from twin.live.board import Board
from twin.live.sight import WORKERS
from twin.store.quarantine import WHAT_TO_DO, Refused
from twin.twin import ObservationBatch, ObserveResult, Refusal, Twin

log = logging.getLogger(__name__)

_TOLD: Final = 100
# A place in JSON, and an escape that may hide one.
_PLACE: Final = re.compile(rb"lon|lat|\\u00", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: a device, or a gateway that speaks for the devices of a range of area codes."""

    name: str
    kind: str
    low: int = EVERYWHERE.ranges[0][0]
    high: int = EVERYWHERE.ranges[0][1]

    @property
    def is_everywhere(self) -> bool:
        """Whether it may speak for every device."""
        return (self.low, self.high) == EVERYWHERE.ranges[0]


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one refused reading: its place in the message, why, what is wrong, what to do."""

    reading: str
    reason: str
    what: str
    hint: str


@dataclass(slots=True)
class Receipt:
    """What became of the readings of a message; each is counted in one of the first three.

    ``told`` names the first hundred refused.
    """

    stored: int = 0
    duplicate: int = 0
    refused: int = 0
    late: int = 0
    told: list[Told] = field(default_factory=list)

    def tell(self, wrong: RefusedReading) -> None:
        """Count a refused reading, and name it where there is room."""
        self.refused += 1
        if len(self.told) < _TOLD:
            hint = wrong.hint or WHAT_TO_DO.get(wrong.reason, "")
            self.told.append(Told(wrong.where, wrong.reason, wrong.what, hint))


class Intake:
    """Takes messages one at a time, each answered once it is committed; for ways in where the sender waits.

    Parameters
    ----------
    twin
        Where observations go.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._resolver = Resolver(twin.board)
        self.counters: dict[str, FeedCounters] = {}

    async def take(self, feed: Feed, message: Envelope, sender: Sender, source: str) -> Receipt:
        """Decode a message, hand it to the twin, and return when everything of it is on disk.

        Parameters
        ----------
        source
            Where it came from, for the quarantine: the names of the feed and of the sender.

        Raises
        ------
        UnavailableError
            The database is away: nothing was taken, and the same message may be sent again.
        """
        counters = self.counters.setdefault(feed.name, FeedCounters(connected=True))
        counters.messages += 1
        counters.last_message_at = time.time()
        readings, receipt = Readings(), Receipt()
        who = f"{sender.kind} {sender.name}"
        kept: list[asyncio.Future[None]] = []
        try:
            FORMATS[feed.format](message, readings)
        except DecodeError as error:
            wrong = RefusedReading(error.reason, error.what, message.payload, who, error.hint)
            readings = Readings(refused=[wrong])
        except Exception:  # a fault of ours: the message is kept for replay
            log.exception("a message of %s could not be decoded", source[:200])
            what = "the message could not be decoded; the log of the server says more"
            readings = Readings(refused=[RefusedReading("decoder_failed", what, message.payload, who)])
        counters.readings += len(readings) + len(readings.refused)
        try:
            await self._store(readings, sender, source, counters, receipt, kept)
        except TwinError:
            counters.readings -= len(readings) + len(readings.refused)
            counters.retries += 1
            raise
        for wrong in readings.refused:
            self._refuse(wrong, sender, source, counters, receipt, kept)
        if kept:
            await asyncio.wait(kept)
        counters.acknowledged += 1
        return receipt

    async def _store(
        self,
        readings: Readings,
        sender: Sender,
        source: str,
        counters: FeedCounters,
        receipt: Receipt,
        kept: list[asyncio.Future[None]],
    ) -> None:
        n = len(readings)
        if not n:
            return
        limits = None
        if sender.kind == "gateway" and not sender.is_everywhere:
            limits = np.full(n, sender.low, np.int64), np.full(n, sender.high, np.int64)
        received_us = time.time_ns() // 1000

        def trace(reading: int) -> tuple[str, str]:
            return source, f"reading {readings.index[reading]}"

        batch, origin, refused = self._resolver.resolve(readings, received_us, trace, limits)
        if len(batch):
            await self._observe(batch, origin, readings, counters, receipt, kept)
        for _, wrong in refused:
            self._refuse(wrong, sender, source, counters, receipt, kept)

    async def _observe(
        self,
        batch: ObservationBatch,
        origin: np.ndarray,
        readings: Readings,
        counters: FeedCounters,
        receipt: Receipt,
        kept: list[asyncio.Future[None]],
    ) -> None:
        result = await observe(self._twin, batch)
        receipt.stored += result.stored
        receipt.duplicate += result.duplicate
        receipt.late += result.late
        counters.stored += result.stored
        counters.duplicate += result.duplicate
        counters.late += result.late
        for refusal in result.refusals:
            i = int(origin[refusal.index])
            counters.refused[refusal.reason] += 1
            what = f"{readings.name[i]} = {readings.value[i]:g}"
            receipt.tell(
                RefusedReading(
                    refusal.reason, what, b"", f"device {readings.uid[i]}, reading {readings.index[i]}"
                )
            )
            if refusal.written is not None:
                kept.append(refusal.written)
        counters.measure_lag(float(np.median(batch.received_us - batch.phenomenon_us)) / 1e6)

    def _refuse(
        self,
        wrong: RefusedReading,
        sender: Sender,
        source: str,
        counters: FeedCounters,
        receipt: Receipt,
        kept: list[asyncio.Future[None]],
    ) -> None:
        counters.refused[wrong.reason] += 1
        receipt.tell(wrong)
        uid = sender.name if sender.kind == "device" else None
        safe = without_place(wrong, self._twin.board, uid)
        written = self._twin.quarantine.put(
            Refused(source, safe.reason, safe.what, safe.payload, safe.where, safe.hint)
        )
        if written is not None:
            kept.append(written)


async def observe(twin: Twin, batch: ObservationBatch) -> ObserveResult:
    """Hand a batch to the twin; what alone cannot be stored goes into quarantine, the rest is taken.

    Raises
    ------
    UnavailableError
        The database is away; the same batch may be sent again.
    """
    try:
        return await twin.observe(batch)
    except UnavailableError:
        raise
    except TwinError as error:
        if len(batch) > 1:
            half = len(batch) // 2
            first = await observe(twin, batch.part(0, half))
            return first.plus(await observe(twin, batch.part(half, len(batch))), half)
        uid = twin.board.uid[int(batch.row[0])]
        source, place = batch.came_from(0)
        written = None
        if not batch.replayed:
            payload, where = as_reading(twin.board, batch, 0), f"device {uid}, {place}"
            written = twin.quarantine.put(Refused(source, "not_storable", str(error), payload, where))
        return ObserveResult(quarantined=1, refusals=[Refusal(0, "not_storable", written, str(error))])


def without_place(wrong: RefusedReading, board: Board, uid: str | None) -> RefusedReading:
    """Take the bytes out of what may say where a worker is: nobody knows whether they are on duty.

    Parameters
    ----------
    uid
        Device that spoke for itself; None where a gateway spoke of others.
    """
    if uid is None:
        told = _PLACE.search(wrong.payload) is not None
    else:
        row = board.row_of_uid.get(uid)
        told = row is not None and bool(board.layer[row] == WORKERS)
    if not told:
        return wrong
    return replace(wrong, what=f"{wrong.what}; not kept, it may say where a person is", payload=b"")
