"""Run everything: database, city, broker, server, devices."""

from __future__ import annotations

import typer

from api.cli.options import City, DatabaseUrl, DataDir, Devices, Host, MqttPort, NoBrowser, NoDemo, Port
from api.cli.running import run_all


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    mqtt_port: MqttPort = None,
    city: City = None,
    devices: Devices = None,
    no_demo: NoDemo = False,
    no_browser: NoBrowser = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Run everything: database, a city, broker, server, simulated devices. Ctrl-C stops it all."""
    code = run_all(
        simulator=not no_demo,
        city=city,
        no_demo=no_demo,
        no_browser=no_browser,
        data_dir=data_dir,
        host=host,
        port=port,
        mqtt_port=mqtt_port,
        devices=devices,
        database_url=database_url,
    )
    raise typer.Exit(code)
