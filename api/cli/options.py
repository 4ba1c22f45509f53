"""Declare the options that several commands share, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Folder for all data. [default: /var/lib/gridtwin for root, ~/.local/share/gridtwin else]",
        show_default=False,
        file_okay=False,
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="Use this PostGIS (postgresql://user:password@host/database) and run no private one.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON on standard output.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, help="Port of the web server. [default: 8000]", show_default=False
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host", help="Address the web server listens on. [default: 127.0.0.1]", show_default=False
    ),
]
MqttPort = Annotated[
    int | None,
    typer.Option(
        "--mqtt-port",
        min=1,
        max=65535,
        help="Port devices connect to. [default: 18830, or a free one]",
        show_default=False,
    ),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
City = Annotated[
    Path | None,
    typer.Option(
        "--city",
        metavar="FILE",
        help="City to show, an OpenStreetMap extract. [default: central Helsinki]",
        show_default=False,
    ),
]
NoDemo = Annotated[bool, typer.Option("--no-demo", help="Load no default city, simulate nothing.")]
Devices = Annotated[
    int | None,
    typer.Option(
        "--devices",
        min=0,
        max=200_000,
        metavar="N",
        help="Number of simulated devices. [default: as the city suggests]",
        show_default=False,
    ),
]
