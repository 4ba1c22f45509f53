"""What is reached within a time: places on what is drawn are reached, places beyond it are not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.twin.dispatch.network.drawn import roads_of
from tests.twin.dispatch.network.test_travel import CAR, snapshot_of, streets
from twin.dispatch.network.network import build
from twin.dispatch.network.places import put
from twin.dispatch.network.reach import BESIDE_M, reached_ground, reached_lines
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.travel import one_to_many


@settings(max_examples=60, deadline=None)
@given(streets(), st.integers(0, 10_000), st.floats(1.0, 60.0), st.booleans())
def test_every_metre_within_the_time_is_drawn_and_none_beyond(drawn, seed, limit_s, inward) -> None:
    lines, ways = drawn
    assume(lines)
    snapshot = snapshot_of(lines, ways)
    assume(len(snapshot.standing))
    rng = np.random.default_rng(seed)
    on = shapely.line_interpolate_point(
        snapshot.network.lines[rng.choice(snapshot.standing, 40)], rng.random(40), normalized=True
    )
    places = put(snapshot, shapely.get_coordinates(on))
    one = places.only(np.array([0]))
    (reached,) = reached_lines(snapshot, one, [limit_s], inward=inward)
    seconds = one_to_many(snapshot, one, places, inward=inward)
    assert shapely.unary_union(reached).length == pytest.approx(reached.length), "no piece twice"
    assert shapely.union_all(snapshot.network.lines).buffer(1e-3).covers(reached), "nothing but streets"
    drawn_there = shapely.distance(reached, on) < 1e-6
    edge = 1e-6
    assert drawn_there[seconds < limit_s - edge].all()
    assert not drawn_there[seconds > limit_s + edge].any()


def test_longer_times_reach_more_and_the_ground_beside_is_reached_too() -> None:
    network = build(roads_of([[(0, 0), (1000, 0)], [(500, 0), (500, 500)]]))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    one = put(snapshot, np.array([[500.0, 0.0]]))
    pace = 3.6 / CAR.speed_kmh
    near, far = reached_lines(snapshot, one, [100 * pace, 300 * pace])
    assert [shapely.union_all(reached.geoms).length for reached in (near, far)] == [near.length, far.length]
    assert (near.length, far.length) == (pytest.approx(300), pytest.approx(900))
    ground = reached_ground(near)
    assert ground.covers(shapely.Point(450, BESIDE_M - 1))
    assert not ground.covers(shapely.Point(450, BESIDE_M + 1))
    assert reached_ground(shapely.MultiLineString()).is_empty


def test_roads_that_are_reached_whole_are_drawn_as_they_are() -> None:
    lines = [[(0, 0), (50, 9), (100, 0), (200, 0)], [(100, 0), (100, 100)], [(0, 0), (0, 100)]]
    network = build(roads_of(lines))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    (reached,) = reached_lines(snapshot, put(snapshot, np.array([[120.0, 0.0]])), [1e4])
    assert sorted(reached.geoms, key=str) == sorted(map(shapely.LineString, lines), key=str)


def test_the_ground_is_what_lies_near_the_streets() -> None:
    rng = np.random.default_rng(4)
    walks = np.cumsum(rng.normal(0, 30, (40, 12, 2)), axis=1) + rng.uniform(0, 900, (40, 1, 2))
    lines = shapely.multilinestrings(shapely.linestrings(walks))
    ground = reached_ground(lines)
    assert ground.is_valid
    assert shapely.covers(lines.buffer(BESIDE_M + 1.5), ground)
    assert shapely.covers(ground, lines.buffer(BESIDE_M - 1.5))


def test_off_the_network_nothing_is_reached() -> None:
    network = build(roads_of([[(0, 0), (1000, 0)]]))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    (nothing,) = reached_lines(snapshot, put(snapshot, np.array([[0.0, 900.0]])), [1e6])
    assert nothing.is_empty
