"""Measure what it costs that the database and the live stream show each caller only the own area."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from api.live.hub import MAX_VIEWERS
from bench import city
from bench.fan_out import measure_ticks
from bench.fan_out_sockets import measure_sockets
from bench.grids import grid_codes
from bench.live.database import connect
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from twin.access.grants import grants_of
from twin.access.scope import EVERYWHERE, Scope
from twin.errors import InvalidError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade
from twin.store.roles import APP, role_url
from twin.store.scoped import set_scope_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How much there is to see, and how often it is asked."""

    buildings: int = option(100_000, "buildings in the table that is asked")
    rounds: int = option(15, "times each question is asked of each caller")
    devices: int = option(50_000, "devices on the board")
    changes: int = option(2_000, "changes a tick, ten ticks a second")
    ticks: int = option(60, "ticks that are measured for each kind of viewers")
    viewers: int = option(100, "viewers of the live stream")
    walls: int = option(10, "of them, walls that show the whole city to whom may see it")
    workers: int = option(1_000, "grid workers, each of whom sees one grid; 0 leaves them out")
    turns: int = option(6, "turns of two seconds that each server has to send to real sockets; 0: none")

    def __post_init__(self) -> None:
        for name in ("buildings", "rounds", "devices", "changes", "ticks", "viewers"):
            if getattr(self, name) < 1:
                raise InvalidError(f"--{name} must be at least 1")
        if not 0 <= self.walls <= self.viewers:
            raise InvalidError("--walls must be between 0 and --viewers")
        if not 0 <= self.workers <= MAX_VIEWERS:
            raise InvalidError(f"--workers must be between 0 and {MAX_VIEWERS}")
        if self.turns < 0:
            raise InvalidError("--turns must not be negative")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Ask the same spatial questions with and without row-level security, and send the same ticks."""
    with workplace(options) as folder:
        own = folder / "access"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        with PrivateCluster(own, attach=False) as cluster:
            upgrade(cluster.url)
            progress(f"access: {options.buildings:,} buildings into a database of its own")
            _insert_buildings(cluster.url, options.buildings)
            queries = _ask_all(cluster.url, options.rounds, progress)
        sockets = {}
        if options.turns:
            sockets = measure_sockets(
                devices=options.devices,
                changes=options.changes,
                viewers=options.viewers,
                walls=options.walls,
                turns=options.turns,
                folder=own,
                progress=progress,
            )
    ticks = measure_ticks(
        devices=options.devices,
        changes=options.changes,
        ticks=options.ticks,
        viewers=options.viewers,
        walls=options.walls,
        workers=options.workers,
        progress=progress,
    )
    return {"queries": queries, "fan_out": ticks, "sockets": sockets}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the time of each question by caller, and the cost of a tick by kind of viewers."""
    questions = result["queries"]
    callers = next(iter(questions.values()))
    return [
        Table(
            "Spatial questions, ms (median), and times the same question without row-level security",
            ("question", *(f"{name}" for name in callers)),
            [
                (
                    question,
                    *(
                        f"{found['ms']:.2f}" + (f" ({found['times']:.2f}×)" if found["times"] else "")
                        for found in by_caller.values()
                    ),
                )
                for question, by_caller in questions.items()
            ],
            (
                "“no security” asks as the owner of the tables, the same area by a condition of the query.",
                "Each caller is compared with the question that gives it the same rows.",
            ),
        ),
        Table(
            "One tick to all viewers, in the server's process",
            ("viewers", "ms a tick", "worst", "times", "blocks encoded a tick", "kB a tick"),
            [
                (
                    name,
                    show(found["ms"], 2),
                    show(found["worst_ms"], 1),
                    f"{found['times']:.2f}×",
                    show(found["blocks"], 0),
                    show(found["kilobytes"], 1),
                )
                for name, found in result["fan_out"].items()
            ],
            ("“times”: the median over ticks, each by the same tick to those who see everything.",),
        ),
        *([_sockets_table(result["sockets"])] if result["sockets"] else []),
    ]


def _sockets_table(sockets: Mapping[str, Any]) -> Table:
    return Table(
        "The same to real sockets: a server each, in turns",
        ("viewers", "server's CPU, ms a tick", "times", "delay p50, ms", "p99", "p50, times"),
        [
            (
                name,
                show(found["cpu_ms"], 2),
                f"{found['cpu_times']:.2f}×",
                show(found["delay"]["p50_ms"], 2),
                show(found["delay"]["p99_ms"], 2),
                f"{found['delay_times']:.2f}×",
            )
            for name, found in sockets.items()
        ],
        ("“times”: the median over turns. Delay: from the beginning of a tick to its frame at the client.",),
    )


# what the database answers


