"""Count the things of each H3 cell that an audience sees, and their worst state, for who looks from afar."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.live.audience import Audience
from api.live.cells import CellIndex, Viewport, parents
from api.live.frames import BlockKind, Columns, encode_block
from api.live.ledger import Ledger
from twin.states import State

_STATES: Final = len(State)


class Aggregates:
    """Cells of one resolution, by layer, with the tick in which each changed last.

    Parameters
    ----------
    ledger
        Whose rows are counted.
    audience
        Whose viewers they are for; what they do not see is not counted.
    resolution
        H3 resolution, coarser than the rooms.
    """

    def __init__(self, ledger: Ledger, audience: Audience, resolution: int) -> None:
        self._ledger = ledger
        self._audience = audience
        self.resolution = resolution
        self.cells = CellIndex()
        self.born_tick = ledger.tick
        self._cell_of_room: NDArray[np.int32] = np.empty(0, np.int32)
        self._counts: NDArray[np.int64] = np.zeros((0, 2, _STATES), np.int64)
        self._changed_tick: NDArray[np.uint32] = np.zeros((0, 2), np.uint32)
        self.encoded_blocks = 0
        self.recount()

    def recount(self) -> None:
        """Count anew and mark what differs as changed in the ledger's tick."""
        ledger, board = self._ledger, self._ledger.board
        known = len(self._cell_of_room)
        if len(ledger.rooms) > known:
            new = self.cells.number(parents(ledger.rooms.cells[known:], self.resolution))
            self._cell_of_room = np.concatenate([self._cell_of_room, new])
        n = len(self.cells)
        # What was placed since the last tick is in no room of the ledger yet.
        rows = self._audience.rows()
        rows = rows[rows < len(ledger.key)]
        rows = rows[ledger.key[rows] >= 0]
        keys = ledger.key[rows]
        code = (self._cell_of_room[keys >> 1] * 2 + (keys & 1)) * _STATES + board.state[rows]
        counts = np.bincount(code, minlength=n * 2 * _STATES).reshape(n, 2, _STATES)
        old = np.zeros_like(counts)
        old[: len(self._counts)] = self._counts
        marks = np.zeros((n, 2), np.uint32)
        marks[: len(self._changed_tick)] = self._changed_tick
        marks[(counts != old).any(axis=2)] = ledger.tick
        self._counts, self._changed_tick = counts, marks

    def occupied(self, mask: NDArray[np.bool_], layers: tuple[bool, bool]) -> int:
        """Return how many of the masked cells hold something of these layers that is seen."""
        return int(self._counts.sum(axis=2)[:, list(layers)].any(axis=1)[mask].sum())

    def mask(self, view: Viewport) -> NDArray[np.bool_]:
        """Return which cells the viewport touches."""
        return self.cells.touched(view)

    def blocks(
        self,
        layers: tuple[bool, bool],
        wanted: NDArray[np.bool_],
        held: NDArray[np.bool_] | None,
        since: int,
    ) -> list[bytes]:
        """Return a block for each layer of what a client must hear.

        Parameters
        ----------
        layers
            Which layers are looked at.
        wanted
            Cells that are looked at now.
        held
            Cells that the client holds as they were at `since`; None when it holds nothing.
        since
            Tick of what is held.
        """
        out = []
        for layer in (0, 1):
            if not layers[layer]:
                continue
            counts = self._counts[:, layer]
            total = counts.sum(axis=1)
            if held is None:
                rows = np.flatnonzero(wanted & (total > 0))
                gone = np.zeros(len(total), np.bool_)
            else:
                news = wanted & held & (self._changed_tick[:, layer] > since)
                gone = held & ~wanted & ((total > 0) | (self._changed_tick[:, layer] > 0))
                rows = np.flatnonzero(news | gone | (wanted & ~held & (total > 0)))
            if len(rows):
                out.append(self._encode(layer, rows, counts[rows], gone[rows]))
        return out

    def _encode(
        self, layer: int, rows: NDArray[np.intp], counts: NDArray[np.int64], gone: NDArray[np.bool_]
    ) -> bytes:
        counts = np.where(gone[:, None], 0, counts)
        total = counts.sum(axis=1)
        worst = _STATES - 1 - np.argmax(counts[:, ::-1] > 0, axis=1)
        columns: Columns = {
            "cell": self.cells.cells[rows].astype("<u8"),
            "count": total.astype("<u4"),
            "abnormal": counts[:, State.WARNING :].sum(axis=1).astype("<u4"),
            "worst": np.where(total > 0, worst, 0).astype("u1"),
        }
        self.encoded_blocks += 1
        return encode_block(BlockKind.CELLS, 0, layer, columns)
