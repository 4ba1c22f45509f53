"""Check that values tell which reading they are, and that viewers look where they should."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from bench import city
from bench.live import payload
from bench.live.plan import make_plan, place_viewers
from ingest.decoders.observations import decode_gateway
from twin.catalog import load_catalog


@pytest.fixture(scope="module")
def plan():
    return make_plan(3_000, 30, 75)


def test_every_reading_is_told_from_its_value_as_the_screen_gets_it(plan) -> None:
    """Through the rounding of the message and float32 of the frame."""
    rows = np.repeat(np.arange(plan.count), plan.readings)
    numbers = np.tile(np.arange(plan.readings), plan.count)
    exact = plan.value(rows, numbers)
    sent = np.array([round(v, d) for v, d in zip(exact.tolist(), plan.decimals[rows].tolist(), strict=True)])
    assert (plan.number(rows, sent.astype(np.float32).astype(np.float64)) == numbers).all()


def test_what_is_no_reading_is_told_apart(plan) -> None:
    rows = np.zeros(3, dtype=np.int64)
    half = plan.value(rows[:1], np.array([3])) + plan.step[0] / 2
    beyond = plan.value(rows[:1], np.array([plan.readings + 5]))
    assert plan.number(rows, np.array([np.nan, half[0], beyond[0]])).tolist() == [-1, -1, -1]


def test_values_are_normal_for_their_kind(plan) -> None:
    """No limit is reached: the benchmark measures the flow, not a city on fire."""
    kinds = load_catalog().by_name
    high = plan.value(np.arange(plan.count), np.full(plan.count, plan.readings))
    for name, low, top in zip(plan.kind.tolist(), plan.low.tolist(), high.tolist(), strict=True):
        first = kinds[name].properties[0]
        assert first.minimum <= low < top <= first.maximum
        for limit in first.limits:
            assert limit.above is None or top < limit.above - limit.hysteresis
            assert limit.below is None or low > limit.below + limit.hysteresis


def test_gateways_serve_neighbours_and_all_devices(plan) -> None:
    sizes = np.bincount(plan.gateway)
    assert sizes.size == 30
    assert sizes.min() >= 99
    widths = [np.ptp(plan.lon[plan.gateway == number]) for number in range(30)]
    west, _, east, _ = city.bounds()
    assert np.median(widths) < 0.35 * (east - west)


def test_viewers_differ_and_walls_see_everything(plan) -> None:
    viewers = place_viewers(plan, 40, 4)
    walls = [viewer for viewer in viewers if viewer.wall]
    assert len(walls) == 4
    assert len(walls[0].rooms) == np.unique(plan.room).size
    assert len({viewer.bbox for viewer in viewers if not viewer.wall}) == 36
    assert all(viewer.zoom >= 14 for viewer in viewers)


@pytest.mark.parametrize("mode", ["batch", "single"])
def test_messages_are_what_the_product_decodes(plan, mode: str) -> None:
    rows, numbers = np.array([3, 4, 5]), np.array([0, 1, 2])
    seen = []
    for topic, body, _ in payload.Writer(plan, mode).messages(0, rows, numbers, 1_800_000_000.25):
        assert topic[2:].decode() == "gt/v1/gateways/bench-gw-0000/observations"
        readings = decode_gateway(body)
        assert not readings.refused
        seen += list(zip(readings.uid, readings.name, readings.value, readings.time_us, strict=True))
    assert [uid for uid, *_ in seen] == plan.uid[rows].tolist()
    assert [name for _, name, *_ in seen] == plan.property_name[rows].tolist()
    assert {time_us for *_, time_us in seen} == {1_800_000_000_250_000}
    assert plan.number(rows, np.array([value for _, _, value, _ in seen])).tolist() == [0, 1, 2]


def test_read_back_and_mark_agree(plan) -> None:
    [(_, body, count)] = payload.Writer(plan, "batch").messages(0, np.arange(9), np.zeros(9, np.int64), 1.8e9)
    assert len(payload.read_back(body)) == count == body.count(payload.READING_MARK) == 9
    assert orjson.loads(body)["t"] == 1_800_000_000_000
