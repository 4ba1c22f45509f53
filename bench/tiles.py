"""Measure our vector tiles beside tipg on the same database: cold and kept, same client, in turns."""

from __future__ import annotations

import contextlib
import gzip
import math
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from bench import city
from bench.accounts import make_tokens
from bench.live.contenders import Ground, Running, gridtwin
from bench.live.database import connect
from bench.mvt import feature_ids
from bench.pypi import install_python_packages
from bench.report import Table, show
from bench.tile_rounds import Contender, take_turns
from bench.tile_truth import ask_truth
from bench.tipg import PACKAGES, RunningTipg, tipg_server
from bench.workplace import CommonOptions, option, workplace
from ingest.transports.broker import Broker
from twin.errors import InvalidError
from twin.store.cluster import PrivateCluster
from twin.store.migrations.runner import upgrade

_SEED = 20_261_121
_MOST_COMPARED = 60
_LEAST_A_ROUND = 120
# One account is let through with 6,000 requests a minute: so many people ask, in turns.
_ASKING = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How large the city is and how often each zoom is asked."""

    buildings: int = option(20_000, "buildings of the synthetic city")
    zooms: str = option("14,15,16", "zooms to ask")
    rounds: int = option(7, "rounds; the contenders take turns")
    connections: int = option(4, "connections of the client")
    kept_seconds: float = option(2.0, "seconds a round asks for tiles that are kept")
    most_tiles: int = option(300, "most tiles asked in a cold round of one zoom")

    def __post_init__(self) -> None:
        for name in ("buildings", "rounds", "connections", "most_tiles"):
            if getattr(self, name) < 1:
                raise InvalidError(f"--{name.replace('_', '-')} must be at least 1")
        try:
            zooms = [int(zoom) for zoom in self.zooms.split(",")]
        except ValueError:
            raise InvalidError("--zooms are numbers with commas between", where=self.zooms) from None
        if not all(13 <= zoom <= 16 for zoom in zooms):
            raise InvalidError("--zooms must be between 13 and 16: buildings are in these tiles")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Fill a database, start both servers on it, ask in turns."""
    with workplace(options) as base, contextlib.ExitStack() as stack:
        folder = base / f"tiles-{options.buildings}"
        folder.mkdir(exist_ok=True)
        program = install_python_packages(PACKAGES, base / "tipg", progress)
        cluster = stack.enter_context(PrivateCluster(folder, attach=False, tcp=True))
        upgrade(cluster.url)
        progress(f"tiles: {options.buildings:,} buildings")
        _insert_buildings(cluster.url, options.buildings)
        broker = stack.enter_context(Broker(folder, 0))
        ours = stack.enter_context(gridtwin(Ground(folder, broker, cluster.pid, "batch")))
        tokens = make_tokens(cluster.url, _ASKING)
        theirs = stack.enter_context(tipg_server(program, cluster.tcp_url, folder))
        zooms = {
            zoom: _measure(zoom, ours, theirs, tokens, cluster, options, progress)
            for zoom in (int(part) for part in options.zooms.split(","))
        }
    return {"zooms": zooms, "tipg": PACKAGES[0]}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the requests a second, what a tile takes of the processor, and what the tiles hold."""
    rates = []
    costs = []
    tiles = []
    for zoom, row in result["zooms"].items():
        rates.append(
            (
                f"z{zoom}",
                show(row["tipg"]["per_s_median"], 0),
                show(row["cold"]["per_s_median"], 0),
                f"{row['cold_ratio']:.1f}×",
                show(row["kept"]["per_s_median"], 0),
                f"{row['kept_ratio']:.0f}×",
                show(row["tipg"]["latency"]["p50_ms"]),
                show(row["cold"]["latency"]["p50_ms"]),
                show(row["kept"]["latency"]["p50_ms"], 2),
            )
        )
        tipg, cold = row["tipg"], row["cold"]
        costs.append(
            (
                f"z{zoom}",
                show(tipg["server_ms"], 2),
                show(tipg["database_ms"], 2),
                show(cold["server_ms"], 2),
                show(cold["database_ms"], 2),
                f"{row['processor_ratio']:.1f}×",
            )
        )
        same = row["same_features"]
        tiles.append(
            (
                f"z{zoom}",
                show(row["tiles"]),
                f"{same['ours_complete']} of {same['tiles']}",
                show(same["ours_missing"]),
                show(same["ours_extra"]),
                show(same["edge_only"]),
                f"{same['tipg_complete']} of {same['tiles']}",
                show(same["ours"]),
                show(same["tipg"]),
                show(row["cold"]["bytes_per_answer"] / 1e3),
                show(row["tipg"]["bytes_per_answer"] / 1e3),
            )
        )
    return [
        Table(
            "Vector tiles, requests/s (medians of the rounds)",
            (
                "zoom",
                "tipg",
                "cold",
                "cold vs tipg",
                "kept",
                "kept vs tipg",
                "tipg p50 ms",
                "cold p50 ms",
                "kept p50 ms",
            ),
            rates,
            ("tipg keeps nothing: it has one figure.",),
        ),
        Table(
            "Processor time a tile, ms (whole server, whole database)",
            ("zoom", "tipg server", "tipg database", "cold server", "cold database", "tipg vs cold"),
            costs,
            ("What else runs on the machine moves these less than the requests a second.",),
        ),
        Table(
            "What the tiles hold",
            (
                "zoom",
                "tiles",
                "ours complete",
                "missing",
                "too many",
                "edge only",
                "tipg complete",
                "ours",
                "tipg",
                "kB a tile, ours",
                "kB a tile, tipg",
            ),
            tiles,
            (
                "ours complete: exactly the buildings with an area on the tile's grid, in the tile and its",
                "buffer of 64 units, which the map needs at the seam; tipg: as many as intersect the tile.",
                "edge only: reach less than half a unit into the buffer: no area on the grid, not drawn.",
            ),
        ),
    ]


def _measure(
    zoom: int,
    ours: Running,
    theirs: RunningTipg,
    tokens: Sequence[str],
    cluster: PrivateCluster,
    options: Options,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    assert cluster.pid is not None
    random = np.random.default_rng(_SEED + zoom)
    tiles = _tiles_of(zoom)
    chosen = [tiles[i] for i in random.permutation(len(tiles))[: options.most_tiles]]

    def our_path(x: int, y: int) -> str:
        return f"/tiles/building/{zoom}/{x}/{y}.mvt"

    def their_path(x: int, y: int) -> str:
        return (
            f"/collections/public.building/tiles/WebMercatorQuad/{zoom}/{x}/{y}"
            "?geom-column=geom_3857&properties=height_m,min_height_m"
        )

    # Where a zoom has few tiles a pass is over in a moment: more passes, so that no hiccup is the figure.
    passes = options.rounds * max(1, round(_LEAST_A_ROUND / len(chosen)))
    progress(f"tiles: zoom {zoom}, {len(chosen)} tiles, {passes} passes")
    same = _compare(
        cluster.url,
        zoom,
        chosen[:_MOST_COMPARED],
        lambda x, y: _request(ours.port, our_path(x, y), tokens[0]),
        lambda x, y: _request(theirs.port, their_path(x, y)),
    )
    found = take_turns(
        Contender(
            ours.port, ours.pids["server"][0], cluster.pid, [our_path(x, y) for x, y in chosen], tokens
        ),
        Contender(theirs.port, theirs.pid, cluster.pid, [their_path(x, y) for x, y in chosen]),
        lambda: _throw_away(cluster.url),
        passes=passes,
        kept_passes=options.rounds,
        connections=options.connections,
        kept_seconds=options.kept_seconds,
    )
    figures = {name: one.figures() for name, one in found.items()}
    cold, kept, tipg = figures["cold"], figures["kept"], figures["tipg"]
    return {
        "tiles": len(chosen),
        **figures,
        "cold_ratio": cold["per_s_median"] / tipg["per_s_median"],
        "kept_ratio": kept["per_s_median"] / tipg["per_s_median"],
        "processor_ratio": _processor_ms(tipg) / _processor_ms(cold),
        "same_features": same,
    }


def _processor_ms(figures: Mapping[str, Any]) -> float:
    return float(figures["server_ms"]) + float(figures["database_ms"])


def _compare(
    url: str,
    zoom: int,
    chosen: Sequence[tuple[int, int]],
    ours: Callable[[int, int], urllib.request.Request],
    theirs: Callable[[int, int], urllib.request.Request],
) -> dict[str, int]:
    """Hold the features of the same tiles, on both sides, against the database.

    tipg selects what intersects the tile, and names no features: its count is held against that rule. Ours
    are held one by one against what has an area in the tile and its buffer.
    """
    found = dict.fromkeys(
        ("ours", "ours_complete", "ours_missing", "ours_extra", "edge_only", "tipg", "tipg_complete"), 0
    )
    with connect(url) as connection:
        for x, y in chosen:
            mine = [number for number in _features(ours(x, y)) if number is not None]
            other = len(_features(theirs(x, y)))
            truth = ask_truth(connection, zoom, x, y)
            missing, extra = truth.missing(mine), frozenset(mine) - truth.drawn
            found["ours"] += len(mine)
            found["ours_missing"] += len(missing)
            found["ours_extra"] += len(extra)
            found["ours_complete"] += not missing and not extra
            found["edge_only"] += len(truth.edge_only)
            found["tipg"] += other
            found["tipg_complete"] += other == len(truth.in_tile)
    return {"tiles": len(chosen), **found}


def _request(port: int, path: str, token: str = "") -> urllib.request.Request:  # nosec B107  # none
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)


def _features(request: urllib.request.Request) -> list[int | None]:
    with urllib.request.urlopen(request, timeout=30) as answer:  # nosec B310  # of this machine
        body = answer.read()
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    return [number for layer in feature_ids(body).values() for number in layer]


def _throw_away(url: str) -> None:
    """Say that all buildings changed, as the database's trigger does, and let the news arrive."""
    west, south, east, north = city.bounds()
    notice = f'{{"table":"building","bbox":[{west - 1},{south - 1},{east + 1},{north + 1}]}}'
    with connect(url) as connection:
        connection.execute("SELECT pg_notify('tiles', %s)", (notice,))
    time.sleep(0.4)


