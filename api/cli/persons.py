"""Erase who reported a case, when they ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Case = Annotated[
    str | None, typer.Option("--case", metavar="NUMBER", help="Who reported this case.", show_default=False)
]
AskPhone = Annotated[
    bool, typer.Option("--phone", help="Everybody who reported by a phone; asked for, or read from a pipe.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="Who asked for it, and how; kept on the record.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Erase who reported a case; the case stays.")
    group.callback()(_group)
    group.command("erase")(erase)
    app.add_typer(group, name="person")


def _group() -> None:
    """Keep `erase` a command of its own: a group of one command would swallow its name."""


def erase(
    reason: Reason,
    case: Case = None,
    by_phone: AskPhone = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete name, phone, identity number and address of a reporter; that it was done is on the record."""
    from api.database import require_installation  # noqa: PLC0415 (loaded only by the commands that need it)
    from api.settings import read_settings  # noqa: PLC0415
    from twin.access import persons  # noqa: PLC0415
    from twin.access.record import COMMAND_LINE  # noqa: PLC0415
    from twin.access.sealing import open_sealer  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    require_installation(settings)
    sealer = open_sealer(settings.secrets_dir)
    # Not as an argument: those are seen by everybody on the machine and stay in the shell's history.
    phone = typer.prompt("phone", hide_input=True, err=True) if by_phone else None

    async def work(connection: AsyncConnection) -> int:
        return await persons.erase(connection, sealer, COMMAND_LINE, number=case, phone=phone, reason=reason)

    gone = in_transaction(settings, work)
    answer({"erased": gone}, f"{gone} persons were erased; their cases stay", as_json)
