from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.simulate.city import City
from ingest.simulate.parameters import Parameters
from ingest.simulate.paths import Paths, build_paths
from ingest.simulate.travellers import Fix, Traveller, neighbourhood


@pytest.fixture(scope="module")
def paths(city: City) -> Paths:
    walkable = [r for r in city.roads if r.foot]
    return build_paths([r.line for r in walkable], [r.tunnel for r in walkable])


def walk(paths: Paths, parameters: Parameters, seed: int, steps: int, step_s: float = 5.0) -> list[Fix]:
    nodes = neighbourhood(paths, 0.0, 0.0, parameters.walk.neighbourhood_m)
    walker = Traveller(paths, nodes, parameters.walk, np.random.default_rng(seed))
    return [walker.advance(step_s) for _ in range(steps)]


def test_streets_meet_where_they_share_a_vertex() -> None:
    cross = [
        shapely.LineString([(0, 0), (50, 0), (100, 0)]),
        shapely.LineString([(50, -40), (50, 0), (50, 40)]),
        shapely.LineString([(70, -40), (70, 40)]),  # crosses without a shared vertex: a bridge
    ]
    paths = build_paths(cross, [False, True, False])
    assert len(paths) == 7
    ends = {tuple(xy): i for i, xy in enumerate(paths.xy.tolist())}
    way = paths.route(ends[0.0, 0.0], ends[50.0, 40.0], 1000.0)
    assert way is not None
    assert paths.xy[way].tolist() == [[0, 0], [50, 0], [50, 40]]
    assert paths.is_covered(way).tolist() == [False, True]
    assert paths.route(ends[0.0, 0.0], ends[70.0, 40.0], 1000.0) is None
    assert paths.route(ends[0.0, 0.0], ends[50.0, 40.0], 80.0) is None, "longer than the limit"
    assert len(paths.main_component()) == 5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_walker_never_leaves_the_network_and_never_runs(
    paths: Paths, parameters: Parameters, seed: int
) -> None:
    fixes = walk(paths, parameters, seed, 400)
    true = np.array([(f.true_x_m, f.true_y_m) for f in fixes])
    network = shapely.union_all(paths.lines())
    assert shapely.distance(network, shapely.points(true)).max() < 1e-6
    stride = np.hypot(*np.diff(true, axis=0).T)
    assert stride.max() <= parameters.walk.speed_range_mps[1] * 5.0 + 1e-9
    assert max(f.speed_mps for f in fixes) <= parameters.walk.speed_range_mps[1] + 1e-9


def test_walkers_walk_at_walking_speed_and_also_rest(paths: Paths, parameters: Parameters) -> None:
    fixes = [f for seed in range(12) for f in walk(paths, parameters, seed, 720)]
    speeds = np.array([f.speed_mps for f in fixes])
    full = speeds[speeds > 0.9]
    assert full.mean() == pytest.approx(parameters.walk.speed_mps, abs=0.05)
    assert 0.05 < (speeds == 0.0).mean() < 0.7


def test_the_error_of_positions_is_as_large_as_said_and_hangs_together(
    paths: Paths, parameters: Parameters
) -> None:
    series = []
    for seed in range(20):
        fixes = walk(paths, parameters, seed, 400)
        series.append([(f.x_m - f.true_x_m, f.y_m - f.true_y_m) for f in fixes])
    error = np.array(series)
    assert error.std() == pytest.approx(parameters.walk.noise_m, rel=0.12)
    lag1 = (error[:, 1:] * error[:, :-1]).mean() / (error**2).mean()
    assert lag1 == pytest.approx(np.exp(-5.0 / parameters.walk.noise_memory_s), abs=0.04)


def test_there_is_no_reception_under_ground(parameters: Parameters) -> None:
    tunnel = build_paths([shapely.LineString([(0, 0), (400, 0)])], [True])
    walker = Traveller(tunnel, np.array([0, 1]), parameters.walk, np.random.default_rng(1))
    fixes = [walker.advance(5.0) for _ in range(300)]
    moving = [f for f in fixes if f.speed_mps > 0]
    assert moving
    assert not any(f.seen for f in moving)


def test_the_same_seed_walks_the_same_way(paths: Paths, parameters: Parameters) -> None:
    assert walk(paths, parameters, 5, 200) == walk(paths, parameters, 5, 200)
    assert walk(paths, parameters, 5, 200) != walk(paths, parameters, 6, 200)


def test_a_city_without_footpaths_has_no_walkers() -> None:
    nothing = build_paths([], [])
    assert len(neighbourhood(nothing, 0.0, 0.0, 100.0)) == 0


def test_a_sleeping_machine_does_not_make_workers_jump(paths: Paths, parameters: Parameters) -> None:
    nodes = neighbourhood(paths, 0.0, 0.0, 500.0)
    walker = Traveller(paths, nodes, parameters.walk, np.random.default_rng(3))
    before = walker.travel_to(1000.0)
    after = walker.travel_to(90_000.0)
    moved = np.hypot(after.true_x_m - before.true_x_m, after.true_y_m - before.true_y_m)
    assert moved <= 60.0 * parameters.walk.speed_range_mps[1]


def test_nobody_drives_against_a_one_way_street() -> None:
    ring = [
        shapely.LineString([(0, 0), (100, 0)]),
        shapely.LineString([(100, 0), (100, 100)]),
        shapely.LineString([(0, 0), (100, 100)]),  # open only against how it is drawn
        shapely.LineString([(0, 0), (-50, 0)]),  # a way in that nobody gets out of
    ]
    streets = build_paths(ring, [False] * 4, [True, True, False, True], [False, False, True, False])
    ends = {tuple(xy): i for i, xy in enumerate(streets.xy.tolist())}
    back = streets.route(ends[100.0, 0.0], ends[0.0, 0.0], 1000.0)
    assert back is not None
    assert streets.xy[back].tolist() == [[100, 0], [100, 100], [0, 0]]
    assert ends[-50.0, 0.0] not in streets.main_component()
    far = streets.lengths_to(ends[0.0, 0.0])
    assert far[ends[100.0, 0.0]] == pytest.approx(100.0 + 2**0.5 * 100.0)
    assert np.isinf(far[ends[-50.0, 0.0]])
    assert len(streets.lines()) == 4
    assert shapely.length(streets.lines()).sum() == pytest.approx(250.0 + 2**0.5 * 100.0)


def test_who_is_sent_goes_there_stays_for_so_long_and_leaves_again(
    paths: Paths, parameters: Parameters
) -> None:
    nodes = neighbourhood(paths, 0.0, 0.0, 500.0)
    van = Traveller(paths, nodes, parameters.drive["van"], np.random.default_rng(4))
    van.advance(1.0)
    spot = int(nodes[-1])
    van.send(spot, 700.0)
    there = []
    for _ in range(800):
        van.advance(5.0)
        there.append(bool(np.hypot(*(paths.xy[spot] - van.place)) < 1.0 and van.arrived))
    begun = there.index(True)
    assert there.index(False, begun) - begun == pytest.approx(700.0 / 5.0, abs=2)
