"""Show what could not be taken, take it again, or drop it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction, with_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from twin.store.refused import Filter, RefusedMessage, RefusedWhole

Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="Only of this reason.")]
Source = Annotated[
    str, typer.Option("--source", metavar="TEXT", help="Only where topic, feed or sender hold this text.")
]
Since = Annotated[
    datetime | None, typer.Option("--since", help="Only what was received since (UTC).", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most messages shown.")]
Taken = Annotated[bool, typer.Option("--replayed", help="Also those that were taken since.")]
Number = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the message.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Messages that could not be taken, with their reasons.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("replay")(replay)
    group.command("drop")(drop)
    app.add_typer(group, name="quarantine")


def list_(
    reason: Reason = "",
    source: Source = "",
    since: Since = None,
    limit: Limit = 20,
    replayed: Taken = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List refused messages, the newest first, and count them by reason."""
    from api.settings import read_settings  # noqa: PLC0415 (loaded only by the commands that need it)

    async def work(connection: AsyncConnection) -> tuple[list[RefusedMessage], dict[str, int]]:
        from twin.store import refused  # noqa: PLC0415

        chosen = _filter(reason, source, since, waiting=not replayed)
        rows = await refused.list_refused(connection, chosen, limit)
        return rows, await refused.count_refused(connection, chosen)

    rows, counts = in_transaction(read_settings(data_dir=data_dir, database_url=database_url), work)
    lines = [_line(row) for row in rows]
    lines.append(" · ".join(f"{name}: {n:,}" for name, n in counts.items()) or "the quarantine is empty")
    content = {"by_reason": counts, "messages": [dataclasses.asdict(row) for row in rows]}
    answer(content, "\n".join(lines), as_json)


def show(
    number: Number, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Show one refused message with its bytes."""
    from api.settings import read_settings  # noqa: PLC0415
    from twin.errors import NotFoundError  # noqa: PLC0415
    from twin.store import refused  # noqa: PLC0415

    async def work(connection: AsyncConnection) -> RefusedWhole | None:
        return await refused.find_refused(connection, number)

    row = in_transaction(read_settings(data_dir=data_dir, database_url=database_url), work)
    if row is None:
        raise NotFoundError(f"there is no refused message {number}", hint="see gridtwin quarantine list")
    words = f"{_line(row)}\n{row.encoding}, {row.bytes:,} bytes:\n{row.payload}"
    answer(dataclasses.asdict(row), words, as_json)


def replay(
    reason: Reason = "",
    source: Source = "",
    since: Since = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take refused messages again, after what was wrong has been put right; each reading is stored once."""
    from api.settings import read_settings  # noqa: PLC0415
    from twin.access.record import COMMAND_LINE, Entry, write  # noqa: PLC0415
    from twin.store.roles import PASSWORDS_FILE, TWIN, read_passwords, role_url  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    chosen = _filter(reason, source, since, waiting=True)

    async def work(engine: AsyncEngine) -> dict[str, Any]:
        owner_url = engine.url.render_as_string(hide_password=False)
        password = read_passwords(settings.secrets_dir / PASSWORDS_FILE).get(TWIN)
        url = role_url(owner_url, TWIN, password)
        done = await _replay(url, engine, chosen, settings.tracks_days)
        async with engine.begin() as connection:
            detail = {**chosen.parameters(), **done}
            await write(connection, COMMAND_LINE, Entry("quarantine.replayed", "quarantine", detail=detail))
        return done

    done = with_engine(settings, work)
    again = " · ".join(f"{name}: {n:,}" for name, n in done["again"].items())
    words = (
        f"{done['messages']:,} messages: {done['taken']:,} taken ({done['stored']:,} readings stored, "
        f"{done['duplicate']:,} were there already), {sum(done['again'].values()):,} refused again"
    )
    answer(done, f"{words} ({again})" if again else words, as_json)


async def _replay(url: str, owner: AsyncEngine, chosen: Filter, tracks_days: float | None) -> dict[str, Any]:
    """Open a twin of our own beside the server's, which learns of what is stored from the database only."""
    from api.sensorthings.again import Again  # noqa: PLC0415
    from ingest.feeds import load_feeds  # noqa: PLC0415
    from ingest.mappings import Mappings  # noqa: PLC0415
    from ingest.replay import Replay  # noqa: PLC0415
    from twin.catalog import load_catalog  # noqa: PLC0415
    from twin.store.engine import create_async_engine  # noqa: PLC0415
    from twin.store.retention_terms import load_terms  # noqa: PLC0415
    from twin.twin import Twin  # noqa: PLC0415

    engine = create_async_engine(url, application_name="gridtwin replay", pool_size=6)
    try:
        catalog = load_catalog()
        terms = load_terms(catalog).with_tracks(tracks_days)
        twin = await Twin.open(engine, catalog=catalog, terms=terms)
        try:
            standards = {"sensorthings": Again(twin, engine, owner)}
            made = Replay(engine, twin, load_feeds(), Mappings(engine), standards)
            whole = await made.run(chosen)
            while whole.more:
                whole.add(await made.run(chosen, after=whole.last))
        finally:
            await twin.close()
    finally:
        await engine.dispose()
    return {name: value for name, value in dataclasses.asdict(whole).items() if name not in ("last", "more")}


def drop(
    reason: Reason = "",
    source: Source = "",
    since: Since = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete refused messages for good, those that were taken since among them; on the record."""
    from api.settings import read_settings  # noqa: PLC0415

    if not yes:
        typer.confirm("Delete these messages for good?", abort=True)

    async def work(connection: AsyncConnection) -> int:
        from twin.access.record import COMMAND_LINE, Entry, write  # noqa: PLC0415
        from twin.store import refused  # noqa: PLC0415

        gone = await refused.drop_refused(connection, _filter(reason, source, since, waiting=False))
        detail = {"reason": reason, "source": source, "since": since, "messages": gone}
        await write(connection, COMMAND_LINE, Entry("quarantine.dropped", "quarantine", detail=detail))
        return gone

    gone = in_transaction(read_settings(data_dir=data_dir, database_url=database_url), work)
    answer({"deleted": gone}, f"{gone:,} messages deleted", as_json)


def _filter(reason: str, source: str, since: datetime | None, *, waiting: bool) -> Filter:
    from twin.store.refused import Filter  # noqa: PLC0415

    made = Filter(reason, source, waiting=waiting)
    if since is None:
        return made
    return dataclasses.replace(made, since=since if since.tzinfo else since.replace(tzinfo=UTC))


def _line(row: RefusedMessage) -> str:
    taken = f" · taken {row.replayed_at:%Y-%m-%d %H:%M}" if row.replayed_at else ""
    return (
        f"{row.id:>8} {row.received_at:%Y-%m-%d %H:%M:%S} {row.reason:<16} {row.source} · {row.detail}{taken}"
    )
