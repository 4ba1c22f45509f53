"""Encode rows of the board as blocks, many in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.live.audience import Audience
from api.live.frames import BlockKind, Columns, encode_blocks
from api.live.ledger import Departures, Keys, Ledger, Rows, Step


@dataclass(frozen=True, slots=True)
class Blocks:
    """Encoded blocks and the key of each, in the order in which they go into a frame."""

    keys: Keys
    data: list[bytes]

    def chosen(self, wanted: NDArray[np.bool_]) -> list[bytes]:
        """Return the blocks whose keys are wanted."""
        return [self.data[i] for i in np.flatnonzero(wanted[self.keys]).tolist()]


class Encoder:
    """Makes blocks from the ledger's rows; a snapshot of a room is kept until the room changes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._snapshots: dict[int, tuple[int, bytes]] = {}
        self.encoded_blocks = 0

    def step(self, step: Step) -> list[bytes]:
        """Encode what changed, a block a room: departures, arrivals, changes in place."""
        blocks = self.departures(step.departures).data
        for kind, changed in ((BlockKind.MOVED, step.moved), (BlockKind.DELTA, step.updated)):
            rows = changed[np.argsort(self._ledger.key[changed], kind="stable")]
            blocks = blocks + self.runs(kind, rows, run_starts(self._ledger.key[rows]))
        return blocks

    def departures(self, departures: Departures) -> Blocks:
        """Encode what left, a block a room."""
        order = np.argsort(departures.keys, kind="stable")
        keys, ids = departures.keys[order], departures.ids[order].astype("<u4")
        starts = run_starts(keys)
        data = self._encode(BlockKind.LEFT, keys[starts], np.diff(starts, append=len(ids)), {"id": ids})
        return Blocks(keys[starts], data)

    def runs(self, kind: BlockKind, rows: Rows, starts: NDArray[np.intp]) -> list[bytes]:
        """Encode runs of rows that are in the same room and layer, a block each.

        Parameters
        ----------
        kind
            `MOVED`, `DELTA` or `SNAPSHOT`.
        rows
            Shape (n,).
        starts
            Where each run begins in ``rows``; it ends where the next one begins.
        """
        columns = self._changed(rows) if kind is BlockKind.DELTA else self._full(rows)
        keys = self._ledger.key[rows[starts]]
        return self._encode(kind, keys, np.diff(starts, append=len(rows)), columns)

    def snapshots(self, keys: Keys, audience: Audience) -> list[bytes]:
        """Return snapshot blocks of what an audience sees of these rooms, empty ones included."""
        full = audience.full()[keys]
        return [
            self._snapshot(key, None if shared else audience)
            for key, shared in zip(keys.tolist(), full.tolist(), strict=True)
        ]

    def emptied(self, keys: Keys) -> list[bytes]:
        """Return blocks that take all things of these rooms from the client."""
        none = self._full(np.empty(0, np.int32))
        return self._encode(BlockKind.SNAPSHOT, keys, np.zeros(len(keys), np.int64), none)

    def _snapshot(self, key: int, audience: Audience | None) -> bytes:
        """Return the snapshot of a key for one audience, or with all that is in it for None."""
        snapshots = self._snapshots if audience is None else audience.snapshots
        changed_at = int(self._ledger.key_tick[key])
        kept = snapshots.get(key)
        if kept is not None and kept[0] == changed_at:
            return kept[1]
        rows = self._ledger.rows_of(key)
        if audience is not None:
            rows = rows[audience.sees(rows)]
        (data,) = self._encode(BlockKind.SNAPSHOT, np.array([key]), np.array([len(rows)]), self._full(rows))
        snapshots[key] = (changed_at, data)
        return data

    def _encode(
        self, kind: BlockKind, keys: NDArray[Any], counts: NDArray[Any], columns: Columns
    ) -> list[bytes]:
        self.encoded_blocks += len(keys)
        return encode_blocks(kind, self._ledger.rooms.cells[keys >> 1], keys & 1, counts, columns)

    def _full(self, rows: Rows) -> Columns:
        board = self._ledger.board
        return {
            "id": board.device_id[rows].astype("<u4"),
            "lon_e7": np.rint(board.lon[rows] * 1e7).astype("<i4"),
            "lat_e7": np.rint(board.lat[rows] * 1e7).astype("<i4"),
            "height_m": board.height_m[rows].astype("<f4"),
            "value": board.value[rows].astype("<f4"),
            "device_kind": board.kind[rows].astype("<u2"),
            "state": board.state[rows].astype("u1"),
            "flags": board.flags[rows].astype("u1"),
        }

    def _changed(self, rows: Rows) -> Columns:
        board = self._ledger.board
        return {
            "id": board.device_id[rows].astype("<u4"),
            "value": board.value[rows].astype("<f4"),
            "state": board.state[rows].astype("u1"),
        }


def run_starts(keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return where runs of equal keys begin, shape (number of runs,)."""
    if not len(keys):
        return np.empty(0, np.intp)
    return np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
