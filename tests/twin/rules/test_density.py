"""Density: the chance against sums and scipy, counts person by person, the rule on days made by hand."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from twin.access.roles import SMALLEST_COUNT
from twin.calendar import calendar_for
from twin.errors import InvalidError
from twin.rules.density import (
    MOST_SURPRISE,
    USUAL,
    Density,
    DensityTerms,
    count_cells,
    expected,
    hour_of,
    surprise,
)

MIN = 60_000_000
HOUR = 60 * MIN
DAY = 24 * HOUR
HERE, THERE = (h3.latlng_to_cell(30.66, lon, 9) for lon in (104.06, 104.10))
CHENGDU = calendar_for("Asia/Shanghai")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.floats(0.001, 300), st.floats(0.01, 500))
def test_surprise_is_the_chance_of_so_many_or_more(count, mean, size):
    told = surprise(np.array([count]), np.array([mean]), np.array([size]))[0]
    chance = stats.nbinom.sf(count - 1, size, size / (size + mean))
    assert told == pytest.approx(min(-math.log10(max(chance, 1e-99)), MOST_SURPRISE), rel=1e-6, abs=1e-9)
    poisson = surprise(np.array([count]), np.array([mean]), np.array([np.inf]))[0]
    chance = stats.poisson.sf(count - 1, mean)
    assert poisson == pytest.approx(min(-math.log10(max(chance, 1e-99)), MOST_SURPRISE), rel=1e-6, abs=1e-9)


def test_surprise_as_a_sum_of_chances():
    # Twelve or more where four are usual: one minus the chances of 0 to 11, by hand.
    below = math.fsum(math.exp(-4) * 4**n / math.factorial(n) for n in range(12))
    assert surprise(np.array([12]), np.array([4.0]), np.array([np.inf]))[0] == pytest.approx(
        -math.log10(1 - below)
    )
    assert surprise(np.array([0]), np.array([4.0]), np.array([2.0]))[0] == 0


def test_without_company_the_next_count_is_the_predictive_distribution_of_poisson_counts():
    mean, size = expected(np.array([3.0]), np.array([10.0]), np.array([1.0]))
    assert (mean[0], size[0]) == (pytest.approx(3.05), pytest.approx(30.5))
    # The Gamma-Poisson mixture, by integrating over the rate.
    rates = stats.gamma(30.5, scale=1 / 10)
    chance = rates.expect(lambda rate: stats.poisson.sf(11, rate))
    assert surprise(np.array([12]), mean, size)[0] == pytest.approx(-math.log10(chance), rel=1e-3)
    wider = expected(np.array([3.0]), np.array([10.0]), np.array([2.0]))
    assert surprise(np.array([12]), *wider)[0] < surprise(np.array([12]), mean, size)[0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(104.0, 104.02), st.floats(30.6, 30.62)), max_size=40),
    st.sampled_from([(9, 0), (9, 1), (10, 1)]),
)
def test_each_person_is_counted_once_in_a_cell_and_its_rings(people, geometry):
    terms = DensityTerms(resolution=geometry[0], ring=geometry[1])
    xy = np.array(people).reshape(-1, 2)
    cells, counts = count_cells(xy[:, 0], xy[:, 1], terms)
    slow = Counter()
    for lon, lat in people:
        at = h3.latlng_to_cell(lat, lon, terms.resolution)
        slow.update(h3.grid_disk(at, terms.ring))
    assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == slow
    assert cells.tolist() == sorted(slow)


def test_hours_are_of_working_days_and_of_days_off():
    def at(text):
        return hour_of(CHENGDU, int(datetime.fromisoformat(text).timestamp() * 1e6))[0]

    assert at("2026-03-02T08:59+08:00") == 8
    assert at("2026-03-07T08:00+08:00") == 24 + 8
    assert at("2026-10-01T23:30+08:00") == 24 + 23  # National Day, a Thursday
    assert at("2026-10-10T00:10+08:00") == 0  # a Saturday that is worked for it


MONDAY = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1e6)


def live(density, counts, *, begin=MONDAY, step=10 * MIN):
    """Give counts {cell: people} moment by moment, in hours of working days; what began and ended when."""
    told = []
    for n, here in enumerate(counts):
        now = begin + n * step
        cells = np.array(sorted(cell for cell, count in here.items() if count), np.int64)
        hour = (now // HOUR % 24, now // HOUR)
        seen = density.tick(cells, np.array([here[c] for c in cells.tolist()], np.int64), hour, now)
        for cell, on in zip(
            seen.cell[seen.changed].tolist(), seen.gathered[seen.changed].tolist(), strict=True
        ):
            told.append(((now - begin) / HOUR, cell, on))
    return told


def days(count, *, seed=1, of=lambda hour: 4.0):
    """A cell by day, Poisson around a mean of each hour, 144 moments a day."""
    chance = np.random.default_rng(seed)
    return [{HERE: int(chance.poisson(of(n // 6 % 24))), THERE: 0} for n in range(144 * count)]


TERMS = DensityTerms(hold_s=600, quiet_s=1200)


def test_a_gathering_is_told_after_its_hold_time_and_ends_after_its_quiet_time():
    moments = days(14)
    for n in range(144 * 12 + 60, 144 * 12 + 72):  # two hours on the 13th day
        moments[n] = {HERE: 40}
    told = live(Density(TERMS), moments)
    begin = 12 * 24 + 10
    assert [(cell, on) for _, cell, on in told] == [(HERE, True), (HERE, False)]
    assert told[0][0] == pytest.approx(begin + 10 / 60)
    assert told[1][0] == pytest.approx(begin + 2 + 10 / 60)


def test_the_same_count_is_usual_at_its_hour_and_unusual_at_another():
    def market(hour):
        return 40.0 if hour == 8 else 1.0

    moments = days(12, of=market)
    assert live(Density(TERMS), moments) == []
    at_night = [dict(m) for m in moments]
    for n in range(144 * 11 + 12, 144 * 11 + 18):
        at_night[n] = {HERE: 40}
    assert [on for *_, on in live(Density(TERMS), at_night)] == [True, False]


def test_nothing_is_said_before_the_hour_is_known():
    density = Density(TERMS)
    crowd = [{HERE: 50} if n // 6 % 24 == 10 else {HERE: 1} for n in range(144 * 3)]
    assert live(density, crowd) == []
    assert not density.known(47)
    assert density.known(10)
    # A cell that nobody ever visited is known to be empty for as long as the city is looked at.
    assert [(c, on) for _, c, on in live(density, [{THERE: 30}] * 3, begin=MONDAY + 3 * DAY)] == [
        (THERE, True)
    ]


def test_what_is_unusual_teaches_nothing_until_it_is_so_day_by_day():
    density = Density(TERMS)
    live(density, days(10))
    usual = density.usual["mean"].copy()
    crowd = [{HERE: 60} if n // 6 == 12 else m for n, m in enumerate(days(1, seed=2))]
    told = [live(density, crowd, begin=MONDAY + (10 + day) * DAY) for day in range(9)]
    row = density.usual["cell"].tolist().index(HERE)
    assert [len(t) for t in told] == [2, 2, 2, 2, 2, 0, 0, 0, 0]
    once = Density(TERMS)
    live(once, days(10))
    live(once, crowd, begin=MONDAY + 10 * DAY)
    assert once.usual["mean"][row, 12] == pytest.approx(usual[row, 12], abs=0.01)
    assert density.usual["mean"][row, 12] == pytest.approx(60, abs=1)


def test_what_was_learned_goes_on_from_its_bytes():
    density = Density(TERMS)
    live(density, days(10))
    stored = np.frombuffer(density.usual.tobytes(), USUAL)
    crowd = [{HERE: 40}] * 12
    begin = MONDAY + 10 * DAY
    assert live(Density(TERMS, stored), crowd, begin=begin) == live(density, crowd, begin=begin) != []


def test_overlapping_rings_tell_one_gathering():
    terms = DensityTerms(hold_s=0, quiet_s=1200, resolution=10, ring=1)
    density = Density(terms)
    lon, lat = np.full(30, 104.06), np.full(30, 30.66)
    chance = np.random.default_rng(3)
    empty = np.zeros(0)
    told = []
    for n in range(144 * 5 + 12):
        now = MONDAY + n * 10 * MIN
        here = (lon + chance.normal(0, 2e-4, 30), lat) if n >= 144 * 5 + 2 else (empty, empty)
        seen = density.tick(*count_cells(*here, terms), (now // HOUR % 24, now // HOUR), now)
        told += seen.cell[seen.changed].tolist()
    assert len(told) == 1
    assert h3.grid_distance(told[0], h3.latlng_to_cell(30.66, 104.06, 10)) <= 1


def test_a_count_that_could_single_out_somebody_is_no_gathering():
    with pytest.raises(InvalidError, match="fewer than 5"):
        DensityTerms(at_least=SMALLEST_COUNT - 1)


def test_a_few_minutes_of_an_hour_teach_nothing():
    density = Density(TERMS)
    live(density, [{HERE: 30}], begin=MONDAY + 50 * MIN)
    live(density, [{HERE: 3}] * 6, begin=MONDAY + HOUR)
    assert density.days.sum() == 0
