"""Measure what it costs that the database and the live stream show each caller only the own area."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from api.live.hub import Hub
from bench import city
from bench.live.database import connect
from bench.live.plan import Viewer, make_plan, place_viewers
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from twin.access.grants import Grants, grants_of
from twin.access.scope import EVERYWHERE, Scope
from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.live.board import Board, Newest, Placement
from twin.states import State
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade
from twin.store.roles import APP, role_url

_COLUMNS, _ROWS = 48, 27
"""Responsibility grids of a third of a kilometre each over the whole synthetic city."""

_WHOLE = grants_of([("operator", EVERYWHERE)])


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

    def __post_init__(self) -> None:
        for name in ("buildings", "rounds", "devices", "changes", "ticks", "viewers"):
            if getattr(self, name) < 1:
                raise InvalidError(f"--{name} must be at least 1")
        if not 0 <= self.walls <= self.viewers:
            raise InvalidError("--walls must be between 0 and --viewers")


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
    return {"queries": queries, "fan_out": _fan_out(options, progress)}


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
            ("viewers", "ms a tick", "times", "blocks encoded a tick", "kB a tick"),
            [
                (
                    name,
                    show(found["ms"], 2),
                    f"{found['times']:.2f}×",
                    show(found["blocks"], 0),
                    show(found["kilobytes"], 1),
                )
                for name, found in result["fan_out"].items()
            ],
        ),
    ]


# what the database answers


def _grid_codes(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the codes of made-up grids: 4 districts, 12 streets, 108 communities, 1,296 grids."""
    west, south, east, north = city.bounds()
    column = np.clip(((lon - west) / (east - west) * _COLUMNS).astype(np.int64), 0, _COLUMNS - 1)
    row = np.clip(((lat - south) / (north - south) * _ROWS).astype(np.int64), 0, _ROWS - 1)
    district = column // 12 + 1
    street = row // 9 + 1
    community = (column % 12) // 4 * 3 + (row % 9) // 3 + 1
    grid = (column % 4) * 3 + row % 3 + 1
    codes = 510_100_000_000_000 + district * 10**9 + street * 10**6 + community * 10**3 + grid
    return np.asarray(codes, dtype=np.int64)


def _insert_buildings(url: str, count: int) -> None:
    rings, height_m = city.site_buildings(count, seed=7)
    codes = _grid_codes(rings[:, 0, 0], rings[:, 0, 1])
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
    code = f"{int(_grid_codes(np.array([_LON]), np.array([_LAT]))[0]):015d}"
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
            values = grants_of([("operator", scope)]).settings()
            made = ", ".join(f"set_config('gridtwin.{name}', %s, true)" for name in values)
            connection.execute(f"SELECT {made}", list(values.values()))
        rows = connection.execute(sql).fetchall()
    taken_s = time.perf_counter() - begun
    if len(rows) == 1 and isinstance(rows[0][0], int):
        return taken_s, int(rows[0][0])
    return taken_s, len(rows)


# what the live stream sends


