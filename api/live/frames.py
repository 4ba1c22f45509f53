"""Encode and decode the binary state frames of the live protocol (docs/live-protocol.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvalidError

MAGIC: Final = 0x31565447
"""The letters GTV1."""

FRAME_HEADER: Final = struct.Struct("<IIIId")
"""Magic, epoch, from_tick, tick, server time in Unix seconds."""

BLOCK_HEADER: Final = struct.Struct("<QBBHIQ")
"""H3 cell, kind, layer, reserved, count, payload bytes."""


class BlockKind(IntEnum):
    """What a block does to what the client holds."""

    SNAPSHOT = 1
    DELTA = 2
    MOVED = 3
    LEFT = 4
    CELLS = 5


Column = tuple[str, np.dtype[Any]]


def _columns(*rows: tuple[str, str]) -> tuple[Column, ...]:
    return tuple((name, np.dtype(code)) for name, code in rows)


_FULL: Final = _columns(
    ("id", "<u4"),
    ("lon_e7", "<i4"),
    ("lat_e7", "<i4"),
    ("height_m", "<f4"),
    ("value", "<f4"),
    ("device_kind", "<u2"),
    ("state", "u1"),
    ("flags", "u1"),
)

COLUMNS: Final[dict[BlockKind, tuple[Column, ...]]] = {
    BlockKind.SNAPSHOT: _FULL,
    BlockKind.DELTA: _columns(("id", "<u4"), ("value", "<f4"), ("state", "u1")),
    BlockKind.MOVED: _FULL,
    BlockKind.LEFT: _columns(("id", "<u4")),
    BlockKind.CELLS: _columns(("cell", "<u8"), ("count", "<u4"), ("abnormal", "<u4"), ("worst", "u1")),
}
"""The columns of each kind, in the order on the wire; each is padded to 8 bytes."""

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """One decoded block; `columns` are read-only views into the message."""

    cell: int
    kind: BlockKind
    layer: int
    columns: Columns

    @property
    def count(self) -> int:
        """Rows of the block."""
        return int(self.columns[COLUMNS[self.kind][0][0]].size)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded message; see the frame header for the numbers."""

    epoch: int
    from_tick: int
    tick: int
    server_time_s: float
    blocks: tuple[Block, ...]


def encode_frame_header(epoch: int, from_tick: int, tick: int, server_time_s: float) -> bytes:
    """Return the 24 bytes that begin a frame."""
    return FRAME_HEADER.pack(MAGIC, epoch, from_tick, tick, server_time_s)


def encode_blocks(
    kind: BlockKind,
    cells: NDArray[np.uint64],
    layers: NDArray[Any],
    counts: NDArray[np.int64],
    columns: Columns,
) -> list[bytes]:
    """Return n blocks of one kind, all written in one pass.

    Parameters
    ----------
    kind
        What the blocks do.
    cells, layers
        As in the block header, shape (n,).
    counts
        How many rows each block takes, in order, shape (n,).
    columns
        Arrays by name, shape (sum of counts,), of the types in `COLUMNS`.
    """
    sizes = np.full(len(counts), BLOCK_HEADER.size)
    begins = []
    for _, dtype in COLUMNS[kind]:
        begins.append(sizes)
        sizes = sizes + (counts * dtype.itemsize + 7 & ~7)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    words = np.zeros(int(sizes.sum()) // 8, "<u8")
    head = starts // 8
    words[head] = cells
    words[head + 1] = int(kind) | layers.astype(np.uint64) << 8 | counts.astype(np.uint64) << 32
    words[head + 2] = sizes - BLOCK_HEADER.size
    # Row i of a block that begins with row f lies i - f items behind the start of the column.
    rows = np.arange(counts.sum())
    first = np.cumsum(counts) - counts
    for (name, dtype), begin in zip(COLUMNS[kind], begins, strict=True):
        assert columns[name].dtype == dtype, (name, columns[name].dtype)
        places = np.repeat((starts + begin) // dtype.itemsize - first, counts) + rows
        words.view(dtype)[places] = columns[name]
    data = words.tobytes()
    return [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def encode_block(kind: BlockKind, cell: int, layer: int, columns: Columns) -> bytes:
    """Return one block of all rows of columns; see `encode_blocks`."""
    counts = np.array([len(columns[COLUMNS[kind][0][0]])])
    (block,) = encode_blocks(kind, np.array([cell], np.uint64), np.array([layer]), counts, columns)
    return block


def decode_frame(data: bytes) -> Frame:
    """Read one binary message.

    Raises
    ------
    InvalidError
        The bytes are no frame; ``where`` says at which byte.
    """
    if len(data) < FRAME_HEADER.size:
        raise InvalidError("the frame is shorter than its header", where=f"byte {len(data)}")
    magic, epoch, from_tick, tick, server_time_s = FRAME_HEADER.unpack_from(data)
    if magic != MAGIC:
        raise InvalidError("these bytes are no frame of this protocol", where="byte 0")
    blocks = []
    offset = FRAME_HEADER.size
    while offset < len(data):
        block, offset = _decode_block(data, offset)
        blocks.append(block)
    return Frame(epoch, from_tick, tick, server_time_s, tuple(blocks))


def _decode_block(data: bytes, offset: int) -> tuple[Block, int]:
    start = offset + BLOCK_HEADER.size
    if start > len(data):
        raise InvalidError("a block header is cut off", where=f"byte {offset}")
    cell, kind_code, layer, _, count, size = BLOCK_HEADER.unpack_from(data, offset)
    end = start + size
    if end > len(data) or size % 8:
        raise InvalidError("a block is cut off or not padded", where=f"byte {offset}")
    try:
        kind = BlockKind(kind_code)
    except ValueError as error:
        raise InvalidError(f"there is no block kind {kind_code}", where=f"byte {offset}") from error
    columns: Columns = {}
    at = start
    for name, dtype in COLUMNS[kind]:
        stop = at + count * dtype.itemsize
        if stop > end:
            raise InvalidError(f"column “{name}” runs past its block", where=f"byte {at}")
        columns[name] = np.frombuffer(data, dtype, count, at)
        at = stop + (-stop % 8)
    if at != end:
        raise InvalidError("a block is longer than its columns", where=f"byte {at}")
    return Block(cell, kind, layer, columns), end
