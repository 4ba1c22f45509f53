"""Run the server for real devices: as `up`, without simulated ones."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import City, DatabaseUrl, DataDir, Devices, Host, MqttPort, NoBrowser, NoDemo, Port, say

Attach = Annotated[bool, typer.Option("--attach", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    mqtt_port: MqttPort = None,
    city: City = None,
    devices: Devices = None,
    no_demo: NoDemo = False,
    no_browser: NoBrowser = False,
    database_url: DatabaseUrl = None,
    attach: Attach = False,
) -> None:
    """Run database, broker and server for real devices; simulates only when --devices is given."""
    from api.settings import read_settings  # noqa: PLC0415 (loaded only by the commands that run servers)

    simulator = devices is not None and devices > 0 and not no_demo
    settings = read_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        mqtt_port=mqtt_port,
        devices=devices,
        database_url=database_url,
        simulator=simulator or None,
    )
    if attach:
        # The supervisor's child: database and broker run already.
        from api.server import run_server  # noqa: PLC0415

        run_server(settings)
        return
    from api.cli.progress import waiting  # noqa: PLC0415
    from api.supervisor import Plan, Supervisor  # noqa: PLC0415

    plan = Plan(city=city, default_city=not no_demo, simulator=simulator, browser=not no_browser)
    raise typer.Exit(Supervisor(settings, plan, say, waiting).run())
