"""Make the state frames of one tick: for each viewer what is new to it, for equal viewers the same bytes."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from api.live.audience import Audience
from api.live.encoder import Encoded, Encoder
from api.live.frames import encode_frame_header
from api.live.ledger import Keys, Ledger
from api.live.viewer import Mask, View, Viewer
from api.live.wire import BINARY, websocket_frame


class Beat:
    """One tick; making it takes what changed on the board.

    Parameters
    ----------
    ledger, encoder
        Of the hub.
    everyone
        The audience that sees everything: its blocks are shared.
    viewers
        Who may be brought to this tick.
    """

    def __init__(
        self, ledger: Ledger, encoder: Encoder, everyone: Audience, viewers: Collection[Viewer]
    ) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self.before = ledger.tick
        self._step = ledger.advance()
        self.tick = ledger.tick
        self._shared = None if self._step is None else encoder.step(everyone.told(self._step))
        self._viewers = viewers
        self._own: dict[Audience, Encoded] = {}
        self._looks: dict[Audience, Mask] | None = None
        self._frames: dict[tuple[object, ...], bytes] = {}
        self._server_time_s = time.time()

    @property
    def changed(self) -> bool:
        """Whether there is anything new."""
        return self._step is not None

    def frame(self, viewer: Viewer) -> bytes:
        """Return the frame, for the wire, that brings a viewer to this tick; empty when it has all."""
        view = viewer.view
        assert view is not None
        # Views of the same cells that hold the same get the same bytes, framed once.
        key = (viewer.audience, viewer.epoch, viewer.synced, _from_tick(viewer), *self._signature(view))
        if viewer.held is not view:
            key += ("from", *self._signature(viewer.held))
        framed = self._frames.get(key)
        if framed is None:
            body = self._body(viewer.audience, view, viewer.held, viewer.synced)
            framed = self._frames[key] = self._framed(viewer, body) if body else b""
        return framed

    def empty_frame(self, viewer: Viewer) -> bytes:
        """Return a frame, for the wire, that says only that all is as it was."""
        return self._framed(viewer, b"")

    def _framed(self, viewer: Viewer, body: bytes) -> bytes:
        header = encode_frame_header(viewer.epoch, _from_tick(viewer), self.tick, self._server_time_s)
        return websocket_frame(header + body, BINARY)

    def _signature(self, view: View | None) -> tuple[object, ...]:
        if view is None:
            return ()
        view.cell_mask(self._ledger.rooms if view.aggregates is None else view.aggregates.cells)
        return view.signature

    def _body(self, audience: Audience, view: View, held: View | None, synced: int) -> bytes:
        """Return the blocks that turn what is held as of a tick into the view of now."""
        if view.aggregates is not None:
            cells = view.aggregates.cells
            had = None if held is None else held.cell_mask(cells)
            return view.aggregates.blocks(view.layers, view.cell_mask(cells), had, synced)
        wanted = view.key_mask(self._ledger.rooms)
        if held is None:
            return self._encoder.snapshots(_numbers(wanted & audience.occupied()), audience)
        if held is not view:
            return self._turned(audience, wanted, held.key_mask(self._ledger.rooms), synced)
        if synced < self.before:
            step = self._ledger.since(synced, wanted, wanted)
            encoded = self._encoder.step(audience.told(step))
            return encoded.left.all() + encoded.rest.all()
        return self._news(audience, wanted)

    def _turned(self, audience: Audience, wanted: Mask, had: Mask, synced: int) -> bytes:
        """Return the blocks for who looked elsewhere before.

        Departures of all rooms that were looked at are told: what is held of those that are looked at no
        more is then just what is in them now, and a room where nothing is seen need not be named.
        """
        step = self._ledger.since(synced, wanted & had, had)
        encoded = self._encoder.step(audience.told(step))
        occupied = audience.occupied()
        came = self._encoder.snapshots(_numbers(wanted & ~had & occupied), audience)
        went = self._encoder.emptied(_numbers(had & ~wanted & occupied))
        return encoded.left.all() + encoded.rest.all() + came + went

    def _news(self, audience: Audience, wanted: Mask) -> bytes:
        """Return the blocks of this tick alone."""
        if self._step is None or self._shared is None:
            return b""
        if audience.whole:
            return self._shared.left.chosen(wanted) + self._shared.rest.chosen(wanted)
        own = self._own.get(audience)
        if own is None:
            step = audience.own(self._step, self._looked(audience))
            own = self._own[audience] = self._encoder.step(step)
        shared = self._shared.rest.chosen(wanted & audience.full())
        return own.left.chosen(wanted) + shared + own.rest.chosen(wanted)

    def _looked(self, audience: Audience) -> Mask:
        """Return which keys anybody of an audience looks at as points."""
        if self._looks is None:
            self._looks = {}
            for viewer in self._viewers:
                view = viewer.view
                if view is None or view.aggregates is not None or viewer.audience.whole:
                    continue
                mask = view.key_mask(self._ledger.rooms)
                known = self._looks.get(viewer.audience)
                self._looks[viewer.audience] = mask if known is None else known | mask
        return self._looks[audience]


def _from_tick(viewer: Viewer) -> int:
    return viewer.sent_tick if viewer.held is not None else 0


def _numbers(keys: Mask) -> Keys:
    return np.flatnonzero(keys).astype(np.int32)
