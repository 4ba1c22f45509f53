"""Import a GeoPackage, GeoJSON or Shapefile as one kind of thing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from ingest.vector import source_file
from ingest.vector.feature_file import FORMATS, read_features
from ingest.vector.feature_rows import ALIASES, AREA_LEVELS, RowMaker, table_of
from ingest.vector.fields import find_columns
from ingest.vector.file_options import FileOptions
from ingest.vector.intake import Intake
from ingest.vector.placing import Placer, city_box, declared_frame
from ingest.vector.record import Target, read_extent, write_import
from ingest.vector.summary import ImportSummary, Progress, Silent
from twin.errors import InvalidError


@dataclass(frozen=True, slots=True)
class VectorOptions(FileOptions):
    """How a vector file is imported.

    Parameters
    ----------
    kind
        What its features are: building, area, road, ground, service_point, component, compound, gate or
        address.
    level
        Level of areas, where no column says it.
    layer
        Which layer of a file with several.
    """

    kind: str
    level: str | None = None
    layer: str | None = None


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
    declared = declared_frame(read.crs, options.crs, intake.summary)
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
        raise intake.nothing_taken(path)
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
