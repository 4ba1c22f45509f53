"""Read a city, a layer, a network or a list of devices into the twin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.answering import answer, say
from api.cli.options import DatabaseUrl, DataDir, Json

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from api.cli.progress import TerminalProgress
    from ingest.vector.record import Rules
    from ingest.vector.summary import ImportSummary
    from twin.access.sealing import Sealer

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
Shrink = Annotated[
    bool, typer.Option("--allow-shrink", help="Take a file that lacks most of what its dataset has.")
]
NoGrids = Annotated[bool, typer.Option("--no-grids", help="Do not divide communities into grids afterwards.")]
Country = Annotated[
    str | None,
    typer.Option(
        "--country",
        help="Country code whose administrative levels apply. [default: as in the file]",
        show_default=False,
    ),
]
Kind = Annotated[
    str,
    typer.Option(
        "--as",
        help="What it holds: building, area, road, ground, service_point, component, compound, gate, "
        "address.",
    ),
]
Level = Annotated[
    str | None, typer.Option("--level", help="Level of areas, where no column says it.", show_default=False)
]
Crs = Annotated[
    str | None,
    typer.Option(
        "--crs",
        help="Frame of the coordinates (EPSG:4490, GCJ-02, BD-09, ...); overrules the file.",
        show_default=False,
    ),
]
Field = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        "--field",
        metavar="OURS=THEIRS",
        help="Which column holds a field; may be given again.",
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Of the text, for example gbk.", show_default=False)
]
Layer = Annotated[
    str | None, typer.Option("--layer", help="Which layer of a file with several.", show_default=False)
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer",
        help="Layer to read of a file with several; given again for lines and nodes.",
        show_default=False,
    ),
]
Utility = Annotated[str, typer.Option("--kind", help="What flows in it: water, gas or power.")]
MaxSize = Annotated[
    float, typer.Option("--max-size", metavar="GIB", min=0.001, help="Larger files are refused unread.")
]
Simulated = Annotated[bool, typer.Option("--simulated", help="Mark everything in the file as made up.")]
SummaryOnly = Annotated[bool, typer.Option("--summary-only", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add the command and its kinds."""
    group = typer.Typer(
        no_args_is_help=True, help="Read a city, a layer, a network or a list of devices from a file."
    )
    group.command("osm")(osm)
    group.command("vector")(vector)
    group.command("network")(network)
    group.command("devices")(devices)
    group.command("cameras")(cameras)
    app.add_typer(group, name="import")


