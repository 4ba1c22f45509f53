"""Import an OpenStreetMap file: buildings, roads, gates, ground, areas, addresses, places, cameras."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from ingest.vector import source_file
from ingest.vector.area_codes import area_row, give_codes, known_areas
from ingest.vector.intake import Intake
from ingest.vector.osm_reader import read_osm
from ingest.vector.osm_things import gather
from ingest.vector.record import Rules, Target, check_near, write_import
from ingest.vector.summary import ImportSummary, Progress, Silent
from ingest.vector.tag_values import clean_tags
from twin.errors import FileFormatError

OSM_TABLES = (
    "area",
    "building",
    "road",
    "ground_cover",
    "address",
    "device",
    "service_point",
    "component",
    "gate",
)


@dataclass(frozen=True, slots=True)
class OsmOptions:
    """How an OpenStreetMap file is imported.

    Parameters
    ----------
    dataset
        Name the file's things are kept under; the same name again updates them.
    max_size_bytes
        Larger files are refused before they are read.
    country
        ISO 3166-1 code whose admin levels apply; found in the file when None.
    rules
        What the import may do beyond the ordinary.
    """

    dataset: str = "osm"
    max_size_bytes: int = source_file.MAX_SIZE_BYTES
    country: str | None = None
    rules: Rules = Rules()  # noqa: RUF009  (frozen)


def import_osm(
    engine: Engine, path: Path, *, options: OsmOptions | None = None, progress: Progress | None = None
) -> ImportSummary:
    """Import a PBF or XML file in one transaction and divide the city into grids.

    Raises
    ------
    FileFormatError
        Not an OpenStreetMap file, cut off, empty, or without anything the twin can use.
    TooLargeError, UnavailableError, ConflictError
        See `source_file.look_at` and `record.write_import`.
    """
    options = options or OsmOptions()
    progress = progress or Silent()
    started = time.perf_counter()
    source = source_file.look_at(path, max_size_bytes=options.max_size_bytes, progress=progress)
    source_file.require(source, ("osm_pbf", "osm_xml"), "an OpenStreetMap file (.osm.pbf or .osm)")
    extract = read_osm(source, progress)
    intake = Intake(ImportSummary(options.dataset, source.name))
    borders = gather(extract, intake, country=options.country, progress=progress)
    _check_useful(source.name, path, intake)
    if extract.extent is not None:
        check_near(engine, extract.extent, "EPSG:4326 by its format", allow_far=options.rules.allow_far)
    target = Target(
        options.dataset,
        "osm",
        attribution="© OpenStreetMap contributors",
        licence="ODbL 1.0",
        data_date=extract.data_date,
        extent=extract.extent,
    )

    def add_areas(connection: Connection, dataset_id: int) -> None:
        codes = give_codes(borders.drafts, known_areas(connection, dataset_id))
        for draft in borders.drafts:
            code, code_source = codes[draft.ref]
            tags = None if draft.tags is None else clean_tags(draft.tags)
            intake.take("area", area_row(draft, code, code_source, tags))

    summary = intake.summary
    summary.elapsed_s = time.perf_counter() - started
    return write_import(
        engine,
        source,
        target,
        intake,
        tables=OSM_TABLES,
        rules=options.rules,
        progress=progress,
        before=add_areas,
    )


def _check_useful(name: str, path: Path, intake: Intake) -> None:
    buildings, roads = intake.rows.get("building", []), intake.rows.get("road", [])
    if not any(intake.rows.values()):
        raise FileFormatError(
            f"{name} holds nothing the twin can use",
            where=str(path),
            hint="it has no roads, buildings, addresses or places: check how it was cut",
        )
    if not buildings:
        intake.summary.warnings.append(
            f"{name} has {len(roads)} roads but no buildings: heights and sight lines will be missing"
        )
    if not roads:
        intake.summary.warnings.append(
            f"{name} has {len(buildings)} buildings but no roads: unit grids cannot follow streets"
        )
