"""Encode rows of the board as blocks, each once for all who see the same of a room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.live.audience import Audience
from api.live.frames import BlockKind, Columns, encode_block
from api.live.ledger import Departures, Keys, Ledger, Rows, Step


@dataclass(frozen=True, slots=True)
class Blocks:
    """Encoded blocks and the key of each, in the order in which they go into a frame."""

    keys: Keys
    data: list[bytes]

    def chosen(self, wanted: NDArray[np.bool_]) -> bytes:
        """Return the blocks whose keys are wanted, joined."""
        if not self.data:
            return b""
        return b"".join([self.data[i] for i in np.flatnonzero(wanted[self.keys])])

    def all(self) -> bytes:
        """Return all blocks, joined."""
        return b"".join(self.data)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The blocks of one step: departures, which come first in a frame, and the rest."""

    left: Blocks
    rest: Blocks


class Encoder:
    """Makes blocks from the ledger's rows; a snapshot of a room is kept until the room changes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._snapshots: dict[int, tuple[int, bytes]] = {}
        self.encoded_blocks = 0

    def step(self, step: Step) -> Encoded:
        """Encode what changed: departures of all rooms; arrivals, then changes in place."""
        data: list[bytes] = []
        keys: list[int] = []
        self._departures(step.departures, keys, data)
        left = Blocks(np.array(keys, np.int32), data)
        data, keys = [], []
        self._runs(BlockKind.MOVED, step.moved, keys, data)
        self._runs(BlockKind.DELTA, step.updated, keys, data)
        return Encoded(left, Blocks(np.array(keys, np.int32), data))

    def snapshots(self, keys: Keys, audience: Audience) -> bytes:
        """Return snapshot blocks of what an audience sees of these rooms, empty ones included, joined."""
        full = audience.full()[keys]
        return b"".join(
            [
                self._snapshot(key, None if shared else audience)
                for key, shared in zip(keys.tolist(), full.tolist(), strict=True)
            ]
        )

    def emptied(self, keys: Keys) -> bytes:
        """Return blocks that take all things of these rooms from the client, joined."""
        none = self._full(np.empty(0, np.int32))
        self.encoded_blocks += len(keys)
        return b"".join(
            [encode_block(BlockKind.SNAPSHOT, self._cell(int(key)), int(key) & 1, none) for key in keys]
        )

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
        data = encode_block(BlockKind.SNAPSHOT, self._cell(key), key & 1, self._full(rows))
        self.encoded_blocks += 1
        snapshots[key] = (changed_at, data)
        return data

    def _cell(self, key: int) -> int:
        return int(self._ledger.rooms.cells[key >> 1])

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

    def _runs(self, kind: BlockKind, rows: Rows, keys: list[int], data: list[bytes]) -> None:
        if not len(rows):
            return
        row_keys = self._ledger.key[rows]
        order = np.argsort(row_keys, kind="stable")
        rows = rows[order]
        columns = self._changed(rows) if kind is BlockKind.DELTA else self._full(rows)
        self._cut(kind, row_keys[order], columns, keys, data)

    def _departures(self, departures: Departures, keys: list[int], data: list[bytes]) -> None:
        if len(departures.ids):
            order = np.argsort(departures.keys, kind="stable")
            ids = departures.ids[order].astype("<u4")
            self._cut(BlockKind.LEFT, departures.keys[order], {"id": ids}, keys, data)

    def _cut(
        self,
        kind: BlockKind,
        sorted_keys: NDArray[Any],
        columns: Columns,
        keys: list[int],
        data: list[bytes],
    ) -> None:
        starts = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]]).tolist()
        for start, stop in zip(starts, [*starts[1:], len(sorted_keys)], strict=True):
            key = int(sorted_keys[start])
            keys.append(key)
            data.append(encode_block(kind, self._cell(key), key & 1, columns, start, stop))
        self.encoded_blocks += len(starts)
