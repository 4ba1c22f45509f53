"""The mark says whose file it is in a form that nobody's filter can imitate."""

from __future__ import annotations

from datetime import UTC, datetime

from api.exports.mark import Mark, areas_of
from twin.access.scope import EVERYWHERE, Scope

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
STREET = Scope.of_area("510104021000000", "street")


def test_the_mark_in_one_cell_and_the_name_of_the_file():
    mark = Mark(7, "devices", "li", AT, STREET, 12, {"kind": "camera"})
    assert mark.line == (
        "GT-7;by=li;at=2026-01-02T03:04:05.678Z;scope=510104021000000-510104021999999;filter=kind=camera;rows=12"
    )
    assert mark.file_name("csv") == "gridtwin-devices-GT-7-20260102T030405Z-li-12.csv"
    assert Mark(7, "areas", "li", AT, EVERYWHERE, 0).line.endswith(";scope=whole;filter=none;rows=0")


def test_a_filter_does_not_pass_for_another_part():
    line = Mark(7, "buildings", "li", AT, STREET, 1, {"kind": "x;by=wang;rows=9\r\n"}).line
    assert [part.split("=")[0] for part in line.split(";")] == ["GT-7", "by", "at", "scope", "filter", "rows"]
    assert "\n" not in line


def test_scopes_are_written_as_ranges_of_codes():
    grid = Scope.of_area("510104022001001", "responsibility_grid")
    assert areas_of(STREET | grid) == "510104021000000-510104021999999+510104022001001"
