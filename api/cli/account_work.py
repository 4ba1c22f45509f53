"""Change accounts as whoever may start programs on the server: what the commands of ``user`` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access import account_list, accounts, credentials, linking
from twin.access.account_list import AccountRow
from twin.access.credentials import LIFETIMES, CredentialKind
from twin.access.passwords import Passwords, make_password
from twin.access.record import COMMAND_LINE, Entry, write
from twin.access.scope import WHOLE_CODE
from twin.errors import InvalidError, NotFoundError


async def add(
    connection: AsyncConnection,
    name: str,
    display_name: str,
    kind: str,
    roles: Sequence[str],
    areas: Sequence[str],
    worker: str | None = None,
    organisation: str | None = None,
) -> dict[str, Any]:
    """Make an account that holds roles, of whom a code is given for; return what it signs in with."""
    held = pairs(roles, areas)
    made = await accounts.create(
        connection,
        COMMAND_LINE,
        name,
        display_name,
        kind=kind,
        worker_id=None if worker is None else await worker_of(connection, worker),
        organisation_id=None if organisation is None else await organisation_of(connection, organisation),
    )
    for role, area_code in held:
        await accounts.grant(connection, COMMAND_LINE, made, role, area_code)
    return await give_secret(connection, name)


async def worker_of(connection: AsyncConnection, code: str) -> int:
    """Return the id of the worker with a code.

    Raises
    ------
    NotFoundError
        There is none.
    """
    found = await connection.execute(text("SELECT id FROM worker WHERE code = :code"), {"code": code})
    worker_id: int | None = found.scalar_one_or_none()
    if worker_id is None:
        raise NotFoundError(f"there is no worker “{code[:64]}”", where="worker")
    return worker_id


async def organisation_of(connection: AsyncConnection, code: str) -> int:
    """Return the id of the organisation with a code.

    Raises
    ------
    NotFoundError
        There is none.
    """
    found = await connection.execute(text("SELECT id FROM organisation WHERE code = :code"), {"code": code})
    organisation_id: int | None = found.scalar_one_or_none()
    if organisation_id is None:
        raise NotFoundError(f"there is no organisation “{code[:64]}”", where="organisation")
    return organisation_id


def pairs(roles: Sequence[str], areas: Sequence[str]) -> list[tuple[str, str]]:
    """Say at which area each role is held: none for all, one for all, or one for each.

    Raises
    ------
    InvalidError
        They do not fit together.
    """
    if not areas:
        areas = [WHOLE_CODE] * len(roles)
    elif len(areas) == 1 and roles:
        areas = [areas[0]] * len(roles)
    if len(areas) != len(roles):
        raise InvalidError(
            f"{len(roles)} roles and {len(areas)} areas do not fit together",
            where="--area",
            hint="give one area for all roles, or one for each role in the same order",
        )
    return list(zip(roles, areas, strict=True))


async def give_secret(connection: AsyncConnection, name: str, *kinds: str) -> dict[str, Any]:
    """Give an account what its kind signs in with, told only now.

    Raises
    ------
    NotFoundError
        There is no such account.
    InvalidError
        It is of none of these kinds (where any are given).
    """
    account_id = await accounts.get_id(connection, name)
    name = await accounts.name_of(connection, account_id)
    kind = await accounts.kind_of(connection, account_id)
    if kinds and kind not in kinds:
        command = "password" if kind == "person" else "token"
        raise InvalidError(
            f"{name} is the account of a {kind}", where="NAME", hint=f"use gridtwin user {command} {name}"
        )
    if kind == "person":
        made = make_password()
        await accounts.set_password(connection, COMMAND_LINE, account_id, made, Passwords(), must_change=True)
        return {"name": name, "kind": kind, "password": made}
    what = CredentialKind.TOKEN if kind == "program" else CredentialKind.ENROLMENT
    secret, _ = await credentials.issue(connection, account_id, what, note=f"by {COMMAND_LINE.name}")
    entry = Entry("credential.made", f"account/{name}", detail={"kind": what.value})
    await write(connection, COMMAND_LINE, entry)
    word = "token" if what is CredentialKind.TOKEN else "code"
    return {"name": name, "kind": kind, word: secret, "expires_s": LIFETIMES[what].total_seconds()}


async def disable(connection: AsyncConnection, name: str, reason: str) -> None:
    """Close an account."""
    await accounts.disable(connection, COMMAND_LINE, name, reason)


async def enable(connection: AsyncConnection, name: str) -> None:
    """Open an account again."""
    await accounts.enable(connection, COMMAND_LINE, name)


async def link(connection: AsyncConnection, name: str, issuer: str, subject: str) -> None:
    """Link an account to a person of an identity provider."""
    await linking.link(connection, COMMAND_LINE, name, issuer, subject)


async def unlink(connection: AsyncConnection, name: str) -> None:
    """Link an account to nobody."""
    await linking.unlink(connection, COMMAND_LINE, name)


async def grant(connection: AsyncConnection, name: str, role: str, area_code: str | None) -> None:
    """Let an account hold a role at an area; at the whole installation where none is given."""
    account_id = await accounts.get_id(connection, name)
    await accounts.grant(connection, COMMAND_LINE, account_id, role, area_code or WHOLE_CODE)


async def revoke(connection: AsyncConnection, name: str, role: str, area_code: str | None) -> list[str]:
    """Take a role from an account, at one area or wherever it is held; return the areas.

    Raises
    ------
    NotFoundError
        There is no such account, or it does not hold that.
    """
    account_id = await accounts.get_id(connection, name)
    row = next(one for one in await account_list.list_accounts(connection) if one.id == account_id)
    held = [one for one in row.held if one.role == role and area_code in (None, one.area_code)]
    if not held:
        raise NotFoundError(
            f"{row.name} does not hold {role}{f' at {area_code}' if area_code else ''}",
            hint="gridtwin user list shows what it holds",
        )
    for one in held:
        await accounts.withdraw(connection, COMMAND_LINE, one.id)
    return [one.area_code for one in held]


async def list_accounts(connection: AsyncConnection) -> list[AccountRow]:
    """Return all accounts."""
    return await account_list.list_accounts(connection)
