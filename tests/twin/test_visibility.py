from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.visibility import visible

ORIGIN = np.zeros(2)


def walls_of(buildings) -> np.ndarray:
    rows = [
        (*a, *b)
        for building in shapely.get_parts(shapely.union_all(buildings))
        for ring in shapely.get_rings(building)
        for a, b in zip(ring.coords[:-1], ring.coords[1:], strict=True)
    ]
    return np.array(rows, dtype=float).reshape(-1, 4)


def cast(eye, buildings, bearing_deg, width_deg, range_m, step_deg=0.25):
    """The slow way: where each of dense rays meets a building, asked of GEOS; azimuths and reaches."""
    union = shapely.union_all(buildings) if buildings else shapely.Polygon()
    azimuth = np.radians(bearing_deg + np.arange(-width_deg / 2, width_deg / 2, step_deg) + step_deg / 2)
    ends = eye + range_m * np.column_stack([np.sin(azimuth), np.cos(azimuth)])
    met = shapely.intersection(
        shapely.linestrings(np.stack([np.broadcast_to(eye, ends.shape), ends], 1)), union
    )
    return azimuth, np.where(shapely.is_empty(met), range_m, shapely.distance(shapely.Point(eye), met))


def test_without_walls_it_is_the_sector() -> None:
    made = visible(ORIGIN, np.empty((0, 4)), 90.0, 90.0, 40.0)
    assert made.area == pytest.approx(math.pi * 40**2 / 4, rel=1e-3)
    assert made.contains(shapely.Point(30, 0))
    assert not made.contains(shapely.Point(0, 30))
    assert made.covers(shapely.Point(ORIGIN))


def test_a_full_circle_has_no_seam() -> None:
    made = visible(ORIGIN, np.empty((0, 4)), 17.0, 360.0, 40.0)
    assert made.area == pytest.approx(math.pi * 40**2, rel=1e-3)
    assert made.contains(shapely.Point(ORIGIN))


def test_a_full_circle_that_begins_at_a_corner_sees_past_it() -> None:
    """What looks north begins and ends its circle due south: here at the corner of a wall."""
    made = visible(ORIGIN, walls_of([shapely.box(-5, -20, 0, -10)]), 0.0, 360.0, 40.0)
    assert made.contains(shapely.Point(0.3, -30))
    assert not made.contains(shapely.Point(-0.3, -30))


def test_a_wall_throws_the_shadow_that_geometry_says() -> None:
    wall = walls_of([shapely.box(-5, 10, 5, 11)])
    made = visible(ORIGIN, wall, 0.0, 90.0, 40.0)
    # In the shadow's cone only the triangle before the wall is left of the sector.
    half = math.atan2(5, 10)
    expected = (math.pi / 4 - half) * 40**2 + 0.5 * 10 * 10
    assert made.area == pytest.approx(expected, rel=1e-3)
    assert made.contains(shapely.Point(0, 9.99))
    assert not made.intersects(shapely.Point(0, 12))


def test_a_view_from_within_a_room_stays_in_it() -> None:
    room = shapely.box(-4, -3, 6, 7)
    made = visible(ORIGIN, walls_of([room]), 0.0, 360.0, 40.0)
    assert made.symmetric_difference(room).area < 1e-2


def test_a_wall_longer_than_the_range_cuts_a_chord() -> None:
    made = visible(ORIGIN, walls_of([shapely.box(-500, 10, 500, 20)]), 0.0, 360.0, 40.0)
    expected = math.pi * 40**2 - (40**2 * math.acos(0.25) - 10 * math.sqrt(40**2 - 10**2))
    assert made.area == pytest.approx(expected, rel=1e-3)
    assert shapely.bounds(made)[3] == pytest.approx(10.0, abs=1e-9)


@st.composite
def streets(draw):
    number = st.floats(-60, 60)
    size = st.floats(2, 30)
    boxes = draw(st.lists(st.tuples(number, number, size, size, st.floats(0, 90)), max_size=8))
    made = [shapely.affinity.rotate(shapely.box(x, y, x + w, y + h), turn) for x, y, w, h, turn in boxes]
    return [b for b in made if b.distance(shapely.Point(0, 0)) > 0.3]


@settings(max_examples=60, deadline=None)
@given(streets(), st.floats(0, 359.9), st.sampled_from([30.0, 90.0, 200.0, 360.0]))
def test_dense_rays_agree(buildings, bearing, width) -> None:
    made = visible(ORIGIN, walls_of(buildings), bearing, width, 40.0)
    assert made.is_valid
    azimuth, reach = cast(ORIGIN, buildings, bearing, width, 40.0)
    direction = np.column_stack([np.sin(azimuth), np.cos(azimuth)])
    sectors = np.radians(0.25) * reach**2 / 2
    # The sum over rays is off by no more than it changes from ray to ray, by the sectors at the ends, and by
    # the chords of the arc, which lie up to 0.014 m inside it.
    off = np.abs(np.diff(sectors)).sum() + sectors[0] + sectors[-1] + (np.radians(0.25) * reach * 0.02).sum()
    assert made.area == pytest.approx(sectors.sum(), abs=off)
    # Each ray is seen to just before where it ended, and no farther; a ray may graze a corner.
    seen = shapely.covers(made, shapely.points(direction * (reach - 0.15)[:, None]))
    beyond = shapely.covers(made, shapely.points(direction * (reach + 0.15)[:, None]))
    assert (~seen).sum() <= 2 + 2 * len(buildings)
    assert beyond.sum() <= 2 + 2 * len(buildings)
    assert made.intersection(shapely.union_all(buildings)).area < 1e-2
