"""Let gateways sign in to the broker, and close their accounts."""

from __future__ import annotations

import typer

from api.cli.publishers import add, gateway_token, register_both


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Let gateways sign in to the broker.")
    for name, command in (("add", add), ("token", gateway_token)):
        group.command(name)(command)
    register_both(group, "gateway")
    app.add_typer(group, name="gateway")
