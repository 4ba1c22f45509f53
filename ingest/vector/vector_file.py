"""Import a GeoPackage, GeoJSON or Shapefile as one kind of thing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Engine

from ingest.vector import source_file
from ingest.vector.feature_file import FORMATS, FeatureFile, read_features
from ingest.vector.feature_rows import ALIASES, AREA_LEVELS, RowMaker, table_of
from ingest.vector.fields import find_columns
from ingest.vector.intake import Intake
from ingest.vector.placing import DEFAULT_FRAME, Placer, city_box
from ingest.vector.record import Rules, Target, read_extent, write_import
from ingest.vector.summary import ImportSummary, Progress, Silent
from twin.errors import FileFormatError, InvalidError


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """How a vector file is imported.

    Parameters
    ----------
    kind
        What its features are: building, area, road, ground, service_point, component, compound or address.
    dataset
        Name they are kept under; the file's name when None.
    fields
        Our field -> the file's column, where the names do not tell.
    crs
        Frame of the coordinates; overrules what the file says. ``GCJ-02`` and ``BD-09`` included.
    level
        Level of areas, where no column says it.
    encoding
        Of a Shapefile's table, for example ``gbk``; the file's own word or UTF-8 when None.
    layer
        Which layer of a file with several.
    """

    kind: str
    dataset: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    crs: str | None = None
    level: str | None = None
    encoding: str | None = None
    layer: str | None = None
    simulated: bool = False
    max_size_bytes: int = source_file.MAX_SIZE_BYTES
    rules: Rules = Rules()  # noqa: RUF009  (frozen)


def import_vector(
    engine: Engine, path: Path, *, options: VectorOptions, progress: Progress | None = None
) -> ImportSummary:
    """Import every feature of a file as one kind of thing, in one transaction.

    Raises
    ------
    InvalidError
        The kind, level or mapping does not exist.
    FileFormatError, TooLargeError
        The file is not what it was said to be, damaged, empty or too large.
    CoordinateError
        Most of it lies where it cannot: the frame is wrong.
    """
    if options.kind not in ALIASES:
        raise InvalidError(
            f"there is no kind “{options.kind}”", where="--as", hint=f"one of {', '.join(ALIASES)}"
        )
    if options.level is not None and options.level not in AREA_LEVELS:
        raise InvalidError(
            f"there is no level “{options.level}”", where="--level", hint=f"one of {', '.join(AREA_LEVELS)}"
        )
    progress = progress or Silent()
    started = time.perf_counter()
    source = source_file.look_at(path, max_size_bytes=options.max_size_bytes, progress=progress)
    source_file.require(source, FORMATS, "a GeoPackage, GeoJSON or Shapefile")
    progress.begin("reading features", None)
    read = read_features(
        source, layer=options.layer, encoding=options.encoding, max_size_bytes=options.max_size_bytes
    )
    progress.advance()
    intake = Intake(ImportSummary(options.dataset or path.stem, source.name))
    declared = declared_frame(read, options.crs, intake.summary)
    columns = find_columns(read.fields, ALIASES[options.kind], options.fields, where=source.name)
    placer = Placer(declared, city_box(engine), allow_far=options.rules.allow_far)
    placed = placer.place([f.geometry for f in read.features], source.name)
    reader = RowMaker(options.kind, options.level, intake, columns)
    progress.begin("sorting features", len(read.features))
    for feature, place in zip(read.features, placed, strict=True):
        reader.feature(feature, place, broken=feature.fid in read.broken)
        progress.advance()
    table = table_of(options.kind)
    if not intake.rows.get(table) and not reader.drafts:
        nothing_taken(source.name, path, intake)
    geometries = [row.geom for rows in intake.rows.values() for row in rows] + [d.geom for d in reader.drafts]
    intake.summary.elapsed_s = time.perf_counter() - started
    return write_import(
        engine,
        source,
        Target(
            intake.summary.dataset,
            "vector",
            declared_crs=declared,
            simulated=options.simulated,
            extent=read_extent(geometries),
        ),
        intake,
        tables=(table,),
        rules=options.rules,
        progress=progress,
        before=reader.add_areas if options.kind == "area" else None,
    )


def declared_frame(read: FeatureFile, said: str | None, summary: ImportSummary) -> str:
    """Return the frame to convert from: the user's word, else the file's, else lon/lat with a warning."""
    if said is not None:
        if read.crs and read.crs.upper() != said.upper() and not read.crs.upper().endswith(("4326", "CRS84")):
            summary.warnings.append(f"the file says {read.crs[:60]}, it was read as {said} as told")
        return said
    if read.crs:
        return read.crs
    summary.warnings.append(
        f"the file does not say its frame; it was read as {DEFAULT_FRAME} (declare it with --crs)"
    )
    return DEFAULT_FRAME


def nothing_taken(name: str, path: Path, intake: Intake) -> NoReturn:
    """Say of a file of which nothing was taken what was wrong with most of it."""
    reasons = [reason for t in intake.summary.targets.values() for reason, _ in t.reasons.most_common(1)]
    first = intake.rejects[0].detail if intake.rejects else ""
    raise FileFormatError(
        f"nothing of {name} can be taken" + (f": {reasons[0][1]}, {first}" if reasons else ""),
        where=str(path),
        hint="check --as, --map and --crs",
    )
