from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.partition.linework import LATTICE_DEG, Scale
from twin.partition.options import DivisionOptions
from twin.partition.tables import PATH_CLASSES, ROAD_CLASSES
from twin.partition.unit_grids import COUNT_MAX, CommunityGrids, make_unit_grids

CENTRE = (104.06, 30.66)
SCALE = Scale.at(*CENTRE)


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def degrees(metres):
    """Place metres around the centre as degrees."""
    return shapely.transform(metres, lambda c: c / (SCALE.x_m, SCALE.y_m) + CENTRE)


def areas(grids) -> np.ndarray:
    return shapely.area(SCALE.to_metres(grids))


def assert_exact(borders, made: list[CommunityGrids]) -> None:
    """No gap, no overlap, each in one community; by GEOS' coverage checks and by brute-force overlay."""
    everything = np.concatenate([m.grids for m in made])
    assert shapely.is_valid(everything).all()
    assert (shapely.get_type_id(everything) == shapely.GeometryType.POLYGON).all()
    assert shapely.coverage_is_valid(everything)
    coordinates = shapely.get_coordinates(everything)
    assert np.abs(np.rint(coordinates / LATTICE_DEG) * LATTICE_DEG - coordinates).max() < 1e-13
    taken = shapely.Polygon()
    for border, one in zip(borders, made, strict=True):
        expected = border.difference(taken)
        taken = taken.union(border)
        if len(one.grids) == 0:
            assert expected.area < 1e-14
            continue
        union = shapely.coverage_union_all(one.grids)
        # The union is the stored border to the last bit, and the border moved by less than two steps.
        assert shapely.equals_exact(shapely.normalize(union), shapely.normalize(one.border), 0.0)
        assert union.symmetric_difference(expected).area <= 4 * LATTICE_DEG * expected.length
        assert shapely.area(one.grids).sum() == pytest.approx(union.area, rel=1e-12)
        assert len(one.grids) <= COUNT_MAX
    tree = shapely.STRtree(everything)
    for i, j in tree.query(everything, predicate="intersects").T:
        if i < j:
            assert everything[i].relate_pattern(everything[j], "F********")  # interiors do not meet


@st.composite
def cities(draw):
    """One to four communities that tile a crooked block, and a random road net over it."""
    number = st.floats(-700, 700, allow_nan=False)
    point = st.tuples(number, number)
    wiggle = [draw(st.floats(-60, 60)) for _ in range(12)]
    x = np.linspace(-500, 500, 5)
    top = [(x[i], 400 + wiggle[i]) for i in range(5)]
    bottom = [(x[i], -400 + wiggle[5 + i]) for i in range(5)]
    k = draw(st.integers(1, 3))
    cuts = [0, *sorted(draw(st.lists(st.integers(1, 3), min_size=k - 1, max_size=k - 1, unique=True))), 4]
    borders = [shapely.Polygon(bottom[a : b + 1] + top[a : b + 1][::-1]) for a, b in itertools.pairwise(cuts)]
    lines = draw(st.lists(st.lists(point, min_size=2, max_size=5, unique=True), max_size=12))
    minor = draw(st.lists(st.lists(point, min_size=2, max_size=3, unique=True), max_size=8))
    to_lines = lambda many: [degrees(shapely.LineString(p)) for p in many]  # noqa: E731
    return [degrees(b) for b in borders], to_lines(lines), to_lines(minor)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cities())
def test_random_nets_leave_no_gap_and_no_overlap(city) -> None:
    borders, roads, paths = city
    made = make_unit_grids(borders, roads, paths)
    assert_exact(borders, made)
    sizes = areas(np.concatenate([m.grids for m in made]))
    options = DivisionOptions()
    assert np.median(sizes) < options.unit_max_area_m2
    # Smaller than the least only where a whole community is, or where its neighbours are all strips.
    assert (sizes < options.unit_min_area_m2).sum() <= len(borders)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cities(), st.randoms(use_true_random=False))
def test_the_order_of_the_roads_does_not_matter(city, random) -> None:
    borders, roads, paths = city
    first = make_unit_grids(borders, roads, paths)
    random.shuffle(roads)
    second = make_unit_grids(borders, roads, paths)
    for a, b in zip(first, second, strict=True):
        assert [g.wkb for g in a.grids] == [g.wkb for g in b.grids]


def test_a_bare_square_is_cut_into_cells_of_about_the_target() -> None:
    border = degrees(shapely.box(-200, -200, 200, 200))
    (made,) = make_unit_grids([border], [])
    assert_exact([border], [made])
    assert len(made.grids) == 16
    assert areas(made.grids) == pytest.approx(np.full(16, 10_000.0), rel=1e-3)


def test_a_block_with_a_thin_tail_is_cut_through_the_block() -> None:
    # 145 m × 160 m with a tail of 6 m × 290 m, as between the middle of a street and the border beside it.
    corners = [(0, 0), (145, 0), (145, 450), (139, 450), (139, 160), (0, 160)]
    border = degrees(shapely.Polygon(corners))
    (made,) = make_unit_grids([border], [])
    assert_exact([border], [made])
    assert len(made.grids) == 2
    assert areas(made.grids).max() < DivisionOptions().unit_max_area_m2


