"""Run an import as one transaction: the dataset, the rows, what hangs on them, the record of the run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ingest.vector.intake import Intake
from ingest.vector.source_file import SourceFile
from ingest.vector.staging import write_rows
from ingest.vector.summary import ImportSummary, Progress, Silent
from ingest.vector.tables import TABLES
from twin.dispatch.gate_links import link_gates
from twin.errors import ConflictError, InvalidError, UnavailableError
from twin.networks.joining import join_networks
from twin.partition import assign_grids, divide
from twin.sight import update_sight
from twin.store.locks import Lock

FAR_KM = 100.0
"""Data farther than this from everything that is there are taken for a wrong frame, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Target:
    """The dataset that a file is imported into."""

    name: str
    kind: str
    declared_crs: str = "EPSG:4326"
    attribution: str | None = None
    licence: str | None = None
    simulated: bool = False
    data_date: datetime | None = None
    extent: BaseGeometry | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What an import may do beyond the ordinary.

    Parameters
    ----------
    allow_older
        Take a file whose data are older than what is there.
    allow_far
        Take data far from everything that is there, or a dataset that moves to another place.
    allow_shrink
        Close most of what the dataset has.
    make_grids
        Divide communities into unit and responsibility grids afterwards.
    see
        Work out afterwards what cameras see.
    """

    allow_older: bool = False
    allow_far: bool = False
    allow_shrink: bool = False
    make_grids: bool = True
    see: bool = True


def write_import(
    engine: Engine,
    source: SourceFile,
    target: Target,
    intake: Intake,
    *,
    tables: tuple[str, ...],
    rules: Rules,
    progress: Progress | None = None,
    before: Callable[[Connection, int], None] | None = None,
    after: Callable[[Connection, int], None] | None = None,
) -> ImportSummary:
    """Write what was gathered from one file, all of it or nothing.

    Parameters
    ----------
    tables
        Tables that this file speaks for: what they hold of the dataset and the file has not is closed.
    before
        Called with the connection and the dataset's id before rows are written; may add rows.
    after
        Called with the same when they are written.

    Raises
    ------
    ConflictError
        The file is older than what is there, covers another place, or another import runs now.
    UnavailableError
        The database cannot be reached or its disk is full; nothing was written.
    """
    progress = progress or Silent()
    summary = intake.summary
    started = time.perf_counter()
    with _database_errors(source.name), engine.begin() as connection:
        # One import at a time: two that close and number the same things would meet.
        if not connection.execute(text(f"SELECT pg_try_advisory_xact_lock({Lock.IMPORTS})")).scalar_one():
            raise ConflictError("another import is running", hint="wait until it is done and start again")
        dataset_id = _open_dataset(connection, target, rules)
        run_id = connection.execute(
            text(
                "INSERT INTO import_run (dataset_id, file_name, file_sha256) "
                "VALUES (:dataset, :name, :sha) RETURNING id"
            ),
            {"dataset": dataset_id, "name": source.name, "sha": source.sha256},
        ).scalar_one()
        if before:
            before(connection, dataset_id)
        progress.begin("writing to the database", len(tables))
        for name in TABLES:
            if name in tables:
                write_rows(connection, dataset_id, TABLES[name], intake, allow_shrink=rules.allow_shrink)
                progress.advance()
        if after:
            after(connection, dataset_id)
        if "area" in tables:
            _hang_areas(connection)
        _derive(connection, tables, summary, rules, progress)
        source.check_unchanged()
        summary.check()
        summary.elapsed_s += time.perf_counter() - started
        _write_rejects(connection, run_id, intake)
        connection.execute(
            text(
                "UPDATE import_run SET finished_at = clock_timestamp(), counts = CAST(:counts AS jsonb) "
                "WHERE id = :id"
            ),
            {"id": run_id, "counts": json.dumps(summary.as_dict(), ensure_ascii=False)},
        )
    return summary


@contextmanager
def _database_errors(name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = error.orig
        if isinstance(cause, psycopg.errors.DiskFull):
            raise UnavailableError(
                f"the disk of the database is full; nothing of {name} was imported",
                where="database",
                hint="free space on it and import again",
            ) from error
        if isinstance(cause, psycopg.errors.UndefinedTable):
            raise UnavailableError(
                "the database has no tables yet", where="database", hint="run: gridtwin up"
            ) from error
        if isinstance(cause, psycopg.OperationalError):
            raise UnavailableError(
                f"the database cannot be used; nothing of {name} was imported: {_first_line(cause)}",
                where="database",
                hint="check that it runs: gridtwin up",
            ) from error
        raise


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _open_dataset(connection: Connection, target: Target, rules: Rules) -> int:
    row = connection.execute(
        text(
            "SELECT id, kind, data_date, ST_AsBinary(extent) AS extent "
            "FROM dataset WHERE name = :name FOR UPDATE"
        ),
        {"name": target.name},
    ).first()
    if row is not None:
        if row.kind != target.kind:
            raise ConflictError(
                f"the dataset “{target.name}” holds {row.kind} data, this file is {target.kind}",
                where="--dataset",
                hint="give it another name with --dataset",
            )
        if (
            row.data_date is not None
            and target.data_date is not None
            and target.data_date < row.data_date
            and not rules.allow_older
        ):
            raise ConflictError(
                f"the file's data are of {target.data_date:%Y-%m-%d %H:%M}, older than those imported "
                f"({row.data_date:%Y-%m-%d %H:%M})",
                where=target.name,
                hint="import the newer file, or say --allow-older",
            )
        if row.extent is not None and target.extent is not None and not rules.allow_far:
            old = shapely.from_wkb(bytes(row.extent))
            if not old.intersects(target.extent):
                raise ConflictError(
                    f"the file covers another place than the dataset “{target.name}”, whose things would all "
                    "be closed",
                    where=target.name,
                    hint="give it a name of its own with --dataset, or say --allow-far to move the dataset",
                )
    values: dict[str, Any] = {
        "name": target.name,
        "kind": target.kind,
        "crs": target.declared_crs,
        "attribution": target.attribution,
        "licence": target.licence,
        "simulated": target.simulated,
        "date": target.data_date,
        "extent": None if target.extent is None else shapely.to_wkb(target.extent),
    }
    return int(
        connection.execute(
            text(
                """
                INSERT INTO dataset
                    (name, kind, declared_crs, attribution, licence, simulated, data_date, extent)
                VALUES (:name, :kind, :crs, :attribution, :licence, :simulated, :date,
                        ST_GeomFromWKB(CAST(:extent AS bytea), 4326))
                ON CONFLICT (name) DO UPDATE SET declared_crs = excluded.declared_crs,
                    attribution = coalesce(excluded.attribution, dataset.attribution),
                    licence = coalesce(excluded.licence, dataset.licence), simulated = excluded.simulated,
                    data_date = coalesce(excluded.data_date, dataset.data_date),
                    extent = coalesce(excluded.extent, dataset.extent)
                RETURNING id
                """
            ),
            values,
        ).scalar_one()
    )


def check_near(engine: Engine, extent: BaseGeometry, declared_crs: str, *, allow_far: bool) -> None:
    """Refuse data far from everything that is there: nearly always a frame that was not declared.

    Raises
    ------
    ConflictError
        The nearest imported dataset is more than ``FAR_KM`` away.
    """
    if allow_far:
        return
    with _database_errors("the file"), engine.connect() as connection:
        distance_m = connection.execute(
            text(
                "SELECT min(ST_Distance(extent::geography, "
                "ST_GeomFromWKB(CAST(:wkb AS bytea), 4326)::geography)) FROM dataset WHERE extent IS NOT NULL"
            ),
            {"wkb": shapely.to_wkb(extent)},
        ).scalar_one()
    if distance_m is not None and distance_m > FAR_KM * 1000.0:
        point = extent.centroid
        raise ConflictError(
            f"the data lie at {point.x:.4f}, {point.y:.4f}, {distance_m / 1000.0:,.0f} km from the city that "
            "is there",
            where=f"declared as {declared_crs}",
            hint="declare the right frame with --crs (longitude comes first), or say --allow-far",
        )


def _hang_areas(connection: Connection) -> None:
    """Hang every present administrative area under the smallest one of a level above that holds it."""
    connection.execute(
        text(
            """
            WITH ranked AS (
                -- Grids of either kind hang under communities; those made here come with their parent.
                SELECT id, label_point, geom, area_m2, parent_id,
                    coalesce(
                        array_position(ARRAY['city', 'district', 'street', 'community'], level), 5) AS rank
                FROM area WHERE valid_to IS NULL
                    AND (level IN ('city', 'district', 'street', 'community') OR made_by = 'imported')
            ), parents AS (
                SELECT DISTINCT ON (child.id) child.id, parent.id AS parent
                FROM ranked child LEFT JOIN ranked parent
                    ON parent.rank < child.rank AND ST_Covers(parent.geom, child.label_point)
                ORDER BY child.id, parent.rank DESC NULLS LAST, parent.area_m2
            )
            UPDATE area a SET parent_id = p.parent FROM parents p
            WHERE p.id = a.id AND a.parent_id IS DISTINCT FROM p.parent
            """
        )
    )


# A thing belongs to the building it stands in, else to the nearest one within reach: doors and wall
# cameras are drawn on the wall or a step before it.
_LINK_BUILDING = """
WITH linked AS (
    SELECT t.id, b.id AS building
    FROM {table} t LEFT JOIN LATERAL (
        SELECT b.id FROM building b
        WHERE b.valid_to IS NULL AND b.body <> 'part' AND ST_DWithin(b.geom, t.geom, {degrees})
          AND ST_DWithin(b.geom::geography, t.geom::geography, {reach_m})
        ORDER BY ST_Distance(b.geom, t.geom), b.footprint_m2, b.id LIMIT 1) b ON true
    WHERE t.valid_to IS NULL
)
UPDATE {table} t SET building_id = linked.building FROM linked
WHERE linked.id = t.id AND t.building_id IS DISTINCT FROM linked.building
"""
_REACH_M = {"address": 2.0, "service_point": 0.5, "device": 3.0}


def _derive(
    connection: Connection,
    tables: tuple[str, ...],
    summary: ImportSummary,
    rules: Rules,
    progress: Progress,
) -> None:
    progress.begin("linking things to buildings", len(_REACH_M))
    for table, reach_m in _REACH_M.items():
        if table in tables or "building" in tables:
            # Degrees only preselect by the index; at latitude 75 a degree of longitude is still 29 km.
            statement = _LINK_BUILDING.format(table=table, reach_m=reach_m, degrees=reach_m / 28_000.0)
            summary.links_updated += connection.execute(text(statement)).rowcount
        progress.advance()
    if rules.make_grids and {"area", "road", "building"} & set(tables):
        progress.begin("dividing communities into grids", None)
        division = divide(connection)
        summary.division = {
            "communities": division.communities,
            "divided": division.divided,
            "unit_grids": division.unit_grids.present,
            "responsibility_grids": division.responsibility_grids.present,
            "changed": division.changed,
            "elapsed_s": round(division.elapsed_s, 3),
        }
        summary.warnings += division.warnings
        progress.advance()
    elif {"area", "device", "component"} & set(tables):
        assign_grids(connection)
    if {"network_node", "network_line", "building", "device"} & set(tables):
        join_networks(connection)
    if {"gate", "device", "compound"} & set(tables):
        link_gates(connection)
    if rules.see and {"device", "building", "road"} & set(tables):
        progress.begin("working out what cameras see", None)
        summary.sights_updated = update_sight(connection)
        progress.advance()


def _write_rejects(connection: Connection, run_id: int, intake: Intake) -> None:
    if not intake.rejects:
        return
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    with (
        driver.cursor() as cursor,
        cursor.copy(
            "COPY import_reject (run_id, target, source_ref, reason, detail, raw) FROM STDIN"
        ) as copy,
    ):
        for reject in intake.rejects:
            raw = None if reject.raw is None else json.dumps(reject.raw, ensure_ascii=False, default=str)
            copy.write_row(
                (
                    run_id,
                    reject.label,
                    reject.ref.replace("\x00", ""),
                    reject.reason,
                    reject.detail.replace("\x00", ""),
                    None if raw is None else raw.replace("\\u0000", ""),
                )
            )


def read_extent(geometries: list[BaseGeometry]) -> BaseGeometry | None:
    """Return the box around geometries, None where it has no area (grown by about a metre otherwise)."""
    if not geometries:
        return None
    west, south, east, north = shapely.total_bounds(geometries)
    if not all(map(_finite, (west, south, east, north))):
        raise InvalidError("the data have no finite extent")
    return box(west - 1e-5, south - 1e-5, east + 1e-5, north + 1e-5)


def _finite(value: float) -> bool:
    return math.isfinite(value)
