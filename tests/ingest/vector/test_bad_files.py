"""Refuse files that are not what they were said to be, leaving the database as it was."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from city_files import CHENGDU, City, everything, small_city
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from ingest.vector import record
from ingest.vector.device_list import import_devices
from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.source_file import look_at, sniff
from ingest.vector.vector_file import VectorOptions, import_vector
from twin.errors import ConflictError, FileFormatError, TooLargeError, TwinError, UnavailableError
from twin.store.locks import Lock

BUILDINGS = VectorOptions("building", dataset="houses")


def refused(
    error: type[TwinError], match: str, act: Callable[[], object], engine: Engine | None = None
) -> TwinError:
    """Check that an act is refused, saying what, where and what to do, and that nothing is written."""
    before = None if engine is None else everything(engine)
    with pytest.raises(error, match=match) as caught:
        act()
    assert caught.value.hint
    assert caught.value.where
    if engine is not None:
        assert everything(engine) == before
    return caught.value


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (b"%PDF-1.7\n" + bytes(100), "PDF"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"\x00\x01\x02\x03" * 100, "no known format"),
        (b"just words\n", "text file"),
        (b'{"type":"FeatureCollection","features":[]}', "GeoJSON"),
        (b'<?xml version="1.0"?><osmChange version="0.6"></osmChange>', "change file"),
    ],
)
def test_wrong_type_is_told_by_the_bytes(engine: Engine, tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "city.osm.pbf"
    path.write_bytes(content)
    refused(FileFormatError, word, lambda: import_osm(engine, path))


def test_the_name_does_not_matter(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    path = small_city().write(tmp_path / "city.pdf")
    assert import_osm(engine, path, options=plain).targets["building"].inserted == 4


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_truncated_pbf(engine: Engine, plain: OsmOptions, tmp_path: Path, share: float) -> None:
    if not CHENGDU.exists():
        pytest.skip(f"the real city is not here: {CHENGDU}")
    content = CHENGDU.read_bytes()
    path = tmp_path / "cut.osm.pbf"
    path.write_bytes(content[: int(len(content) * share)])
    refused(
        FileFormatError, "cut off|no map objects", lambda: import_osm(engine, path, options=plain), engine
    )


def test_truncated_xml(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    path = small_city().write(tmp_path / "city.osm")
    path.write_bytes(path.read_bytes()[:-300])
    refused(FileFormatError, "cut off", lambda: import_osm(engine, path, options=plain), engine)


def test_garbage_inside_a_pbf(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    if not CHENGDU.exists():
        pytest.skip(f"the real city is not here: {CHENGDU}")
    content = bytearray(CHENGDU.read_bytes())
    content[20_000:20_400] = bytes(range(200)) * 2
    path = tmp_path / "garbage.osm.pbf"
    path.write_bytes(bytes(content))
    refused(FileFormatError, "damaged", lambda: import_osm(engine, path, options=plain), engine)


def test_entity_bomb(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    path = tmp_path / "bomb.osm"
    entities = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(97 + i)} "{f"&{chr(96 + i)};" * 10}">' for i in range(1, 9)
    )
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE osm [{entities}]><osm version="0.6">'
        '<node id="1" lat="30" lon="104"><tag k="name" v="&i;"/></node></osm>'
    )
    refused(FileFormatError, "damaged", lambda: import_osm(engine, path, options=plain), engine)


def test_empty_files(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.osm"
    nothing.write_bytes(b"")
    refused(FileFormatError, "0 bytes", lambda: import_osm(engine, nothing))
    empty = City().window(0, 0, 100, 100).write(tmp_path / "empty.osm")
    refused(FileFormatError, "no map objects", lambda: import_osm(engine, empty), engine)
    useless = City()
    useless.node(0, 0)
    useless.node(10, 0, {"note": "nothing here"})
    path = useless.write(tmp_path / "useless.osm")
    refused(FileFormatError, "nothing the twin can use", lambda: import_osm(engine, path), engine)


def test_missing_folder_and_vanishing_file(
    engine: Engine, plain: OsmOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(UnavailableError, "not there", lambda: import_osm(engine, tmp_path / "no.osm"))
    refused(FileFormatError, "folder", lambda: import_osm(engine, tmp_path))
    path = small_city().write(tmp_path / "city.osm")
    real = record._derive

    def vanish(*args: object) -> None:
        path.unlink()
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(record, "_derive", vanish)
    refused(UnavailableError, "not there", lambda: import_osm(engine, path, options=plain), engine)


def test_file_that_grows_while_it_is_read(
    engine: Engine, plain: OsmOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_city().write(tmp_path / "city.osm")
    real = record._derive

    def grow(*args: object) -> None:
        path.write_bytes(path.read_bytes() + b"<!-- more -->")
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(record, "_derive", grow)
    refused(UnavailableError, "written to", lambda: import_osm(engine, path, options=plain), engine)


def test_ten_gigabytes_are_refused_unread(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "huge.osm.pbf"
    with path.open("wb") as stream:
        stream.truncate(10_000_000_000)
    error = refused(TooLargeError, "10.0 GB", lambda: import_osm(engine, path))
    assert "--max-size" in error.hint
    refused(TooLargeError, "10.0 GB", lambda: import_vector(engine, path, options=BUILDINGS))
    refused(TooLargeError, "10.0 GB", lambda: import_devices(engine, path))


def test_full_disk_says_so_and_leaves_nothing(
    engine: Engine, plain: OsmOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_city().write(tmp_path / "city.osm")

    def full(*args: object) -> None:
        raise OperationalError("COPY", {}, psycopg.errors.DiskFull("could not extend file: No space left"))

    monkeypatch.setattr(record, "_derive", full)
    error = refused(UnavailableError, "disk", lambda: import_osm(engine, path, options=plain), engine)
    assert "free space" in error.hint


def test_a_file_that_lost_its_ways_closes_nothing(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    full = small_city()
    for n in range(60):
        full.house(-190 + n * 6, 120, 5.0, id_=7000 + n)
    import_osm(engine, full.write(tmp_path / "city.osm"), options=plain)
    cut = small_city()
    cut.node(0, 0, {"amenity": "pharmacy"})
    path = cut.write(tmp_path / "city.osm")
    error = refused(ConflictError, "60 of the 64", lambda: import_osm(engine, path, options=plain), engine)
    assert "--allow-shrink" in error.hint
    allowed = OsmOptions(rules=record.Rules(make_grids=False, see=False, allow_shrink=True))
    assert import_osm(engine, path, options=allowed).targets["building"].closed == 60


def test_two_imports_do_not_meet(engine: Engine, plain: OsmOptions, tmp_path: Path) -> None:
    path = small_city().write(tmp_path / "city.osm")
    with engine.connect() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_xact_lock({Lock.IMPORTS})")
        with pytest.raises(ConflictError, match="another import"):
            import_osm(engine, path, options=plain)


def _shapes(folder: Path) -> Path:
    import pyogrio
    import shapely

    path = folder / "houses.shp"
    squares = [shapely.box(104.06 + i * 1e-3, 30.66, 104.0604 + i * 1e-3, 30.6603) for i in range(3)]
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(squares),
        field_data=[__import__("numpy").array(["一号楼", "二号楼", "三号楼"], dtype=object)],
        fields=["名称"],
        geometry_type="Polygon",
        crs="EPSG:4326",
        encoding="GBK",
        driver="ESRI Shapefile",
    )
    return path


def test_zipped_shapefile_in_gbk(engine: Engine, tmp_path: Path) -> None:
    shp = _shapes(tmp_path)
    packed = tmp_path / "houses.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for part in tmp_path.glob("houses.*"):
            if part.suffix not in {".zip", ".cpg"}:
                archive.write(part, f"inner/{part.name}")
    options = VectorOptions("building", dataset="h", encoding="gbk", rules=record.Rules(make_grids=False))
    summary = import_vector(engine, packed, options=options)
    assert summary.targets["building"].inserted == 3
    with engine.connect() as connection:
        names = {row[0] for row in connection.exec_driver_sql("SELECT name FROM building")}
    assert names == {"一号楼", "二号楼", "三号楼"}
    shp.with_suffix(".dbf").unlink()
    refused(FileFormatError, "dbf is missing", lambda: import_vector(engine, shp, options=options), engine)


def test_zip_bomb_and_strange_zips(engine: Engine, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.shp", bytes(200_000_000))
        archive.writestr("a.dbf", b"x")
    refused(TooLargeError, "bomb", lambda: import_vector(engine, bomb, options=BUILDINGS), engine)
    none = tmp_path / "none.zip"
    with zipfile.ZipFile(none, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(FileFormatError, "holds 0 Shapefiles", lambda: import_vector(engine, none, options=BUILDINGS))
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        for i in range(1200):
            archive.writestr(f"{i}.txt", "")
    with pytest.raises(TooLargeError, match="1200 files"):
        import_vector(engine, many, options=BUILDINGS)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bomb.read_bytes()[:1000])
    refused(FileFormatError, "damaged", lambda: import_vector(engine, cut, options=BUILDINGS))
    outside = tmp_path / "outside.zip"
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../../escape.shp", b"\x00\x00\x27\x0a")
        archive.writestr("../../escape.dbf", b"x")
    with pytest.raises(TwinError):
        import_vector(engine, outside, options=BUILDINGS)
    assert not (tmp_path.parent / "escape.shp").exists()


def test_damaged_vector_files(engine: Engine, tmp_path: Path) -> None:
    cut = tmp_path / "cut.geojson"
    cut.write_text('{"type":"FeatureCollection","features":[{"type":"Feature","geome')
    refused(FileFormatError, "cannot be read", lambda: import_vector(engine, cut, options=BUILDINGS), engine)
    fake = tmp_path / "fake.gpkg"
    fake.write_bytes(b"SQLite format 3\x00" + bytes(52) + b"GPKG" + bytes(4000))
    refused(FileFormatError, "cannot be read", lambda: import_vector(engine, fake, options=BUILDINGS), engine)
    png = tmp_path / "a.geojson"
    png.write_bytes(b"\x89PNG\r\n\x1a\n")
    refused(FileFormatError, "PNG", lambda: import_vector(engine, png, options=BUILDINGS))
    osm = small_city().write(tmp_path / "b.geojson")
    error = refused(FileFormatError, "OpenStreetMap", lambda: import_vector(engine, osm, options=BUILDINGS))
    assert "import osm" in error.hint


def test_the_reader_is_bound(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest.vector import feature_file

    path = tmp_path / "houses.geojson"
    path.write_text('{"type":"FeatureCollection","features":[' + ",".join(
        '{"type":"Feature","properties":{"name":"' + "x" * 5000 + '"},"geometry":{"type":"Polygon",'
        '"coordinates":[[[104,30],[104.001,30],[104.001,30.001],[104,30]]]}}' for _ in range(2000)
    ) + "]}")  # fmt: skip
    monkeypatch.setattr(feature_file, "MEMORY_BYTES", 150 * 1024**2)
    with pytest.raises((TooLargeError, FileFormatError)):
        import_vector(engine, path, options=BUILDINGS)


@given(st.binary(max_size=300))
def test_sniffing_never_fails(content: bytes) -> None:
    assert isinstance(sniff(content), str)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60_000), st.integers(0, 255))
def test_no_damaged_byte_gives_anything_but_a_refusal_or_a_reading(at: int, value: int) -> None:
    if not CHENGDU.exists():
        pytest.skip(f"the real city is not here: {CHENGDU}")
    import tempfile

    from ingest.vector.osm_reader import read_osm

    content = bytearray(CHENGDU.read_bytes())
    content[at % len(content)] = value
    with tempfile.NamedTemporaryFile(suffix=".osm.pbf") as file:
        file.write(bytes(content))
        file.flush()
        try:
            source = look_at(Path(file.name))
            if source.format == "osm_pbf":
                read_osm(source)
        except TwinError:
            return


def test_a_block_that_claims_to_be_huge(engine: Engine, tmp_path: Path) -> None:
    header = b"\x0a\x09OSMHeader\x18" + b"\xff\xff\xff\x7f"
    path = tmp_path / "huge-block.osm.pbf"
    path.write_bytes(struct.pack(">I", len(header)) + header + zlib.compress(b"x"))
    refused(FileFormatError, "damaged|cut off", lambda: import_osm(engine, path))
