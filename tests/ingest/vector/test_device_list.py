"""Import lists of devices row by row, telling the line of every wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from city_files import PLAIN, ask, everything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ingest.vector.device_list import DeviceOptions, import_devices
from twin.errors import CoordinateError, FileFormatError, TwinError

HEAD = "uid,kind,lon,lat,name,floor,bearing"
OPTIONS = DeviceOptions(dataset="list", rules=PLAIN)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: str, head: str = HEAD, encoding: str = "utf-8") -> Path:
        path = tmp_path / "devices.csv"
        path.write_bytes("\r\n".join([head, *lines, ""]).encode(encoding))
        return path

    return write


def test_devices_twice_change_nothing(engine: Engine, write: Write) -> None:
    path = write('cam-0001,camera,104.06,30.66,"东门 ""A"" 🎥",2,NE', "smoke-001,smoke,104.061,30.66,,-1,")
    first = import_devices(engine, path, options=OPTIONS)
    assert first.targets["device"].inserted == 2
    assert ask(engine, "SELECT uid, name, floor, bearing_deg, bearing_source FROM device ORDER BY uid") == [
        ("cam-0001", '东门 "A" 🎥', 2, 45.0, "measured"),
        ("smoke-001", None, -1, None, None),
    ]
    assert not import_devices(engine, path, options=OPTIONS).changed
    moved = write("cam-0001,camera,104.0605,30.66,,2,NE")
    summary = import_devices(engine, moved, options=OPTIONS)
    assert (summary.targets["device"].updated, summary.targets["device"].closed) == (1, 1)


def test_wrong_rows_are_refused_with_their_line(engine: Engine, write: Write) -> None:
    path = write(
        "cam-0001,camera,104.06,30.66,,,",
        "cam-0001,camera,104.06,30.66,,,",
        "toast-01,toaster,104.06,30.66,,,",
        "cam-0003,camera,NaN,30.66,,,",
        "cam-0004,camera,1e999,30.66,,,",
        "cam-0005,camera,east,30.66,,,",
        "cam-0006,camera,104.06,30.66,,2.5,",
        "cam-0007,camera,104.06,30.66,,,up",
        "x,camera,104.06,30.66,,,",
        "cam-0009,camera,30.66,104.06,,,",
        "cam-0010,camera,104.06",
        ",camera,104.06,30.66,,,",
        "cam-0012,camera,,30.66,,,",
        "cam-0013,camera,104.06,30.66,,999999,",
        "cam-0014,camera,104.06,30.66,ok,,",
    )
    # More rows are wrong than right, but each for a reason of its own.
    summary = import_devices(engine, path, options=OPTIONS)
    counts = summary.targets["device"]
    assert (counts.read, counts.inserted, counts.refused) == (15, 2, 13)
    assert counts.adds_up
    details = {
        detail.split(":")[0]: reason
        for detail, reason in ask(engine, "SELECT detail, reason FROM import_reject")
    }
    assert details == {
        "line 3": "duplicate_uid",
        "line 4": "unknown_kind",
        "line 5": "bad_lon",
        "line 6": "bad_lon",
        "line 7": "bad_lon",
        "line 8": "bad_floor",
        "line 9": "bad_bearing",
        "line 10": "bad_uid",
        "line 11": "swapped",
        "line 12": "wrong_number_of_columns",
        "line 13": "missing_uid",
        "line 14": "missing_lon",
        "line 15": "bad_floor",
    }


def test_swapped_file_is_refused_whole(engine: Engine, write: Write) -> None:
    before = everything(engine)
    path = write("cam-0001,camera,30.66,104.06,,,", "cam-0002,camera,30.67,104.07,,,")
    with pytest.raises(CoordinateError, match="swapped") as error:
        import_devices(engine, path, options=OPTIONS)
    assert "first" in error.value.hint
    assert everything(engine) == before


def test_swapped_where_both_would_be_possible(engine: Engine, write: Write) -> None:
    import_devices(engine, write("cam-0001,camera,24.94,60.17,,,"), options=OPTIONS)
    path = write("cam-0002,camera,60.17,24.94,,,")
    with pytest.raises(CoordinateError, match="swapped"):
        import_devices(engine, path, options=DeviceOptions(dataset="more", rules=PLAIN))


def test_missing_columns_and_no_table(engine: Engine, write: Write, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no column lon") as error:
        import_devices(engine, write("a,b", head="uid,kind"), options=OPTIONS)
    assert "--map" in error.value.hint
    broken = write('cam-0001,camera,104.06,30.66,"open quote,,')
    with pytest.raises(FileFormatError, match="CSV"):
        import_devices(engine, broken, options=OPTIONS)
    with pytest.raises(FileFormatError, match="not one device"):
        import_devices(engine, write("a,b,c,d,e,f,g"), options=OPTIONS)


def test_chinese_table_in_gbk_and_gcj02(engine: Engine, write: Write) -> None:
    path = write(
        "cam-0001;camera;116.41024449916938;39.91640428150164;天安门",
        head="设备编号;设备类型;经度;纬度;名称",
        encoding="gbk",
    )
    summary = import_devices(engine, path, options=DeviceOptions(dataset="b", crs="GCJ-02", rules=PLAIN))
    assert any("GB 18030" in warning for warning in summary.warnings)
    lon, lat, name = ask(engine, "SELECT ST_X(geom), ST_Y(geom), name FROM device")[0]
    assert (lon, lat) == pytest.approx((116.404, 39.915), abs=1e-6)
    assert name == "天安门"


def test_a_uid_of_another_dataset_is_refused(engine: Engine, write: Write) -> None:
    import_devices(engine, write("cam-0001,camera,104.06,30.66,,,"), options=OPTIONS)
    other = write("cam-0001,camera,104.07,30.66,,,", "cam-0002,camera,104.07,30.66,,,")
    summary = import_devices(engine, other, options=DeviceOptions(dataset="other", rules=PLAIN))
    assert summary.targets["device"].reasons == {("refused", "uid_in_use"): 1}
    assert summary.targets["device"].inserted == 1


def test_geojson_of_devices(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "devices.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"uid":"cam-0001",'
        '"kind":"camera","floor":3},"geometry":{"type":"Point","coordinates":[104.06,30.66]}}]}'
    )
    import_devices(engine, path, options=OPTIONS)
    assert ask(engine, "SELECT uid, floor FROM device") == [("cam-0001", 3)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_text_is_refused_or_counted(tmp_path: Path, lines: list[str]) -> None:
    from ingest.vector.device_list import _read_table
    from ingest.vector.source_file import look_at
    from ingest.vector.summary import ImportSummary

    path = tmp_path / "any.csv"
    path.write_text("\n".join([HEAD, *lines]), encoding="utf-8", errors="surrogatepass")
    try:
        read, _ = _read_table(look_at(path), OPTIONS, ImportSummary("d", "f"))
    except TwinError:
        return
    assert all(line.where.startswith("line ") for line in read)
