"""Who passes a gate: every case by hand; and closures: which roads they hit, what they cut off."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.twin.dispatch.network.drawn import roads_of
from tests.twin.dispatch.network.test_travel import CAR, streets
from twin.dispatch.network.closures import RoadClosure, closed_edges, cut_off
from twin.dispatch.network.gates import NO_WORD, OPEN, SHUT, GateRules, GateStates, passed
from twin.dispatch.network.network import build
from twin.dispatch.network.places import put
from twin.dispatch.network.roads import Gates
from twin.dispatch.network.snapshot import Snapshot, Structure
from twin.dispatch.network.travel import many_to_many
from twin.model.gate import PASSING


def rules_of(*gates, device=0) -> GateRules:
    """Of (passing, keys, opens, closes) each, the same for everybody."""
    keys = np.empty(len(gates), object)
    keys[:] = [frozenset(one[1]) for one in gates]
    return GateRules(
        np.arange(len(gates)) + 1,
        np.array([[PASSING.index(one[0])] * 3 for one in gates], np.int8),
        keys,
        np.array([one[2] for one in gates], float),
        np.array([one[3] for one in gates], float),
        np.full(len(gates), device),
    )


def by_hand(how, keys, opens, closes, minute, reported, mine) -> bool:
    """The same in plain words."""
    if how in ("never", "always"):
        return how == "always"
    key = bool(set(keys) & mine) or ("public" in keys and reported != SHUT)
    if key or how == "key":
        return key
    if reported != NO_WORD:
        return reported == OPEN
    if np.isnan(opens):
        return False
    return opens <= minute < closes if opens < closes else minute >= opens or minute < closes


HOURS = [(float("nan"), float("nan")), (360.0, 1380.0), (1320.0, 300.0), (0.0, 720.0)]


@pytest.mark.parametrize("network", ["foot", "car"])
def test_passing_by_state_hours_and_keys_is_what_words_say(network) -> None:
    cases = list(
        itertools.product(
            PASSING, [(), ("property",), ("public",), ("public", "security")], HOURS, (NO_WORD, SHUT, OPEN)
        )
    )
    rules = rules_of(*((how, keys, *hours) for how, keys, hours, _ in cases), device=5)
    reported = np.array([one[3] for one in cases], np.int8)
    for minute in (0, 299, 300, 359, 360, 719, 720, 1319, 1320, 1379, 1380, 1439):
        states = GateStates(rules.stand_open(minute), reported)
        for mine in (frozenset(), frozenset({"property", "grid_worker"})):
            passes, unsure = passed(rules, states, network, mine)
            for i, (how, keys, hours, said) in enumerate(cases):
                assert passes[i] == by_hand(how, keys, *hours, minute, said, mine), (cases[i], minute, mine)
                assert unsure[i] == (said == NO_WORD and how == "open" and not (set(keys) & mine))


def test_gates_are_put_in_the_order_of_the_network() -> None:
    rules = rules_of(("never", (), 0, 1), ("always", ("a",), 2, 3), ("key", (), 4, 5))
    some = rules.of(np.array([3, 1]))
    assert (some.id.tolist(), some.passing[:, 0].tolist()) == ([3, 1], [1, 0])
    assert len(GateRules().of(np.zeros(0, np.int64))) == 0


def closure(area=None, roads=(), layers=(0,), networks=("car",)) -> RoadClosure:
    return RoadClosure(1, frozenset(networks), 0.0, np.inf, area, frozenset(layers), frozenset(roads))


def test_a_polygon_hits_roads_of_its_layers_only() -> None:
    lines = [[(0, 0), (200, 0)], [(100, -100), (100, 100)], [(0, 500), (200, 500)], [(0, 20), (200, 20)]]
    network = build(roads_of(lines, layer=np.array([0, 1, 0, -1], np.int16)))
    square = shapely.box(90, -10, 110, 30)

    def hit(layers) -> list[int]:
        edges = closed_edges(network, closure(square, layers=layers))
        return sorted(set(network.roads.id[network.cut.road[edges]].tolist()))

    assert (hit([0]), hit([1]), hit([-1]), hit([-1, 0, 1])) == ([1], [2], [4], [1, 2, 4])
    named = closed_edges(network, closure(roads=[3]))
    assert network.cut.road[named].tolist() == [2]


@settings(max_examples=80, deadline=None)
@given(
    streets(),
    st.tuples(st.floats(-50, 400), st.floats(-50, 400), st.floats(1, 250), st.floats(1, 250)),
)
def test_a_polygon_hits_every_edge_it_meets_and_no_other(drawn, at) -> None:
    lines, _ = drawn
    assume(lines)
    network = build(roads_of(lines))
    x, y, wide, high = at
    found = closed_edges(network, closure(shapely.box(x, y, x + wide, y + high)))
    for edge in range(network.edges):
        xy = network.points_of(edge)
        # Streets of the lattice run along the axes: a piece meets a box where both its spans do.
        meets = any(
            min(a[0], b[0]) <= x + wide and max(a[0], b[0]) >= x
            and min(a[1], b[1]) <= y + high and max(a[1], b[1]) >= y
            for a, b in itertools.pairwise(xy.tolist())
        )  # fmt: skip
        assert found[edge] == meets


@settings(max_examples=60, deadline=None)
@given(streets(), st.integers(0, 2**20))
def test_what_is_cut_off_is_what_a_walk_from_the_rest_does_not_reach(drawn, seed) -> None:
    lines, ways = drawn
    assume(lines and all(ahead or back for ahead, back in ways))
    ways = [(True, True)] * len(ways)
    network = build(roads_of(lines))
    snapshot = Snapshot.open(network, Structure(network), CAR)
    shut = np.random.default_rng(seed).random(network.edges) < 0.3
    after = snapshot.closed(shut, 1)
    told = cut_off(snapshot, after)

    def spread(edges_open, start) -> set[int]:
        reached, queue = {start}, [start]
        while queue:
            node = queue.pop()
            for edge in np.flatnonzero(edges_open).tolist():
                ends = int(network.cut.tail[edge]), int(network.cut.head[edge])
                for one, other in (ends, ends[::-1]):
                    if one == node and other not in reached:
                        reached.add(other)
                        queue.append(other)
        return reached

    driven = np.isfinite(snapshot.there)
    pieces, left = [], set(network.cut.tail[driven & ~shut].tolist())
    while left:
        nodes = spread(driven & ~shut, left.pop())
        left -= nodes
        inside = driven & ~shut & np.isin(network.cut.tail, list(nodes))
        pieces.append((float(network.length_m[inside].sum()), nodes))
    main = max(
        (spread(driven, int(n)) for n in network.cut.tail[driven]),
        key=lambda nodes: network.length_m[driven & np.isin(network.cut.tail, list(nodes))].sum(),
        default=set(),
    )
    most = max((metres for metres, _ in pieces), default=0.0)
    of_main = sorted((m for m, nodes in pieces if nodes <= main), reverse=True)
    if len({round(m, 3) for m, _ in pieces}) == len(pieces) and _one_largest(network, driven):
        expected = [m for m in of_main if m < most - 1e-6]
        assert [one.metres for one in told] == pytest.approx(expected)


def _one_largest(network, driven) -> bool:
    part = network.parts((np.where(driven, 1.0, np.inf),) * 2)[network.cut.tail[driven]]
    sizes = np.sort(np.bincount(part, network.length_m[driven]))
    return len(sizes) < 2 or sizes[-1] > sizes[-2] + 1e-6


def test_a_gate_that_is_shut_keeps_places_where_they_are_and_costs_no_second_search_of_places() -> None:
    lines = [[(0, 0), (100, 0), (130, 0)]]
    network = build(roads_of(lines), Gates(np.array([1]), np.array([[100.0, 0.0]])))
    opened = Snapshot.open(network, Structure(network), CAR)
    shut = opened.closed(network.cut.gate >= 0, 1)
    assert (shut.tree is opened.tree, shut.part is opened.part) == (True, True)
    places = put(shut, np.array([[10.0, 0.0], [125.0, 5.0]]))
    assert (places.beside_m[1], many_to_many(shut, places, places)[0, 1]) == (5.0, np.inf)
    assert np.isfinite(many_to_many(opened, places, places)[0, 1])
