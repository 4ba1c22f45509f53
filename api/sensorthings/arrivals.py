"""Take observations of clients as by every other way in: counted, paused, with what is refused kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from api.access.caller import Caller
from api.runtime import Runtime
from api.sensorthings.bodies import read_body, read_json
from api.sensorthings.observing import Brought, Sent, bring, json_of
from api.sensorthings.paths import Step
from api.sensorthings.streams import Streams, Unread
from ingest.decoders.readings import RefusedReading
from ingest.intake import Sender
from ingest.refusals import without_place
from twin.errors import ForbiddenError, InvalidError, NotFoundError, TwinError
from twin.faults import Fault
from twin.store.quarantine import KEPT_BYTES, Refused

BY_HTTP: Final = "sensorthings-http"
BY_MQTT: Final = "sensorthings-mqtt"
ACCOUNT: Final = "account"
"""Ends the source of what an account sent, who is no publisher."""


class Arrival:
    """One message of a client: what it brings is counted, and what is refused of it kept.

    Parameters
    ----------
    feed
        `BY_HTTP` or `BY_MQTT`.
    who
        An account, or a device or gateway with its own secret.

    Raises
    ------
    PausedError
        A person paused this way in; nothing was taken.
    """

    def __init__(self, running: Runtime, feed: str, who: Caller | Sender) -> None:
        running.ingest.pauses.require_running(feed)
        self._running = running
        self._feed = feed
        self._streams = Streams(running, who)
        is_account = isinstance(who, Caller)
        name = who.identity.name if isinstance(who, Caller) else who.name
        self.source = f"{feed} {name} {ACCOUNT}" if is_account else f"{feed} {name}"
        kind = ACCOUNT if isinstance(who, Caller) else who.kind
        self._publisher = running.ingest.delivery.flood.number_of(kind, name)
        self._counters = running.ingest.intake.counters[feed]
        self._counters.hear(1)

    async def read_one(self, content: bytes, steps: tuple[Step, ...]) -> Sent | Unread:
        """Read one observation, whose Datastream its path or its body names."""
        given: Any = None
        try:
            given = read_json(content)
            return await self._streams.read(read_body(given, "Observations"), steps)
        except (InvalidError, NotFoundError, ForbiddenError) as error:
            if isinstance(given, dict) and len(steps) > 1 and steps[-2].entity.name == "Datastreams":
                content = orjson.dumps({**given, "Datastream": {"@iot.id": steps[-2].id}})
            return Unread(error, content)

    async def read_tables(self, content: bytes) -> list[Sent | Unread]:
        """Read tables of observations.

        Raises
        ------
        InvalidError
            These are no tables; they are kept as one thing that could not be read.
        """
        try:
            return await self._streams.read_tables(read_json(content))
        except InvalidError as error:
            await self.take([Unread(error, content)])
            raise

    async def take(
        self, read: Sequence[Sent | Unread], content: bytes | None = None
    ) -> list[str | TwinError]:
        """Store what was read; return the id of each observation, or why it is not stored.

        Parameters
        ----------
        content
            The message as it came, to be shown to who asks what a device sent; None where it holds more.

        Raises
        ------
        UnavailableError
            The database is away: nothing was taken, and the same message may be sent again.
        """
        sent = [one for one in read if isinstance(one, Sent)]
        brought = await bring(self._running.twin, self._running.own, sent, self._counters)
        outcome = iter(brought.outcome)
        told = [next(outcome) if isinstance(one, Sent) else one.error for one in read]
        self._count(len(read), brought)
        kept = [self._kept(one) for one in read if isinstance(one, Unread)]
        kept += [
            RefusedReading(fault, json_of(sent[i]), f"Datastreams({sent[i].stream})")
            for i, fault in brought.refused
        ]
        await self._keep(kept)
        if content is not None and len(content) <= KEPT_BYTES:
            self._note(content, brought, in_part=bool(kept))
        self._counters.acknowledged += 1
        return told

    def _count(self, readings: int, brought: Brought) -> None:
        counters = self._counters
        counters.readings += readings
        counters.stored += brought.stored
        counters.duplicate += brought.duplicate
        counters.late += brought.late
        if len(brought.lag_s):
            counters.lag.add(brought.lag_s)

    def _kept(self, one: Unread) -> RefusedReading:
        code = "sta_unreadable"
        if isinstance(one.error, NotFoundError):
            code = "sta_no_stream"
        elif isinstance(one.error, ForbiddenError):
            code = "sta_not_its_stream"
        # Nobody knows yet whose it is: what may say where a person is goes without its bytes.
        wrong = RefusedReading(Fault(code, {"error": one.error.what}), one.payload, one.error.where)
        return without_place(wrong, self._running.twin.board, None)

    async def _keep(self, kept: Sequence[RefusedReading]) -> None:
        """Count what was refused, and return once the quarantine has it on disk."""
        written = []
        for one in kept:
            self._counters.refused[one.reason] += 1
            done = self._running.twin.quarantine.put(Refused(self.source, one.fault, one.payload, one.where))
            if done is not None:
                written.append(done)
        if written:
            await asyncio.wait(written)

    def _note(self, content: bytes, brought: Brought, *, in_part: bool) -> None:
        devices = np.unique(np.array(brought.stored_devices, np.int32))
        if len(devices):
            newest = self._running.ingest.delivery.newest
            newest.keep(devices, self._publisher, self._feed, self.source, None if in_part else content)