def test_a_road_divides_and_is_no_grid_of_its_own() -> None:
    border = degrees(shapely.box(-100, -50, 100, 50))
    road = degrees(shapely.LineString([(10, -300), (10, 300)]))
    (made,) = make_unit_grids([border], [road])
    assert areas(made.grids) == pytest.approx([11_000.0, 9_000.0], rel=1e-3)


def test_a_dead_end_divides_nothing() -> None:
    border = degrees(shapely.box(-50, -50, 50, 50))
    (made,) = make_unit_grids([border], [degrees(shapely.LineString([(0, -50), (0, 20)]))])
    assert len(made.grids) == 1


def test_the_strip_of_a_dual_carriageway_goes_to_the_blocks_beside_it() -> None:
    border = degrees(shapely.box(0, 0, 400, 215))
    lanes = [shapely.LineString([(-10, y), (410, y)]) for y in (100, 115)]
    streets = [
        shapely.LineString([(x, a), (x, b)]) for x in (100, 200, 300) for a, b in ((-10, 100), (115, 230))
    ]
    (made,) = make_unit_grids([border], [degrees(line) for line in lanes + streets])
    assert_exact([border], [made])
    assert len(made.grids) == 8
    # Each piece of the strip is as long as its block: no tongue along the whole road.
    assert areas(made.grids).max() < 11_600


def test_numbers_run_west_to_east_then_north_to_south() -> None:
    border = degrees(shapely.box(-150, -150, 150, 150))
    streets = [shapely.LineString([(-200, y), (200, y)]) for y in (-50, 50)]
    streets += [shapely.LineString([(x, -200), (x, 200)]) for x in (-50, 50)]
    (made,) = make_unit_grids([border], [degrees(s) for s in streets])
    centres = shapely.get_coordinates(shapely.centroid(SCALE.to_metres(made.grids)))
    centres = np.rint((centres - np.multiply(CENTRE, (SCALE.x_m, SCALE.y_m))) / 100).astype(int)
    assert centres.tolist() == [[x, y] for y in (1, 0, -1) for x in (-1, 0, 1)]


def test_cuts_spare_buildings() -> None:
    border = degrees(shapely.box(0, 0, 200, 100))
    house = shapely.box(92, 5, 108, 95)  # right where the even cut would go
    (bare,) = make_unit_grids([border], [])
    (made,) = make_unit_grids([border], [], [], [degrees(house)])
    cut = shapely.intersection(*bare.grids)
    assert cut.intersection(degrees(house)).length > 0
    assert len(made.grids) == 2
    assert shapely.intersection(*made.grids).intersection(degrees(house)).length == 0


def test_a_huge_community_keeps_to_three_digits() -> None:
    border = degrees(shapely.box(0, 0, 5000, 4500))
    xs = np.arange(80, 5000, 100.0)
    streets = [shapely.LineString([(x, -5), (x, 4505)]) for x in xs]
    streets += [shapely.LineString([(-5, x), (5005, x)]) for x in xs if x < 4500]
    (made,) = make_unit_grids([border], [degrees(s) for s in streets])
    assert 300 < len(made.grids) <= COUNT_MAX
    assert shapely.coverage_is_valid(made.grids)
    assert areas(made.grids).sum() == pytest.approx(5000 * 4500, rel=1e-3)


def test_ground_under_two_communities_goes_to_the_first() -> None:
    borders = [degrees(shapely.box(0, 0, 100, 100)), degrees(shapely.box(50, 0, 150, 100))]
    made = make_unit_grids(borders, [])
    assert_exact(borders, made)
    assert areas(made[1].grids).sum() == pytest.approx(5_000, rel=1e-3)


def test_an_island_and_a_hole_are_kept() -> None:
    border = shapely.MultiPolygon(
        [
            shapely.Polygon(shapely.box(0, 0, 300, 300).exterior, [shapely.box(100, 100, 200, 200).exterior]),
            shapely.box(400, 0, 460, 60),
        ]
    )
    made = make_unit_grids([degrees(border)], [])
    assert_exact([degrees(border)], made)
    assert areas(made[0].grids).sum() == pytest.approx(border.area, rel=1e-3)


def test_chengdu_is_divided_exactly_and_in_time() -> None:
    city = _load("chengdu").read_chengdu()
    roads = [g for _, kind, g in city.roads if kind in ROAD_CLASSES]
    paths = [g for _, kind, g in city.roads if kind in PATH_CLASSES]
    began = time.perf_counter()
    made = make_unit_grids(city.borders, roads, paths, [g for *_, g in city.buildings])
    assert time.perf_counter() - began < 20
    assert_exact(city.borders, made)
    sizes = areas(np.concatenate([m.grids for m in made]))
    assert 250 < len(sizes) < 350
    assert 8_000 < np.median(sizes) < 12_500
    assert np.percentile(sizes, 10) > 5_000
    assert np.percentile(sizes, 90) < 16_000
    assert sizes.max() <= DivisionOptions().unit_max_area_m2
