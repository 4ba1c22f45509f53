"""Draw areas from boundaries that the edge of an extract cuts, against published truth and made cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely
from city_files import CHENGDU, SHARED, City
from shapely.geometry import shape

from ingest.vector.area_codes import KnownArea, give_codes
from ingest.vector.borders import AreaDraft, Borders, draw_areas, level_of
from ingest.vector.osm_reader import OsmExtract, read_osm
from ingest.vector.source_file import look_at


def drawn(path: Path) -> tuple[OsmExtract, Borders]:
    extract = read_osm(look_at(path))
    return extract, draw_areas(extract)


@pytest.mark.parametrize(
    ("file", "level", "named"),
    [
        ("shequ_communities_clipped.geojson", "community", 8),
        ("jiedao_subdistricts_clipped.geojson", "street", 3),
    ],
)
def test_chengdu_matches_the_published_polygons(file: str, level: str, named: int) -> None:
    truth_file = SHARED / "chengdu_tianfu" / file
    if not truth_file.exists():
        pytest.skip(f"the truth is not here: {truth_file}")
    truth = {
        f["properties"]["name"] or "未划定社区": shape(f["geometry"])
        for f in json.loads(truth_file.read_text())["features"]
    }
    extract, borders = drawn(CHENGDU)
    assert extract.extent is not None
    # The file has no header box: the window is told by what is in it, here to a few metres.
    assert extract.extent.bounds == pytest.approx((104.05422, 30.65434, 104.07276, 30.67066), abs=3e-5)
    mine = {d.name: d.geom for d in borders.drafts if d.level == level}
    assert sum(name in mine for name in truth if name != "未划定社区") == named
    for name, polygon in truth.items():
        iou = mine[name].intersection(polygon).area / mine[name].union(polygon).area
        assert iou > 0.985, f"{name}: {iou}"


def test_helsinki_is_named_and_tiled(helsinki: Path) -> None:
    extract, borders = drawn(helsinki)
    communities = {d.name: d.geom for d in borders.drafts if d.level == "community"}
    assert set(communities) == {
        "Kluuvi", "Kamppi", "Kaartinkaupunki", "Kruununhaka", "Punavuori", "Kallio"
    }  # fmt: skip
    # Places everybody knows: the central railway station, the cathedral, the Esplanade.
    assert communities["Kluuvi"].contains(shapely.Point(24.9414, 60.1710))
    assert communities["Kruununhaka"].contains(shapely.Point(24.9522, 60.1704))
    assert communities["Kaartinkaupunki"].contains(shapely.Point(24.9475, 60.1668))
    whole = shapely.union_all(list(communities.values()))
    assert whole.symmetric_difference(extract.extent).area < 1e-12
    assert sum(g.area for g in communities.values()) == pytest.approx(whole.area, rel=1e-9)


def crossed(tmp_path: Path, hints: dict[str, tuple[float, float]]) -> Borders:
    """Return what becomes of two communities parted by one line, with label nodes where given."""
    city = City().window(-200, -200, 200, 200)
    city.line([(-190, 5), (190, 5)], {"highway": "residential"})
    border = city.line([(0, -300), (10, 0), (0, 300)], {"boundary": "administrative"})
    for name in ("甲社区", "乙社区"):
        members = [("w", border, "outer"), ("w", 999_000 + len(name), "outer")]
        if name in hints:
            members.append(("n", city.node(*hints[name], {"place": "suburb"}), "label"))
        city.relation(
            members,
            {"type": "boundary", "boundary": "administrative", "admin_level": "10", "name": name},
        )
    return drawn(city.write(tmp_path / "city.osm"))[1]


def test_one_label_tells_both_sides(tmp_path: Path) -> None:
    borders = crossed(tmp_path, {"甲社区": (-100, 50)})
    areas = {d.name: d.geom.centroid.x for d in borders.drafts}
    assert set(areas) == {"甲社区", "乙社区"}
    assert areas["甲社区"] < City.LON < areas["乙社区"]


def test_without_a_label_nothing_is_guessed(tmp_path: Path) -> None:
    borders = crossed(tmp_path, {})
    assert {d.name for d in borders.drafts} == {"未划定社区"}
    assert {reason for *_, reason, _ in borders.left_out} == {"boundary_ambiguous"}
    whole = shapely.union_all([d.geom for d in borders.drafts])
    assert whole.area == pytest.approx(400 * 400 / 95_700 / 110_900, rel=1e-3)


def test_contradicting_labels_name_neither(tmp_path: Path) -> None:
    borders = crossed(tmp_path, {"甲社区": (-100, 50), "乙社区": (-100, -50)})
    assert {d.name for d in borders.drafts} == {"未划定社区"}


def test_a_complete_relation_is_its_own_polygon(tmp_path: Path) -> None:
    city = City().window(-200, -200, 200, 200)
    city.line([(-190, 5), (190, 5)], {"highway": "residential"})
    ring = city.ring([(-50, -50), (50, -50), (50, 50), (-50, 50)], {"boundary": "administrative"})
    city.relation(
        [("w", ring, "outer")],
        {"type": "boundary", "boundary": "administrative", "admin_level": "10", "name": "中社区"},
    )
    borders = drawn(city.write(tmp_path / "city.osm"))[1]
    areas = {d.name: d for d in borders.drafts}
    assert areas["中社区"].made_by == "imported"
    assert areas["未划定社区"].made_by == "extent"
    assert not areas["中社区"].geom.overlaps(areas["未划定社区"].geom)


def test_levels_depend_on_the_country() -> None:
    assert level_of({"admin_level": "8"}, "CN") == "street"
    assert level_of({"admin_level": "8"}, "FI") == "city"
    assert level_of({"admin_level": "4", "name": "北京市"}, "CN") == "city"
    assert level_of({"admin_level": "4", "name": "四川省"}, "CN") is None
    assert level_of({}, "CN") is None


def area(
    ref: str, level: str, box: tuple[float, float, float, float], official: str | None = None
) -> AreaDraft:
    return AreaDraft(ref, level, ref, None, shapely.MultiPolygon([shapely.box(*box)]), "borders", official)


def test_codes_are_numbered_west_to_east_and_kept() -> None:
    drafts = [
        area("east", "community", (2, 0, 3, 1)),
        area("west", "community", (0, 0, 1, 1)),
        area("street", "street", (0, 0, 3, 1)),
        area("district", "district", (0, 0, 3, 1), "510105"),
    ]
    codes = give_codes(drafts, [])
    assert codes["district"] == ("510105000000000", "official")
    assert codes["street"] == ("510105901000000", "provisional")
    assert codes["west"] == ("510105901901000", "provisional")
    assert codes["east"] == ("510105901902000", "provisional")
    known = [KnownArea(d.ref, codes[d.ref][0], d.level, own=True) for d in drafts]
    more = [*drafts, area("middle", "community", (1, 0, 2, 1))]
    again = give_codes(more, known)
    assert {ref: again[ref] for ref in codes} == codes
    assert again["middle"] == ("510105901903000", "provisional")


def test_a_number_is_never_given_twice() -> None:
    known = [KnownArea("gone", "990000000901000", "community", own=True)]
    assert give_codes([area("new", "community", (0, 0, 1, 1))], known)["new"][0] == "990000000902000"
    other = [KnownArea("x", "990100000000000", "city", own=False)]
    assert give_codes([area("c", "city", (0, 0, 1, 1))], other)["c"][0] == "990200000000000"
