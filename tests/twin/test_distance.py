"""Places are as far apart as on the sphere, and a box holds all that lie within its radius."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as some
from pyproj import Geod

from twin.distance import box_around, distance_m, distances_m, square_metres

GEOD = Geod(ellps="WGS84")


def test_distance_is_that_of_the_sphere():
    """One degree of latitude is 111.195 km; of longitude at 60 degrees half of it."""
    assert distance_m((0, 0), (0, 1)) == pytest.approx(111_195, abs=1)
    assert distance_m((10, 60), (11, 60)) == pytest.approx(55_595, abs=10)
    assert distance_m((179.5, 0), (-179.5, 0)) == pytest.approx(111_195, abs=1)


def test_distances_of_many_are_those_of_each():
    others = [(104.1, 30.7), (-179.5, 0.0), (104.0, 30.6)]
    found = distances_m(104.0, 30.6, *np.array(others).T)
    assert found.tolist() == [distance_m((104.0, 30.6), other) for other in others]


@pytest.mark.parametrize("lat", [0.0, 30.6, -53.0])
def test_square_metres_are_right_to_a_percent(lat):
    box = shapely.box(104.0, lat, 104.001, lat + 0.001)
    true_m2, _ = GEOD.geometry_area_perimeter(box)
    assert square_metres(box.area, box.centroid.y) == pytest.approx(abs(true_m2), rel=0.01)


@given(
    some.floats(-179.0, 179.0), some.floats(-80.0, 80.0), some.floats(1.0, 5_000.0), some.floats(-2.0, 2.0),
    some.floats(-2.0, 2.0),
)  # fmt: skip
@example(104.0, 0.0, 1_000.0, 0.0, 1.003)
def test_a_box_holds_all_places_within_its_radius(lon, lat, radius_m, aside, up):
    west, south, east, north = box_around(lon, lat, radius_m)
    other = lon + aside * (east - lon), lat + up * (north - lat)
    on_the_ellipsoid = GEOD.inv(lon, lat, *other)[2]
    if min(distance_m((lon, lat), other), on_the_ellipsoid) <= radius_m:
        assert west <= other[0] <= east
        assert south <= other[1] <= north
    assert distance_m((lon, lat), (lon, north)) < radius_m * 1.01 + 0.1
