"""Give devices and gateways their accounts at the broker from the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ingest.transports.accounts import Kind, PublisherRow, Token

Uid = Annotated[
    str, typer.Argument(metavar="UID", help="The device, as in the list of devices.", show_default=False)
]
Publisher = Annotated[
    str, typer.Argument(metavar="NAME", help="Uid of the device, or name of the gateway.", show_default=False)
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="What the gateway calls itself.", show_default=False)
]
Area = Annotated[
    str | None,
    typer.Option(
        "--area",
        metavar="CODE",
        help="15 digits of the area whose devices it reports for. [default: the whole installation]",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    device = typer.Typer(no_args_is_help=True, help="Let devices sign in to the broker.")
    device.command("token")(device_token)
    register_both(device, "device")
    app.add_typer(device, name="device")


def device_token(
    uid: Uid, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Give a device an account, or another secret beside its old one, which goes on for a week."""

    async def work(connection: AsyncConnection) -> Token:
        from sqlalchemy import text  # noqa: PLC0415 (loaded only by the commands that need it)

        from ingest.transports import accounts  # noqa: PLC0415
        from twin.errors import NotFoundError  # noqa: PLC0415

        found = await connection.execute(
            text("SELECT 1 FROM device WHERE uid = :uid AND valid_to IS NULL"), {"uid": uid}
        )
        if found.first() is None:
            raise NotFoundError(
                f"there is no device “{uid[:64]}”", where="UID", hint="gridtwin import devices FILE"
            )
        known = await connection.run_sync(lambda c: accounts.has_publisher(c, uid))
        token = await connection.run_sync(
            lambda c: accounts.replace_secret(c, uid) if known else accounts.add_publisher(c, uid, "device")
        )
        await _keep(connection, "publisher.secret_made" if known else "publisher.created", uid)
        return token

    _answer_token(in_transaction(_settings(data_dir, database_url), work), as_json)


def add(
    name: Name,
    area: Area = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make the account of a gateway and print its secret, this once."""

    async def work(connection: AsyncConnection) -> Token:
        from ingest.transports import accounts  # noqa: PLC0415

        scope = await _scope(connection, area)
        token = await connection.run_sync(lambda c: accounts.add_publisher(c, name, "gateway", scope))
        await _keep(connection, "publisher.created", name, area=area)
        return token

    _answer_token(in_transaction(_settings(data_dir, database_url), work), as_json)


def gateway_token(
    name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Give a gateway another secret beside its old one, which goes on for a week."""

    async def work(connection: AsyncConnection) -> Token:
        from ingest.transports import accounts  # noqa: PLC0415

        token = await connection.run_sync(lambda c: accounts.replace_secret(c, name))
        await _keep(connection, "publisher.secret_made", name)
        return token

    _answer_token(in_transaction(_settings(data_dir, database_url), work), as_json)


def register_both(group: typer.Typer, kind: Kind) -> None:
    """Add the commands that devices and gateways have alike."""

    @group.command("disable")
    def disable(
        name: Publisher, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
    ) -> None:
        """Close its account: its connection ends at once and what it sends is not taken."""
        _change("disable", kind, name, data_dir, database_url)
        answer({"name": name, "disabled": True}, f"{name} is closed", as_json)

    @group.command("enable")
    def enable(
        name: Publisher, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
    ) -> None:
        """Open its account again, with the secrets it had."""
        _change("enable", kind, name, data_dir, database_url)
        answer({"name": name, "disabled": False}, f"{name} is open", as_json)

    @group.command("list")
    def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
        """List the accounts at the broker."""

        async def work(connection: AsyncConnection) -> list[PublisherRow]:
            from ingest.transports import accounts  # noqa: PLC0415

            return await connection.run_sync(lambda c: accounts.list_publishers(c, kind))

        rows = in_transaction(_settings(data_dir, database_url), work)
        text = "\n".join(map(_line, rows)) or f"no {kind} has an account"
        answer({"publishers": [dataclasses.asdict(row) for row in rows]}, text, as_json)


def _line(row: PublisherRow) -> str:
    state = "closed" if row.disabled_at else f"open, {row.secrets} secret{'' if row.secrets == 1 else 's'}"
    for_area = f", devices of {row.low:015d} to {row.high:015d}" if row.kind == "gateway" else ""
    return f"{row.name:<24} {state}{for_area}"


def _change(
    what: Literal["disable", "enable"], kind: Kind, name: str, data_dir: Path | None, database_url: str | None
) -> None:
    async def work(connection: AsyncConnection) -> None:
        from ingest.transports import accounts  # noqa: PLC0415

        change = accounts.disable_publisher if what == "disable" else accounts.enable_publisher
        await connection.run_sync(lambda c: change(c, name, kind))
        await _keep(connection, f"publisher.{what}d", name)

    in_transaction(_settings(data_dir, database_url), work)


async def _scope(connection: AsyncConnection, area: str | None) -> Any:
    from sqlalchemy import text  # noqa: PLC0415

    from twin.access.scope import EVERYWHERE, Scope  # noqa: PLC0415
    from twin.errors import InvalidError  # noqa: PLC0415

    if area is None:
        return EVERYWHERE
    found = await connection.execute(
        text("SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid'"),
        {"code": area},
    )
    level = found.scalar_one_or_none()
    if level is None:
        raise InvalidError(
            f"there is no present area {area[:40]}", where="--area", hint="GET /api/areas lists their codes"
        )
    return Scope.of_area(area, level)


async def _keep(connection: AsyncConnection, action: str, name: str, **detail: Any) -> None:
    """Put the act on the record."""
    from twin.access.record import COMMAND_LINE, Entry, write  # noqa: PLC0415

    await write(connection, COMMAND_LINE, Entry(action, f"publisher/{name}", detail=detail))


def _settings(data_dir: Path | None, database_url: str | None) -> Any:
    from api.settings import read_settings  # noqa: PLC0415

    return read_settings(data_dir=data_dir, database_url=database_url)


def _answer_token(token: Token, as_json: bool) -> None:
    line = (
        f"{token.name} signs in to the broker with the user name {token.user_name} and the password "
        f"{token.secret}; this is shown only now"
    )
    content = {"name": token.name, "user_name": token.user_name, "password": token.secret}
    answer(content, line, as_json)
