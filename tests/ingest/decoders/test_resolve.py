"""Readings looked up on the board."""

from __future__ import annotations

import json

import pytest

from ingest.decoders.readings import NAN, Readings
from ingest.decoders.resolve import Resolver
from twin.catalog import load_catalog
from twin.live.board import Board, Placement

CATALOG = load_catalog()


@pytest.fixture
def resolver() -> Resolver:
    board = Board(CATALOG)
    kinds = ("water_level", "weather", "traffic")
    board.place(
        [
            Placement(i + 1, f"dev-{i}", CATALOG.by_name[k].code, 0, 0, 104.0, 30.6, 1.0, 60.0)
            for i, k in enumerate(kinds)
        ]
    )
    return Resolver(board)


def readings(*rows: tuple[str, str, float, str]) -> Readings:
    n = len(rows)
    uid, name, value, unit = (list(x) for x in zip(*rows, strict=True))
    return Readings(uid, [1_784_220_128_000_000] * n, name, value, unit, [NAN] * n, [NAN] * n, list(range(n)))


def test_names_become_numbers_and_units_are_converted(resolver: Resolver) -> None:
    batch, kept, refused = resolver.resolve(
        readings(
            ("dev-0", "level", 31.4, ""),
            ("dev-0", "level", 0.314, "m"),
            ("dev-1", "temperature", 68.0, "[degF]"),
            ("dev-1", "temperature", 293.15, "K"),
            ("dev-1", "wind_speed", 36.0, "km/h"),
            ("dev-2", "speed", 10.0, "m/s"),
        ),
        5,
    )
    assert list(refused) == []
    assert kept.tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.row.tolist() == [0, 0, 1, 1, 1, 2]
    assert batch.slot.tolist() == [0, 0, 0, 0, 2, 0]
    assert batch.value.tolist() == pytest.approx([31.4, 31.4, 20, 20, 10, 36])
    assert batch.received_us.tolist() == [5] * 6


def test_what_is_not_known_is_refused_beside_the_good(resolver: Resolver) -> None:
    batch, kept, refused = resolver.resolve(
        readings(
            ("nobody", "level", 1, ""),
            ("dev-0", "level", 2, ""),
            ("dev-0", "pm25", 3, ""),
            ("dev-0", "level", 4, "Cel"),
            ("dev-0", "level", 5, "furlong"),
            ("dev-0", "nonsense", 6, ""),
            ("dev-1", "humidity", 7, "%RH"),
        ),
        5,
    )
    assert kept.tolist() == [1, 6]
    assert batch.value.tolist() == [2, 7]
    assert [(i, r.reason) for i, r in refused] == [
        (0, "unknown_device"),
        (2, "unknown_property"),
        (3, "wrong_unit"),
        (4, "wrong_unit"),
        (5, "unknown_property"),
    ]
    assert "it has level, battery" in refused[1][1].fault.words.en
    assert refused[1][1].where == "device dev-0, reading 2"
    assert json.loads(refused[2][1].payload) == {
        "d": "dev-0",
        "t": 1784220128000,
        "p": "level",
        "v": 4,
        "u": "Cel",
    }
