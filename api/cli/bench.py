"""Measure GridTwin on this machine, beside its peers."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.options import DataDir, Json

Name = Annotated[
    str, typer.Argument(help="What to measure, such as live; python -m bench --help lists all there is.")
]


def register(app: typer.Typer) -> None:
    """Add the command; a benchmark's own options go through to it."""
    app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench)


def bench(context: typer.Context, name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Measure: bench NAME [its options]; python -m bench NAME --help lists them."""
    # The benchmarks are beside the house, not in it; they are started as a program of their own.
    from bench.__main__ import main  # noqa: PLC0415

    arguments = [name, *context.args]
    if data_dir is not None:
        arguments += ["--data-dir", str(data_dir)]
    if as_json:
        arguments.append("--json")
    sys.argv = ["gridtwin bench", *arguments]
    raise typer.Exit(main())
