"""Count the features of a vector tile, reading as much of its protobuf as that needs."""

from __future__ import annotations

from collections.abc import Iterator


def count_features(tile: bytes) -> dict[str, int]:
    """Give the number of features of each layer (Mapbox Vector Tile 2.1, section 4: layer 3, feature 2)."""
    counts: dict[str, int] = {}
    for number, begin, end in _fields(tile, 0, len(tile)):
        if number != 3:
            continue
        name, features = "", 0
        for inner, inner_begin, inner_end in _fields(tile, begin, end):
            if inner == 1:
                name = tile[inner_begin:inner_end].decode()
            features += inner == 2
        counts[name] = counts.get(name, 0) + features
    return counts


def _fields(data: bytes, cursor: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give number, begin and end of each length-delimited field; pass over the others."""
    while cursor < end:
        key, cursor = _varint(data, cursor)
        kind = key & 7
        if kind == 2:
            size, cursor = _varint(data, cursor)
            yield key >> 3, cursor, cursor + size
            cursor += size
        elif kind == 0:
            _, cursor = _varint(data, cursor)
        else:
            cursor += 8 if kind == 1 else 4


def _varint(data: bytes, cursor: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[cursor]
        cursor += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, cursor
