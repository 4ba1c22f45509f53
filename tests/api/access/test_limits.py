"""Who asks too much in a minute is told when to come back; nobody is remembered for longer."""

from __future__ import annotations

import random

from api.access.limits import Windows


class Clock:
    """Seconds, moved by hand; it begins where a minute does."""

    def __init__(self) -> None:
        self.now_s = 600.0

    def __call__(self) -> float:
        return self.now_s


def test_so_many_a_minute_and_each_for_themselves() -> None:
    windows = Windows(Clock())
    assert [windows.take("request", 3, "a") for _ in range(3)] == [None] * 3
    assert windows.take("request", 3, "a") is not None
    assert windows.take("request", 3, "b") is None
    assert windows.take("export", 3, "a") is None


def test_who_comes_back_when_told_is_let_in_and_no_sooner() -> None:
    chance = random.Random(5)
    for _ in range(300):
        clock, most = Clock(), chance.randint(1, 40)
        windows = Windows(clock)
        for _ in range(chance.randint(0, 2 * most)):
            clock.now_s += chance.uniform(0, 60 / most)
            windows.take("request", most, "a")
        while (wait_s := windows.take("request", most, "a")) is None:
            pass
        assert 1 <= wait_s <= 61
        clock.now_s += max(0.0, wait_s - 2)
        if wait_s > 2:
            assert windows.take("request", most, "a") is not None
        clock.now_s += min(2, wait_s)
        assert windows.take("request", most, "a") is None


def test_the_minute_before_counts_as_far_as_it_reaches_into_the_last_sixty_seconds() -> None:
    clock = Clock()
    windows = Windows(clock)
    for _ in range(60):
        assert windows.take("request", 60, "a") is None
    clock.now_s += 60 + 45
    passed = sum(windows.take("request", 60, "a") is None for _ in range(100))
    assert passed == 45


def test_who_went_away_takes_no_memory() -> None:
    clock = Clock()
    windows = Windows(clock)
    for who in range(1000):
        windows.take("request", 3, who)
    clock.now_s += 120
    windows.take("request", 3, "a")
    assert len(windows._counts) + len(windows._before) == 1
