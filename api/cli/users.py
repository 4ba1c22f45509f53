"""Make, list and change accounts from the command line, which is where the first one comes from."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.answering import answer
from api.cli.options import DatabaseUrl, DataDir, Json
from api.cli.transaction import in_transaction

if TYPE_CHECKING:
    from twin.access.account_list import AccountRow


class Kind(enum.StrEnum):
    """Who signs in."""

    PERSON = "person"
    KIOSK = "kiosk"
    PROGRAM = "program"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.", show_default=False)]
RoleName = Annotated[
    str, typer.Argument(metavar="ROLE", help="operator, dispatcher, worker, ...", show_default=False)
]
DisplayName = Annotated[
    str, typer.Option("--display-name", help="Name that others see. [default: NAME]", show_default=False)
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="Role to hold; may be given again.", show_default=False),
]
Areas = Annotated[
    list[str] | None,
    typer.Option(
        "--area",
        metavar="CODE",
        help="15 digits of the area a role is held at: one for all roles, or one a role, in their order. "
        "[default: the whole installation]",
        show_default=False,
    ),
]
Area = Annotated[
    str | None,
    typer.Option(
        "--area",
        metavar="CODE",
        help="15 digits of the area it is held at. [default: the whole installation]",
        show_default=False,
    ),
]
AnyArea = Annotated[
    str | None,
    typer.Option(
        "--area",
        metavar="CODE",
        help="15 digits of the area. [default: wherever it is held]",
        show_default=False,
    ),
]
OneOfKind = Annotated[
    Kind, typer.Option("--kind", help="A person, a wall screen, or a program that sends a token.")
]
Subject = Annotated[
    str,
    typer.Option(
        "--subject",
        metavar="SUB",
        help="What the provider calls the person for ever: the claim “sub”.",
        show_default=False,
    ),
]
Issuer = Annotated[
    str | None,
    typer.Option(
        "--issuer", metavar="URL", help="The provider. [default: GRIDTWIN_OIDC_ISSUER]", show_default=False
    ),
]
Worker = Annotated[
    str | None,
    typer.Option(
        "--worker",
        metavar="CODE",
        help="Make it the account of this grid worker, who then begins and ends their duty with it.",
        show_default=False,
    ),
]
OfOrganisation = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="CODE",
        help="Make it an account of this organisation's staff, who see and handle the cases given to it.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept on the record.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Make, list and change accounts and the roles they hold.")
    for name, command in (
        ("add", add),
        ("list", list_),
        ("disable", disable),
        ("enable", enable),
        ("password", password),
        ("token", token),
        ("grant", grant),
        ("revoke", revoke),
        ("link", link),
        ("unlink", unlink),
    ):
        group.command(name)(command)
    app.add_typer(group, name="user")


def add(
    name: Name,
    display_name: DisplayName = "",
    kind: OneOfKind = Kind.PERSON,
    role: Roles = None,
    area: Areas = None,
    worker: Worker = None,
    organisation: OfOrganisation = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make an account and print, this once, what it signs in with."""
    given = name, display_name, kind.value, role or [], area or [], worker, organisation
    _answer_secret(_do("add", data_dir, database_url, *given), as_json)


def password(
    name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Give a person a new password, printed once, which they change at the next sign-in."""
    _answer_secret(_do("give_secret", data_dir, database_url, name, "person"), as_json)


def token(
    name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Make a token for a program, or a code that makes one screen a wall screen; printed once."""
    _answer_secret(_do("give_secret", data_dir, database_url, name, "program", "kiosk"), as_json)


def disable(
    name: Name,
    reason: Reason = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Close an account: its sessions, tokens and sockets end at once."""
    _do("disable", data_dir, database_url, name, reason)
    answer({"name": name, "disabled": True}, f"{name} is closed", as_json)


def enable(
    name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Open a closed or locked account again."""
    _do("enable", data_dir, database_url, name)
    answer({"name": name, "disabled": False}, f"{name} is open", as_json)


def grant(
    name: Name,
    role: RoleName,
    area: Area = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let an account hold a role at an area and all below it."""
    _do("grant", data_dir, database_url, name, role, area)
    where = area or "the whole installation"
    answer({"name": name, "role": role, "area": area}, f"{name} holds {role} at {where}", as_json)


def revoke(
    name: Name,
    role: RoleName,
    area: AnyArea = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take a role from an account, at once."""
    codes = _do("revoke", data_dir, database_url, name, role, area)
    line = f"{name} no longer holds {role} at {', '.join(codes)}"
    answer({"name": name, "role": role, "areas": codes}, line, as_json)


def link(
    name: Name,
    subject: Subject,
    issuer: Issuer = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let a person whom the identity provider knows by this subject sign in as an account."""
    from api.settings import read_settings  # noqa: PLC0415 (loaded only by the commands that need it)
    from twin.errors import InvalidError  # noqa: PLC0415

    given = (issuer or read_settings().oidc_issuer).strip()
    if not given or not subject.strip():
        raise InvalidError(
            "an account is linked to an issuer and a subject",
            where="--issuer" if not given else "--subject",
            hint="give both, as the identity provider names them",
        )
    _do("link", data_dir, database_url, name, given, subject.strip())
    content = {"name": name, "issuer": given, "subject": subject.strip()}
    answer(content, f"{name} signs in by {given} as {subject.strip()}", as_json)


def unlink(
    name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let nobody sign in as an account by the identity provider any more; its sessions end."""
    _do("unlink", data_dir, database_url, name)
    answer({"name": name, "linked": False}, f"{name} is linked to nobody", as_json)


def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the accounts with the roles they hold."""
    rows: list[AccountRow] = _do("list_accounts", data_dir, database_url)
    text = "\n".join(map(_line, rows)) or "no accounts"
    answer({"accounts": [dataclasses.asdict(row) for row in rows]}, text, as_json)


def _line(row: AccountRow) -> str:
    held = ", ".join(
        one.role
        if one.area_level == "whole"
        else f"{one.role} at {one.area_code} {one.area_name or ''}".strip()
        for one in row.held
    )
    states = {"demo": row.demo, "closed": row.disabled, "locked": row.locked}
    marks = [row.kind, *(word for word, holds in states.items() if holds)]
    return f"{row.name:<20} {row.display_name} ({', '.join(marks)}): {held or 'no role'}"


def _do(work: str, data_dir: Path | None, database_url: str | None, *given: Any) -> Any:
    """Do one thing of `api.cli.account_work` in a transaction of its own."""
    from api.cli import account_work  # noqa: PLC0415 (loads SQLAlchemy)
    from api.settings import read_settings  # noqa: PLC0415

    settings = read_settings(data_dir=data_dir, database_url=database_url)
    return in_transaction(settings, lambda connection: getattr(account_work, work)(connection, *given))


def _answer_secret(made: dict[str, Any], as_json: bool) -> None:
    name = made["name"]
    match made["kind"]:
        case "person":
            text = f"{name} signs in with the password {made['password']} and must change it then"
        case "program":
            days = made["expires_s"] / 86_400
            text = f"{name} sends “Authorization: Bearer {made['token']}”, for {days:.0f} days"
        case _:
            minutes = made["expires_s"] / 60
            text = f"open /kiosk#{made['code']} on the screen of {name} within {minutes:.0f} minutes"
    answer(made, f"{text}; this is shown only now", as_json)