class _Sink:
    """A client that takes everything at once, and counts it."""

    def __init__(self) -> None:
        self.taken = 0

    def push_text(self, message: bytes) -> None:
        self.taken += len(message)

    def push_framed(self, framed: bytes) -> None:
        self.taken += len(framed)

    def waiting_bytes(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        raise InvalidError(f"a viewer was closed: {code} {reason}")


def _fan_out(options: Options, progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    plan = make_plan(options.devices, 1, 1)
    codes = _grid_codes(plan.lon, plan.lat)
    viewers = place_viewers(plan, options.viewers, options.walls)
    kinds = {
        "all see everything": [_WHOLE] * len(viewers),
        "desks see their street": _scoped(viewers, "street"),
        "desks see their community": _scoped(viewers, "community"),
        "walls too see a street each": _scoped(viewers, "street", walls=True),
    }
    found: dict[str, dict[str, Any]] = {}
    stages = {name: _Stage(plan, codes, viewers, grants) for name, grants in kinds.items()}
    random = np.random.default_rng(5)
    progress(f"access: {options.ticks} ticks to each of {len(kinds)} kinds of viewers, in turns")
    for tick in range(options.ticks + 5):
        rows = np.sort(random.choice(plan.count, min(options.changes, plan.count), replace=False))
        for stage in stages.values():
            stage.tick(rows.astype(np.int32), measured=tick >= 5)
    first = next(iter(stages.values()))
    for name, stage in stages.items():
        found[name] = {
            "ms": round(statistics.median(stage.taken_s) * 1e3, 3),
            "times": round(statistics.median(stage.taken_s) / statistics.median(first.taken_s), 3),
            "blocks": round(stage.blocks / options.ticks),
            "kilobytes": round(stage.bytes / options.ticks / 1e3, 1),
        }
    return found


def _scoped(viewers: Sequence[Viewer], level: str, *, walls: bool = False) -> list[Grants]:
    """Give each desk the area its middle lies in, at a level; walls keep the whole unless they are asked."""
    grants = []
    for number, viewer in enumerate(viewers):
        west, south, east, north = viewer.bbox
        if viewer.wall and not walls:
            grants.append(_WHOLE)
            continue
        share = number / max(1, len(viewers)) if viewer.wall else 0.5
        middle = _grid_codes(
            np.array([west + (east - west) * share]), np.array([south + (north - south) * share])
        )
        grants.append(grants_of([("operator", Scope.of_area(f"{int(middle[0]):015d}", level))]))
    return grants


class _Stage:
    """A board and a hub with its viewers."""

    def __init__(
        self, plan: Any, codes: NDArray[np.int64], viewers: Sequence[Viewer], grants: Sequence[Grants]
    ) -> None:
        catalog = load_catalog()
        self.board = Board(catalog, capacity=plan.count)
        kinds = [catalog.by_name[name] for name in plan.kind.tolist()]
        self.board.place(
            [
                Placement(
                    device_id=number + 1,
                    uid=uid,
                    kind=kind.code,
                    layer=kind.layer,
                    flags=0,
                    lon=lon,
                    lat=lat,
                    height_m=3.0,
                    expected_s=kind.expected_interval_s,
                    scope_code=code,
                )
                for number, (uid, kind, lon, lat, code) in enumerate(
                    zip(
                        plan.uid.tolist(),
                        kinds,
                        plan.lon.tolist(),
                        plan.lat.tolist(),
                        codes.tolist(),
                        strict=True,
                    )
                )
            ]
        )
        self.hub = Hub(self.board)
        self.sinks = [_Sink() for _ in viewers]
        self.taken_s: list[float] = []
        self.now_us = time.time_ns() // 1000
        self.blocks = 0
        self.bytes = 0
        for number, (sink, viewer, given) in enumerate(zip(self.sinks, viewers, grants, strict=True)):
            joined = self.hub.join(sink, given, UUID(int=number + 1), UUID(int=number + 1))
            asked = {"op": "subscribe", "bbox": viewer.bbox, "zoom": 15.0}
            self.hub.receive(joined, json.dumps(asked))
        self.hub.beat()

    def tick(self, rows: NDArray[np.int32], *, measured: bool) -> None:
        """Change rows and send them; the changing is not timed."""
        self._change(rows)
        before = self.hub.encoder.encoded_blocks, sum(sink.taken for sink in self.sinks)
        begun = time.perf_counter()
        self.hub.beat()
        taken_s = time.perf_counter() - begun
        if measured:
            self.taken_s.append(taken_s)
            self.blocks += self.hub.encoder.encoded_blocks - before[0]
            self.bytes += sum(sink.taken for sink in self.sinks) - before[1]

    def _change(self, rows: NDArray[np.int32]) -> None:
        """Give rows a new value of their first property, as a commit would."""
        n = len(rows)
        self.now_us += 100_000
        at = np.full(n, self.now_us, np.int64)
        nowhere = np.full(n, np.nan)
        self.board.apply(
            Newest(
                row=rows,
                slot=np.zeros(n, np.int64),
                time_us=at,
                value=np.full(n, float(self.now_us % 1_000_003)),
                state=np.full(n, State.NORMAL, np.uint8),
                beyond_us=np.zeros((n, 3), np.int64),
                lon=nowhere,
                lat=nowhere,
                received_us=at,
                heard_row=rows,
                heard_us=at,
            )
        )
