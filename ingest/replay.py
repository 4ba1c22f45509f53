"""Take again what lies in the quarantine, after what was wrong has been put right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import DecodeError, Readings, RefusedReading
from ingest.decoders.resolve import Resolver
from ingest.delivery import observe
from ingest.feeds import Feed
from ingest.intake import Sender
from ingest.mappings import Mappings, mapping_in
from ingest.transports.gateways import limits_of
from ingest.transports.topics import publisher_in
from twin.faults import Fault
from twin.store.quarantine import Refused
from twin.store.refused import Filter, read_waiting
from twin.twin import Twin

MOST: Final = 2_000
"""Most messages of one call."""

_AT_ONCE: Final = 200
_NOBODY: Final = (1, 0)
_OFF_DUTY: Final = RefusedReading(Fault("off_duty"), b"")
_TAKEN: Final = text("UPDATE quarantine SET replayed_at = now() WHERE id = ANY(:ids)")
_AGAIN: Final = text(
    "UPDATE quarantine SET reason = :reason, detail = :detail, said = CAST(:said AS jsonb) WHERE id = :id"
)
# Of the time between duties nothing is kept, nor what was kept before it was known.
_EMPTIED: Final = text(
    "UPDATE quarantine SET reason = 'off_duty', detail = :detail, said = CAST(:said AS jsonb), payload = '' "
    "WHERE id = ANY(:ids)"
)
_SENDERS: Final = text(
    "SELECT name, kind, low, high FROM publisher WHERE name = ANY(:names) AND disabled_at IS NULL"
)


@dataclass(slots=True)
class Replayed:
    """What became of messages: ``taken`` whole, or ``again`` refused, by reason.

    ``stored`` and ``duplicate`` count readings. ``last`` is the number of the last message; while there is
    ``more``, ask again with ``after`` set to it.
    """

    messages: int = 0
    taken: int = 0
    stored: int = 0
    duplicate: int = 0
    again: dict[str, int] = field(default_factory=dict)
    last: int = 0
    more: bool = False

    def add(self, step: Replayed) -> None:
        """Add what became of the messages that came after."""
        self.messages += step.messages
        self.taken += step.taken
        self.stored += step.stored
        self.duplicate += step.duplicate
        for reason, n in step.again.items():
            self.again[reason] = self.again.get(reason, 0) + n
        self.last, self.more = step.last, step.more


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message of a standard: ``wrong`` is what was refused of it again."""

    wrong: RefusedReading | None
    stored: int = 0
    duplicate: int = 0


class Take(Protocol):
    """Takes again what was refused of a way in that speaks a standard; see `Replay`."""

    async def __call__(
        self, source: str, payload: bytes, received_at: datetime, sender: Sender | None
    ) -> Taken:
        """Take one message from a source; ``sender`` is None where no publisher of its name may send."""


_NONE: Final[Mapping[str, Take]] = MappingProxyType({})


@dataclass(slots=True)
class _Verdict:
    """What became of one message; ``wrong`` is the first thing that was refused of it."""

    id: int
    wrong: RefusedReading | None = None
    stored: int = 0
    duplicate: int = 0


