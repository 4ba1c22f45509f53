"""Run everything: database, city, broker, server, devices."""

from __future__ import annotations

import typer

from api.cli.options import City, DatabaseUrl, DataDir, Devices, Host, MqttPort, NoBrowser, NoDemo, Port, say


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
    from api.cli.progress import waiting  # noqa: PLC0415 (loaded only by the commands that run servers)
    from api.settings import read_settings  # noqa: PLC0415
    from api.supervisor import Plan, Supervisor  # noqa: PLC0415

    settings = read_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        mqtt_port=mqtt_port,
        devices=devices,
        database_url=database_url,
        simulator=not no_demo,
    )
    plan = Plan(city=city, default_city=not no_demo, simulator=not no_demo, browser=not no_browser)
    raise typer.Exit(Supervisor(settings, plan, say, waiting).run())
