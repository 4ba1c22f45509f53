"""Prove that a layer is called late when its own pattern of arrival says so."""

from __future__ import annotations

import numpy as np
import pytest

from twin.live.ages import LayerAge, layer_ages

NOW_US = 1_784_220_128_000_000


def age(heard_s_ago: np.ndarray, *, interval_s: float = 60.0, now_s: float = 0.0) -> LayerAge:
    count = len(heard_s_ago)
    return layer_ages(
        layer=np.zeros(count, np.uint8),
        heard_us=(NOW_US - heard_s_ago * 1e6).astype(np.int64),
        expected_s=np.full(count, interval_s, np.float32),
        silent=np.zeros(count, bool),
        lag_s={},
        now_us=NOW_US + int(now_s * 1e6),
    )["devices"]


@pytest.mark.parametrize(
    ("after_s", "state"), [(0, "live"), (4, "live"), (6, "late"), (29, "late"), (31, "dead")]
)
def test_thousands_that_never_pause_together_are_late_within_seconds(after_s: float, state: str) -> None:
    spread = np.linspace(0.0, 59.0, 3000)
    assert age(spread, now_s=after_s).state == state


@pytest.mark.parametrize(("after_s", "state"), [(100, "live"), (170, "live"), (190, "late"), (610, "dead")])
def test_one_gateway_that_sends_all_at_once_is_judged_by_its_interval(after_s: float, state: str) -> None:
    assert age(np.zeros(3000), now_s=after_s).state == state


def test_a_pause_lately_makes_patient_but_never_more_than_the_intervals() -> None:
    paused = np.concatenate([np.linspace(0.0, 10.0, 500), np.linspace(30.0, 59.0, 500)])
    assert age(paused, now_s=60.0).state == "live"
    assert age(paused, now_s=181.0).state == "late"
    assert age(paused, now_s=601.0).state == "dead"


def test_what_never_came_is_dead_and_what_is_not_there_is_live() -> None:
    never = layer_ages(
        layer=np.zeros(3, np.uint8),
        heard_us=np.zeros(3, np.int64),
        expected_s=np.full(3, 60.0, np.float32),
        silent=np.zeros(3, bool),
        lag_s={},
        now_us=NOW_US,
    )
    assert (never["devices"].state, never["devices"].newest_s) == ("dead", None)
    assert (never["workers"].state, never["workers"].count) == ("live", 0)


@pytest.mark.parametrize("counts", [(1, 0), (4, 0), (5, 3), (0, 6), (2, 2)])
def test_each_layer_is_judged_by_its_own_things_alone(counts: tuple[int, int]) -> None:
    random = np.random.default_rng(sum(counts))
    layer = random.permutation(np.repeat(np.arange(2, dtype=np.uint8), counts))
    expected_s = random.choice(np.array([5, 30, 60, 600], np.float32), len(layer))
    silent = random.random(len(layer)) < 0.5
    heard_us = NOW_US - random.integers(0, 10**7, len(layer))
    found = layer_ages(
        layer=layer, heard_us=heard_us, expected_s=expected_s, silent=silent, lag_s={}, now_us=NOW_US
    )
    for code, name in enumerate(("devices", "workers")):
        mine = layer == code
        assert found[name].count == mine.sum()
        assert found[name].stale == silent[mine].sum()
        if mine.any():
            assert found[name].expected_s == np.median(expected_s[mine])
            assert found[name].newest_s == pytest.approx((NOW_US - heard_us[mine].max()) * 1e-6)
        else:
            assert (found[name].expected_s, found[name].newest_s, found[name].state) == (0.0, None, "live")