def osm(
    file: File,
    dataset: Dataset = None,
    country: Country = None,
    max_size: MaxSize = 2.0,
    allow_older: Older = False,
    allow_far: Far = False,
    allow_shrink: Shrink = False,
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
        options = OsmOptions(
            max_size_bytes=_bytes(max_size),
            rules=_rules(allow_older, allow_far, allow_shrink, no_grids),
            **given,
        )
        return import_osm(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json, summary_only)


def vector(
    file: File,
    kind: Kind,
    dataset: Dataset = None,
    crs: Crs = None,
    level: Level = None,
    field: Field = None,
    encoding: Encoding = None,
    layer: Layer = None,
    simulated: Simulated = False,
    max_size: MaxSize = 2.0,
    allow_older: Older = False,
    allow_far: Far = False,
    allow_shrink: Shrink = False,
    no_grids: NoGrids = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Read one kind of thing from GeoPackage, GeoJSON, Shapefile or another vector file."""
    fields = _fields(field)

    def read(engine: Engine, progress: TerminalProgress) -> ImportSummary:
        from ingest.vector.vector_file import VectorOptions, import_vector  # noqa: PLC0415 (loads geopandas)

        options = VectorOptions(
            kind=kind,
            dataset=dataset,
            fields=fields,
            crs=crs,
            level=level,
            encoding=encoding,
            layer=layer,
            simulated=simulated,
            max_size_bytes=_bytes(max_size),
            rules=_rules(allow_older, allow_far, allow_shrink, no_grids),
        )
        return import_vector(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json)


def network(
    file: File,
    utility: Utility,
    dataset: Dataset = None,
    crs: Crs = None,
    field: Field = None,
    encoding: Encoding = None,
    layer: Layers = None,
    simulated: Simulated = False,
    max_size: MaxSize = 2.0,
    allow_older: Older = False,
    allow_far: Far = False,
    allow_shrink: Shrink = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Read a network of pipes or cables: its lines and nodes from a vector file."""
    fields = _fields(field)

    def read(engine: Engine, progress: TerminalProgress) -> ImportSummary:
        from ingest.vector.network_file import NetworkOptions, import_network  # noqa: PLC0415 (geopandas)

        options = NetworkOptions(
            utility=utility,
            dataset=dataset,
            layers=tuple(layer or ()),
            fields=fields,
            crs=crs,
            encoding=encoding,
            simulated=simulated,
            max_size_bytes=_bytes(max_size),
            rules=_rules(allow_older, allow_far, allow_shrink, no_grids=True),
        )
        return import_network(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json)


def devices(
    file: File,
    dataset: Dataset = None,
    crs: Crs = None,
    field: Field = None,
    encoding: Encoding = None,
    layer: Layer = None,
    simulated: Simulated = False,
    max_size: MaxSize = 2.0,
    allow_older: Older = False,
    allow_far: Far = False,
    allow_shrink: Shrink = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Read a list of devices from a CSV table or a vector file."""
    fields = _fields(field)

    def read(engine: Engine, progress: TerminalProgress) -> ImportSummary:
        from ingest.vector.device_list import DeviceOptions, import_devices  # noqa: PLC0415 (loads geopandas)

        options = DeviceOptions(
            dataset=dataset,
            crs=crs,
            fields=fields,
            encoding=encoding,
            layer=layer,
            simulated=simulated,
            sealer=_sealer(data_dir, database_url),
            max_size_bytes=_bytes(max_size),
            rules=_rules(allow_older, allow_far, allow_shrink, no_grids=False),
        )
        return import_devices(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json)


def cameras(
    file: File,
    dataset: Dataset = None,
    crs: Crs = None,
    encoding: Encoding = None,
    simulated: Simulated = False,
    max_size: MaxSize = 0.25,
    allow_older: Older = False,
    allow_far: Far = False,
    allow_shrink: Shrink = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Read a catalogue of cameras of a video platform (GB/T 28181, XML or CSV)."""

    def read(engine: Engine, progress: TerminalProgress) -> ImportSummary:
        from ingest.vector.camera_list import import_cameras  # noqa: PLC0415 (loads geopandas)
        from ingest.vector.device_list import DeviceOptions  # noqa: PLC0415

        options = DeviceOptions(
            dataset=dataset,
            crs=crs,
            encoding=encoding,
            simulated=simulated,
            max_size_bytes=_bytes(max_size),
            rules=_rules(allow_older, allow_far, allow_shrink, no_grids=False),
        )
        return import_cameras(engine, file, options=options, progress=progress)

    _run(read, data_dir, database_url, as_json)


def _sealer(data_dir: Path | None, database_url: str | None) -> Sealer:
    from api.settings import read_settings  # noqa: PLC0415
    from twin.access.sealing import open_sealer  # noqa: PLC0415

    return open_sealer(read_settings(data_dir=data_dir, database_url=database_url).secrets_dir)


def _fields(given: list[str] | None) -> dict[str, str]:
    """Read ``OURS=THEIRS`` pairs."""
    pairs = [text.partition("=") for text in given or ()]
    for ours, equals, theirs in pairs:
        if not (ours and equals and theirs):
            raise typer.BadParameter("write it as OURS=THEIRS, for example name=MC", param_hint="--map")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


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
    lines = summary.lines()
    # The supervisor shows what happened to each kind of thing, not every reason.
    shown = [line for line in lines if not line.startswith("    ")] if summary_only else lines
    answer(summary.as_dict(), "\n".join(shown), as_json, indent=2)


def _bytes(gib: float) -> int:
    return int(gib * 1024**3)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _rules(allow_older: bool, allow_far: bool, allow_shrink: bool, no_grids: bool) -> Rules:
    from ingest.vector.record import Rules  # noqa: PLC0415

    return Rules(
        allow_older=allow_older, allow_far=allow_far, allow_shrink=allow_shrink, make_grids=not no_grids
    )
