import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live.frames import (
    BLOCK_HEADER,
    COLUMNS,
    FRAME_HEADER,
    BlockKind,
    decode_frame,
    encode_block,
    encode_blocks,
    encode_frame_header,
)
from twin.errors import InvalidError


def some_columns(kind: BlockKind, n: int, seed: int):
    random = np.random.default_rng(seed)
    return {
        name: np.frombuffer(random.bytes(n * dtype.itemsize), dtype).copy() for name, dtype in COLUMNS[kind]
    }


@given(
    blocks=st.lists(
        st.tuples(st.sampled_from(list(BlockKind)), st.integers(0, 40), st.integers(0, 1), st.integers(0, 99))
    )
)
def test_what_is_encoded_is_what_is_decoded(blocks) -> None:
    data = encode_frame_header(7, 3, 9, 12.5)
    wanted = []
    for i, (kind, n, layer, seed) in enumerate(blocks):
        columns = some_columns(kind, n, seed)
        data += encode_block(kind, i, layer, columns)
        wanted.append((i, kind, layer, columns))
    frame = decode_frame(data)
    assert (frame.epoch, frame.from_tick, frame.tick, frame.server_time_s) == (7, 3, 9, 12.5)
    assert len(frame.blocks) == len(wanted)
    for block, (cell, kind, layer, columns) in zip(frame.blocks, wanted, strict=True):
        assert (block.cell, block.kind, block.layer, block.count) == (
            cell,
            kind,
            layer,
            len(next(iter(columns.values()))),
        )
        for name, column in columns.items():
            assert block.columns[name].tobytes() == column.tobytes()


@given(
    kind=st.sampled_from(list(BlockKind)),
    counts=st.lists(st.integers(0, 20), max_size=12),
    seed=st.integers(0, 99),
)
def test_many_blocks_are_as_written_one_by_one(kind: BlockKind, counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = some_columns(kind, sum(counts), seed)
    cells = random.integers(0, 2**63, len(counts), np.uint64)
    layers = random.integers(0, 2, len(counts))
    wanted = []
    first = 0
    for cell, layer, count in zip(cells.tolist(), layers.tolist(), counts, strict=True):
        parts = [columns[name][first : first + count].tobytes() for name, _ in COLUMNS[kind]]
        body = b"".join(part + bytes(-len(part) % 8) for part in parts)
        wanted.append(BLOCK_HEADER.pack(cell, kind, layer, 0, count, len(body)) + body)
        first += count
    assert encode_blocks(kind, cells, layers, np.array(counts, np.int64), columns) == wanted


@given(n=st.integers(0, 50), kind=st.sampled_from(list(BlockKind)))
def test_each_block_is_a_multiple_of_8_bytes_so_that_browsers_can_view_it(n: int, kind: BlockKind) -> None:
    block = encode_block(kind, 1, 0, some_columns(kind, n, 0))
    assert len(block) % 8 == 0
    assert FRAME_HEADER.size % 8 == 0
    assert BLOCK_HEADER.unpack_from(block)[5] == len(block) - BLOCK_HEADER.size


@given(cut=st.integers(0, 400), flip=st.integers(0, 399), byte=st.integers(0, 255))
def test_broken_bytes_are_refused_or_read_but_never_crash(cut: int, flip: int, byte: int) -> None:
    data = bytearray(encode_frame_header(7, 3, 9, 12.5))
    data += encode_block(BlockKind.SNAPSHOT, 1, 0, some_columns(BlockKind.SNAPSHOT, 12, 0))
    data[flip % len(data)] = byte
    with contextlib.suppress(InvalidError):
        decode_frame(bytes(data[:cut]))


def test_a_truncated_block_says_where() -> None:
    data = encode_frame_header(1, 0, 1, 0.0) + encode_block(
        BlockKind.LEFT, 1, 0, {"id": np.arange(4, dtype="<u4")}
    )
    with pytest.raises(InvalidError, match="cut off"):
        decode_frame(data[:-8])
