"""Tell the features of a vector tile, reading as much of its protobuf as that needs."""

from __future__ import annotations

from collections.abc import Iterator


def feature_ids(tile: bytes) -> dict[str, list[int | None]]:
    """Give the ids of the features of each layer, None where a feature has none.

    Mapbox Vector Tile 2.1, section 4: a layer is field 3, its name 1, a feature 2, a feature's id 1.
    """
    found: dict[str, list[int | None]] = {}
    for number, layer in _fields(tile):
        if number != 3 or not isinstance(layer, bytes):
            continue
        name = ""
        ids: list[int | None] = []
        for inner, value in _fields(layer):
            if not isinstance(value, bytes):
                continue
            if inner == 1:
                name = value.decode()
            elif inner == 2:
                ids.append(
                    next((one for field, one in _fields(value) if field == 1 and type(one) is int), None)
                )
        found.setdefault(name, []).extend(ids)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give the number and the value of each field: a varint, or the bytes of any other."""
    cursor = 0
    while cursor < len(data):
        key, cursor = _varint(data, cursor)
        kind = key & 7
        if kind == 0:
            value, cursor = _varint(data, cursor)
            yield key >> 3, value
            continue
        if kind == 2:
            size, cursor = _varint(data, cursor)
        else:
            size = 8 if kind == 1 else 4
        yield key >> 3, data[cursor : cursor + size]
        cursor += size


def _varint(data: bytes, cursor: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[cursor]
        cursor += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, cursor
