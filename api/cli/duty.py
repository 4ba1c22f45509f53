"""Begin, end and list the duties of workers from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from api.settings import Settings
    from twin.duty import DutyRow

Code = Annotated[str, typer.Argument(metavar="WORKER", help="Code of the worker.", show_default=False)]
Consent = Annotated[
    bool,
    typer.Option(
        "--consent", help="The worker has consented that the place of their tracker is known until it ends."
    ),
]
Hours = Annotated[
    float | None,
    typer.Option(
        "--hours",
        metavar="N",
        min=0.01,
        max=24,
        help="End it after this time. [default: the longest that is set]",
        show_default=False,
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why; on the record, and the worker can read it.", show_default=False)
]
Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=3650, help="How far back.")]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Begin, end and list the duties of workers.")
    for name, command in (("begin", begin), ("end", end), ("list", list_)):
        group.command(name)(command)
    app.add_typer(group, name="duty")


def begin(
    worker: Code,
    consent: Consent = False,
    hours: Hours = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Begin the duty of a worker who has consented; from now on the place of their tracker is taken."""

    async def work(connection: AsyncConnection, worker_id: int, settings: Settings) -> DutyRow:
        import datetime  # noqa: PLC0415 (loaded only by the commands that need it)
        import uuid  # noqa: PLC0415

        from twin import duty  # noqa: PLC0415
        from twin.access.record import COMMAND_LINE  # noqa: PLC0415
        from twin.errors import InvalidError  # noqa: PLC0415

        if not consent:
            raise InvalidError(
                "a duty begins only with the worker's consent",
                where="--consent",
                hint="ask, and give --consent",
            )
        planned = None
        if hours is not None:
            planned = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
        return await duty.begin(
            connection, COMMAND_LINE, worker_id, uuid.uuid4(), settings.longest_duty, planned
        )

    row = _with_worker(worker, data_dir, database_url, work)
    answer(dataclasses.asdict(row), f"{worker} is on duty until {row.ends_at:%Y-%m-%d %H:%M} UTC", as_json)


def end(
    worker: Code,
    reason: Reason = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """End the duty of a worker now: their place is taken no more, and they leave the map."""

    async def work(connection: AsyncConnection, worker_id: int, _settings: Settings) -> DutyRow:
        from twin import duty  # noqa: PLC0415
        from twin.access.record import COMMAND_LINE  # noqa: PLC0415

        by = duty.EndedBy.COMMAND_LINE
        return await duty.end(connection, COMMAND_LINE, worker_id, by, reason=reason)

    row = _with_worker(worker, data_dir, database_url, work)
    answer(dataclasses.asdict(row), f"{worker} is not on duty any more", as_json)


def list_(
    worker: Code,
    days: Days = 30,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the duties of a worker, the newest first."""

    async def work(connection: AsyncConnection, worker_id: int, _settings: Settings) -> list[DutyRow]:
        from twin import duty  # noqa: PLC0415

        return await duty.list_duties(connection, worker_id, days)

    rows = _with_worker(worker, data_dir, database_url, work)
    text = "\n".join(map(_line, rows)) or f"no duty of {worker} within {days} days"
    answer({"duties": [dataclasses.asdict(row) for row in rows]}, text, as_json)


def _line(row: DutyRow) -> str:
    ends = f"{row.ends_at:%Y-%m-%d %H:%M}" if row.ends_at else "it is ended"
    how = f"ended by {row.ended_by}" if row.ended_by else "lasts"
    why = f": {row.end_reason}" if row.end_reason else ""
    return f"{row.starts_at:%Y-%m-%d %H:%M} to {ends} UTC, {how}{why}"


def _with_worker(
    code: str,
    data_dir: Path | None,
    database_url: str | None,
    work: Callable[[AsyncConnection, int, Settings], Awaitable[Any]],
) -> Any:
    """Do one thing with the worker of a code, in a transaction of its own."""
    from api.cli.account_work import worker_of  # noqa: PLC0415 (loads SQLAlchemy)
    from api.settings import read_settings  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)

    async def whole(connection: AsyncConnection) -> Any:
        return await work(connection, await worker_of(connection, code), settings)

    return in_transaction(settings, whole)
