"""A network made of lines: where they meet, what gates shut, which islands are joined."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from tests.twin.dispatch.network.drawn import roads_of
from twin.dispatch.network.islands import JOIN_M
from twin.dispatch.network.network import build
from twin.dispatch.network.places import put
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.network.roads import Gates
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.travel import many_to_many

FOOT = load_profiles()["foot"]
PACE = 3.6 / FOOT.speed_kmh
CROSS = [[(0, 0), (200, 0)], [(100, -100), (100, 100)]]


def walk(network, *xy, closed=None) -> float:
    """Seconds on foot between two places."""
    snapshot = Snapshot.open(network, Structure(network), FOOT)
    if closed is not None:
        snapshot = snapshot.closed(closed, 1)
    places = put(snapshot, np.array(xy, float))
    return float(many_to_many(snapshot, places, places)[0, 1])


def test_lines_of_openstreetmap_meet_where_they_share_a_vertex_and_nowhere_else() -> None:
    over = build(roads_of([*CROSS, [(200, 0), (100, -100)]]))
    assert (over.nodes, over.edges) == (4, 3)
    assert walk(over, (0, 0), (100, 100)) == pytest.approx((400 + np.sqrt(20_000)) * PACE)
    shared = build(roads_of([[(0, 0), (100, 0), (200, 0)], [(100, -100), (100, 0), (100, 100)]]))
    assert (shared.nodes, shared.edges) == (5, 4)
    assert walk(shared, (0, 0), (100, 100)) == pytest.approx(200 * PACE)


def test_lines_of_a_drawing_meet_where_they_cross_on_one_layer() -> None:
    assert walk(build(roads_of(CROSS, drawn=[True, True])), (0, 0), (100, 100)) == pytest.approx(200 * PACE)
    assert walk(build(roads_of(CROSS, drawn=[True, False])), (0, 0), (100, 100)) == pytest.approx(200 * PACE)
    bridge = roads_of(CROSS, drawn=[True, True], layer=np.array([0, 1], np.int16))
    assert walk(build(bridge), (0, 0), (100, 100)) == np.inf


@pytest.mark.parametrize(("gap_m", "meets"), [(0.0, True), (0.3, True), (-0.3, True), (0.8, False)])
def test_an_end_just_beside_a_road_meets_it(gap_m, meets) -> None:
    network = build(roads_of([[(0, 0), (200, 0)], [(100, gap_m), (100, 100)]]), obstacles=_wall(gap_m))
    assert np.isfinite(walk(network, (0, 0), (100, 100))) == meets


def _wall(gap_m):
    """What keeps a wider gap from being joined as an island."""
    return np.array([shapely.box(-10, 0.6, 210, 0.7)] if gap_m > 0.5 else [], object)


def test_an_island_is_joined_over_a_short_gap_and_not_through_a_wall() -> None:
    island = [[(0, 0), (200, 0)], [(100, JOIN_M - 1), (100, 100), (150, 100)]]
    network = build(roads_of(island))
    assert network.is_joint.sum() == 1
    assert network.length_m[network.is_joint] == pytest.approx([JOIN_M - 1])
    assert walk(network, (0, 0), (150, 100)) == pytest.approx(250 * PACE)
    assert np.isinf(network.seconds(load_profiles()["car"])[0][network.is_joint]).all()
    walled = build(roads_of(island), obstacles=np.array([shapely.box(0, 10, 200, 11)], object))
    assert (walled.is_joint.sum(), walk(walled, (0, 0), (150, 100))) == (0, np.inf)
    far = [[(0, 0), (200, 0)], [(100, JOIN_M + 1), (100, 100)]]
    assert not build(roads_of(far)).is_joint.any()
    above = roads_of(island, layer=np.array([0, 1], np.int16))
    assert not build(above).is_joint.any()


def test_a_chain_of_islands_is_joined_by_one_link_each() -> None:
    lines = [[(0, 40 * i), (500, 40 * i)] for i in range(6)]
    lines = [[(x, y / 2) for x, y in line] for line in lines]
    network = build(roads_of(lines))
    assert network.is_joint.sum() == 5
    assert len(set(network.parts(network.seconds(FOOT)).tolist())) == 1


def test_a_gate_shuts_every_road_that_reaches_it() -> None:
    lines = [[(0, 0), (100, 0)], [(100, 0), (200, 0)], [(100, 0), (100, 100)], [(0, 0), (0, 500)]]
    gates = Gates(np.array([7, 8, 9]), np.array([[100.0, 0.0], [0.0, 250.0], [900.0, 0.0]]))
    network = build(roads_of(lines), gates)
    assert network.gates.id.tolist() == [7, 8], "the one that stands on no road is left out"
    through = network.cut.gate
    assert (np.bincount(through[through >= 0]).tolist(), network.length_m[through >= 0].max()) == (
        [3, 2],
        0.0,
    )
    assert walk(network, (50, 0), (100, 50)) == pytest.approx(100 * PACE, abs=0.1)
    assert walk(network, (50, 0), (100, 50), closed=through == 0) == np.inf
    assert walk(network, (50, 0), (0, 100), closed=through == 0) == pytest.approx(150 * PACE)
    assert walk(network, (0, 100), (0, 400), closed=through == 1) == np.inf


def test_stairs_are_slow_on_foot_shut_to_bicycles_and_streets_forbidden_to_them_are_pushed_along() -> None:
    lines = [[(0, 0), (100, 0)], [(100, 0), (200, 0)], [(200, 0), (300, 0)]]
    ridden = [True, False, False]
    roads = roads_of(lines, stairs=[False, True, False], bike_forward=ridden, bike_backward=ridden)
    network = build(roads)
    assert walk(network, (0, 0), (300, 0)) == pytest.approx(200 * PACE + 100 * 3.6 / FOOT.stairs_kmh)
    bike = load_profiles()["bike"]
    there, back = network.seconds(bike)
    assert there == pytest.approx([360 / bike.speed_kmh, np.inf, 360 / bike.push_kmh])
    assert (there == back).all()


def test_a_car_is_no_quicker_than_a_road_allows() -> None:
    car = load_profiles()["car"]
    roads = roads_of([[(0, 0), (1000, 0)]] * 3, road_class=["primary", "primary", "footway"])
    roads.max_speed_kmh[1] = 20.0
    there, _ = build(roads).seconds(car)
    assert there == pytest.approx([3600 / car.by_class["primary"], 180.0, 3600 / car.speed_kmh])


def test_nothing_is_a_network_too() -> None:
    network = build(roads_of([]))
    assert (network.nodes, network.edges) == (0, 0)
    assert walk(network, (0, 0), (1, 1)) == np.inf
