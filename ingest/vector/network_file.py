"""Import a network of pipes or cables: lines and nodes from one or several layers of a file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from scipy.spatial import KDTree
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine, text

from ingest.vector import source_file
from ingest.vector.feature_file import FORMATS, read_features
from ingest.vector.fields import FieldReader, find_columns
from ingest.vector.file_options import FileOptions
from ingest.vector.intake import Intake, Row
from ingest.vector.network_rows import ALIASES, NetworkRowMaker
from ingest.vector.placing import Placer, city_box, declared_frame
from ingest.vector.record import Target, read_extent, write_import
from ingest.vector.summary import ImportSummary, Progress, Silent
from twin.crs import to_local_metres
from twin.errors import InvalidError
from twin.model.network import UTILITIES
from twin.networks.joining import REACH_M

TABLES: Final = ("network_node", "network_line")


@dataclass(frozen=True, slots=True)
class NetworkOptions(FileOptions):
    """How a network is imported.

    Parameters
    ----------
    utility
        water, gas or power.
    layers
        Layers of the file to read, lines and nodes in any order; its one layer when empty.
    """

    utility: str
    layers: tuple[str, ...] = ()


def import_network(
    engine: Engine, path: Path, *, options: NetworkOptions, progress: Progress | None = None
) -> ImportSummary:
    """Import lines and nodes of one utility in one transaction, and join them.

    Where an end of a line has no node, of this file or of another one, a joint is made.

    Raises
    ------
    InvalidError
        The utility or the mapping does not exist.
    FileFormatError, TooLargeError, CoordinateError
        As for other vector files.
    """
    if options.utility not in UTILITIES:
        raise InvalidError(
            f"there is no network of “{options.utility}”",
            where="--kind",
            hint=f"one of {', '.join(UTILITIES)}",
        )
    progress = progress or Silent()
    started = time.perf_counter()
    source = source_file.look_at(path, max_size_bytes=options.max_size_bytes, progress=progress)
    source_file.require(source, FORMATS, "a GeoPackage, GeoJSON or Shapefile")
    intake = Intake(ImportSummary(options.dataset or f"{options.utility}-{path.stem}", source.name))
    reader = NetworkRowMaker(options.utility, intake)
    declared = ""
    for layer in options.layers or (None,):
        progress.begin("reading features", None)
        read = read_features(
            source, layer=layer, encoding=options.encoding, max_size_bytes=options.max_size_bytes
        )
        declared = declared_frame(read.crs, options.crs, intake.summary)
        columns = find_columns(read.fields, ALIASES, options.fields, where=source.name)
        placer = Placer(declared, city_box(engine), allow_far=options.rules.allow_far)
        placed = placer.place([f.geometry for f in read.features], source.name)
        prefix = f"{layer}/" if len(options.layers) > 1 else ""
        for feature, place in zip(read.features, placed, strict=True):
            fields = FieldReader(feature.fields, columns)
            reader.feature(feature.fid, place, fields, prefix=prefix, broken=feature.fid in read.broken)
        progress.advance()
    rows = [row for name in TABLES for row in intake.rows.get(name, [])]
    if not rows:
        raise intake.nothing_taken(path)
    for joint in missing_joints(
        options.utility,
        intake.rows.get("network_line", []),
        [row.geom for row in intake.rows.get("network_node", [])]
        + _nodes_of_others(engine, options.utility, intake.summary.dataset),
    ):
        intake.take("network_node", joint)
    intake.summary.elapsed_s = time.perf_counter() - started
    return write_import(
        engine,
        source,
        Target(
            intake.summary.dataset,
            "vector",
            declared_crs=declared,
            simulated=options.simulated,
            extent=read_extent([row.geom for row in rows]),
        ),
        intake,
        tables=TABLES,
        rules=options.rules,
        progress=progress,
    )


def _nodes_of_others(engine: Engine, utility: str, dataset: str) -> list[BaseGeometry]:
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT ST_X(n.geom) AS lon, ST_Y(n.geom) AS lat FROM network_node n"
                " JOIN dataset d ON d.id = n.dataset_id"
                " WHERE n.valid_to IS NULL AND n.utility = :utility AND d.name <> :dataset"
            ),
            {"utility": utility, "dataset": dataset},
        ).all()
    return [Point(row.lon, row.lat) for row in rows]


def missing_joints(utility: str, lines: Iterable[Row], nodes: list[BaseGeometry]) -> list[Row]:
    """Return a joint for every end of a line that has no node within `REACH_M`; near ends share one.

    A joint is named by where it is, so that the same file makes the same joints again.
    """
    ends = np.array(
        [xy for row in lines for xy in (row.geom.coords[0][:2], row.geom.coords[-1][:2])], np.float64
    ).reshape(-1, 2)
    if not len(ends):
        return []
    to_metres, _ = to_local_metres(*(float(v) for v in ends.mean(axis=0)))
    at = np.column_stack(to_metres(ends[:, 0], ends[:, 1]))
    alone = np.ones(len(ends), np.bool_)
    if nodes:
        known = shapely.get_coordinates(nodes)
        distance, _ = KDTree(np.column_stack(to_metres(known[:, 0], known[:, 1]))).query(at)
        alone &= distance > REACH_M
    made: list[Row] = []
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for (lon, lat), (x, y) in zip(ends[alone].tolist(), at[alone].tolist(), strict=True):
        cell = math.floor(x / REACH_M), math.floor(y / REACH_M)
        beside = ((cell[0] + i, cell[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1))
        if any(math.dist((x, y), other) <= REACH_M for c in beside for other in cells.get(c, ())):
            continue
        cells.setdefault(cell, []).append((x, y))
        values = {"utility": utility, "kind": "joint", "passes": True}
        made.append(Row("joint", f"joint/{lon:.7f},{lat:.7f}", Point(lon, lat), values))
    return made
