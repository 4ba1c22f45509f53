"""Import a list of devices from CSV or a vector file of points."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine

from ingest.vector import source_file
from ingest.vector.camera_streams import Stream, harmless, keep_streams, read_stream
from ingest.vector.csv_table import Line, place_of, read_rows
from ingest.vector.feature_file import FORMATS, read_features
from ingest.vector.fields import FieldError, FieldReader, find_columns
from ingest.vector.file_options import FileOptions
from ingest.vector.geometry import GeometryRefusedError
from ingest.vector.intake import Intake, Row
from ingest.vector.placing import DEFAULT_FRAME, Placer, city_box, declared_frame
from ingest.vector.record import Target, read_extent, write_import
from ingest.vector.source_file import SourceFile
from ingest.vector.summary import ImportSummary, Progress, Silent
from ingest.vector.tag_values import direction
from twin.access.sealing import Sealer
from twin.catalog import Catalog, load_catalog
from twin.codes import check_device_uid, check_gb28181_id
from twin.errors import FileFormatError, InvalidError

ALIASES: Mapping[str, tuple[str, ...]] = {
    "uid": ("device_uid", "device_id", "设备编号", "编号"),
    "kind": ("type", "device_kind", "设备类型", "类型"),
    "lon": ("longitude", "lng", "x", "经度"),
    "lat": ("latitude", "y", "纬度"),
    "name": ("名称", "设备名称"),
    "name_en": ("name:en",),
    "floor": ("楼层",),
    "height": ("height_m", "高度", "安装高度"),
    "bearing": ("bearing_deg", "direction", "azimuth", "方向", "朝向"),
    "field_of_view": ("field_of_view_deg", "fov", "视场角"),
    "range": ("range_m", "可视距离"),
    "address": ("地址", "安装地址"),
    "gb28181_id": ("gb28181", "国标编号"),
    "interval": ("expected_interval_s", "interval_s", "上报间隔"),
    "simulated": (),
    "position_source": (),
    "stream": ("stream_url", "rtsp", "取流地址", "视频地址"),
    "stream_user": ("取流用户名", "视频用户名"),
    "stream_password": ("取流密码", "视频密码"),
    "private_area": ("私密区域",),
    "sign_posted": ("提示标识",),
    "retention_days": ("录像保存天数",),
}
"""Columns and the other names they usually have; case does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions(FileOptions):
    """How a list of devices is imported; the frame is lon/lat WGS 84 unless ``crs`` says otherwise.

    Parameters
    ----------
    layer
        Which layer of a file with several.
    sealer
        Seals addresses of streams; without it a row that has one is refused.
    """

    layer: str | None = None
    sealer: Sealer | None = None


def import_devices(
    engine: Engine,
    path: Path,
    *,
    options: DeviceOptions | None = None,
    progress: Progress | None = None,
    catalog: Catalog | None = None,
) -> ImportSummary:
    """Import devices in one transaction; a row that is wrong is refused with its line, the others are taken.

    Raises
    ------
    FileFormatError
        No table of devices, or not one row of it can be taken.
    CoordinateError
        Most rows lie where they cannot: the frame is wrong, or lon and lat are swapped.
    """
    options = options or DeviceOptions()
    progress = progress or Silent()
    catalog = catalog or load_catalog()
    started = time.perf_counter()
    source = source_file.look_at(path, max_size_bytes=options.max_size_bytes, progress=progress)
    source_file.require(source, ("csv", *FORMATS), "a CSV table or a vector file of devices")
    intake = Intake(ImportSummary(options.dataset or path.stem, source.name))
    if source.format == "csv":
        lines, columns = _read_table(source, options, intake.summary)
        declared = options.crs or DEFAULT_FRAME
    else:
        read = read_features(
            source, layer=options.layer, encoding=options.encoding, max_size_bytes=options.max_size_bytes
        )
        columns = _columns(read.fields, options, source, need_place=False)
        declared = declared_frame(read.crs, options.crs, intake.summary)
        lines = [Line(f"feature {f.fid}", f.fields, f.geometry) for f in read.features]
    intake.summary.elapsed_s = time.perf_counter() - started
    return write_lines(engine, source, lines, columns, declared, options, intake, progress, catalog)


def write_lines(
    engine: Engine,
    source: SourceFile,
    lines: Sequence[Line],
    columns: Mapping[str, str],
    declared: str,
    options: DeviceOptions,
    intake: Intake,
    progress: Progress,
    catalog: Catalog,
    check: Callable[[Line, Point], None] | None = None,
    needed: str = "the columns uid, kind, lon, lat",
) -> ImportSummary:
    """Take rows that were read from a file and write them in one transaction.

    Parameters
    ----------
    lines, columns
        The rows, and which column holds which field.
    declared
        Frame of their coordinates.
    check
        Raises `FieldError` for a row that shall not lie where it lies (lon/lat).
    needed
        What a person is told where no row can be taken.

    Raises
    ------
    FileFormatError, CoordinateError
        See `import_devices`.
    """
    started = time.perf_counter()
    placer = Placer(declared, city_box(engine), allow_far=options.rules.allow_far)
    good = [line for line in lines if line.problem is None]
    placed = iter(placer.place([line.geometry for line in good], source.name))
    seen: dict[str, str] = {}
    streams: dict[str, Stream] = {}
    progress.begin("reading devices", len(lines))
    for line in lines:
        place = next(placed) if line.problem is None else None
        _take(line, place, columns, options, intake, catalog, seen, streams, check)
        progress.advance()
    rows = intake.rows.get("device", [])
    if not rows:
        first = intake.rejects[0].detail if intake.rejects else "it has no rows"
        raise FileFormatError(
            f"not one device of {source.name} can be taken: {first}",
            where=str(source.path),
            hint=f"it needs {needed}",
        )
    intake.summary.elapsed_s += time.perf_counter() - started
    return write_import(
        engine,
        source,
        Target(
            intake.summary.dataset,
            "devices",
            declared_crs=declared,
            simulated=options.simulated,
            extent=read_extent([row.geom for row in rows]),
        ),
        intake,
        tables=("device",),
        rules=options.rules,
        progress=progress,
        after=lambda connection, dataset: keep_streams(connection, dataset, options.sealer, streams),
    )


