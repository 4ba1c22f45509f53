"""Import catalogues of cameras: what a platform of GB/T 28181 answers, and what somebody makes up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from city_files import PLAIN, ask
from sqlalchemy import Engine, text

from ingest.vector import camera_catalogue
from ingest.vector.camera_list import import_cameras
from ingest.vector.device_list import DeviceOptions, import_devices
from twin.access.sealing import Sealer
from twin.cameras import open_address
from twin.errors import FileFormatError

OPTIONS = DeviceOptions(dataset="platform", rules=PLAIN)
EAST, NORTH = "51010500001320000001", "51010500001320000002"


def item(number: str = EAST, **fields: str) -> str:
    told = {
        "DeviceID": number,
        "Name": "天府广场东",
        "Manufacturer": "厂商",
        "Model": "IPC-1",
        "CivilCode": "510105",
        "Address": "人民南路一段",
        "ParentID": "51010500002000000001",
        "Longitude": "104.0605",
        "Latitude": "30.6605",
        "Status": "ON",
        **fields,
    }
    return "<Item>" + "".join(f"<{name}>{said}</{name}>" for name, said in told.items()) + "</Item>"


def document(
    *items: str, encoding: str = "GB2312", command: str = "Catalog", before: str = "", of: int | None = None
) -> bytes:
    text_ = (
        f'<?xml version="1.0" encoding="{encoding}"?>\r\n{before}<Response><CmdType>{command}</CmdType>'
        f"<DeviceID>51010500002000000001</DeviceID><SumNum>{of or len(items)}</SumNum>"
        f'<DeviceList Num="{len(items)}">{"".join(items)}</DeviceList></Response>'
    )
    return text_.encode({"GB2312": "gb18030"}.get(encoding, encoding))


@pytest.fixture
def write(tmp_path: Path):
    def write(content: bytes, name: str = "catalogue.xml") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("encoding", ["GB2312", "GB18030", "UTF-8"])
def test_a_catalogue_becomes_cameras_and_twice_changes_nothing(engine: Engine, write, encoding: str) -> None:
    turning = "<Info><PTZType>1</PTZType><DirectionType>5</DirectionType></Info>"
    path = write(
        document(
            item(DirectionType="1", PTZType="3"),
            item(NORTH, Name="北门 㐂").replace("</Item>", f"{turning}</Item>"),
            "<Item><DeviceID>510105</DeviceID><Name>武侯区</Name></Item>",
            item("51010500002150000001", Name="业务分组"),
            encoding=encoding,
        )
    )
    summary = import_cameras(engine, path, options=OPTIONS)
    counts = summary.targets["device"]
    assert (counts.read, counts.inserted, counts.skipped) == (4, 2, 2), summary.lines()
    columns = "uid, kind, name, gb28181_id, bearing_deg, bearing_source, field_of_view_deg, address"
    assert ask(engine, f"SELECT {columns} FROM device ORDER BY uid") == [
        (EAST, "camera", "天府广场东", EAST, 90.0, "measured", None, "人民南路一段"),
        (NORTH, "camera", "北门 㐂", NORTH, 135.0, "measured", 360.0, "人民南路一段"),
    ]
    [(tags,)] = ask(engine, f"SELECT tags FROM device WHERE uid = '{EAST}'")
    assert (tags["Status"], tags["Manufacturer"], tags["CivilCode"]) == ("ON", "厂商", "510105")
    assert not import_cameras(engine, path, options=OPTIONS).changed


def test_an_answer_of_many_messages_is_taken_as_one(engine: Engine, write) -> None:
    first, second = document(item(), of=2), document(item(NORTH), of=2)
    for n, path in enumerate((write(first + second, "a.xml"), write(first + second + second, "b.xml"))):
        counts = import_cameras(engine, path, options=OPTIONS).targets["device"]
        assert (counts.inserted, counts.unchanged) == ((2, 0), (0, 2))[n]
    with pytest.raises(FileFormatError, match=r"lacks 1 of the 2 entries") as refused:
        import_cameras(engine, write(first), options=OPTIONS)
    assert "--allow-shrink" in refused.value.hint
    assert ask(engine, "SELECT count(*) FROM device WHERE valid_to IS NULL") == [(2,)]
    with pytest.raises(FileFormatError, match=r"sound XML") as broken:
        import_cameras(engine, write(first + b"\r\n" + second[:-20]), options=OPTIONS)
    assert broken.value.where == "line 4"
    partly = DeviceOptions(dataset="platform", rules=replace(PLAIN, allow_shrink=True))
    import_cameras(engine, write(first), options=partly)
    assert ask(engine, "SELECT uid FROM device WHERE valid_to IS NULL") == [(EAST,)]


def test_a_notice_of_changes_is_no_catalogue(engine: Engine, write) -> None:
    notice = document(item(Event="DEL")).replace(b"Response>", b"Notify>")
    with pytest.raises(FileFormatError, match=r"what changed in a catalogue \(Notify\)"):
        import_cameras(engine, write(notice), options=OPTIONS)
    assert ask(engine, "SELECT count(*) FROM device") == [(0,)]


def test_the_table_form_and_a_shifted_frame(engine: Engine, write) -> None:
    head = "DeviceID,Name,CivilCode,Longitude,Latitude,Status,PTZType,DirectionType"
    path = write(f"{head}\r\n{EAST},东门,510105,104.0630,30.6581,ON,2,4\r\n".encode("gb18030"), "cameras.csv")
    import_cameras(engine, path, options=DeviceOptions(dataset="t", crs="GCJ-02", rules=PLAIN))
    [(name, bearing, lon)] = ask(engine, "SELECT name, bearing_deg, ST_X(geom) FROM device")
    assert (name, bearing) == ("东门", 0.0)
    assert 0.002 < 104.0630 - lon < 0.003, "moved from GCJ-02"


def test_wrong_entries_are_refused_with_their_reason(engine: Engine, write) -> None:
    with engine.begin() as connection:
        made = "INSERT INTO dataset (name, kind, declared_crs) VALUES ('a', 'osm', 'EPSG:4326')"
        connection.execute(text(made))
        for code, west in (("510105", 104.05), ("510107", 104.10)):
            box = f"ST_MakeEnvelope({west}, 30.6, {west + 0.05}, 30.7, 4326)"
            connection.execute(
                text(
                    "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, "
                    f"label_point, made_by, area_m2) SELECT 1, '{code}', '', "
                    f"'{code}000000000', 'district', '区', "
                    f"ST_Multi({box}), ST_Centroid({box}), 'imported', 1"
                )
            )
    numbers = [f"5101050000132000{n:04d}" for n in range(1, 10)]
    path = write(
        document(
            item(numbers[0]),
            item(numbers[0]),
            item(numbers[1], Longitude="0", Latitude="0"),
            item(numbers[2], Longitude="", Latitude=""),
            item(numbers[3], CivilCode="510107"),
            item(numbers[4], CivilCode="5101"),
            item(numbers[5], CivilCode="武侯"),
            item("5101050000132"),
            item(numbers[6], Longitude="30.6605", Latitude="104.0605"),
            item(numbers[7], Longitude="east"),
        )
    )
    counts = import_cameras(engine, path, options=OPTIONS).targets["device"]
    refused = {reason: n for (outcome, reason), n in counts.reasons.items() if outcome == "refused"}
    assert refused == {
        "duplicate_uid": 1, "missing_lon": 2, "civil_code_elsewhere": 1, "bad_civil_code": 1,
        "bad_gb28181_id": 1, "swapped": 1, "bad_lon": 1,
    }  # fmt: skip
    assert counts.inserted == 2
    assert len(ask(engine, "SELECT reason FROM import_reject")) == 8


LAUGHS = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
READS_FILES = '<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (document(item(Name="&b;"), before=LAUGHS), "DOCTYPE"),
        (document(item(Name="&f;"), before=READS_FILES), "DOCTYPE"),
        (
            document(item(), encoding="UTF-8", before='<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd">'),
            "DOCTYPE",
        ),
        (document(item(), command="DeviceInfo"), "no catalogue"),
        (document(item())[:-20], "no sound XML"),
        (document(item(Name="&nbsp;")), "no sound XML"),
        (document(item(Name="a" * 20_000)), "more than 10,000 letters"),
        (document("<a>" * 50 + "</a>" * 50), "too deep"),
        (
            document(item(Name="天府"), encoding="UTF-8").replace("天府".encode(), b"\xcc\xec"),
            "not text in UTF-8",
        ),
        (document(item()).replace(b"GB2312", b"EBCDIC-9"), "encoding nobody knows"),
        (document(), "not one device"),
    ],
)
def test_what_is_no_catalogue_is_refused_and_changes_nothing(engine: Engine, write, content, says) -> None:
    with pytest.raises(FileFormatError, match=says):
        import_cameras(engine, write(content), options=OPTIONS)
    assert ask(engine, "SELECT count(*) FROM device") == [(0,)]


def test_too_many_entries_are_refused_soon(engine: Engine, write, monkeypatch) -> None:
    monkeypatch.setattr(camera_catalogue, "MOST_ITEMS", 1_000)
    content = document(*["<Item/>"] * 200_000)
    begun = time.monotonic()
    with pytest.raises(FileFormatError, match="more than 1,000 entries"):
        import_cameras(engine, write(content), options=OPTIONS)
    assert time.monotonic() - begun < 3


SECRET = "rtsp://admin:s3cr3t@10.1.2.3/stream1"


def test_streams_of_a_device_list_are_sealed_and_kept_nowhere_else(engine: Engine, write) -> None:
    sealer = Sealer(b"k" * 32)
    path = write(
        "uid,kind,lon,lat,取流地址,取流用户名,取流密码,私密区域,note\r\n"
        f"cam-0001,camera,104.06,30.66,{SECRET},,,,\r\n"
        "cam-0002,camera,104.06,30.66,rtsp://10.1.2.4/s,admin,s3cr3t,否,see rtsp://a:s3cr3t@10.0.0.1/\r\n"
        "cam-0003,camera,104.06,30.66,ftp://admin:s3cr3t@10.1.2.4/s,,,,\r\n"
        "cam-0004,camera,104.06,30.66,,,,是,\r\n"
        f"smoke-01,smoke,104.06,30.66,{SECRET},,,,\r\n"
        f"cam-0006,toaster,104.06,30.66,{SECRET},,,,\r\n".encode(),
        "devices.csv",
    )
    options = DeviceOptions(dataset="list", rules=PLAIN, sealer=sealer)
    summary = import_devices(engine, path, options=options)
    refused = {reason for (_, reason) in summary.targets["device"].reasons}
    assert refused == {"bad_stream", "private_area", "stream_of_no_camera", "unknown_kind"}
    rows = ask(
        engine,
        "SELECT uid, device_id, address_sealed FROM camera_source JOIN device ON id = device_id ORDER BY 1",
    )
    opened = {uid: open_address(sealer, number, sealed) for uid, number, sealed in rows}
    assert opened == {
        "cam-0001": "rtsp://admin:s3cr3t@10.1.2.3:554/stream1",
        "cam-0002": "rtsp://admin:s3cr3t@10.1.2.4:554/s",
    }
    for table in ("device", "import_reject", "import_run", "feature_history"):
        assert "s3cr3t" not in str(ask(engine, f"SELECT to_jsonb(t)::text FROM {table} AS t")), table
    assert "s3cr3t" not in str(summary.as_dict())
    assert not import_devices(engine, path, options=options).changed
    assert ask(engine, "SELECT count(*) FROM camera_source") == [(2,)]
