"""Send the present state and the journal to all who look, a few times a second, each change encoded once."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

from api.live import messages
from api.live.audience import Audience, sight
from api.live.beat import Beat
from api.live.cells import ROOM_RESOLUTION
from api.live.encoder import Encoder
from api.live.journal import JournalFeed
from api.live.ledger import KEPT_TICKS, Ledger
from api.live.messages import Pong, Subscribe
from api.live.onlookers import Onlookers
from api.live.parcels import Parcels
from api.live.viewer import Connection, Viewer
from api.live.views import Views
from api.live.wire import TEXT, websocket_frame
from layers.tiles import TILE_LAYERS
from twin.access.grants import Grants
from twin.access.roles import DataClass
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
CLOSE_SIGNED_OUT: Final = 4401
CLOSE_RIGHTS_CHANGED: Final = 4403
"""Come back: what may be seen is another now."""

Bbox = tuple[float, float, float, float]

_WORLD: Final[Bbox] = (-180.0, -90.0, 180.0, 90.0)
_OPEN_LAYERS: Final = {layer.name for layer in TILE_LAYERS if layer.public}
"""Tile layers that everyone may see everywhere."""


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
        self.frames_sent = 0
        self.bytes_sent = 0
        self.dropped = 0
        self._parts = parts
        self._feed = JournalFeed(KEPT_EVENTS)
        self._views = Views(self.ledger)
        self._parcels = Parcels(self.ledger)
        self._onlookers = Onlookers(self.ledger, self._parcels)
        self._audiences: dict[tuple[object, ...], Audience] = {}
        self._wake = asyncio.Event()

    @property
    def tick(self) -> int:
        """The present tick."""
        return self.ledger.tick

    @property
    def journal(self) -> int:
        """Number of the newest event of the journal."""
        return self._feed.newest

    @journal.setter
    def journal(self, newest: int) -> None:
        self._feed.newest = newest

    # who looks

    def join(self, connection: Connection, grants: Grants, account_id: UUID, credential_id: UUID) -> Viewer:
        """Take a new client in and greet it.

        Parameters
        ----------
        connection
            Its wire.
        grants
            What it may see; other grants need another socket.
        account_id, credential_id
            Who it is and what it came in by, for `end` and `end_credential`.

        Raises
        ------
        UnavailableError
            There are too many already.
        """
        if len(self.viewers) >= MAX_VIEWERS:
            raise UnavailableError(f"{MAX_VIEWERS} clients are connected already", hint="try again later")
        now = time.monotonic()
        viewer = Viewer(
            connection,
            grants,
            self._audience(grants),
            self._epoch(grants),
            account_id,
            credential_id,
            hello_journal=self.journal,
            heard_s=now,
            pinged_s=now,
        )
        self.viewers.add(viewer)
        connection.push_text(messages.hello(viewer.epoch, self.tick, self.journal))
        return viewer

    def _audience(self, grants: Grants) -> Audience:
        seen = sight(grants)
        audience = self._audiences.get(seen)
        if audience is None:
            audience = self._audiences[seen] = Audience(self.ledger, self._parcels, grants)
        return audience

    def _epoch(self, grants: Grants) -> int:
        """Return the epoch of all who read the same, never 0; it is another for other rights."""
        text = repr((self.epoch, grants.key)).encode()
        return int.from_bytes(blake2b(text, digest_size=4).digest(), "little") or 1

    def leave(self, viewer: Viewer) -> None:
        """Let a client go; harmless when it is gone."""
        viewer.closed = True
        self.viewers.discard(viewer)

    def end(self, account_id: UUID, code: int, reason: str) -> int:
        """Close the sockets of an account; return how many."""
        return self._end([v for v in self.viewers if v.account_id == account_id], code, reason)

    def end_credential(self, credential_id: UUID, code: int, reason: str) -> int:
        """Close the sockets that one credential opened; return how many."""
        return self._end([v for v in self.viewers if v.credential_id == credential_id], code, reason)

    def _end(self, viewers: Sequence[Viewer], code: int, reason: str) -> int:
        for viewer in viewers:
            self._drop(viewer, code, reason)
        return len(viewers)

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
        view = self._views.find(request.look, viewer.audience)
        resume = request.resume
        if viewer.journal is None:
            asked = resume.journal if resume is not None else None
            self._feed.resume(viewer, viewer.hello_journal if asked is None else asked)
        if resume is None or resume.epoch != viewer.epoch:
            viewer.held = None
        elif viewer.view is None and resume.held is not None:
            # A new socket: what the client holds is known only by what it says.
            held = self._views.find(resume.held, viewer.audience)
            if self._views.oldest(held) <= resume.tick <= self.tick:
                viewer.held, viewer.synced, viewer.sent_tick = held, resume.tick, resume.tick
        if viewer.held is not None and not (
            viewer.held.is_like(view) and viewer.synced >= self._views.oldest(view)
        ):
            viewer.held = None
        viewer.view = view
        viewer.pending = True
        aggregates = view.aggregates
        viewer.connection.push_text(
            messages.subscribed(
                points=aggregates is None,
                rooms=self._views.rooms_in(view, viewer.audience),
                resolution=ROOM_RESOLUTION if aggregates is None else aggregates.resolution,
                resumed=viewer.held is not None,
                tick=self.tick,
            )
        )
        self._wake.set()

    def _forget_unused(self) -> None:
        self._views.forget(v for viewer in self.viewers for v in (viewer.view, viewer.held) if v is not None)
        used = {id(viewer.audience) for viewer in self.viewers}
        self._audiences = {seen: a for seen, a in self._audiences.items() if id(a) in used}

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
        beat = Beat(self.ledger, self._parcels, self.encoder, self._onlookers, self.viewers)
        if beat.changed:
            self._views.recount()
        now = time.monotonic()
        for viewer in list(self.viewers):
            if viewer.view is None or (viewer.synced == self.tick and not viewer.pending):
                continue
            if viewer.connection.waiting_bytes() > SKIP_BYTES:
                if viewer.behind_since_s is None:
                    viewer.behind_since_s = now
                continue
            viewer.behind_since_s = None
            if viewer.held is not None and viewer.synced < self._views.oldest(viewer.view):
                # What it holds and what it must lose is not known any more: it comes back and begins anew.
                self.dropped += 1
                self._drop(viewer, CLOSE_TOO_SLOW, f"behind for more than {KEPT_TICKS} ticks")
                continue
            self._bring_up(viewer, beat)

    def _bring_up(self, viewer: Viewer, beat: Beat) -> None:
        framed = beat.frame(viewer)
        stale = self.tick - viewer.sent_tick >= HEARTBEAT_TICKS
        if not framed and (viewer.pending or stale):
            framed = beat.empty_frame(viewer)
        if framed:
            viewer.connection.push_framed(framed)
            viewer.sent_tick = self.tick
            viewer.last_frame_bytes = len(framed)
            self.frames_sent += 1
            self.bytes_sent += len(framed)
        viewer.held = viewer.view
        viewer.synced = self.tick
        viewer.pending = False

    # each second

    def second(self) -> None:
        """Send the ages, ping who is silent, drop who is too slow or gone."""
        self._forget_unused()
        if not self.viewers:
            return
        now = time.monotonic()
        ages: dict[Audience, bytes] = {}
        parts = self._parts()
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
                audience = viewer.audience
                if audience not in ages:
                    ages[audience] = self._ages(audience, parts)
                viewer.connection.push_framed(ages[audience])

    def _ages(self, audience: Audience, parts: dict[str, str]) -> bytes:
        layers = self.ledger.board.ages(time.time_ns() // 1000, audience.rows())
        return websocket_frame(messages.ages(layers, parts), TEXT)

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
        self._feed.remember(events)

    def publish(self, events: Sequence[Event]) -> None:
        """Send journal rows, in order, at once."""
        self._feed.publish(events, self.viewers)

    def announce_tiles(self, changes: Sequence[tuple[str, int, Bbox]]) -> None:
        """Tell everyone which tiles changed; where, only to those who may see the place."""
        for layer, version, bbox in changes:
            exact = websocket_frame(messages.tiles(layer, version, bbox), TEXT)
            somewhere = websocket_frame(messages.tiles(layer, version, _WORLD), TEXT)
            for viewer in self.viewers:
                place = viewer.grants.scope(DataClass.PLACE)
                if layer in _OPEN_LAYERS or place.whole:
                    viewer.connection.push_framed(exact)
                elif place:
                    viewer.connection.push_framed(somewhere)