def _columns(
    present: tuple[str, ...], options: DeviceOptions, source: SourceFile, *, need_place: bool
) -> dict[str, str]:
    columns = find_columns(present, ALIASES, options.fields, where=source.name)
    needed = ("uid", "kind", "lon", "lat") if need_place else ("uid", "kind")
    missing = [name for name in needed if name not in columns]
    if missing:
        raise FileFormatError(
            f"{source.name} has no column {' and no column '.join(missing)}",
            where=str(source.path),
            hint=f"its columns are {', '.join(present)[:500]}; map them with --map {missing[0]}=COLUMN",
        )
    return columns


def _read_table(
    source: SourceFile, options: DeviceOptions, summary: ImportSummary
) -> tuple[list[Line], dict[str, str]]:
    header, rows = read_rows(source, options.encoding, summary)
    columns = _columns(header, options, source, need_place=True)
    return [row if row.problem else place_of(row.where, row.fields, columns) for row in rows], columns


def _take(
    line: Line,
    place: BaseGeometry | GeometryRefusedError | None,
    columns: Mapping[str, str],
    options: DeviceOptions,
    intake: Intake,
    catalog: Catalog,
    seen: dict[str, str],
    streams: dict[str, Stream],
    check: Callable[[Line, Point], None] | None,
) -> None:
    fields = FieldReader(line.fields, columns)
    ref = fields.text("uid") or line.where
    try:
        if line.problem is not None:
            raise line.problem
        if isinstance(place, GeometryRefusedError):
            raise place
        if not isinstance(place, Point):
            raise GeometryRefusedError("not_a_point", "a device stands at a point")
        uid = check_device_uid(fields.required("uid"))
        if uid in seen:
            raise FieldError("duplicate_uid", f"uid {uid} was already on {seen[uid]}")
        if check is not None:
            check(line, place)
        values = _values(fields, uid, options, catalog)
        stream = read_stream(fields, values["kind"], options.sealer)
    except (FieldError, GeometryRefusedError, InvalidError) as error:
        reason = getattr(error, "reason", "bad_uid")
        what = f"{line.where}: {error.what}" + (f"; {error.hint}" if error.hint else "")
        # A second row of a uid must not keep the first from being closed later.
        keep = reason != "duplicate_uid"
        intake.refuse("device", "device", ref, reason, what, harmless(line.fields, columns), keep_ref=keep)
        return
    seen[uid] = line.where
    if stream is not None:
        streams[uid] = stream
    kept = FieldReader(harmless(line.fields, columns), columns)
    intake.take("device", Row("device", uid, place, values, kept.rest()))


def _values(fields: FieldReader, uid: str, options: DeviceOptions, catalog: Catalog) -> dict[str, Any]:
    kind_name = fields.required("kind")
    kind = catalog.by_name.get(kind_name)
    if kind is None:
        raise FieldError(
            "unknown_kind", f"there is no kind “{kind_name[:40]}”; kinds: {', '.join(catalog.by_name)}"
        )
    bearing = None
    if (said := fields.text("bearing")) is not None:
        looking = direction(said)
        if looking is None:
            raise FieldError("bad_bearing", f"bearing “{said[:40]}” is neither degrees nor a compass word")
        bearing = looking[0]
    number = fields.text("gb28181_id")
    if number is not None:
        try:
            number = check_gb28181_id(number)
        except InvalidError as error:
            raise FieldError("bad_gb28181_id", error.what) from error
    height = fields.number("height", -100.0, 1000.0)
    view = fields.number("field_of_view", 0.0, 360.0)
    reach = fields.number("range", 0.0, 50_000.0)
    interval = fields.number("interval", 0.0, 31_536_000.0)
    return {
        "uid": uid,
        "kind": kind.name,
        "name": fields.text("name"),
        "name_en": fields.text("name_en"),
        "height_m": kind.mounting_height_m if height is None else height,
        "floor": fields.integer("floor", -20, 250),
        "bearing_deg": bearing,
        "bearing_source": None if bearing is None else "measured",
        "field_of_view_deg": view or None,
        "range_m": reach or None,
        "address": fields.text("address"),
        "gb28181_id": number,
        "expected_interval_s": interval or None,
        "simulated": fields.flag("simulated", default=options.simulated),
        "position_source": fields.one_of("position_source", ("measured", "estimated"), "measured"),
    }
