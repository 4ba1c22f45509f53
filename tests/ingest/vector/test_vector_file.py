"""Import features of every kind from GeoJSON, in any frame, with every wrong row told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from city_files import PLAIN, ask, everything
from sqlalchemy import Engine

from ingest.vector.record import Rules
from ingest.vector.vector_file import VectorOptions, import_vector
from twin.crs import gcj02_to_bd09, wgs84_to_gcj02
from twin.errors import ConflictError, CoordinateError, FileFormatError, InvalidError

Write = Callable[..., Path]


def feature(geometry: dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def square(lon: float = 104.06, lat: float = 30.66, size: float = 2e-4) -> dict[str, Any]:
    ring = [[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*features: dict[str, Any], name: str = "things.geojson") -> Path:
        path = tmp_path / name
        path.write_text(
            json.dumps({"type": "FeatureCollection", "features": list(features)}, ensure_ascii=False)
        )
        return path

    return write


def options(kind: str, **more: Any) -> VectorOptions:
    return VectorOptions(kind, **({"rules": PLAIN} | more))


def test_buildings_twice_change_nothing(engine: Engine, write: Write) -> None:
    path = write(
        feature(square(), id=1, 名称="一号楼 🏯", 层数=6, 用途="residential", 产权="公房"),
        feature(square(104.07), id=2, 名称="B's", height_m=12.5),
    )
    first = import_vector(engine, path, options=options("building"))
    assert first.targets["building"].inserted == 2
    rows = ask(
        engine,
        "SELECT source_ref, name, height_m, levels, height_source, kind, tags->>'产权' "
        "FROM building ORDER BY 1",
    )
    assert rows == [
        ("1", "一号楼 🏯", 18.0, 6.0, "levels", "residential", "公房"),
        ("2", "B's", 12.5, None, "measured", "yes", None),
    ]
    again = import_vector(engine, path, options=options("building"))
    assert again.targets["building"].unchanged == 2
    assert not again.changed


@pytest.mark.parametrize("frame", ["GCJ-02", "BD-09"])
def test_chinese_frames(engine: Engine, write: Write, frame: str) -> None:
    lon, lat = np.array([104.0657]), np.array([30.6598])
    x, y = wgs84_to_gcj02(lon, lat)
    if frame == "BD-09":
        x, y = gcj02_to_bd09(x, y)
    path = write(feature(point(float(x[0]), float(y[0])), id="p", category="pharmacy"))
    import_vector(engine, path, options=options("service_point", crs=frame))
    stored = ask(engine, "SELECT ST_X(geom), ST_Y(geom) FROM service_point")[0]
    assert stored == pytest.approx((104.0657, 30.6598), abs=1e-7)
    assert ask(engine, "SELECT declared_crs FROM dataset") == [(frame,)]


def test_gauss_krueger_geopackage(engine: Engine, tmp_path: Path) -> None:
    import pyogrio
    import shapely

    path = tmp_path / "gk.gpkg"
    x = 500_000 + (104.06 - 105.0) * 95_700
    square_m = shapely.box(x, 3_393_000, x + 20, 3_393_030)
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb([square_m]),
        field_data=[np.array([5], dtype=np.int32)],
        fields=["levels"],
        geometry_type="Polygon",
        crs="EPSG:4544",
        driver="GPKG",
    )
    import_vector(engine, path, options=options("building"))
    area, lon = ask(engine, "SELECT footprint_m2, ST_X(ST_Centroid(geom)) FROM building")[0]
    assert area == pytest.approx(600, rel=0.001)
    assert 104.0 < lon < 104.1


def test_wrong_frames_are_told(engine: Engine, write: Write) -> None:
    before = everything(engine)
    metres = write(feature(square(410_000, 3_390_000, 20), id=1))
    with pytest.raises(CoordinateError, match="outside longitude") as error:
        import_vector(engine, metres, options=options("building"))
    assert "--crs" in error.value.hint
    swapped = write(feature(square(30.66, 104.06), id=1))
    with pytest.raises(CoordinateError, match="swapped"):
        import_vector(engine, swapped, options=options("building"))
    degrees = write(feature(square(), id=1))
    with pytest.raises(CoordinateError, match="outside the area"):
        import_vector(engine, degrees, options=options("building", crs="EPSG:4544"))
    with pytest.raises(CoordinateError, match="not known"):
        import_vector(engine, degrees, options=options("building", crs="EPSG:77777"))
    assert everything(engine) == before


def test_far_from_the_city(engine: Engine, write: Write) -> None:
    import_vector(engine, write(feature(square(), id=1), name="a.geojson"), options=options("building"))
    away = write(feature(square(24.94, 60.17), id=1), name="b.geojson")
    with pytest.raises(CoordinateError, match="more than 100 km"):
        import_vector(engine, away, options=options("building"))
    far = Rules(make_grids=False, see=False, allow_far=True)
    assert import_vector(engine, away, options=options("building", rules=far)).changed
    mixed = write(
        feature(point(104.06, 30.66), id=1, category="bank"),
        feature(point(104.07, 30.66), id=2, category="bank"),
        feature(point(30.66, 104.06), id=3, category="bank"),
        feature(point(-40.0, 10.0), id=4, category="bank"),
        name="c.geojson",
    )
    summary = import_vector(engine, mixed, options=options("service_point"))
    assert summary.targets["service_point"].reasons == {
        ("refused", "swapped"): 1,
        ("refused", "far_from_city"): 1,
    }


def test_wrong_rows_are_refused_with_their_reason(engine: Engine, write: Write, tmp_path: Path) -> None:
    bow = {
        "type": "Polygon",
        "coordinates": [[[104, 30], [104.1, 30.1], [104.1, 30], [104, 30.1], [104, 30]]],
    }
    path = write(
        feature(square(), id="good"),
        feature(square(), id="good"),
        feature(bow, id="bow"),
        feature(None, id="none"),
        feature(point(104.06, 30.66), id="point"),
        feature(square(), id="high", height_m=5000),
        feature(square(), id="word", height_m="tall"),
        feature(square(), id="nan", height_m="NaN"),
        feature(square(), id="endless", height_m="1e999"),
    )
    summary = import_vector(engine, path, options=options("building"))
    counts = summary.targets["building"]
    assert (counts.read, counts.inserted, counts.refused) == (9, 1, 8)
    assert {reason: n for (_, reason), n in counts.reasons.items()} == {
        "duplicate_id": 1,
        "crosses_itself": 1,
        "empty": 1,
        "not_a_polygon": 1,
        "bad_height": 4,
    }
    assert ask(engine, "SELECT count(*) FROM import_reject") == [(8,)]
    details = dict(ask(engine, "SELECT source_ref, detail FROM import_reject"))
    assert "1e999" in details["endless"]
    assert "feature" in details["word"]


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_infinite_coordinates_in_text(engine: Engine, tmp_path: Path, number: str) -> None:
    path = tmp_path / "infinite.geojson"
    good = json.dumps(feature(point(104.06, 30.66), id=1, category="bank"))
    bad = good.replace("104.06", number).replace('"id": 1', '"id": 2')
    path.write_text(f'{{"type":"FeatureCollection","features":[{good},{bad}]}}')
    try:
        summary = import_vector(engine, path, options=options("service_point"))
    except FileFormatError as error:
        assert number in error.what  # noqa: PT017  (the parser may refuse the file, naming the number)
        assert ask(engine, "SELECT count(*) FROM service_point") == [(0,)]
        return
    assert summary.targets["service_point"].inserted == 1
    assert summary.targets["service_point"].refused == 1


def test_infinite_coordinates_in_binary(engine: Engine, tmp_path: Path) -> None:
    import pyogrio
    import shapely

    path = tmp_path / "infinite.gpkg"
    points = shapely.points([[104.06, 30.66], [float("inf"), 30.66], [104.07, 30.66]])
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(points),
        field_data=[np.array(["bank"] * 3, dtype=object)],
        fields=["category"],
        geometry_type="Point",
        crs="EPSG:4326",
        driver="GPKG",
    )
    summary = import_vector(engine, path, options=options("service_point"))
    assert summary.targets["service_point"].inserted == 2
    assert summary.targets["service_point"].reasons == {("refused", "not_finite"): 1}


def test_areas_with_official_and_provisional_codes(engine: Engine, write: Write) -> None:
    path = write(
        feature(square(104.0, 30.6, 0.1), id="d", name="青羊区", level="district", code="510105"),
        feature(square(104.0, 30.6, 0.05), id="s", name="少城街道", level="street"),
        feature(square(104.0, 30.6, 0.02), id="c", name="宽巷子社区", level="community", 户数=3200),
        feature(square(104.03, 30.6, 0.02), id="c2", name="西社区", level="community"),
        feature(square(104.0, 30.6, 0.01), id="g", name="网格1", level="unit_grid", code="510105901901001"),
        feature(square(104.01, 30.6, 0.01), id="g2", name="网格2", level="unit_grid"),
        feature(square(104.0, 30.6, 0.02), id="bad", name="x", level="community", code="99"),
        feature(square(104.0, 30.6, 0.02), id="bad2", name="x", level="parish"),
        feature(square(104.0, 30.6, 0.02), id="bad3", level="community"),
    )
    summary = import_vector(engine, path, options=options("area"))
    rows = {
        name: rest
        for name, *rest in ask(
            engine,
            "SELECT a.name, a.code, a.code_source, p.name, a.households_source FROM area a "
            "LEFT JOIN area p ON p.id = a.parent_id",
        )
    }
    assert rows == {
        "青羊区": ["510105000000000", "official", None, None],
        "少城街道": ["510105901000000", "provisional", "青羊区", None],
        "宽巷子社区": ["510105901901000", "provisional", "少城街道", "counted"],
        "西社区": ["510105901902000", "provisional", "少城街道", None],
        "网格1": ["510105901901001", "official", "宽巷子社区", None],
    }
    reasons = {r for t in summary.targets.values() for (_, r) in t.reasons}
    assert reasons == {"missing_code", "bad_code", "bad_level", "missing_name"}
    assert not import_vector(engine, path, options=options("area")).changed


def test_roads_ground_components_and_addresses(engine: Engine, write: Write) -> None:
    line = {"type": "LineString", "coordinates": [[104.06, 30.66], [104.07, 30.66]]}
    split = {"type": "MultiLineString", "coordinates": [line["coordinates"], [[105, 30], [105, 31]]]}
    roads = write(
        feature(line, id=1, fclass="residential", oneway="yes", maxspeed=30),
        feature(line, id=2, fclass="magic"),
        feature(split, id=3, fclass="footway"),
        name="roads.geojson",
    )
    summary = import_vector(engine, roads, options=options("road"))
    assert summary.targets["road"].inserted == 1
    assert {r for (_, r) in summary.targets["road"].reasons} == {"bad_road_class", "not_a_line"}
    assert ask(engine, "SELECT car_forward, car_backward, max_speed_kmh FROM road") == [(True, False, 30.0)]
    ground = write(feature(square(), id=1, cover="green"), name="ground.geojson")
    import_vector(engine, ground, options=options("ground"))
    parts = write(
        feature(point(104.06, 30.66), id=1, code="51010501037000007", csrq="20240501", 状态="破损"),
        feature(point(104.07, 30.66), id=2, class_code="03005"),
        feature(point(104.07, 30.66), id=3, class_code="3005"),
        feature(point(104.07, 30.66), id=4, code="1"),
        name="parts.geojson",
    )
    import_vector(engine, parts, options=options("component"))
    assert ask(
        engine, "SELECT code, class_code, name, state, installed_on::text FROM component ORDER BY 1"
    ) == [
        ("51010501037000007", "01037", "路灯", "damaged", "2024-05-01"),
        ("99000003005000001", "03005", "垃圾箱", "intact", None),
    ]
    doors = write(feature(point(104.06, 30.66), id=1, 路名="人民路", 门牌号="12"), name="doors.geojson")
    import_vector(engine, doors, options=options("address"))
    assert ask(engine, "SELECT text FROM address") == [("人民路12号",)]


def test_compounds_come_with_what_they_declare(engine: Engine, write: Write) -> None:
    good = feature(
        square(), id="c1", 小区名称="东湖花园", 物业公司="东湖物业", 户数=320, 门禁=12, 访客="有", 梯控="无"
    )
    bad = feature(square(104.07), id="c2", 小区名称="西湖花园", 门禁="很多")
    nameless = feature(square(104.08), id="c3", 门禁=1)
    summary = import_vector(engine, write(good, bad, nameless), options=options("compound"))
    assert {why for _, why in summary.targets["compound"].reasons} == {"bad_door_control", "missing_name"}
    assert ask(engine, "SELECT name, property_company, households, equipment FROM compound") == [
        ("东湖花园", "东湖物业", 320, {"door_control": 12, "visitor": 1, "lift_control": 0})
    ]


STANDARD = {
    "GLBJBSM": "51010501001000001", "GLBJMC": "供水井盖", "ZGBMDM": "914403001922038216",
    "ZGBMMC": "市水务局", "QSDWDM": "9144030071526726XG", "QSDWMC": "自来水公司",
    "YHDWDM": "91350100M000100Y43", "YHDWMC": "养护一队",
    "SZDYWGBSM": "510105001002003", "GLBJZT": "完好", "CSRQ": "20200131", "BGRQ": "20240501", "SJLY": "实测",
    "BZ": "路口", "SZJDDM": "510105001", "SZJDMC": "一街道", "SZSQDM": "510105001002", "SZSQMC": "二社区",
}  # fmt: skip
"""A register as GB/T 47678.5-2026, table 2 names its 18 fields; the credit codes are well-known ones."""


def test_register_of_components_comes_under_the_names_of_the_standard(engine: Engine, write: Write) -> None:
    import_vector(engine, write(feature(point(104.06, 30.66), **STANDARD)), options=options("component"))
    names = (
        "code, class_code, name, state, declared_grid_code, department_code, department_name, owner_code, "
        "owner_name, maintainer_code, maintainer_name, installed_on::text, changed_on::text, data_source, "
        "note, source_ref"
    )
    assert ask(engine, f"SELECT {names} FROM component") == [
        (
            "51010501001000001", "01001", "供水井盖", "intact", "510105001002003", "914403001922038216",
            "市水务局", "9144030071526726XG", "自来水公司", "91350100M000100Y43", "养护一队", "2020-01-31",
            "2024-05-01", "surveyed", "路口", "51010501001000001",
        )
    ]  # fmt: skip
    ((kept,),) = ask(engine, "SELECT tags FROM component")
    assert kept == {k: STANDARD[k] for k in ("SZJDDM", "SZJDMC", "SZSQDM", "SZSQMC")}


def test_changed_state_of_a_component_keeps_the_former_one(engine: Engine, write: Write) -> None:
    for state in ("完好", "破损", "破损", "移除"):
        path = write(feature(point(104.06, 30.66), **STANDARD | {"GLBJZT": state}))
        import_vector(engine, path, options=options("component"))
    assert ask(engine, "SELECT state FROM component") == [("removed",)]
    past = (
        """SELECT "row" ->> 'state' FROM feature_history WHERE table_name = 'component' ORDER BY valid_to"""
    )
    assert ask(engine, past) == [("intact",), ("damaged",)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"GLBJBSM": "5101050100100001"}, "bad_code"),
        ({"GLBJBSM": "16010501001000001"}, "bad_code"),
        ({"GLBJBSM": "51010501001000000"}, "bad_code"),
        ({"代码": "01002"}, "bad_class_code"),
        ({"ZGBMDM": "914403001922038217"}, "bad_department_code"),
        ({"QSDWDM": "水务"}, "bad_owner_code"),
        ({"SZDYWGBSM": "12"}, "bad_declared_grid_code"),
        ({"GLBJZT": "好"}, "bad_state"),
        ({"CSRQ": "2020.1.31"}, "bad_installed_on"),
        ({"SJLY": "听说"}, "bad_data_source"),
        ({"GLBJMC": "井" * 31}, "bad_name"),
    ],
)
def test_wrong_component_is_refused_with_its_reason(
    engine: Engine, write: Write, wrong: dict[str, str], reason: str
) -> None:
    good = feature(point(104.06, 30.66), **STANDARD)
    bad = feature(point(104.06, 30.66), **{"GLBJBSM": "51010501001000002"} | wrong)
    bad["properties"] = STANDARD | {"GLBJBSM": "51010501001000002"} | wrong
    summary = import_vector(engine, write(good, bad), options=options("component"))
    assert [key for key, _ in summary.targets["component"].reasons.items()] == [("refused", reason)]
    assert ask(engine, "SELECT code FROM component") == [("51010501001000001",)]


def test_wrong_options_say_what_there_is(engine: Engine, write: Write) -> None:
    path = write(feature(square(), id=1, hoehe=3))
    with pytest.raises(InvalidError, match="kind") as error:
        import_vector(engine, path, options=options("castle"))
    assert "building" in error.value.hint
    with pytest.raises(InvalidError, match="level"):
        import_vector(engine, path, options=options("area", level="village"))
    with pytest.raises(InvalidError, match="column") as error:
        import_vector(engine, path, options=options("building", fields={"height": "hoch"}))
    assert "hoehe" in error.value.hint
    with pytest.raises(InvalidError, match="field"):
        import_vector(engine, path, options=options("building", fields={"colour": "hoehe"}))
    import_vector(engine, path, options=options("building", fields={"height": "hoehe"}))
    assert ask(engine, "SELECT height_m FROM building") == [(3.0,)]
    with pytest.raises(FileFormatError, match="layer"):
        import_vector(engine, path, options=options("building", layer="other"))


def test_one_name_holds_one_kind_of_source(engine: Engine, write: Write, tmp_path: Path) -> None:
    from ingest.vector.device_list import DeviceOptions, import_devices

    import_vector(engine, write(feature(square(), id=1)), options=options("building", dataset="x"))
    table = tmp_path / "d.csv"
    table.write_text("uid,kind,lon,lat\ncam-0001,camera,104.06,30.66\n")
    with pytest.raises(ConflictError, match="holds vector data"):
        import_devices(engine, table, options=DeviceOptions(dataset="x", rules=PLAIN))


def test_nothing_usable_is_an_error_and_writes_nothing(engine: Engine, write: Write) -> None:
    before = everything(engine)
    with pytest.raises(FileFormatError, match="nothing of"):
        import_vector(engine, write(feature(point(104, 30), id=1)), options=options("building"))
    assert everything(engine) == before
