"""Ways told in steps: over crossings drawn by hand, and what holds for every way through random streets."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.twin.dispatch.network.drawn import roads_of
from tests.twin.dispatch.network.test_travel import STEP_M, streets
from twin.dispatch.network.network import build
from twin.dispatch.network.places import put
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.network.roads import Gates
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.turn_words import called, words_of
from twin.dispatch.network.turns import Over, Step, Turn, steps_of, turn_of
from twin.dispatch.network.way import find_way, way_line

PROFILES = load_profiles()
MIRRORED = {"left": "right", "right": "left"}


def told(network, start, goal, profile="foot") -> list[Step]:
    """Return the steps between two places in metres."""
    snapshot = Snapshot.open(network, Structure(network), PROFILES[profile])
    places = put(snapshot, np.array([start, goal], float))
    one, other = (places.only(np.array([i])) for i in (0, 1))
    way = find_way(snapshot, one, other)
    assert way is not None
    steps = steps_of(snapshot, way, one, other)
    metres = shapely.LineString(way_line(snapshot, way)[0]).length + places.beside_m.sum()
    assert sum(step.metres for step in steps) == pytest.approx(metres, abs=0.2)
    assert sum(step.seconds for step in steps) == pytest.approx(way.seconds, abs=1e-6)
    return steps


def named(*names):
    return {"name": np.array(names, object), "name_en": np.array([None] * len(names), object)}


def english(steps: list[Step]) -> list[str]:
    return [words_of(step).en for step in steps]


def chinese(steps: list[Step]) -> list[str]:
    return [words_of(step).zh for step in steps]


def test_at_a_crossing_one_turns_from_street_to_street_and_arrives_on_a_side() -> None:
    lines = [[(0, 0), (100, 0)], [(100, 0), (200, 0)], [(100, 0), (100, 100)], [(100, 0), (100, -100)]]
    network = build(roads_of(lines, **named("东街", "东街", "北巷", "南巷")))
    straight = told(network, (0, 0), (180, 5))
    assert chinese(straight) == ["沿东街向东出发", "到达，目的地在左侧"]
    assert (straight[0].metres, straight[1].metres) == (pytest.approx(180), pytest.approx(5))
    left = told(network, (0, -30), (112, 80))
    assert chinese(left) == ["先走 30 米到东街，再向东走", "左转，进入北巷", "到达，目的地在右侧 12 米处"]
    assert left[0].metres == pytest.approx(130)
    assert left[1].xy == pytest.approx((100, 0))
    assert english(told(network, (0, 0), (100, -80))) == [
        "Head east on 东街",
        "Turn right onto 南巷",
        "You have arrived",
    ]


def test_a_street_that_bends_is_one_step_until_one_could_go_otherwise() -> None:
    bent = [[(0, 0), (100, 0)], [(100, 0), (100, 100)]]
    bends = told(build(roads_of(bent, **named("长街", "长街"))), (0, 0), (100, 90))
    assert [step.turn for step in bends] == [Turn.DEPART, Turn.ARRIVE]
    branch = roads_of([*bent, [(100, 0), (200, 0)]], **named("长街", "长街", "别街"))
    assert chinese(told(build(branch), (0, 0), (100, 90)))[1] == "左转，继续沿长街走"
    assert english(told(build(branch), (0, 0), (100, 90)))[1] == "Turn left to stay on 长街"


def test_what_has_no_name_is_called_by_its_kind_and_one_kind_is_one_street() -> None:
    lines = [[(0, 0), (50, 0)], [(50, 0), (100, 0)], [(100, 0), (100, 80)]]
    roads = roads_of(lines, road_class=np.array(["footway", "path", "service"], object))
    steps = told(build(roads), (0, 0), (100, 70))
    assert chinese(steps)[:2] == ["沿步行道向东出发", "左转，进入内部道路"]
    assert english(steps)[:2] == ["Head east on the footpath", "Turn left onto the service road"]
    assert (steps[0].name, steps[0].metres) == (None, pytest.approx(100))
    for road_class in ("primary_link", "residential", "never heard of"):
        assert called(road_class).zh == "道路"


def test_stairs_gates_and_joints_are_told() -> None:
    lines = [[(0, 0), (100, 0)], [(100, 0), (200, 0)], [(200, 0), (300, 0)], [(300, 20), (300, 100)]]
    gate = Gates(np.array([1]), np.array([[50.0, 0.0]]))
    roads = roads_of(lines, stairs=[False, True, False, False], **named("一路", None, "二路", "三路"))
    steps = told(build(roads, gate), (0, 0), (300, 90))
    assert chinese(steps) == [
        "沿一路向东出发",
        "穿过大门，直行，继续沿一路走",
        "直行，走台阶",
        "直行，进入二路",
        "左转，走一段图上未画的路（推测可通行）",
        "直行，进入三路",
        "到达目的地",
    ]
    assert english(steps)[1:3] == [
        "Go through the gate and continue on 一路",
        "Continue and take the stairs",
    ]
    assert [step.over for step in steps[2:5]] == [Over.STAIRS, Over.STREET, Over.JOINT]
    assert [step.gate for step in steps] == [False, True, *[False] * 5]
    assert steps[2].seconds == pytest.approx(100 / PROFILES["foot"].stairs_kmh * 3.6)


def test_a_roundabout_is_left_by_the_exit_that_is_told() -> None:
    angle = np.radians(np.arange(0, 361, 15))
    ring = 30 * np.stack((np.sin(angle), -np.cos(angle)), axis=1)
    ring[-1] = ring[0]
    arms = [[tuple(ring[i]), tuple(5 * ring[i])] for i in (0, 6, 12, 18)]  # south, east, north, west
    lines = [[tuple(xy) for xy in ring], *arms]
    one_way = [False, *[True] * 4]
    roads = roads_of(lines, car_backward=one_way, **named(None, "南路", "东路", "北路", "西路"))
    network = build(roads)
    for exit_, (goal, name) in enumerate(
        [((140, 0), "东路"), ((0, 140), "北路"), ((-140, 0), "西路")], start=1
    ):
        steps = told(network, (0, -150), goal, "car")
        assert [step.over for step in steps[:3]] == [Over.STREET, Over.ROUNDABOUT, Over.STREET]
        assert (steps[1].exit, steps[2].name) == (exit_, name)
    assert chinese(steps)[1] == "右转，进入环岛，走第 3 个出口"
    assert english(steps)[1] == "Turn right into the roundabout and take the 3rd exit"
    square = [(0, 0), (50, 0), (50, 50), (0, 50), (0, 0)]
    block = build(roads_of([square, [(0, 0), (-50, 0)]], car_backward=[False, True]))
    assert Over.ROUNDABOUT not in {step.over for step in told(block, (-40, 0), (50, 40), "car")}


def test_who_is_there_already_only_arrives() -> None:
    network = build(roads_of([[(0, 0), (100, 0)]], **named("东街")))
    assert chinese(told(network, (40, 0), (40, 0))) == ["从东街出发", "到达目的地"]
    assert chinese(told(network, (40, -20), (40, 20)))[0] == "先走 20 米到东街"


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(-178, 178))
def test_a_turn_is_that_between_the_streets_whichever_way_they_lie(heading, turn_deg) -> None:
    assume(all(abs(abs(turn_deg) - limit) > 0.5 for limit in (20, 50, 120, 160)))
    into, out = np.radians(heading), np.radians(heading + turn_deg)
    start, goal = -200 * np.array([np.cos(into), np.sin(into)]), 200 * np.array([np.cos(out), np.sin(out)])
    network = build(roads_of([[tuple(start), (0, 0)], [(0, 0), tuple(goal)]], **named("来路", "去路")))
    steps = told(network, start, goal)
    size = abs(turn_deg)
    expected = "straight" if size < 20 else "u_turn" if size > 160 else "left" if turn_deg > 0 else "right"
    assert expected in steps[1].turn.value
    assert steps[1].turn is turn_of(turn_deg)
    assert {"slight": 20 < size < 50, "sharp": 120 < size < 160} == {
        word: word in steps[1].turn.value for word in ("slight", "sharp")
    }


@settings(max_examples=60, deadline=None)
@given(streets(), st.integers(0, 10_000))
def test_steps_add_up_and_mirrored_ways_say_left_for_right(drawn, seed) -> None:
    lines, _ = drawn
    assume(lines)
    # No two ways through such streets are equally long, so that the mirrored one is the same.
    crooked = [[_crooked(x, y) for x, y in line] for line in lines]
    names = named(*(f"{i % 3}街" for i in range(len(lines))))
    both = [
        build(roads_of([[(side * x, y) for x, y in line] for line in crooked], **names)) for side in (1, -1)
    ]
    rng = np.random.default_rng(seed)
    places = rng.uniform(-20, 4 * STEP_M + 20, (2, 2))
    snapshot = Snapshot.open(both[0], Structure(both[0]), PROFILES["foot"])
    on = put(snapshot, places)
    assume(on.known.all())
    assume(find_way(snapshot, *(on.only(np.array([i])) for i in (0, 1))) is not None)
    steps, mirrored = (
        told(network, *(places * (side, 1))) for network, side in zip(both, (1, -1), strict=True)
    )
    assert [_swapped(step.turn.value) for step in steps] == [step.turn.value for step in mirrored]
    assert [MIRRORED.get(step.side or "") for step in steps] == [step.side for step in mirrored]
    assert [step.metres for step in steps] == pytest.approx([step.metres for step in mirrored])
    assert steps[0].turn is Turn.DEPART
    assert steps[-1].turn is Turn.ARRIVE


def _crooked(x, y):
    return x + 11 * np.sin(x + 2.3 * y), y + 13 * np.cos(1.7 * x - y)


def _swapped(turn: str) -> str:
    head, _, side = turn.rpartition("_")
    return f"{head}_{MIRRORED.get(side, side)}".removeprefix("_")
