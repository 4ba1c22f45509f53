"""What happened lately is counted by stretches of time, and forgotten after its time."""

from __future__ import annotations

import numpy as np
import pytest

from ingest import lately
from ingest.counters import FeedCounters


class Clock:
    now_s = 100_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(lately, "time", made)
    return made


def test_counts_are_forgotten_after_their_time(clock):
    minutes = lately.Lately(3, 60.0)
    for n in (1, 2, 4):
        minutes.running()[0] += n
        clock.now_s += 60
    assert minutes.counts()[:, 0].tolist() == [2, 4, 0]
    assert minutes.total()[0] == 6
    clock.now_s += 600
    assert minutes.counts()[:, 0].tolist() == [0, 0, 0]


def test_rate_is_of_the_last_minute_and_minutes_of_the_last_hour(clock):
    counters = FeedCounters()
    for second in range(90):
        counters.hear(6)
        clock.now_s += 1
        if second == 59:
            assert counters.messages_per_s() == pytest.approx(6, abs=0.1)
    assert counters.messages_per_s() == pytest.approx(6, abs=0.1)
    clock.now_s += 60
    assert counters.messages_per_s() == 0
    assert sum(counters.per_minute()) == 540
    assert len(counters.per_minute()) == 60
    clock.now_s += 3600
    assert sum(counters.per_minute()) == 0
    assert counters.messages == 540


def test_median_lag_is_within_its_bucket_and_unknown_where_nothing_came(clock):
    lag = lately.LagLately()
    assert lag.median_s() is None
    rng = np.random.default_rng(7)
    for typical in (0.02, 3.0, 5_000.0):
        values = rng.lognormal(np.log(typical), 1.0, 9_999)
        lag.add(values[:5_000])
        lag.add(values[5_000:])
        assert lag.median_s() == pytest.approx(float(np.median(values)), rel=0.026)
        clock.now_s += 61
        assert lag.median_s() is None
    lag.add(np.array([-5.0, -5.0, 4.0]))
    assert lag.median_s() == 0
    clock.now_s += 61
    lag.add(np.array([1e12]))
    assert lag.median_s() > 2_000_000
