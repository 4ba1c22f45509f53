"""Tell where cameras are asked for pictures; addresses are kept sealed and never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ingest.cameras.address import CameraAddress

Uid = Annotated[
    str, typer.Argument(metavar="UID", help="The camera, as in the list of devices.", show_default=False)
]
Rtsp = Annotated[
    str | None,
    typer.Option("--rtsp", metavar="URL", help="Stream: rtsp://10.1.2.3/stream1", show_default=False),
]
Http = Annotated[
    str | None,
    typer.Option(
        "--http", metavar="URL", help="Snapshot or MJPEG: http://10.1.2.3/snapshot.jpg", show_default=False
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "--user", help="User name; the password is asked for, or read from a pipe.", show_default=False
    ),
]
Sign = Annotated[
    bool | None,
    typer.Option("--sign/--no-sign", help="Whether a sign tells people of it.", show_default=False),
]
Retention = Annotated[
    int | None,
    typer.Option(
        "--retention-days", min=30, max=3650, help="How long its recorder keeps films.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Tell where cameras are asked for pictures.")
    group.command("set")(set_source)
    group.command("clear")(clear)
    group.command("list")(show)
    app.add_typer(group, name="camera")


def set_source(
    uid: Uid,
    rtsp: Rtsp = None,
    http: Http = None,
    user: User = None,
    sign: Sign = None,
    retention_days: Retention = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Keep the address of a camera, sealed; that it was set is on the record, the address is not."""
    from api.database import require_installation  # noqa: PLC0415 (loaded only by the commands that need it)
    from ingest.cameras.address import read_address  # noqa: PLC0415
    from twin import cameras  # noqa: PLC0415
    from twin.access.sealing import open_sealer  # noqa: PLC0415

    if (rtsp is None) == (http is None):
        raise typer.BadParameter("give --rtsp or --http", param_hint="--rtsp")
    settings = _settings(data_dir, database_url)
    require_installation(settings)
    # Not as an argument: those are seen by everybody on the machine and stay in the shell's history.
    password = typer.prompt("password", hide_input=True, err=True) if user else ""
    address = read_address(rtsp or http or "", user or "", password)
    _check(address, settings.camera_ranges, rtsp is not None)
    sealer = open_sealer(settings.secrets_dir)

    async def work(connection: AsyncConnection) -> None:
        number = await cameras.get_camera(connection, uid)
        source = cameras.Source(number, address.scheme, address.secret, sign, retention_days)
        await connection.run_sync(lambda c: cameras.store_sources(c, sealer, [source]))
        await _keep(connection, "camera.source_set", number, scheme=address.scheme)

    in_transaction(settings, work)
    answer({"uid": uid, "shown": address.shown}, f"{uid} is asked at {address.shown}", as_json)


def _check(address: CameraAddress, ranges: str, streams: bool) -> None:
    from twin.address_ranges import literal, read_ranges  # noqa: PLC0415
    from twin.errors import InvalidError  # noqa: PLC0415

    if address.scheme.startswith("rtsp") != streams:
        raise InvalidError(f"this is an address of {address.scheme}", where="--rtsp" if streams else "--http")
    written = literal(address.host)
    if written is not None and not read_ranges(ranges, "camera_ranges").allows(written):
        raise InvalidError(
            f"{address.host} lies outside the ranges in which cameras are asked",
            where="address",
            hint=f"they are {ranges}; GRIDTWIN_CAMERA_RANGES sets others, for the server too",
        )


def clear(
    uid: Uid, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Forget the address of a camera."""

    async def work(connection: AsyncConnection) -> bool:
        from sqlalchemy import text  # noqa: PLC0415

        from twin import cameras  # noqa: PLC0415

        number = await cameras.get_camera(connection, uid)
        gone = await connection.execute(
            text("DELETE FROM camera_source WHERE device_id = :id RETURNING device_id"), {"id": number}
        )
        there = gone.first() is not None
        if there:
            await _keep(connection, "camera.source_cleared", number)
        return there

    there = in_transaction(_settings(data_dir, database_url), work)
    answer({"uid": uid, "cleared": there}, f"{uid} has no stream now", as_json)


def show(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List cameras that have a stream and how it does, without addresses."""

    async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
        from sqlalchemy import text  # noqa: PLC0415

        rows = await connection.execute(
            text(
                "SELECT d.uid, d.name, s.scheme, s.state, s.reason, s.since FROM camera_source AS s "
                "JOIN device AS d ON d.id = s.device_id WHERE d.valid_to IS NULL ORDER BY d.uid"
            )
        )
        return [dict(row) for row in rows.mappings()]

    rows = in_transaction(_settings(data_dir, database_url), work)
    lines = [*map(_line, rows), f"{len(rows)} cameras have a stream"]
    answer({"cameras": rows}, "\n".join(lines), as_json)


def _line(row: dict[str, Any]) -> str:
    why = f" ({row['reason']} since {row['since']:%Y-%m-%d %H:%M} UTC)" if row["reason"] else ""
    return f"{row['uid']}  {row['name'] or ''}  {row['scheme']}  {row['state']}{why}"


async def _keep(connection: AsyncConnection, action: str, number: int, **detail: Any) -> None:
    """Put the act on the record."""
    from twin.access.record import COMMAND_LINE, Entry, write  # noqa: PLC0415

    await write(connection, COMMAND_LINE, Entry(action, f"camera/{number}", detail=detail))


def _settings(data_dir: Any, database_url: str | None) -> Any:
    from api.settings import read_settings  # noqa: PLC0415

    return read_settings(data_dir=data_dir, database_url=database_url)
