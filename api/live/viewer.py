"""Keep what one client looks at, what it holds, and how far it is behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from api.live.aggregates import Aggregates
from api.live.audience import Audience
from api.live.cells import CellIndex, Viewport
from twin.access.grants import Grants

Mask = NDArray[np.bool_]


class Connection(Protocol):
    """The wire of one client."""

    def push_text(self, message: bytes) -> None:
        """Send a text message, now, without waiting."""

    def push_framed(self, framed: bytes) -> None:
        """Send bytes that are a complete websocket frame already."""

    def waiting_bytes(self) -> int:
        """Bytes that the client has not taken yet."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket."""


@dataclass(eq=False, slots=True)
class View:
    """What is looked at: a viewport and layers, as points or as cells of one resolution.

    Views of the same place are one object, and the masks grow with the index of rooms (or cells).
    ``signature`` is equal for views that see the same cells, whatever their viewports: they share bytes.
    """

    viewport: Viewport
    layers: tuple[bool, bool]
    aggregates: Aggregates | None
    signature: tuple[object, ...] = ()
    _cells: Mask = field(default_factory=lambda: np.empty(0, np.bool_))
    _keys: Mask = field(default_factory=lambda: np.empty(0, np.bool_))

    def is_like(self, other: View) -> bool:
        """Whether what is held for one can be turned into the other by blocks."""
        return self.aggregates is other.aggregates and self.layers == other.layers

    def cell_mask(self, index: CellIndex) -> Mask:
        """Return which cells of the index are looked at; computed anew when the index has grown."""
        if len(self._cells) != len(index):
            self._cells = index.touched(self.viewport)
            self._keys = np.repeat(self._cells, 2)
            self._keys[0::2] &= self.layers[0]
            self._keys[1::2] &= self.layers[1]
            self.signature = (id(self.aggregates), self.layers, np.packbits(self._keys).tobytes())
        return self._cells

    def key_mask(self, index: CellIndex) -> Mask:
        """Return which keys (room times two plus layer) are looked at."""
        self.cell_mask(index)
        return self._keys


@dataclass(eq=False, slots=True)
class Viewer:
    """One client.

    ``held`` is what it holds once it has read all that was sent, as of tick ``synced``; ``sent_tick`` is
    the tick of the last frame. ``journal`` is the last event sent or left out, None before the first
    subscription. ``epoch`` is the hub's for whoever reads the same: with other rights nothing is resumed.
    """

    connection: Connection
    grants: Grants
    audience: Audience
    epoch: int
    account_id: UUID
    credential_id: UUID
    view: View | None = None
    held: View | None = None
    synced: int = 0
    sent_tick: int = 0
    journal: int | None = None
    hello_journal: int = 0
    pending: bool = False
    behind_since_s: float | None = None
    last_frame_bytes: int = 0
    heard_s: float = 0.0
    pinged_s: float = 0.0
    bad_requests: int = 0
    request_count: int = 0
    request_second: int = 0
    closed: bool = False
