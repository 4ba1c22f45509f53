"""Know how the stream of each camera does: look at all in turn, and at those somebody watches more often."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from api.cameras.streams import Streams
from api.cameras.terms import OPENED_ANEW_S, PROBE_S, PROBES_AT_ONCE, SAME_IS_FROZEN, WATCHED_S
from ingest.cameras.address import CameraAddress, read_address
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.glance import glance
from twin.access.sealing import Sealer
from twin.cameras import CHANNEL, Kept, note_state, open_address, read_sources
from twin.errors import InvalidError, SetupError
from twin.store.news import follow
from twin.twin import Twin

_log = logging.getLogger("gridtwin.cameras")

_TICK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class StreamState:
    """How a stream does: `ok`, `broken` for a reason, or `unknown`; since when, and when it was asked."""

    state: str = "unknown"
    reason: str | None = None
    since: datetime | None = None
    checked_at: datetime | None = None


@dataclass(slots=True)
class _Watched:
    sealed: bytes
    state: StreamState
    due_s: float
    probing: bool = False
    digest: bytes = b""
    same: int = 0
    checked_s: float = field(default=-1e9)
    watched_s: float = field(default=-1e9)
    fault: str = ""
    """Why its address cannot be used, and is not probed: sealed with another key, or none any more."""


class StreamWatch:
    """Probes cameras, keeps their state, and shows those without a picture as offline on the map.

    Parameters
    ----------
    own
        The server's own hand.
    twin
        Whose board shows it.
    sealer
        Opens addresses.
    streams
        Which play: a camera whose pictures come is not probed beside.
    every_s
        In which time each camera is probed once; 0 probes only those that somebody watches.
    """

    def __init__(
        self, own: AsyncEngine, twin: Twin, sealer: Sealer, streams: Streams, every_s: float
    ) -> None:
        self._own, self._twin, self._sealer, self._streams = own, twin, sealer, streams
        self._every_s = every_s
        self._of: dict[int, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_of: set[int] = set()
        self.probes = 0
        """How many were made since the start."""

    def state(self, device_id: int) -> StreamState | None:
        """Return how a stream does, None for a camera without one."""
        watched = self._of.get(device_id)
        return None if watched is None else watched.state

    def watch(self, device_id: int, *, may_look: bool = False) -> None:
        """Note that somebody watches a camera now: it is probed unless that was just done.

        Where they opened it just now and ``may_look``, its stream plays, so that a look need not wait.
        """
        watched = self._of.get(device_id)
        if watched is None or watched.fault:
            return
        now_s = time.monotonic()
        opened = now_s - watched.watched_s > OPENED_ANEW_S
        watched.watched_s = now_s
        if opened and may_look:
            self._streams.warm(device_id, self._address(device_id, watched))
        if now_s - watched.checked_s > WATCHED_S:
            watched.due_s = 0.0

    async def note(self, device_id: int, reason: Reason | None) -> None:
        """Take what somebody's look found: None for a picture, else why there was none."""
        watched = self._of.get(device_id)
        if watched is None:
            return
        now = datetime.now(UTC)
        state = "ok" if reason is None else "broken"
        before = watched.state
        watched.checked_s = time.monotonic()
        watched.state = replace(before, checked_at=now)
        if (state, reason) != (before.state, before.reason):
            since = before.since if state == before.state else now
            watched.state = StreamState(state, reason, since, now)
            with contextlib.suppress(Exception):  # it is found again by the next probe
                async with self._own.begin() as connection:
                    await note_state(connection, device_id, state, reason, since or now)
        self._show(device_id, watched)

    async def run(self) -> None:
        """Probe until cancelled."""
        following = asyncio.create_task(follow(self._own, CHANNEL, self._refresh, gather_s=0.1))
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                self._begin_due()
                for device_id, watched in self._of.items():
                    if watched.state.state == "broken":  # whatever else it says of itself
                        self._show(device_id, watched)
        finally:
            for task in (following, *self._tasks):
                task.cancel()
            await asyncio.gather(following, *self._tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        async with self._own.connect() as connection:
            sources = await read_sources(connection)
        now_s = time.monotonic()
        # Spread over the interval, so that they do not all come at once.
        spread = itertools.cycle(random.sample(range(100), 100))
        known = self._of
        self._of = {}
        for source in sources:
            before = known.get(source.device_id)
            if before is not None and before.sealed == source.sealed:
                self._of[source.device_id] = before
            else:
                fault, state = self._judge(source)
                due_s = now_s + (self._every_s * next(spread) / 100 if before is None else 0.0)
                self._of[source.device_id] = _Watched(
                    source.sealed, state, float("inf") if fault else due_s, fault=fault
                )
        self._tell_of_faults()

    def _judge(self, source: Kept) -> tuple[str, StreamState]:
        """Return why the address of a source cannot be used, "" where it can, and how its stream does."""
        kept = StreamState(source.state, source.reason, source.since)
        try:
            read_address(open_address(self._sealer, source.device_id, source.sealed))
        except SetupError as error:  # known without asking the camera, and not kept: the key may come back
            now = datetime.now(UTC)
            return error.what, StreamState("broken", Reason.OTHER_KEY, now, now)
        except InvalidError as error:
            return error.what, kept
        return "", kept

    def _tell_of_faults(self) -> None:
        # One line for all: with another key they are as many as there are cameras.
        faults = {device_id: watched.fault for device_id, watched in self._of.items() if watched.fault}
        before, self._told_of = self._told_of, set(faults)
        if faults and self._told_of != before:
            first = next(iter(faults))
            _log.warning(
                "%d of %d cameras have an address that cannot be used and are not probed; first %d: %s",
                len(faults),
                len(self._of),
                first,
                faults[first],
            )
        elif before and not faults:
            _log.info("the addresses of all %d cameras can be used again", len(self._of))

    def _begin_due(self) -> None:
        now_s = time.monotonic()
        room = PROBES_AT_ONCE - len(self._tasks)
        if room <= 0:
            return
        due = [
            (w.due_s, device_id) for device_id, w in self._of.items() if not w.probing and w.due_s <= now_s
        ]
        for _, device_id in sorted(due)[:room]:
            watched = self._of[device_id]
            watched.probing = True
            watched.due_s = now_s + self._every_s if self._every_s else float("inf")
            task = asyncio.create_task(self._probe(device_id, watched))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _probe(self, device_id: int, watched: _Watched) -> None:
        try:
            reason = await self._ask(device_id, watched)
            self.probes += 1
            if self._of.get(device_id) is watched:
                await self.note(device_id, reason)
        except Exception:
            _log.exception("camera %d could not be probed", device_id)
        finally:
            watched.probing = False

    def _address(self, device_id: int, watched: _Watched) -> CameraAddress:
        return read_address(open_address(self._sealer, device_id, watched.sealed))

    async def _ask(self, device_id: int, watched: _Watched) -> Reason | None:
        address = self._address(device_id, watched)
        if self._streams.plays(device_id, address):
            return None
        try:
            footage = await glance(address, self._streams.ranges, PROBE_S)
        except StreamError as error:
            return error.reason
        if footage.codec != "mjpeg":
            return None
        digest = hashlib.sha256(footage.units[0]).digest()
        watched.same = watched.same + 1 if digest == watched.digest else 1
        watched.digest = digest
        return Reason.FROZEN if watched.same >= SAME_IS_FROZEN else None

    def _show(self, device_id: int, watched: _Watched) -> None:
        board = self._twin.board
        row = board.row_of_id.get(device_id)
        if row is None:
            return
        rows = np.array([row], np.int32)
        if watched.state.state == "ok":
            self._twin.connection_found(rows)
        elif watched.state.state == "broken" and not board.link_down[row]:
            self._twin.connection_lost(rows)
