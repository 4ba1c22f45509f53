"""Send the present state and the journal to all who look, a few times a second, each change encoded once."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from api.live import messages
from api.live.aggregates import Aggregates
from api.live.cells import MAX_POINT_ROOMS, POINT_ZOOM, ROOM_RESOLUTION, cell_resolution
from api.live.encoder import Blocks, Encoder
from api.live.frames import encode_frame_header
from api.live.ledger import Ledger
from api.live.messages import Look, Pong, Subscribe
from api.live.viewer import Connection, View, Viewer
from api.live.wire import BINARY, TEXT, websocket_frame
from twin.errors import InvalidError, TwinError, UnavailableError
from twin.live.board import Board
from twin.store.journal import Event

_log = logging.getLogger("gridtwin.live")

TICK_S: Final = 0.1
LEAST_PAUSE_S: Final = 0.02
"""A new subscription is answered this soon when nothing else happens."""

SKIP_BYTES: Final = 256 << 10
"""With more than this waiting in its socket a client gets no state."""
DROP_BYTES: Final = 1 << 20
"""With more than this waiting beside the last state frame a client is dropped."""
DROP_BEHIND_S: Final = 10.0
PING_S: Final = 10.0
PONG_LIMIT_S: Final = 30.0
HEARTBEAT_TICKS: Final = 50
"""A client in whose rooms nothing changes gets an empty frame this often, so that its tick stays young."""
KEPT_EVENTS: Final = 300
MAX_BAD_REQUESTS: Final = 10
MAX_REQUESTS_PER_S: Final = 60
MAX_VIEWERS: Final = 2_000

CLOSE_BAD_REQUEST: Final = 4000
CLOSE_NO_PONG: Final = 4002
CLOSE_TOO_SLOW: Final = 4008
CLOSE_FLOOD: Final = 4029


class Hub:
    """All live sockets of this process.

    Parameters
    ----------
    board
        The board; the hub is the only one who takes its changes.
    parts
        Gives the state of each part in one word, for the message ``ages``.
    """

    def __init__(self, board: Board, parts: Callable[[], dict[str, str]] = dict) -> None:
        self.epoch = secrets.randbelow(2**32 - 1) + 1
        self.ledger = Ledger(board)
        self.encoder = Encoder(self.ledger)
        self.viewers: set[Viewer] = set()
        self.journal = 0
        self.frames_sent = 0
        self.bytes_sent = 0
        self.dropped = 0
        self._parts = parts
        self._events: deque[tuple[int, bytes]] = deque(maxlen=KEPT_EVENTS)
        self._views: dict[tuple[object, ...], View] = {}
        self._aggregates: dict[int, Aggregates] = {}
        self._wake = asyncio.Event()

    @property
    def tick(self) -> int:
        """The present tick."""
        return self.ledger.tick

    # who looks

    def join(self, connection: Connection) -> Viewer:
        """Take a new client in and greet it.

        Raises
        ------
        UnavailableError
            There are too many already.
        """
        if len(self.viewers) >= MAX_VIEWERS:
            raise UnavailableError(f"{MAX_VIEWERS} clients are connected already", hint="try again later")
        now = time.monotonic()
        viewer = Viewer(connection, now, hello_journal=self.journal, heard_s=now, pinged_s=now)
        self.viewers.add(viewer)
        connection.push_text(messages.hello(self.epoch, self.tick, self.journal))
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Let a client go; harmless when it is gone."""
        viewer.closed = True
        self.viewers.discard(viewer)

    def receive(self, viewer: Viewer, text: str) -> None:
        """Take one message of a client; what is wrong with it is told to the client."""
        now = time.monotonic()
        if int(now) != viewer.request_second:
            viewer.request_second, viewer.request_count = int(now), 0
        viewer.request_count += 1
        if viewer.request_count > MAX_REQUESTS_PER_S:
            self._drop(viewer, CLOSE_FLOOD, f"more than {MAX_REQUESTS_PER_S} messages in a second")
            return
        try:
            request = messages.parse_request(text)
            if isinstance(request, Pong):
                viewer.heard_s = now
            else:
                self._subscribe(viewer, request)
        except InvalidError as error:
            self.refuse(viewer, error)

    def refuse(self, viewer: Viewer, error: TwinError) -> None:
        """Tell a client what was wrong; close it when it goes on like that."""
        viewer.bad_requests += 1
        viewer.connection.push_text(messages.error(error))
        if viewer.bad_requests >= MAX_BAD_REQUESTS:
            self._drop(viewer, CLOSE_BAD_REQUEST, "too many bad requests")

    def _subscribe(self, viewer: Viewer, request: Subscribe) -> None:
        view = self._view(request.look)
        resume = request.resume
        if viewer.journal is None:
            asked = resume.journal if resume is not None else None
            self._resume_journal(viewer, viewer.hello_journal if asked is None else asked)
        if resume is None or resume.epoch != self.epoch:
            viewer.held = None
        elif viewer.view is None and resume.held is not None:
            # A new socket: what the client holds is known only by what it says.
            held = self._view(resume.held)
            if self._oldest(held) <= resume.tick <= self.tick:
                viewer.held, viewer.synced, viewer.sent_tick = held, resume.tick, resume.tick
        if viewer.held is not None and not (
            viewer.held.is_like(view) and viewer.synced >= self._oldest(view)
        ):
            viewer.held = None
        viewer.view = view
        viewer.pending = True
        aggregates = view.aggregates
        viewer.connection.push_text(
            messages.subscribed(
                points=aggregates is None,
                rooms=self._rooms_in(view),
                resolution=ROOM_RESOLUTION if aggregates is None else aggregates.resolution,
                resumed=viewer.held is not None,
                tick=self.tick,
            )
        )
        self._wake.set()

    def _oldest(self, view: View) -> int:
        born = 0 if view.aggregates is None else view.aggregates.born_tick
        return max(self.ledger.horizon, born)

    def _rooms_in(self, view: View) -> int:
        index = self.ledger.rooms if view.aggregates is None else view.aggregates.cells
        return int(view.cell_mask(index).sum())

    def _view(self, look: Look) -> View:
        """Return the one object for this look, so that equal looks share their bytes."""
        points = look.zoom >= POINT_ZOOM
        if points:
            points = int(self.ledger.rooms.touched(look.viewport).sum()) <= MAX_POINT_ROOMS
        resolution = 0 if points else cell_resolution(look.zoom)
        key = (look.viewport, look.layers, resolution)
        view = self._views.get(key)
        if view is None:
            aggregates = None
            if resolution:
                aggregates = self._aggregates.get(resolution)
                if aggregates is None:
                    aggregates = self._aggregates[resolution] = Aggregates(self.ledger, resolution)
            view = self._views[key] = View(look.viewport, look.layers, aggregates)
        return view

    def _forget_views(self) -> None:
        used = {id(v) for viewer in self.viewers for v in (viewer.view, viewer.held) if v is not None}
        self._views = {key: view for key, view in self._views.items() if id(view) in used}
        resolutions = {v.aggregates.resolution for v in self._views.values() if v.aggregates is not None}
        self._aggregates = {r: a for r, a in self._aggregates.items() if r in resolutions}

    # state

    async def run(self) -> None:
        """Tick until cancelled."""
        next_second = time.monotonic()
        while True:
            begun = time.monotonic()
            try:
                self.beat()
                if begun >= next_second:
                    next_second = begun + 1.0
                    self.second()
            except Exception:
                _log.exception("a tick of the live hub failed; the next one goes on")
            await asyncio.sleep(LEAST_PAUSE_S)
            left_s = TICK_S - (time.monotonic() - begun)
            if left_s > 0.0:
                try:
                    async with asyncio.timeout(left_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            self._wake.clear()

    def beat(self) -> None:
        """Take what changed as one tick and bring every client that can take it to the present."""
        before = self.tick
        step = self.ledger.advance()
        blocks: Blocks | None = None
        if step is not None:
            blocks = self.encoder.step(step)
            for aggregates in self._aggregates.values():
                aggregates.recount()
        shared: dict[tuple[object, ...], bytes] = {}
        now = time.monotonic()
        server_time_s = time.time()
        for viewer in list(self.viewers):
            if viewer.view is None or (viewer.synced == self.tick and not viewer.pending):
                continue
            if viewer.connection.waiting_bytes() > SKIP_BYTES:
                if viewer.behind_since_s is None:
                    viewer.behind_since_s = now
                continue
            viewer.behind_since_s = None
            self._bring_up(viewer, before, blocks, shared, server_time_s)

    def _bring_up(
        self,
        viewer: Viewer,
        before: int,
        blocks: Blocks | None,
        shared: dict[tuple[object, ...], bytes],
        server_time_s: float,
    ) -> None:
        view = viewer.view
        assert view is not None
        steady = viewer.held is view and viewer.synced == before and view.aggregates is None
        # Views of the same cells that hold the same get the same bytes, framed once.
        key = (*self._signature(view), viewer.synced, viewer.sent_tick if viewer.held is not None else 0)
        if viewer.held is not view:
            key += ("from", *self._signature(viewer.held))
        framed = shared.get(key)
        if framed is None:
            if steady and blocks is not None:
                body = blocks.chosen(view.key_mask(self.ledger.rooms))
            else:
                body = self._catch_up(view, viewer.held, viewer.synced)
            from_tick = viewer.sent_tick if viewer.held is not None else 0
            header = encode_frame_header(self.epoch, from_tick, self.tick, server_time_s)
            framed = shared[key] = websocket_frame(header + body, BINARY) if body else b""
        stale = self.tick - viewer.sent_tick >= HEARTBEAT_TICKS
        if not framed and (viewer.pending or stale):
            from_tick = viewer.sent_tick if viewer.held is not None else 0
            framed = websocket_frame(
                encode_frame_header(self.epoch, from_tick, self.tick, server_time_s), BINARY
            )
        if framed:
            viewer.connection.push_framed(framed)
            viewer.sent_tick = self.tick
            viewer.last_frame_bytes = len(framed)
            self.frames_sent += 1
            self.bytes_sent += len(framed)
        viewer.held = view
        viewer.synced = self.tick
        viewer.pending = False

    def _signature(self, view: View | None) -> tuple[object, ...]:
        if view is None:
            return ()
        view.cell_mask(self.ledger.rooms if view.aggregates is None else view.aggregates.cells)
        return view.signature

    def _catch_up(self, view: View, held: View | None, synced: int) -> bytes:
        """Return the blocks that turn what is held as of a tick into the view of now."""
        if held is not None and synced < self._oldest(view):
            return self._all(view, held)
        if view.aggregates is not None:
            cells = view.aggregates.cells
            wanted = view.cell_mask(cells)
            had = None if held is None else held.cell_mask(cells)
            return view.aggregates.blocks(view.layers, wanted, had, synced)
        rooms = self.ledger.rooms
        wanted = view.key_mask(rooms)
        if held is None:
            return self._all(view, None)
        had = held.key_mask(rooms)
        step = self.ledger.since(synced, wanted & had)
        parts = [self.encoder.step(step).all()]
        if held is not view:
            came = np.flatnonzero(wanted & ~had & (self.ledger.key_tick > 0)).astype(np.int32)
            went = np.flatnonzero(had & ~wanted & (self.ledger.key_tick > 0)).astype(np.int32)
            parts += [self.encoder.snapshots(came), self.encoder.emptied(went)]
        return b"".join(parts)

    def _all(self, view: View, held: View | None) -> bytes:
        """Return the whole view, and what takes away the rest of what is held."""
        if view.aggregates is not None:
            cells = view.aggregates.cells
            mask = view.cell_mask(cells)
            if held is None:
                return view.aggregates.blocks(view.layers, mask, None, 0)
            # Everything again: each cell that is or ever was occupied counts as changed.
            return view.aggregates.blocks(view.layers, mask, held.cell_mask(cells), -1)
        rooms = self.ledger.rooms
        wanted = view.key_mask(rooms) & (self.ledger.key_tick > 0)
        body = self.encoder.snapshots(np.flatnonzero(wanted).astype(np.int32))
        if held is not None:
            went = held.key_mask(rooms) & ~wanted & (self.ledger.key_tick > 0)
            body += self.encoder.emptied(np.flatnonzero(went).astype(np.int32))
        return body

    # each second

    def second(self) -> None:
        """Send the ages, ping who is silent, drop who is too slow or gone."""
        self._forget_views()
        if not self.viewers:
            return
        now = time.monotonic()
        text = messages.ages(self.ledger.board.ages(time.time_ns() // 1000), self._parts())
        framed = websocket_frame(text, TEXT)
        pinged = websocket_frame(messages.ping(time.time()), TEXT)
        for viewer in list(self.viewers):
            waiting = viewer.connection.waiting_bytes()
            behind_s = 0.0 if viewer.behind_since_s is None else now - viewer.behind_since_s
            if waiting > DROP_BYTES + viewer.last_frame_bytes or behind_s > DROP_BEHIND_S:
                self.dropped += 1
                self._drop(viewer, CLOSE_TOO_SLOW, f"{waiting} bytes wait, behind for {behind_s:.0f} s")
                continue
            if now - viewer.heard_s > PONG_LIMIT_S:
                self._drop(viewer, CLOSE_NO_PONG, f"no pong for {PONG_LIMIT_S:.0f} s")
                continue
            if now - viewer.pinged_s >= PING_S:
                viewer.pinged_s = now
                viewer.connection.push_framed(pinged)
            if waiting <= SKIP_BYTES:
                viewer.connection.push_framed(framed)

    def _drop(self, viewer: Viewer, code: int, reason: str) -> None:
        self.leave(viewer)
        viewer.connection.close(code, reason)

    def close_all(self, code: int, reason: str) -> None:
        """Close every socket."""
        for viewer in list(self.viewers):
            self._drop(viewer, code, reason)

    # the journal and the tiles

    def remember(self, events: Sequence[Event]) -> None:
        """Take the newest events of before the start, so that clients can resume across it."""
        for event in events:
            self._events.append((event.seq, websocket_frame(messages.event(event), TEXT)))
            self.journal = event.seq

    def publish(self, events: Sequence[Event]) -> None:
        """Send journal rows, in order, at once."""
        for event in events:
            framed = websocket_frame(messages.event(event), TEXT)
            self._events.append((event.seq, framed))
            self.journal = event.seq
            for viewer in self.viewers:
                if viewer.journal is not None:
                    viewer.connection.push_framed(framed)
                    viewer.journal = event.seq

    def _resume_journal(self, viewer: Viewer, last: int) -> None:
        missed = self.journal - last
        kept = [framed for seq, framed in self._events if seq > last]
        if missed < 0 or missed > len(kept):
            viewer.connection.push_text(messages.gap(self.journal))
        else:
            for framed in kept:
                viewer.connection.push_framed(framed)
        viewer.journal = self.journal

    def announce_tiles(self, changes: Sequence[tuple[str, int, tuple[float, float, float, float]]]) -> None:
        """Tell everyone which tiles changed."""
        for layer, version, bbox in changes:
            framed = websocket_frame(messages.tiles(layer, version, bbox), TEXT)
            for viewer in self.viewers:
                viewer.connection.push_framed(framed)
