"""Run simulated devices, workers and vehicles, which speak the public protocol like real ones."""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.answering import answer, say
from api.cli.options import DatabaseUrl, DataDir, Devices, Json

if TYPE_CHECKING:
    from api.settings import Settings
    from ingest.simulate.run import SimulateReport


class Incident(enum.StrEnum):
    """When something happens that many devices notice."""

    AUTO = "auto"
    NOW = "now"
    NONE = "none"


SiteOnly = Annotated[
    bool,
    typer.Option("--site-only", help="Put devices, workers and vehicles into the city, report, and end."),
]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Same seed, same devices and values.", show_default=False)
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", help="Readings a second of all devices. [default: as each kind reports]", show_default=False
    ),
]
When = Annotated[
    Incident, typer.Option("--incident", help="Let an incident happen now and then, at once, or never.")
]
Pm25 = Annotated[
    Path | None,
    typer.Option(
        "--pm25",
        metavar="FILE",
        help="Replay real PM2.5 of Chengdu (UCI data set 394, CSV).",
        show_default=False,
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        "--duration", min=0, metavar="SECONDS", help="End by itself after this time.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    data_dir: DataDir = None,
    devices: Devices = None,
    seed: Seed = None,
    rate: Rate = None,
    incident: When = Incident.AUTO,
    pm25: Pm25 = None,
    duration_s: Duration = None,
    site_only: SiteOnly = False,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Simulate what reports and moves over MQTT until Ctrl-C; the server must run (gridtwin up or serve)."""
    from api.settings import read_settings  # noqa: PLC0415 (loaded only by the commands that need it)
    from ingest.simulate.siting import DEFAULT_SEED  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, devices=devices, database_url=database_url)
    chosen_seed = DEFAULT_SEED if seed is None else seed
    if site_only:
        _site(settings, chosen_seed, as_json)
        return
    if devices is not None:
        _site(settings, chosen_seed, as_json=False)

    import asyncio  # noqa: PLC0415

    from ingest.simulate.run import SimulateOptions, run  # noqa: PLC0415

    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("gmqtt").setLevel(logging.ERROR)  # it tells every packet of the handshake
    last: list[SimulateReport] = []

    def report(now: SimulateReport) -> None:
        last[:] = [now]
        say(
            f"{now.devices} devices on {now.connected} of {now.connections} connections, "
            f"{now.counts.acknowledged_readings:,} readings delivered, {now.backlog:,} waiting, "
            f"{now.counts.dropped:,} dropped"
        )

    options = SimulateOptions(
        database_url=settings.database_url_text,
        broker=settings.broker,
        accounts_file=settings.secrets_dir / "simulator-accounts.json",
        seed=chosen_seed,
        rate=rate,
        incident=incident.value,
        pm25_file=pm25,
        duration_s=duration_s,
        on_report=report,
    )
    asyncio.run(run(options))
    if as_json and last:
        counts = last[0].counts
        content = {"devices": last[0].devices, **{name: getattr(counts, name) for name in counts.__slots__}}
        answer(content, "", as_json)


def _site(settings: Settings, seed: int, as_json: bool) -> None:
    from api.database import opened_database  # noqa: PLC0415
    from ingest.simulate.siting import site_devices  # noqa: PLC0415
    from twin.access.sealing import open_sealer  # noqa: PLC0415

    with opened_database(settings, say, create=False) as engine, engine.begin() as connection:
        sealer = open_sealer(settings.secrets_dir)
        summary = site_devices(connection, sealer, total=settings.devices, seed=seed)
    if as_json:
        answer(summary.to_dict(), "", as_json, indent=2)
    else:
        moving = f"{summary.workers} workers, {summary.vehicles} vehicles"
        say(f"{summary.sited} simulated devices, {moving}, {summary.real_cameras} real cameras")
    for warning in summary.warnings:
        say(f"warning: {warning}")