class Replay:
    """Sends kept bytes through the decoder of their feed once more, with the time they were received.

    What is taken is stored once, however often it comes: a reading that is there already is a duplicate. A
    message of which something is refused again stays in the quarantine, with the new reason.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    twin, feeds
        Where observations go, and what the bytes of each way in mean.
    mappings
        Where the fields of foreign messages lie now.
    standards
        By format, what takes messages that hold more than readings.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        twin: Twin,
        feeds: Mapping[str, Feed],
        mappings: Mappings,
        standards: Mapping[str, Take] = _NONE,
    ) -> None:
        self._standards = standards
        self._engine = engine
        self._twin = twin
        self._feeds = feeds
        self._mappings = mappings
        self._resolver = Resolver(twin.board)

    async def run(self, chosen: Filter, *, after: int = 0, most: int = MOST) -> Replayed:
        """Take what is chosen, the oldest first, after a number and at most so many messages.

        Raises
        ------
        UnavailableError
            The database is away; what was not taken is still in the quarantine.
        """
        done = Replayed(last=after)
        await self._mappings.refresh()  # whoever mended one wants it used
        while done.messages < most:
            limit = min(_AT_ONCE, most - done.messages)
            async with self._engine.connect() as connection:
                rows = await read_waiting(connection, chosen, done.last, limit)
            await self._take_all(rows, done)
            if len(rows) < limit:
                return done
        done.more = True
        return done

    async def _take_all(self, rows: Sequence[Row[Any]], done: Replayed) -> None:
        if not rows:
            return
        senders = await self._senders({self.origin(row.source)[1] for row in rows})
        verdicts = await asyncio.gather(*(self._take(row, senders) for row in rows))
        off_duty = [v.id for v in verdicts if v.wrong is not None and v.wrong.reason == "off_duty"]
        again = [v for v in verdicts if v.wrong is not None and v.wrong.reason != "off_duty"]
        async with self._engine.begin() as connection:
            await connection.execute(_TAKEN, {"ids": [v.id for v in verdicts if v.wrong is None]})
            await connection.execute(_EMPTIED, {"ids": off_duty, **_words(_OFF_DUTY)})
            if again:
                await connection.execute(_AGAIN, [_row(v.id, v.wrong) for v in again if v.wrong is not None])
        for verdict in verdicts:
            done.messages += 1
            done.stored += verdict.stored
            done.duplicate += verdict.duplicate
            if verdict.wrong is None:
                done.taken += 1
            else:
                reason = verdict.wrong.reason
                done.again[reason] = done.again.get(reason, 0) + 1
        done.last = rows[-1].id

    def origin(self, source: str) -> tuple[Feed | None, str]:
        """Return by which feed a message came and who sent it: a source is a topic, or feed and sender.

        That of a foreign message ends in the name of its mapping.
        """
        name, *rest = source.split(" ")
        if rest and name in self._feeds:
            return self._feeds[name], rest[0]
        for feed in self._feeds.values():
            if feed.transport == "mqtt":
                found = publisher_in(feed.address, source)
                if found is not None:
                    return feed, found
        return None, ""

    async def _senders(self, names: set[str]) -> dict[str, Sender]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(_SENDERS, {"names": list(names)})
            return {row.name: Sender(row.name, row.kind, row.low, row.high) for row in rows}

    async def _take(self, row: Row[Any], senders: Mapping[str, Sender]) -> _Verdict:
        verdict = _Verdict(row.id)
        feed, name = self.origin(row.source)
        if feed is None:
            verdict.wrong = RefusedReading(Fault("no_feed"), b"")
            return verdict
        if feed.format in self._standards:
            take = self._standards[feed.format]
            taken = await take(row.source, bytes(row.payload), row.received_at, senders.get(name))
            return _Verdict(row.id, taken.wrong, taken.stored, taken.duplicate)
        # Who has no account any more reports for nobody; a device still for itself.
        sender = senders.get(name) or Sender(name, feed.sender, *_NOBODY)
        received_us = round(row.received_at.timestamp() * 1e6)
        readings = Readings()
        try:
            if feed.format == "mapped":
                message = Envelope(
                    bytes(row.payload), sender.own_uid, mapping=self._mappings.get(mapping_in(row.source))
                )
                FORMATS["mapped"](message, readings)
            else:
                _decode(feed, sender, bytes(row.payload), received_us, readings)
        except DecodeError as error:
            verdict.wrong = RefusedReading(error.fault, b"")
            return verdict
        for wrong in readings.refused[:1]:
            verdict.wrong = wrong
        await self._store(row, sender, readings, received_us, verdict)
        return verdict

    async def _store(
        self, row: Row[Any], sender: Sender, readings: Readings, received_us: int, verdict: _Verdict
    ) -> None:
        n = len(readings)
        if not n:
            return

        def trace(reading: int) -> tuple[str, str]:
            return row.source, f"reading {readings.index[reading]}"

        limits = limits_of([sender.codes], np.array([n]))
        batch, origin, refused = self._resolver.resolve(readings, received_us, trace, limits)
        batch.kept_elsewhere = True
        for _, wrong in refused[:1]:
            verdict.wrong = verdict.wrong or wrong
        if not len(batch):
            return
        result = await observe(self._twin, batch)
        verdict.stored, verdict.duplicate = result.stored, result.duplicate
        off_duty = [refusal for refusal in result.refusals if refusal.reason == "off_duty"]
        for refusal in off_duty[:1] or result.refusals[:1]:
            place = f"device {readings.uid[int(origin[refusal.index])]}"
            wrong = RefusedReading(refusal.fault, b"", place)
            # Whatever else is wrong: of a message that turns out to tell of somebody off duty nothing stays.
            verdict.wrong = wrong if off_duty else verdict.wrong or wrong


def _decode(feed: Feed, sender: Sender, payload: bytes, received_us: int, into: Readings) -> None:
    """Decode what was kept: a whole message of the feed, or one reading of it as we wrote it down."""
    own = sender.own_uid
    if feed.format != "device_schema":
        try:
            # A single reading is kept in the device schema, whatever format it came in.
            named = msgspec.json.decode(payload, type=_Reading)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if own is not None and named.d != own:
                raise DecodeError("for_another", device=own)
            FORMATS["device_schema"](Envelope(payload, own), into)
            return
    content_type = "application/json" if payload.lstrip()[:1] == b"{" else ""
    message = Envelope(payload, own, content_type=content_type, received_us=received_us)
    FORMATS[feed.format](message, into)


class _Reading(msgspec.Struct):
    d: str
    t: int | str
    p: str
    v: float


def _row(number: int, wrong: RefusedReading) -> dict[str, Any]:
    return {"id": number, "reason": wrong.reason, **_words(wrong)}


def _words(wrong: RefusedReading) -> dict[str, str]:
    told = Refused("", wrong.fault, b"", wrong.where)
    return {"detail": told.clean_detail, "said": json.dumps(told.said)}