def _tiles_of(zoom: int) -> list[tuple[int, int]]:
    """Give the tiles that lie whole in the city."""
    west, south, east, north = city.bounds()
    side = 1 << zoom

    def column(lon: float) -> float:
        return (lon + 180.0) / 360.0 * side

    def row(lat: float) -> float:
        return (1.0 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2.0 * side

    return [
        (x, y)
        for x in range(math.ceil(column(west)), math.floor(column(east)))
        for y in range(math.ceil(row(north)), math.floor(row(south)))
    ]


def _insert_buildings(url: str, count: int) -> None:
    with connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM building").fetchone()
        if row and int(str(row[0])) == count:
            return
        if row and int(str(row[0])):
            raise InvalidError("the folder holds another city", hint="choose another --data-dir")
        rings, height_m = city.site_buildings(count, _SEED)
        shapes = shapely.multipolygons(np.asarray(shapely.polygons(rings)), indices=np.arange(count))
        footprint_m2 = np.asarray(shapely.area(shapes)) * 95_800.0 * 111_132.0
        hexes = np.asarray(shapely.to_wkb(shapely.set_srid(shapes, 4326), hex=True, include_srid=True))
        with connection.transaction():
            dataset = connection.execute(
                "INSERT INTO dataset (name, kind, declared_crs, simulated) "
                "VALUES ('bench', 'vector', 'EPSG:4326', true) RETURNING id"
            ).fetchone()
            assert dataset is not None
            columns = (
                "geom, name, kind, body, height_m, min_height_m, height_source, footprint_m2, "
                "dataset_id, source_ref, content_hash"
            )
            with connection.cursor() as cursor, cursor.copy(f"COPY building ({columns}) FROM STDIN") as copy:
                for number, (shape, height, area) in enumerate(
                    zip(hexes.tolist(), height_m.tolist(), footprint_m2.tolist(), strict=True)
                ):
                    name = f"{number % 97 + 1}栋" if number % 3 == 0 else None
                    ref = f"bench/{number}"
                    copy.write_row(
                        (
                            shape,
                            name,
                            "residential",
                            "whole",
                            height,
                            0.0,
                            "estimated",
                            area,
                            dataset[0],
                            ref,
                            ref.encode(),
                        )
                    )
        connection.execute("ANALYZE building")
