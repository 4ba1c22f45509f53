"""Judge tags as the OpenStreetMap wiki says and never stumble over free text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.vector.address_tags import address_of
from ingest.vector.building_tags import height_table, judge_height, kind_of
from ingest.vector.camera_tags import camera_view, is_camera
from ingest.vector.place_tags import component_class, cover_of, service_category
from ingest.vector.road_tags import Access, judge_access, layer_of, max_speed_kmh, width_m
from ingest.vector.tag_values import direction, metres, number, speed_kmh
from twin.component_classes import component_classes

TAGS = st.dictionaries(
    st.sampled_from(
        [
            "height",
            "building:levels",
            "min_height",
            "building:min_level",
            "roof:height",
            "roof:levels",
            "building",
        ]
    ),
    st.one_of(st.text(max_size=12), st.floats().map(str), st.integers(-5, 3000).map(str)),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12.0),
        ("12 m", 12.0),
        ("12,5", 12.5),
        ("40'", 12.192),
        ("6'3\"", 1.905),
        ("1.2 km", 1200.0),
        ("3米", 3.0),
        ("12;14", None),
        ("tall", None),
        ("-3", None),
        ("1e999", None),
        ("NaN", None),
        ("", None),
        (None, None),
    ],
)
def test_lengths(text: str | None, value: float | None) -> None:
    assert metres(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("text", "bearing", "width"),
    [
        ("0", 0.0, None),
        ("360", 0.0, None),
        ("-90", 270.0, None),
        ("NNE", 22.5, None),
        ("south", 180.0, None),
        ("东北", 45.0, None),
        ("90;270", 90.0, None),
        ("90-180", 135.0, 90.0),
        ("315-45", 0.0, 90.0),
        ("NW-NE", 0.0, 90.0),
        ("up", None, None),
        ("1e999", None, None),
        ("nan", None, None),
    ],
)
def test_directions(text: str, bearing: float | None, width: float | None) -> None:
    found = direction(text)
    assert found == (None if bearing is None else (pytest.approx(bearing), width))


@given(st.text(max_size=30))
def test_free_text_never_fails(text: str) -> None:
    for read in (number, metres, speed_kmh):
        value = read(text)
        assert value is None or math.isfinite(value)
    found = direction(text)
    assert found is None or 0.0 <= found[0] < 360.0


@given(TAGS, st.floats(0, 1e6))
def test_any_building_gets_a_height_the_database_takes(tags: dict[str, str], footprint_m2: float) -> None:
    height = judge_height(tags, kind_of(tags), footprint_m2)
    assert 0.0 < height.height_m < 1000.0
    assert 0.0 <= height.min_height_m < height.height_m
    assert height.levels is None or 0.0 < height.levels < 250.0
    assert height.source in {"measured", "levels", "estimated"}


def test_heights() -> None:
    assert judge_height({"height": "35 m", "building:levels": "3"}, "office", 500).height_m == 35.0
    levels = judge_height({"building:levels": "10", "roof:levels": "1"}, "apartments", 500)
    assert (levels.height_m, levels.source, levels.levels) == (33.0, "levels", 10.0)
    unknown = judge_height({}, "yes", 20.0)
    assert (unknown.source, unknown.height_m) == ("estimated", height_table().default.storey_m)
    assert judge_height({}, "yes", 1000.0).height_m == 12.0
    assert judge_height({"height": "-3"}, "house", 100).ignored == ("height",)
    assert judge_height({"height": "10", "min_height": "20"}, "house", 100).ignored == ("min_height",)
    assert judge_height({"height": "30", "building:min_level": "2"}, "apartments", 100).min_height_m == 6.0


@pytest.mark.parametrize(
    ("tags", "access"),
    [
        ({"highway": "residential"}, Access(True, True, True, True, True)),
        ({"highway": "residential", "oneway": "yes"}, Access(True, True, False, True, False)),
        ({"highway": "residential", "oneway": "-1"}, Access(True, False, True, False, True)),
        (
            {"highway": "residential", "oneway": "yes", "oneway:bicycle": "no"},
            Access(True, True, True, True, False),
        ),
        (
            {"highway": "residential", "oneway": "yes", "cycleway": "opposite_lane"},
            Access(True, True, True, True, False),
        ),
        ({"highway": "motorway"}, Access(False, False, False, True, False)),
        ({"highway": "primary", "junction": "roundabout"}, Access(True, True, False, True, False)),
        ({"highway": "footway"}, Access(True, False, False, False, False)),
        ({"highway": "footway", "bicycle": "yes"}, Access(True, True, True, False, False)),
        ({"highway": "footway", "access": "yes"}, Access(True, False, False, False, False)),
        ({"highway": "cycleway", "foot": "no"}, Access(False, True, True, False, False)),
        ({"highway": "pedestrian", "vehicle": "no"}, Access(True, False, False, False, False)),
        ({"highway": "service", "access": "private"}, Access(False, False, False, False, False)),
        (
            {"highway": "service", "access": "private", "foot": "yes"},
            Access(True, False, False, False, False),
        ),
        (
            {"highway": "residential", "motor_vehicle": "no", "bicycle": "designated"},
            Access(True, True, True, False, False),
        ),
        ({"highway": "steps"}, Access(True, False, False, False, False)),
        ({"highway": "trunk", "motorroad": "yes"}, Access(False, False, False, True, True)),
        (
            {"highway": "trunk", "motorroad": "yes", "sidewalk": "both"},
            Access(True, False, False, True, True),
        ),
        ({"highway": "residential", "bicycle": "dismount"}, Access(True, False, False, True, True)),
    ],
)
def test_access(tags: dict[str, str], access: Access) -> None:
    assert judge_access(tags) == access


def test_widths_layers_and_speeds() -> None:
    assert width_m({"highway": "residential", "width": "7.5 m"}) == 7.5
    assert width_m({"highway": "primary", "lanes": "4"}) == 13.0
    assert width_m({"highway": "residential", "width": "9999"}) == 6.0
    assert width_m({"highway": "primary", "oneway": "yes"}) == 7.8
    assert layer_of({"bridge": "yes"}) == 1
    assert layer_of({"tunnel": "yes", "layer": "-2"}) == -2
    assert layer_of({"layer": "99"}) == 5
    assert max_speed_kmh({"maxspeed": "30 mph"}) == pytest.approx(48.28, abs=0.01)
    assert max_speed_kmh({"maxspeed": "walk"}) is None


def test_places() -> None:
    assert service_category({"amenity": "pharmacy", "healthcare": "pharmacy"}) == "pharmacy"
    assert service_category({"shop": "convenience"}) == "shop_convenience"
    assert service_category({"office": "government"}) == "office_government"
    assert service_category({"shop": "vacant"}) is None
    assert service_category({"highway": "bus_stop"}) is None
    assert cover_of({"leisure": "park"}) == "green"
    assert cover_of({"natural": "water"}) == "water"
    assert cover_of({"landuse": "residential"}) == "block"
    assert cover_of({"landuse": "residential", "building": "yes"}) is None


def test_components() -> None:
    lamp, hydrant = (
        component_class({"highway": "street_lamp"}),
        component_class({"emergency": "fire_hydrant"}),
    )
    assert (lamp and lamp.code, hydrant and hydrant.code) == ("01037", "01013")
    sewer = component_class({"man_made": "manhole", "manhole": "sewer"})
    assert sewer is not None
    assert sewer.code == "01002"
    assert component_class({"natural": "wood"}) is None
    codes = [row.code for row in component_classes().ordered]
    assert len(codes) == len(set(codes))
    assert all(len(code) == 5 and code.isdigit() for code in codes)


def test_cameras() -> None:
    assert is_camera({"man_made": "surveillance"})
    assert not is_camera({"man_made": "surveillance", "surveillance:type": "guard"})
    view = camera_view({"camera:direction": "90-180", "camera:mount": "pole", "height": "abc"})
    assert (view.bearing_deg, view.field_of_view_deg, view.height_m) == (135.0, 90.0, 5.0)
    assert camera_view({"camera:type": "dome", "direction": "S"}).field_of_view_deg == 360.0
    assert camera_view({"direction": "359.999"}).bearing_deg == 0.0


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({"addr:street": "Mannerheimintie", "addr:housenumber": "12 B"}, "Mannerheimintie 12 B"),
        ({"addr:city": "成都市", "addr:street": "人民南路", "addr:housenumber": "8"}, "成都市人民南路8号"),
        ({"addr:full": "somewhere"}, "somewhere"),
        ({"addr:street": "x"}, None),
        ({"addr:postcode": "610000"}, None),
    ],
)
def test_addresses(tags: dict[str, str], text: str | None) -> None:
    address = address_of(tags)
    assert (address.text if address else None) == text
