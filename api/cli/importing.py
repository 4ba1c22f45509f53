"""Read a city, a layer or a list of devices into the twin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.options import DatabaseUrl, DataDir, Json, say

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from api.cli.progress import TerminalProgress
    from ingest.vector.record import Rules
    from ingest.vector.summary import ImportSummary

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.", show_default=False)]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="Name its things are kept under; the same name again updates them.",
        show_default=False,
    ),
]
Older = Annotated[bool, typer.Option("--allow-older", help="Take data older than what is there.")]
Far = Annotated[bool, typer.Option("--allow-far", help="Take data far from everything that is there.")]
NoGrids = Annotated[bool, typer.Option("--no-grids", help="Do not divide communities into grids afterwards.")]
Country = Annotated[
    str | None,
    typer.Option(
        "--country",
        help="Country code whose administrative levels apply. [default: as in the file]",
        show_default=False,
    ),
]
SummaryOnly = Annotated[bool, typer.Option("--summary-only", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add the command and its three kinds."""
    group = typer.Typer(no_args_is_help=True, help="Read a city, a layer or a list of devices from a file.")
    group.command("osm")(osm)
    app.add_typer(group, name="import")


def osm(
    file: File,
    dataset: Dataset = None,
    country: Country = None,
    allow_older: Older = False,
    allow_far: Far = False,
    no_grids: NoGrids = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
    summary_only: SummaryOnly = False,
) -> None:
    """Read a city from OpenStreetMap data (.osm.pbf, .osm): the same file twice changes nothing."""

    def read(engine: Engine, progress: TerminalProgress) -> ImportSummary:
        from ingest.vector.osm import OsmOptions, import_osm  # noqa: PLC0415 (loads geopandas)

        given = _given(dataset=dataset, country=country)
        options = OsmOptions(rules=_rules(allow_older, allow_far, no_grids), **given)
        return import_osm(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json, summary_only)


def _run(
    read: Callable[[Engine, TerminalProgress], ImportSummary],
    data_dir: Path | None,
    database_url: str | None,
    as_json: bool,
    summary_only: bool = False,
) -> None:
    from api.cli.progress import TerminalProgress  # noqa: PLC0415
    from api.database import opened_database  # noqa: PLC0415
    from api.settings import read_settings  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    with opened_database(settings, say) as engine, TerminalProgress() as progress:
        summary = read(engine, progress)
    if as_json:
        sys.stdout.write(json.dumps(summary.as_dict(), ensure_ascii=False, indent=2) + "\n")
    else:
        lines = summary.lines()
        # The supervisor shows what happened to each kind of thing, not every reason.
        shown = [line for line in lines if not line.startswith("    ")] if summary_only else lines
        sys.stdout.write("\n".join(shown) + "\n")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _rules(allow_older: bool, allow_far: bool, no_grids: bool) -> Rules:
    from ingest.vector.record import Rules  # noqa: PLC0415

    return Rules(allow_older=allow_older, allow_far=allow_far, make_grids=not no_grids)
