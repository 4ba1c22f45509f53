"""Read Mapbox Vector Tiles without a library: enough of the format for the tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, object]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        match key & 7:
            case 0:
                value, at = varint(data, at)
            case 1:
                value, at = data[at : at + 8], at + 8
            case 2:
                size, at = varint(data, at)
                value, at = data[at : at + size], at + size
            case 5:
                value, at = data[at : at + 4], at + 4
            case wire:
                raise AssertionError(f"wire type {wire}")
        yield key >> 3, value


def constant(data: bytes) -> object:
    ((number, value),) = fields(data)
    match number:
        case 1:
            return value.decode()
        case 2:
            return struct.unpack("<f", value)[0]
        case 3:
            return struct.unpack("<d", value)[0]
        case 6:
            return (value >> 1) ^ -(value & 1)
        case 7:
            return bool(value)
    return value


def packed(data: bytes) -> list[int]:
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def decode_tile(data: bytes) -> dict[str, list[dict[str, object]]]:
    tile = {}
    for number, layer in fields(data):
        assert number == 3
        name, keys, values, raw = "", [], [], []
        for field, value in fields(layer):
            match field:
                case 1:
                    name = value.decode()
                case 2:
                    raw.append(value)
                case 3:
                    keys.append(value.decode())
                case 4:
                    values.append(constant(value))
        features = []
        for feature in raw:
            found: dict[str, object] = {}
            for field, value in fields(feature):
                match field:
                    case 1:
                        found["id"] = value
                    case 2:
                        tags = packed(value)
                        found |= {keys[k]: values[v] for k, v in zip(tags[::2], tags[1::2], strict=True)}
                    case 3:
                        found["type"] = value
                    case 4:
                        assert value, "geometry"
            features.append(found)
        tile[name] = features
    return tile
