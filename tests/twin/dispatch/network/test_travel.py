"""How long ways take: against a search by hand over random streets, one-way ones and closed ones too."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.twin.dispatch.network.drawn import Oracle, roads_of
from twin.dispatch.network.network import build
from twin.dispatch.network.places import put
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.travel import beside_s, many_to_many, nearest, one_to_many
from twin.dispatch.network.way import find_way, way_line

STEP_M = 97.0
CAR = load_profiles()["car"]


@st.composite
def streets(draw):
    """Random walks on a lattice, no piece of it twice: they meet and cross; some are one-way, some shut."""
    lines, ways, walked = [], [], set()
    for _ in range(draw(st.integers(1, 9))):
        x, y = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        line = [(x, y)]
        for dx, dy in draw(
            st.lists(st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1)]), min_size=1, max_size=6)
        ):
            piece = frozenset({(x, y), (x + dx, y + dy)})
            if piece in walked:
                break
            walked.add(piece)
            x, y = x + dx, y + dy
            line.append((x, y))
        if len(line) == 1:
            continue
        lines.append([(STEP_M * x, STEP_M * y) for x, y in line])
        ways.append(
            draw(st.sampled_from([(True, True)] * 4 + [(True, False), (False, True), (False, False)]))
        )
    return lines, ways


def snapshot_of(lines, ways) -> Snapshot:
    ahead, behind = zip(*ways, strict=True)
    network = build(roads_of(lines, car_forward=ahead, car_backward=behind))
    return Snapshot.open(network, Structure(network), CAR)


def seconds_a_metre(ways):
    pace = 3.6 / CAR.speed_kmh
    return [[pace if way[i] else np.inf for way in ways] for i in (0, 1)]


@settings(max_examples=120, deadline=None)
@given(streets(), st.randoms(use_true_random=False))
def test_every_way_takes_what_a_search_by_hand_says(drawn, random) -> None:
    lines, ways = drawn
    assume(lines)
    snapshot = snapshot_of(lines, ways)
    oracle = Oracle(lines, *seconds_a_metre(ways))
    open_segments = [i for i, s in enumerate(oracle.segments) if np.isfinite(min(s[2:]))]
    if not open_segments:
        assert not put(snapshot, np.zeros((1, 2))).known.any()
        return
    asked = [(random.choice(open_segments), random.choice([0.0, 0.25, 0.6, 1.0])) for _ in range(4)]
    xy = np.array([_place(oracle, *one) for one in asked])
    places = put(snapshot, xy)
    assert np.allclose(places.beside_m, 0.0, atol=1e-6)
    found = many_to_many(snapshot, places, places)
    inward = many_to_many(snapshot, places, places, inward=True)
    for i, start in enumerate(asked):
        for j, goal in enumerate(asked):
            # A place where streets meet or lie on one another is on any of them.
            expected = min(
                oracle.seconds(one, other)
                for one in _same(oracle, start, open_segments)
                for other in _same(oracle, goal, open_segments)
            )
            got = found[i, j]
            if _on_one(oracle, start, goal, open_segments):
                continue
            assert got == pytest.approx(expected, rel=1e-6, abs=0.05), (start, goal)
            assert inward[j, i] == pytest.approx(got, rel=1e-6, abs=0.05)
            _is_driven(snapshot, places.only(np.array([i])), places.only(np.array([j])), got)


def _is_driven(snapshot, start, goal, seconds) -> None:
    """The way takes what was said, hangs together from start to goal, and no piece of it is closed."""
    way = find_way(snapshot, start, goal)
    if not np.isfinite(seconds):
        assert way is None
        return
    assert way.seconds == pytest.approx(seconds)
    assert way.edge_s.sum() == pytest.approx(seconds, rel=1e-6, abs=0.05)
    xy, begins = way_line(snapshot, way)
    assert np.allclose((xy[0], xy[-1]), (start.xy[0], goal.xy[0]), atol=1e-6)
    assert len(begins) == len(way.edge)
    long_m = np.hypot(*np.diff(xy, axis=0).T).sum()
    assert long_m == pytest.approx(seconds * CAR.speed_kmh / 3.6, rel=1e-6, abs=0.05)


def _place(oracle, segment, share):
    a, b, *_ = oracle.segments[segment]
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _same(oracle, one, segments):
    """Every segment and share where the same place lies."""
    x, y = _place(oracle, *one)
    out = []
    for i in segments:
        (ax, ay), (bx, by), *_ = oracle.segments[i]
        t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / STEP_M**2
        if -1e-9 <= t <= 1 + 1e-9 and np.hypot(ax + t * (bx - ax) - x, ay + t * (by - ay) - y) < 1e-6:
            out.append((i, min(1.0, max(0.0, t))))
    return out


def _on_one(oracle, start, goal, segments) -> bool:
    """Whether a place lies on streets of unlike rules: the network has put it on one of them."""
    rules = [{oracle.segments[i][2:] for i, _ in _same(oracle, one, segments)} for one in (start, goal)]
    return any(len(each) > 1 for each in rules)


def test_a_limit_bounds_and_the_nearest_come_first() -> None:
    snapshot = snapshot_of([[(0, 0), (1000, 0)]], [(True, True)])
    one, many = (
        put(snapshot, np.array([[0.0, 0.0]])),
        put(snapshot, np.array([[900.0, 0], [100, 0], [500, 0]])),
    )
    pace = 3.6 / CAR.speed_kmh
    assert one_to_many(snapshot, one, many) == pytest.approx([900 * pace, 100 * pace, 500 * pace])
    assert one_to_many(snapshot, one, many, 550 * pace)[0] == np.inf
    which, seconds = nearest(snapshot, one, many, 2, 1e9)
    assert (which.tolist(), seconds.tolist()) == ([1, 2], pytest.approx([100 * pace, 500 * pace]))


def test_what_lies_beside_the_road_is_walked_and_what_lies_far_off_is_off_the_network() -> None:
    snapshot = snapshot_of([[(0, 0), (1000, 0)]], [(True, True)])
    places = put(snapshot, np.array([[100.0, 45.0], [500.0, 201.0]]))
    assert (places.known.tolist(), places.beside_m.tolist()) == ([True, False], [45.0, np.inf])
    assert beside_s(places)[0] == pytest.approx(36.0)
    assert one_to_many(snapshot, places.only(np.array([0])), places)[1] == np.inf


def test_parallel_streets_take_what_the_quicker_one_takes() -> None:
    lines = [[(0, 0), (500, 0)], [(0, 0), (0, 300), (500, 300), (500, 0)], [(500, 0), (900, 0)]]
    for order in ([0, 1, 2], [1, 0, 2]):
        snapshot = snapshot_of([lines[i] for i in order], [(True, True)] * 3)
        ends = put(snapshot, np.array([[0.0, 0.0], [900.0, 0.0]]))
        assert many_to_many(snapshot, ends, ends)[0, 1] == pytest.approx(900 * 3.6 / CAR.speed_kmh)


def test_a_way_much_longer_than_the_straight_line_is_found() -> None:
    # Two streets side by side that meet only far away: the first guesses of how far to search are wrong.
    network = build(roads_of([[(0, 0), (2000, 0)], [(0, 20), (2000, 20)], [(2000, 0), (2000, 20)]]))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    places = put(snapshot, np.array([[10.0, 0.0], [10.0, 20.0], [1500.0, 20.0]]))
    start = places.only(np.array([0]))
    for goal, metres in ((1, 4000.0), (2, 2510.0)):
        way = find_way(snapshot, start, places.only(np.array([goal])))
        assert way is not None
        assert way.seconds == pytest.approx(metres * 3.6 / CAR.speed_kmh)
        assert way.edge_s.sum() == pytest.approx(way.seconds)


@pytest.mark.parametrize("reach_m", [8.0, 30.0, 200.0])
def test_places_are_put_on_the_nearest_road_within_reach(reach_m) -> None:
    lines = [[(0, y), (400, y)] for y in range(0, 401, 100)] + [[(200, 0), (200, 400)]]
    network = build(roads_of(lines))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    xy = np.random.default_rng(5).uniform(-90, 490, (300, 2))
    gaps = shapely.distance(shapely.points(xy)[:, None], network.lines[None, :])
    places = put(snapshot, xy, reach_m)
    assert (places.known == (gaps.min(axis=1) <= reach_m)).all()
    assert 0 < places.known.sum() <= 300
    assert places.beside_m[places.known] == pytest.approx(gaps.min(axis=1)[places.known])
    assert gaps[places.known, places.edge[places.known]] == pytest.approx(places.beside_m[places.known])
