"""Measure the import of an OpenStreetMap file: into an empty database, and the same file once more."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import Engine

from api.default_city import default_city
from bench.live.database import connect
from bench.report import Table, show
from bench.workplace import CommonOptions, option, workplace
from ingest.vector.osm import import_osm
from twin.errors import InvalidError
from twin.store.cluster import DATABASE, PrivateCluster
from twin.store.engine import create_engine
from twin.store.migrations.runner import upgrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """Which file, how often."""

    file: str = option("", "an .osm.pbf or .osm file; central Helsinki when not given")
    rounds: int = option(3, "rounds, each into an empty database")

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InvalidError("--rounds must be at least 1")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Import the file into fresh databases and give the medians."""
    first_s: list[float] = []
    again_s: list[float] = []
    summary: dict[str, Any] = {}
    changed_again = False
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workplace(options))
        file = city_file(options.file, folder)
        file_bytes = file.stat().st_size
        fresh = stack.enter_context(fresh_databases(folder / "import"))
        for number in range(options.rounds):
            progress(f"import: round {number + 1} of {options.rounds}")
            with fresh() as engine:
                begun = time.perf_counter()
                summary = import_osm(engine, file).as_dict()
                first_s.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                changed_again = changed_again or import_osm(engine, file).changed
                again_s.append(time.perf_counter() - begun)
    return {
        "file": file.name,
        "bytes": file_bytes,
        "first": _figures(first_s),
        "again": _figures(again_s),
        "changed_again": changed_again,
        "targets": summary["targets"],
        "division": summary["division"],
    }


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the times and what was read."""
    targets = result["targets"].values()
    rows = [
        ("first import, s (median)", show(result["first"]["median_s"], 2)),
        ("first import, s (least to most)", _range(result["first"])),
        ("same file again, s (median)", show(result["again"]["median_s"], 2)),
        ("things read", show(sum(t["read"] for t in targets))),
        ("of them inserted", show(sum(t["inserted"] for t in targets))),
        ("changed by the second import", show(result["changed_again"])),
    ]
    return [Table(f"Import of {result['file']}, division into grids included", ("figure", "value"), rows)]


def city_file(given: str, folder: Path) -> Path:
    """Give the file that was named, or the default city.

    Raises
    ------
    InvalidError
        There is no such file.
    """
    if not given:
        return default_city(folder)
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise InvalidError("there is no such file", where=str(path))
    return path


Fresh = Callable[[], contextlib.AbstractContextManager[Engine]]


@contextlib.contextmanager
def fresh_databases(folder: Path) -> Iterator[Fresh]:
    """Start a cluster and give a way to open empty migrated databases, each dropped after use."""
    with PrivateCluster(folder, attach=False) as cluster:
        upgrade(cluster.url)

        @contextlib.contextmanager
        def fresh() -> Iterator[Engine]:
            name = sql.Identifier("bench_round")
            with connect(cluster.database_url("postgres")) as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(DATABASE))
                )
            engine = create_engine(cluster.database_url("bench_round"))
            try:
                yield engine
            finally:
                engine.dispose()

        yield fresh


def _figures(seconds: list[float]) -> dict[str, float]:
    return {
        "median_s": round(statistics.median(seconds), 3),
        "least_s": round(min(seconds), 3),
        "most_s": round(max(seconds), 3),
    }


def _range(figures: Mapping[str, float]) -> str:
    return f"{figures['least_s']:.2f} – {figures['most_s']:.2f}"
