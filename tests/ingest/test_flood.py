"""Who sends too much is held back, what was saved up is not, and nobody else notices."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from ingest import flood
from ingest.flood import LEAST_RATE, Buckets, Flood
from twin.catalog import load_catalog
from twin.live.board import Board, Placement

NOW = 1_800_000_000_000_000
S = 1_000_000
BURST = 3_000


def take(buckets: Buckets, n: int, at_us: int, *, time_us: int | None = None, key: int = 7) -> int:
    """Ask for n tokens at once; return how many were refused."""
    times = np.full(n, at_us if time_us is None else time_us, np.int64)
    over = buckets.take(np.full(n, key), None, times, at_us, lambda keys: np.full(len(keys), 5.0))
    return 0 if over is None else int(over.sum())


def test_what_is_beyond_the_burst_is_refused_and_comes_back_with_the_rate() -> None:
    buckets = Buckets()
    assert take(buckets, BURST, NOW) == 0
    assert take(buckets, 3, NOW) == 3
    assert take(buckets, 7, NOW + S) == 2
    assert take(buckets, 7, NOW + 3 * S) == 0, "two seconds give ten"
    assert take(buckets, 4, NOW + 3 * S) == 1
    assert take(buckets, BURST + 1, NOW + 10_000 * S, time_us=NOW) == 1, (
        "a bucket holds no more than it holds"
    )


def test_of_a_flood_the_first_are_taken_and_others_lose_nothing() -> None:
    buckets = Buckets()
    keys = np.array([1, 2] * (BURST + 10) + [3])
    over = buckets.take(
        keys[20:], None, np.full(len(keys) - 20, NOW), NOW, lambda keys: np.full(len(keys), 5.0)
    )
    assert over is None
    keys = np.concatenate(([4, 5], np.full(BURST + 100, 4), [5]))
    over = buckets.take(keys, None, np.full(len(keys), NOW), NOW, lambda keys: np.full(len(keys), 5.0))
    assert np.flatnonzero(over).tolist() == list(range(BURST + 1, BURST + 102))


def test_weights_are_whole_messages() -> None:
    buckets = Buckets()
    keys, weights = np.zeros(4, np.intp), np.array([2_000, 900, 200, 100])
    over = buckets.take(keys, weights, np.full(4, NOW), NOW, lambda keys: np.full(len(keys), 5.0))
    assert over.tolist() == [False, False, True, True]
    weights = np.array([100])
    assert buckets.take(keys[:1], weights, np.full(1, NOW), NOW, lambda k: np.full(1, 5.0)) is None


@pytest.mark.parametrize("in_one_batch", [3, 50, 5_000])
def test_ten_days_that_were_saved_up_come_in_at_once(in_one_batch: int) -> None:
    buckets = Buckets()
    assert take(buckets, BURST, NOW - 864_000 * S) == 0
    refused = 0
    for begin in range(0, 8_640, in_one_batch):
        times = NOW - 864_000 * S + np.arange(begin, min(begin + in_one_batch, 8_640)) * 100 * S
        over = buckets.take(np.full(len(times), 7), None, times, NOW, lambda keys: np.full(len(keys), 5.0))
        refused += 0 if over is None else int(over.sum())
    assert refused == 0


def test_times_that_are_made_up_open_no_way() -> None:
    buckets = Buckets()
    take(buckets, BURST, NOW)
    ahead = [take(buckets, BURST, NOW, time_us=NOW + i * 600 * S) for i in range(1, 6)]
    assert ahead == [0, BURST, BURST, BURST, BURST], "ten minutes ahead are believed, once"
    assert take(buckets, 10, NOW, time_us=NOW - 864_000 * S) == 10, "older ones fill nothing"


def test_buckets_are_those_of_a_plain_loop() -> None:
    random_ = random.Random(3)
    buckets, plain, now = Buckets(), {}, NOW
    for _ in range(200):
        now += random_.randrange(0, 40 * S)
        keys = [random_.randrange(5) for _ in range(random_.randrange(1, 4_000))]
        times = [now - random_.randrange(100 * S) for _ in keys]
        weights = [random_.randrange(1, 4) for _ in keys]
        expected = []
        newest = {key: max(t for t, k in zip(times, keys, strict=True) if k == key) for key in set(keys)}
        for key, t in newest.items():
            tokens, heard, last = plain.get(key, (0.0, 0, 0))
            if not heard:
                last = min(t for t, k in zip(times, keys, strict=True) if k == key)
            tokens = max(min(BURST, tokens + (now - heard) * 5.0 / S), tokens + max(t - last, 0) * 5.0 / S)
            plain[key] = tokens, now, max(last, t)
        asked: dict[int, int] = {}
        taken: dict[int, int] = {}
        for key, weight in zip(keys, weights, strict=True):
            asked[key] = asked.get(key, 0) + weight
            expected.append(asked[key] > plain[key][0])
            taken[key] = taken.get(key, 0) + (0 if expected[-1] else weight)
        for key, n in taken.items():
            plain[key] = min(BURST, plain[key][0] - n), *plain[key][1:]
        over = buckets.take(
            np.array(keys), np.array(weights), np.array(times), now, lambda keys: np.full(len(keys), 5.0)
        )
        assert (np.zeros(len(keys), bool) if over is None else over).tolist() == expected


def test_limit_follows_what_is_expected_of_a_device() -> None:
    catalog = load_catalog()
    board = Board(catalog)
    kinds = {kind.name: kind for kind in catalog.by_code.values()}
    for i, (kind, expected_s) in enumerate([("water_level", 60.0), ("water_level", 0.5), ("worker", 1.0)]):
        board.place([Placement(i + 1, f"uid-{i}", kinds[kind].code, 0, 0, 104.0, 30.0, 1.0, expected_s)])
    guard = Flood(board, publisher_rate=123.0)
    properties = [len(kinds[kind].properties) for kind in ("water_level", "worker")]
    assert guard.limit_of_device(0) == LEAST_RATE
    assert guard.limit_of_device(1) == 20.0 * properties[0] / 0.5
    assert guard.limit_of_device(2) == 20.0 * properties[1]
    assert guard.limit_of_publisher(guard.number_of("device", "uid-1")) == guard.limit_of_device(1)
    assert guard.limit_of_publisher(guard.number_of("device", "not-there")) == LEAST_RATE
    assert guard.limit_of_publisher(guard.number_of("gateway", "uid-1")) == 123.0


def test_notice_is_told_once_and_ends_when_it_is_calm(caplog, monkeypatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1_000.0)
    monkeypatch.setattr(flood, "time", clock)
    guard = Flood(Board(load_catalog()))
    kept = []
    for _ in range(300):
        kept.append(guard.note("device level-1", 10, lambda: 5.0))
        clock.now += 0.1
    assert sum(kept) == 3, "one in ten seconds"
    [notice] = guard.notices()
    assert (notice.sender, notice.refused, notice.limit_per_s) == ("device level-1", 3_000, 5.0)
    clock.now += 61
    assert guard.notices() == []
    assert [record.message for record in caplog.records] == [
        "device level-1 sends more than 5 readings a second: the rest is refused",
        "device level-1 sends as it should again; 3000 were refused",
    ]
