"""Places are as far apart as on the sphere, and a box holds all that lie within its radius."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from twin.distance import box_around, distance_m


def test_distance_is_that_of_the_sphere():
    """One degree of latitude is 111.195 km; of longitude at 60 degrees half of it."""
    assert distance_m((0, 0), (0, 1)) == pytest.approx(111_195, abs=1)
    assert distance_m((10, 60), (11, 60)) == pytest.approx(55_595, abs=10)
    assert distance_m((179.5, 0), (-179.5, 0)) == pytest.approx(111_195, abs=1)


@given(
    some.floats(-179.0, 179.0), some.floats(-80.0, 80.0), some.floats(1.0, 5_000.0), some.floats(-2.0, 2.0),
    some.floats(-2.0, 2.0),
)  # fmt: skip
def test_a_box_holds_all_places_within_its_radius(lon, lat, radius_m, aside, up):
    west, south, east, north = box_around(lon, lat, radius_m)
    other = lon + aside * (east - lon), lat + up * (north - lat)
    if distance_m((lon, lat), other) <= radius_m:
        assert west <= other[0] <= east
        assert south <= other[1] <= north
    assert distance_m((lon, lat), (lon, north)) < radius_m * 1.01 + 0.1