def _insert_buildings(url: str, count: int) -> None:
    rings, height_m = city.site_buildings(count, seed=7)
    codes = grid_codes(rings[:, 0, 0], rings[:, 0, 1])
    with connect(url) as connection, connection.transaction():
        dataset = connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) "
            "VALUES ('bench', 'osm', 'EPSG:4326', true) RETURNING id"
        ).fetchone()
        assert dataset is not None
        connection.execute("ALTER TABLE building DISABLE TRIGGER set_scope_code")
        connection.execute("CREATE TEMP TABLE made (n int, wkt text, height float8, code int8)")
        with connection.cursor() as cursor, cursor.copy("COPY made FROM STDIN") as copy:
            for n, (ring, height, code) in enumerate(zip(rings, height_m, codes, strict=True)):
                points = ",".join(f"{lon} {lat}" for lon, lat in ring)
                copy.write_row((n, f"MULTIPOLYGON((({points})))", float(height), int(code)))
        connection.execute(
            "INSERT INTO building (dataset_id, source_ref, content_hash, geom, kind, height_m, min_height_m, "
            "height_source, footprint_m2, scope_code) SELECT %s, n, '', ST_GeomFromText(wkt, 4326), 'house', "
            "height, 0, 'estimated', 1, code FROM made",
            [dataset[0]],
        )
        connection.execute("ALTER TABLE building ENABLE TRIGGER set_scope_code")
    with connect(url) as connection:
        connection.execute("VACUUM ANALYZE building")


_LON, _LAT = city.CENTRE_LON, city.CENTRE_LAT
_BOX = f"ST_MakeEnvelope({_LON - 0.004}, {_LAT - 0.003}, {_LON + 0.004}, {_LAT + 0.003}, 4326)"
_TILE = "51714, 26900"
"""The tile of zoom 16 in the middle of the city."""
_HERE = f"'SRID=4326;POINT({_LON} {_LAT})'::geometry"
QUESTIONS: dict[str, str] = {
    "what is on the map": f"SELECT id, height_m FROM building WHERE {{may}} geom && {_BOX} "
    f"AND ST_Intersects(geom, {_BOX})",
    "cut a tile": "SELECT ST_AsMVT(r, 'building') FROM (SELECT id, height_m, ST_AsMVTGeom(geom_3857, "
    f"ST_TileEnvelope(16, {_TILE}), 4096, 64, true) AS geom FROM building "
    f"WHERE {{may}} geom_3857 && ST_TileEnvelope(16, {_TILE}, margin => 0.015625)) AS r",
    "twenty nearest": f"SELECT id FROM building WHERE {{may}} true ORDER BY geom <-> {_HERE} LIMIT 20",
    "count in 1 km": f"SELECT count(*) FROM building WHERE {{may}} geom && ST_Expand({_HERE}, 0.011) "
    f"AND ST_DWithin(geom::geography, {_HERE}::geography, 1000)",
}


def _callers() -> dict[str, tuple[Scope, str]]:
    """Return scopes around the middle of the city, with the level each stands for."""
    code = f"{int(grid_codes(np.array([_LON]), np.array([_LAT]))[0]):015d}"
    scopes = {
        "whole": EVERYWHERE,
        "city": Scope.of_area(code, "city"),
        "street": Scope.of_area(code, "street"),
        "grid": Scope.of_area(code, "responsibility_grid"),
    }
    return {name: (scope, code) for name, scope in scopes.items()}


def _ask_all(url: str, rounds: int, progress: Callable[[str], None]) -> dict[str, dict[str, dict[str, Any]]]:
    taken: dict[tuple[str, str], list[float]] = {}
    counts: dict[tuple[str, str], int] = {}
    with connect(url) as owner, connect(role_url(url, APP)) as app:
        for connection in (owner, app):
            connection.execute("SET jit = off")
        for number in range(rounds + 1):
            for question, sql in QUESTIONS.items():
                for name, (scope, _) in _callers().items():
                    # The first round only warms up. Both sides are asked in turns, one right after the other.
                    limited = "" if scope.whole else f"scope_code <@ '{scope.multirange}'::int8multirange AND"
                    plain_s, plain_rows = _ask(owner, sql.format(may=limited), None)
                    secured_s, secured_rows = _ask(app, sql.format(may=""), scope)
                    if plain_rows != secured_rows:
                        raise InvalidError(
                            f"{question}: {name} sees {secured_rows} rows instead of {plain_rows}"
                        )
                    if number:
                        taken.setdefault((question, f"no security, {name}"), []).append(plain_s)
                        taken.setdefault((question, name), []).append(secured_s)
                        counts[question, name] = secured_rows
            progress(f"access: questions, round {number} of {rounds}")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for question in QUESTIONS:
        row: dict[str, dict[str, Any]] = {}
        for name in _callers():
            plain_ms = statistics.median(taken[question, f"no security, {name}"]) * 1e3
            secured_ms = statistics.median(taken[question, name]) * 1e3
            row[f"no security, {name}"] = {"ms": round(plain_ms, 3), "times": None}
            row[name] = {
                "ms": round(secured_ms, 3),
                "times": round(secured_ms / plain_ms, 3),
                "rows": counts[question, name],
            }
        found[question] = row
    return found


def _ask(
    connection: psycopg.Connection[tuple[object, ...]], sql: str, scope: Scope | None
) -> tuple[float, int]:
    """Ask once in a transaction of its own, the setting of the scope included; give seconds and rows."""
    begun = time.perf_counter()
    with connection.transaction():
        if scope is not None:
            connection.execute(set_scope_sql(grants_of([("operator", scope)])))
        rows = connection.execute(sql).fetchall()
    taken_s = time.perf_counter() - begun
    if len(rows) == 1 and isinstance(rows[0][0], int):
        return taken_s, int(rows[0][0])
    return taken_s, len(rows)
