"""The newest messages are kept within their bounds: of each device, of each gateway, in all, and in time."""

from __future__ import annotations

import numpy as np
import pytest

from ingest import newest
from ingest.counters import FeedCounters
from ingest.newest import OF_A_DEVICE, OF_A_GATEWAY, Newest
from ingest.window import Window


def note(kept: Newest, messages: list[list[int]], payload: bytes = b"x") -> None:
    """Keep messages of one window, each of these devices; the payload begins with its number."""
    window = Window(FeedCounters("gateway-mqtt"))
    for i in range(len(messages)):
        window.begin(b"gt/v1/gateways/gw-1/observations", b"%d " % i + payload, "gw-1", 7, (None, 1))
    at = np.repeat(np.arange(len(messages)), [len(devices) for devices in messages])
    window.stored = at, np.array([one for devices in messages for one in devices], np.int32)
    kept.note(window)


def numbers(kept: Newest, device: int, most: int = 1_000) -> list[int]:
    return sorted(int(one.payload.split()[0]) for one in kept.of(device, most))


def test_so_many_of_a_device_and_of_a_gateway():
    kept = Newest()
    note(kept, [[1]] * (OF_A_DEVICE + 5) + [[2, 1, 2]] * (OF_A_GATEWAY + 5))
    alone = list(range(5, OF_A_DEVICE + 5))
    together = list(range(OF_A_DEVICE + 10, OF_A_DEVICE + OF_A_GATEWAY + 10))
    assert numbers(kept, 1) == alone + together
    assert numbers(kept, 2) == together
    assert numbers(kept, 3) == []
    assert len(kept.of(1, 7)) == 7


def test_who_has_been_silent_the_longest_is_forgotten_first():
    kept = Newest(most_bytes=100_000)
    note(kept, [[device] for device in range(1, 101)], b"x" * 1_000)
    assert 90_000 < kept.size_bytes <= 100_000
    there = [device for device in range(1, 101) if kept.of(device, 1)]
    assert there == list(range(101 - len(there), 101))
    note(kept, [[there[0]]], b"x" * 1_000)
    note(kept, [[200]], b"x" * 1_000)
    assert len(kept.of(there[0], 9)) == 2, "it was heard again"
    assert not kept.of(there[1], 1)


def test_what_is_a_day_old_is_forgotten(monkeypatch):
    class Clock:
        now_s = 1_000_000.0

        def time(self) -> float:
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(newest, "time", clock)
    kept = Newest()
    note(kept, [[1], [1, 2]])
    clock.now_s += newest.MOST_S - 1
    note(kept, [[3]])
    assert len(kept.of(1, 9)) == 2
    clock.now_s += 2
    assert kept.of(1, 9) == []
    before = kept.size_bytes
    note(kept, [[3]])
    assert kept.size_bytes == pytest.approx(before / 3 * 2, rel=0.05), "their memory is given back"


def test_bytes_that_were_refused_in_part_are_not_kept():
    kept = Newest()
    window = Window(FeedCounters("gateway-mqtt"), withheld={0})
    window.begin(b"t", b"secret", "gw-1", 7, (None, 1))
    window.stored = np.array([0]), np.array([4], np.int32)
    kept.note(window)
    assert [one.payload for one in kept.of(4, 9)] == [None]
