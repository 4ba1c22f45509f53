"""Make the state frames of one tick: for each viewer what is new to it, for equal viewers the same bytes."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from api.live.audience import Audience
from api.live.encoder import Blocks, Encoder
from api.live.frames import encode_frame_header
from api.live.ledger import Keys, Ledger
from api.live.news import News
from api.live.onlookers import Onlookers
from api.live.parcels import Parcels
from api.live.viewer import Mask, View, Viewer
from api.live.wire import BINARY, websocket_frame


class Beat:
    """One tick; making it takes what changed on the board.

    Parameters
    ----------
    ledger, parcels, encoder, onlookers
        Of the hub.
    viewers
        Who may be brought to this tick.
    """

    def __init__(
        self,
        ledger: Ledger,
        parcels: Parcels,
        encoder: Encoder,
        onlookers: Onlookers,
        viewers: Collection[Viewer],
    ) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self._onlookers = onlookers
        self.before = ledger.tick
        step = ledger.advance()
        self.tick = ledger.tick
        self._news: News | None = None
        if step is not None:
            onlookers.arrange(viewers)
            self._news = News(ledger, parcels, encoder, onlookers, step)
            self._gone = step.departures
        self._left: dict[Audience, Blocks] = {}
        self._frames: dict[tuple[object, ...], bytes] = {}
        self._server_time_s = time.time()

    @property
    def changed(self) -> bool:
        """Whether there is anything new."""
        return self._news is not None

    def frame(self, viewer: Viewer) -> bytes:
        """Return the frame, for the wire, that brings a viewer to this tick; empty when it has all."""
        view, held = viewer.view, viewer.held
        assert view is not None
        if held is view and viewer.synced == self.before and view.aggregates is None:
            return self._next_frame(viewer)
        # Views of the same cells that hold the same get the same bytes, framed once.
        key = (viewer.audience, viewer.epoch, viewer.synced, _from_tick(viewer), *self._signature(view))
        if held is not view:
            key += ("from", *self._signature(held))
        framed = self._frames.get(key)
        if framed is None:
            framed = self._frames[key] = self._framed(viewer, self._blocks(viewer))
        return framed

    def _next_frame(self, viewer: Viewer) -> bytes:
        """Return the frame of this tick alone, for who looks at the same points as before."""
        if self._news is None:
            return b""
        onlooker = self._onlookers.number(viewer)
        key = (onlooker, viewer.epoch, viewer.sent_tick)
        framed = self._frames.get(key)
        if framed is None:
            blocks = self._departed(viewer) + self._news.of(onlooker)
            framed = self._frames[key] = self._framed(viewer, blocks)
        return framed

    def empty_frame(self, viewer: Viewer) -> bytes:
        """Return a frame, for the wire, that says only that all is as it was."""
        return websocket_frame(self._header(viewer), BINARY)

    def _framed(self, viewer: Viewer, blocks: list[bytes]) -> bytes:
        return websocket_frame(b"".join([self._header(viewer), *blocks]), BINARY) if blocks else b""

    def _header(self, viewer: Viewer) -> bytes:
        return encode_frame_header(viewer.epoch, _from_tick(viewer), self.tick, self._server_time_s)

    def _signature(self, view: View | None) -> tuple[object, ...]:
        if view is None:
            return ()
        view.cell_mask(self._ledger.rooms if view.aggregates is None else view.aggregates.cells)
        return view.signature

    def _departed(self, viewer: Viewer) -> list[bytes]:
        """Return the departures of this tick, made for each audience apart.

        That a room is full now does not say that who left it was seen.
        """
        assert viewer.view is not None
        if not len(self._gone.ids):
            return []
        wanted = viewer.view.key_mask(self._ledger.rooms)
        if not wanted[self._gone.keys].any():
            return []
        left = self._left.get(viewer.audience)
        if left is None:
            told = viewer.audience.told_of_departures(self._gone)
            left = self._left[viewer.audience] = self._encoder.departures(told)
        return left.chosen(wanted)

    def _blocks(self, viewer: Viewer) -> list[bytes]:
        """Return the blocks that turn what is held as of a tick into the view of now."""
        audience, view, held, synced = viewer.audience, viewer.view, viewer.held, viewer.synced
        assert view is not None
        if view.aggregates is not None:
            cells = view.aggregates.cells
            had = None if held is None else held.cell_mask(cells)
            return view.aggregates.blocks(view.layers, view.cell_mask(cells), had, synced)
        wanted = view.key_mask(self._ledger.rooms)
        if held is None:
            return self._encoder.snapshots(_numbers(wanted & audience.occupied()), audience)
        if held is not view:
            return self._turned(audience, wanted, held.key_mask(self._ledger.rooms), synced)
        return self._encoder.step(audience.told(self._ledger.since(synced, wanted, wanted)))

    def _turned(self, audience: Audience, wanted: Mask, had: Mask, synced: int) -> list[bytes]:
        """Return the blocks for who looked elsewhere before.

        Departures of all rooms that were looked at are told: what is held of those that are looked at no
        more is then just what is in them now, and a room where nothing is seen need not be named.
        """
        step = self._ledger.since(synced, wanted & had, had)
        occupied = audience.occupied()
        return [
            *self._encoder.step(audience.told(step)),
            *self._encoder.snapshots(_numbers(wanted & ~had & occupied), audience),
            *self._encoder.emptied(_numbers(had & ~wanted & occupied)),
        ]


def _from_tick(viewer: Viewer) -> int:
    return viewer.sent_tick if viewer.held is not None else 0


def _numbers(keys: Mask) -> Keys:
    return np.flatnonzero(keys).astype(np.int32)
