"""Measure how long it takes to divide a city's communities into unit grids and responsibility grids."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from bench.importing import city_file, fresh_databases
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules
from twin.errors import InvalidError
from twin.partition.divide import divide


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """Which city, how often."""

    file: str = option("", "an .osm.pbf or .osm file; central Helsinki when not given")
    rounds: int = option(5, "times the same city is divided")

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InvalidError("--rounds must be at least 1")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Import once without grids, then divide in transactions that are rolled back."""
    seconds: list[float] = []
    cover: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workplace(options))
        file = city_file(options.file, folder)
        engine = stack.enter_context(stack.enter_context(fresh_databases(folder / "partition"))())
        progress(f"partition: importing {file.name}")
        import_osm(engine, file, options=OsmOptions(rules=Rules(make_grids=False, see=False)))
        for number in range(options.rounds):
            progress(f"partition: round {number + 1} of {options.rounds}")
            with engine.connect() as connection:
                begun = time.perf_counter()
                summary = divide(connection)
                seconds.append(time.perf_counter() - begun)
                cover = cover or _cover(connection)
                connection.rollback()
    return {
        "file": file.name,
        "median_s": round(statistics.median(seconds), 3),
        "least_s": round(min(seconds), 3),
        "most_s": round(max(seconds), 3),
        "summary": dataclasses.asdict(summary),
        "cover": cover,
    }


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the time and what was made."""
    cover = result["cover"]
    rows = [
        ("division, s (median)", show(result["median_s"], 2)),
        ("division, s (least to most)", f"{result['least_s']:.2f} – {result['most_s']:.2f}"),
        ("communities", show(result["summary"]["communities"])),
        ("unit grids", show(cover["unit_grids"])),
        ("unit grid, median m²", show(cover["median_m2"], 0)),
        ("communities less unit grids, m²", show(cover["uncovered_m2"], 3)),
        ("overlap of unit grids, m²", show(cover["overlap_m2"], 3)),
    ]
    return [Table(f"Division of {result['file']}", ("figure", "value"), rows)]


def _cover(connection: Connection) -> dict[str, Any]:
    """Measure, in the database, what the unit grids leave out and cover twice."""
    row = (
        connection.execute(
            text(
                """
                WITH unit AS (
                    SELECT id, geom, area_m2 FROM area WHERE level = 'unit_grid' AND valid_to IS NULL),
                left_over AS (
                    SELECT ST_Difference(
                        (SELECT ST_Union(geom) FROM area WHERE level = 'community' AND valid_to IS NULL),
                        (SELECT ST_Union(geom) FROM unit)) AS geom)
                SELECT (SELECT count(*) FROM unit) AS unit_grids,
                       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY area_m2) FROM unit) AS median_m2,
                       (SELECT ST_Area(geom::geography) FROM left_over) AS uncovered_m2,
                       (SELECT coalesce(sum(ST_Area(ST_Intersection(a.geom, b.geom)::geography)), 0)
                        FROM unit a JOIN unit b ON a.id < b.id AND ST_Intersects(a.geom, b.geom)
                        WHERE NOT ST_Touches(a.geom, b.geom)) AS overlap_m2
                """
            )
        )
        .mappings()
        .one()
    )
    return {
        "unit_grids": int(row["unit_grids"]),
        "median_m2": round(float(row["median_m2"] or 0.0), 1),
        "uncovered_m2": round(float(row["uncovered_m2"] or 0.0), 4),
        "overlap_m2": round(float(row["overlap_m2"]), 4),
    }
