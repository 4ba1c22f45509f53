from __future__ import annotations

import pytest
import shapely
from sqlalchemy import text

from twin.quality import report_quality

pytestmark = pytest.mark.postgis

WEST = "510105001001"


def counted(checked) -> dict[str, int]:
    with checked.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT level::text, count(*) FROM area WHERE valid_to IS NULL GROUP BY level")
        )
        return {row[0]: row[1] for row in rows}


def test_a_whole_city_is_counted_without_gaps_and_overlaps(checked) -> None:
    totals, there = report_quality(checked.engine).coverage, counted(checked)
    assert totals.unit_grids == there["unit_grid"] > 0
    assert totals.responsibility_grids == there["responsibility_grid"] > 0
    assert totals.communities == there["community"] > 0
    assert (totals.gaps, totals.overlaps) == (0, 0)


def test_gaps_and_overlaps_are_summed_and_closed_grids_are_not_counted(checked) -> None:
    before = report_quality(checked.engine).coverage
    with checked as city:
        city.sql(
            "UPDATE area SET valid_to = now() + interval '1 s' WHERE level = 'unit_grid' AND code = :c",
            c=f"{WEST}002",
        )
    after = report_quality(checked.engine).coverage
    assert after.unit_grids == before.unit_grids - 1
    assert (after.gaps, after.overlaps) == (1, 0)


def test_buildings_over_each_other_are_no_overlap_of_areas(checked) -> None:
    with checked as city:
        city.building("way/over-another", shapely.box(40, 20, 80, 60))
    report = report_quality(checked.engine)
    assert any(finding.check == "building_overlap" for finding in report.findings)
    assert report.coverage.overlaps == 0
