"""The made cities, and what is counted as found in them."""

from __future__ import annotations

import itertools

import h3.api.basic_int as h3
import numpy as np

from bench.gatherings import Moment, _hold_against
from bench.gatherings.made import PEOPLE, Planted, made
from twin.rules.density import DensityTerms, count_cells

NOTHING = np.zeros(0, np.int64)


def test_a_city_is_the_same_of_the_same_seed_and_people_come_to_what_is_planted() -> None:
    one, again, other = (made(seed) for seed in (1, 1, 2))
    first = [next(city.moments()) for city in (one, again, other)]
    assert len(first[0][1]) > 0.8 * PEOPLE
    assert np.array_equal(first[0][1], first[1][1])
    assert not np.array_equal(first[0][1][:100], first[2][1][:100])
    begin = first[0][0]
    here = Planted(begin, begin + 3_600_000_000, 104.066, 30.659, 60)
    before = np.hypot(*np.array(first[0][1:]) - [[here.lon], [here.lat]])
    crowd = type(one)(1, (here,), one.calendar)
    *_, (_, lon, lat) = itertools.islice(crowd.moments(), 15)
    after = np.hypot(lon - here.lon, lat - here.lat)
    near = 0.0006  # some sixty metres
    assert (after < near).sum() > (before < near).sum() + 30
    assert count_cells(lon, lat, DensityTerms())[1].max() >= 15


def test_what_is_told_near_and_in_time_is_found_and_the_rest_is_false() -> None:
    city = made(1)
    one = city.planted[0]
    cell, far = (h3.latlng_to_cell(one.lat + d, one.lon, 10) for d in (0, 0.02))
    start = one.begin_us - 20 * 86_400_000_000
    moments = [Moment(start, (0, 0), NOTHING, NOTHING)]
    at = one.begin_us + 600_000_000
    outcome = _hold_against(city, moments, [(at, cell), (at, far), (one.end_us + 3_600_000_000, cell)])
    assert (sum(outcome.found.values()), outcome.false, outcome.minutes) == (1, 2, [10.0])
    assert sum(outcome.planted.values()) == len(city.planted) == 28
    assert outcome.as_json()["precision"] == 1 / 3
    # What was told before anything was planted is not looked at: there the rule learns.
    assert _hold_against(city, moments, [(start + 1, cell)]).false == 0
