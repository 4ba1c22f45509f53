from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.partition.households import grid_count, weigh
from twin.partition.linework import Scale, neighbour_lengths
from twin.partition.options import DivisionOptions
from twin.partition.responsibility import group_cells

SCALE = Scale(1.0, 1.0)


def squares(columns: int, rows: int, skip=()):
    cells = [
        shapely.box(x, y, x + 1, y + 1) for y in range(rows) for x in range(columns) if (x, y) not in skip
    ]
    return np.array(cells, dtype=object)


def group(cells, weight, count):
    centre = shapely.get_coordinates(shapely.centroid(cells))
    return group_cells(np.asarray(weight, dtype=float), centre, neighbour_lengths(cells, SCALE), count)


def assert_contiguous(cells, labels) -> None:
    for k in np.unique(labels):
        assert shapely.coverage_union_all(cells[labels == k]).geom_type == "Polygon"


def test_even_cells_make_even_groups() -> None:
    cells = squares(8, 8)
    labels = group(cells, np.full(64, 100.0), 4)
    assert np.abs(np.bincount(labels) - 16).max() <= 1
    assert_contiguous(cells, labels)


def test_a_heavy_corner_gets_small_groups() -> None:
    cells = squares(10, 10)
    weight = [100.0 if i % 10 < 3 and i // 10 < 4 else 5.0 for i in range(100)]
    labels = group(cells, weight, 4)
    load = np.bincount(labels, weights=weight)
    assert_contiguous(cells, labels)
    assert load.max() < 1.35 * load.mean()
    assert load.min() > 0.65 * load.mean()


def test_cells_in_two_pieces_never_share_a_group() -> None:
    cells = squares(7, 3, skip=[(3, y) for y in range(3)])
    labels = group(cells, np.ones(len(cells)), 3)
    assert_contiguous(cells, labels)
    x = shapely.bounds(cells)[:, 0]
    assert not set(labels[x < 3]) & set(labels[x > 3])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.floats(0, 500), min_size=81, max_size=81),
    st.integers(1, 12),
)
def test_groups_are_contiguous_and_hold_every_cell(columns, rows, weight, count) -> None:
    cells = squares(columns, rows)
    labels = group(cells, weight[: len(cells)], min(count, len(cells)))
    assert (labels >= 0).all()
    assert len(np.unique(labels)) == min(count, len(cells))
    assert_contiguous(cells, labels)


def test_households_are_counted_where_dwellings_are_known() -> None:
    made = weigh(np.array([1e4, 1e4]), np.array([9000.0, 1000.0]), np.array([9000.0, 0.0]), DivisionOptions())
    assert made.basis == "households"
    assert made.households.tolist() == [100, 0]
    assert made.target == 400


@pytest.mark.parametrize(("floor", "basis"), [(9000.0, "floor_area"), (0.0, "area")])
def test_without_dwellings_floor_area_and_then_area_count(floor, basis) -> None:
    made = weigh(np.array([1e4]), np.array([floor]), np.array([0.1 * floor]), DivisionOptions())
    assert (made.basis, made.households) == (basis, None)


def test_the_number_of_groups_is_kept_between_one_and_the_cells() -> None:
    totals = (0, 199, 560, 600, 1000, 9999)
    assert [grid_count(np.full(5, total / 5), 400) for total in totals] == [1, 1, 1, 2, 3, 5]
    assert grid_count(np.array([4000.0, 100.0, 100.0]), 400) == 2  # a tower is one grid, whatever its weight
