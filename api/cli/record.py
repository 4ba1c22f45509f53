"""Check the record of acts, and delete what need no longer be kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.answering import answer, say
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from twin.access.record import Verdict

Days = Annotated[
    int, typer.Option("--days", metavar="N", help="Delete what is older; at least 185.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Check the record of acts, or delete its oldest part.")
    group.command("verify")(verify)
    group.command("prune")(prune)
    app.add_typer(group, name="audit")


def verify(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Walk the whole record and compare it with what was kept outside the database; 1 when it was changed."""
    from api.access.heads import read_kept  # noqa: PLC0415 (loaded only by the commands that need it)
    from api.database import require_installation  # noqa: PLC0415
    from api.settings import read_settings  # noqa: PLC0415
    from twin.access import record  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    require_installation(settings)
    # Before the walk: what is kept now must be there then.
    kept = read_kept(settings.secrets_dir)

    async def work(connection: AsyncConnection) -> Verdict:
        # One moment for the whole walk, so that a deletion beside it is no gap.
        await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return await record.verify(connection, kept.heads)

    verdict = in_transaction(settings, work)
    faults = [*kept.faults, *verdict.faults]
    lines = [f"fault: {fault}" for fault in faults]
    rows = f"{verdict.rows:,} rows, {verdict.first} to {verdict.last}" if verdict.rows else "no rows"
    lines.append(f"{rows} · {len(kept.heads):,} heads · {len(faults)} faults")
    content = {**dataclasses.asdict(verdict), "faults": faults, "heads": len(kept.heads)}
    answer(content, "\n".join(lines), as_json)
    if not kept.heads:
        say("nothing is kept outside the database yet: whether the newest rows are missing cannot be told")
    raise typer.Exit(1 if faults else 0)


def prune(
    days: Days, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Delete the rows of the record that are older than this; that it was done is on the record."""
    from api.settings import read_settings  # noqa: PLC0415

    async def work(connection: AsyncConnection) -> int:
        from twin.access import record  # noqa: PLC0415

        gone = await record.prune(connection, days)
        if gone:
            entry = record.Entry("record.pruned", "audit", detail={"days": days, "rows": gone})
            await record.write(connection, record.COMMAND_LINE, entry)
        return gone

    gone = in_transaction(read_settings(data_dir=data_dir, database_url=database_url), work)
    answer({"deleted": gone}, f"{gone:,} rows older than {days} days were deleted", as_json)
