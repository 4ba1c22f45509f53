"""Delete what has been kept for its time, or show what that would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import with_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from twin.store.retention import Retired
    from twin.store.retention_terms import Terms

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would go; delete nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retention")(retention)


def retention(
    dry_run: DryRun = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete what is older than data/retention.toml lets it be kept, as the server does every day."""
    from api.settings import read_settings  # noqa: PLC0415 (loaded only by the commands that need it)
    from twin.access.record import COMMAND_LINE  # noqa: PLC0415
    from twin.catalog import load_catalog  # noqa: PLC0415
    from twin.errors import ConflictError  # noqa: PLC0415
    from twin.store.retention import Retention  # noqa: PLC0415
    from twin.store.retention_terms import load_terms  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    catalog = load_catalog()
    terms = load_terms(catalog).with_tracks(settings.tracks_days)

    async def work(engine: AsyncEngine) -> Retired:
        made = Retention(engine, catalog, terms)
        if dry_run:
            return await made.preview()
        done = await made.run(COMMAND_LINE)
        if done is None:
            raise ConflictError("a server deletes at this moment", hint="try again in some minutes")
        return done

    gone = with_engine(settings, work, connections=2)
    lines = _lines(gone, terms, "would be" if dry_run else "were")
    answer({"dry_run": dry_run, **gone.as_dict()}, "\n".join(lines), as_json)


def _lines(gone: Retired, terms: Terms, word: str) -> list[str]:
    lines = [
        f"{gone.observations.get(term.name, 0):>12,} observations of {term.en} ({term.zh}) older than "
        f"{term.days:g} days {word} deleted"
        for term in terms.observations
    ]
    lines += [
        f"{gone.tables.get(term.name, 0):>12,} rows of {term.en} ({term.zh}) older than {term.days:g} days "
        f"{word} deleted"
        for term in terms.tables
    ]
    lines.append(
        f"{gone.tables.get('observation_hour', 0):>12,} hourly figures older than {terms.hours_days:g} days "
        f"{word} deleted"
    )
    lines.append(
        f"{len(gone.dropped_days):>12,} whole days older than {terms.longest_days:g} days {word} dropped, "
        f"{gone.dropped_bytes / 2**20:,.1f} MiB"
    )
    return lines
