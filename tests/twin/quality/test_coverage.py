from __future__ import annotations

import pytest
import shapely

pytestmark = pytest.mark.postgis

WEST = "510105001001"


def test_a_divided_city_has_no_fault(checked) -> None:
    assert checked.found == {}


def test_a_missing_unit_grid_is_a_gap_of_its_size(checked) -> None:
    with checked as city:
        city.sql(
            "UPDATE area SET valid_to = now() + interval '1 s' WHERE level = 'unit_grid' AND code = :c",
            c=f"{WEST}002",
        )
    assert checked.found == {"unit_grid_gap": 1}
    (example,) = checked.findings["unit_grid_gap"].examples
    assert example.subject == f"community {WEST}000"
    assert 104.06 < example.lon < 104.064
    assert float(example.detail.split()[0]) > 5_000


@pytest.mark.parametrize("shift_deg", [1e-9, 1e-6])
def test_a_grid_moved_by_a_hair_is_found(checked, shift_deg) -> None:
    with checked as city:
        city.sql(
            "UPDATE area SET geom = ST_Translate(geom, :s, 0) WHERE level = 'unit_grid' AND code = :c",
            s=shift_deg,
            c=f"{WEST}001",
        )
    found = checked.found
    assert found.pop("device_in_wrong_grid", 0) == 0
    assert set(found) == {"unit_grid_gap", "unit_grid_overlap"}
    assert checked.findings["unit_grid_overlap"].severity == "error"


def test_a_grid_drawn_over_another_is_an_overlap(checked) -> None:
    with checked as city:
        city.area("unit_grid", f"{WEST}900", shapely.box(20, 20, 40, 40), city.west, made_by="drawn")
    assert checked.found == {"unit_grid_overlap": 1}
    (example,) = checked.findings["unit_grid_overlap"].examples
    assert f"{WEST}900" in example.subject
    assert float(example.detail.split()[0]) == pytest.approx(400, rel=0.02)


def test_a_vertex_on_one_side_only_is_told(checked) -> None:
    with checked as city:
        # ST_Segmentize puts vertices on the straight edge between two grids; nothing moves.
        city.sql(
            "UPDATE area SET geom = ST_Segmentize(geom, 0.0002)"
            " WHERE level = 'responsibility_grid' AND code = :c",
            c=f"{WEST}001",
        )
    found = checked.found
    assert found
    assert all(check.startswith("responsibility_grid_") for check in found)


def test_communities_that_overlap_are_found(checked) -> None:
    with checked as city:
        third = city.area("community", "510105001003000", shapely.box(-100, 0, 10, 200), city.street)
        city.area("unit_grid", "510105001003001", shapely.box(-100, 0, 10, 200), third)
    found = checked.found
    assert found["community_overlap"] == 1
    example = checked.findings["community_overlap"].examples[0]
    assert float(example.detail.split()[0]) == pytest.approx(2000, rel=0.02)


def test_a_crack_between_communities_is_found_and_open_ground_is_not(checked) -> None:
    crack, open_ground = shapely.box(0, 202, 300, 300), shapely.box(340, 260, 600, 300)
    with checked as city:
        for number, shape in ((3, crack), (4, open_ground)):
            community = city.area("community", f"51010500100{number}000", shape, city.street)
            city.area("unit_grid", f"51010500100{number}001", shape, community)
    assert checked.found == {"community_gap": 1}
    example = checked.findings["community_gap"].examples[0]
    assert "510105001001000" in example.subject
    assert "510105001003000" in example.subject
    assert float(example.detail.split()[0]) == pytest.approx(600, rel=0.1)
