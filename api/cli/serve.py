"""Run the server for real devices: as `up`, without simulated ones."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import City, DatabaseUrl, DataDir, Devices, Host, MqttPort, NoBrowser, NoDemo, Port
from api.cli.running import run_all

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
    given = {
        "data_dir": data_dir,
        "host": host,
        "port": port,
        "mqtt_port": mqtt_port,
        "devices": devices,
        "database_url": database_url,
    }
    if attach:
        # The supervisor's child: database and broker run already, its environment says the rest.
        from api.server import run_server  # noqa: PLC0415 (loaded only by the commands that run servers)
        from api.settings import read_settings  # noqa: PLC0415

        run_server(read_settings(**given))
        return
    simulator = bool(devices) and not no_demo
    raise typer.Exit(run_all(simulator=simulator, city=city, no_demo=no_demo, no_browser=no_browser, **given))
