"""Make, change and close accounts and the roles they hold; each act is on the record."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access import credentials
from twin.access.passwords import REMEMBERED, Passwords, check_password
from twin.access.record import Actor, Entry, write
from twin.access.roles import ROLE_BY_NAME, Group
from twin.access.scope import WHOLE_CODE, Scope
from twin.errors import ConflictError, InvalidError, NotFoundError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}", re.ASCII)


def check_name(name: str) -> str:
    """Return a name one signs in with, in small letters.

    Raises
    ------
    InvalidError
        Wrong length or signs.
    """
    low = name.strip().lower()
    if not _NAME.fullmatch(low):
        raise InvalidError(
            f"“{name[:80]}” cannot be the name of an account",
            where="name",
            hint="2 to 64 of: letters a-z, digits, . _ @ -, beginning with a letter or digit",
        )
    return low


async def create(
    connection: AsyncConnection,
    by: Actor,
    name: str,
    display_name: str,
    *,
    kind: str = "person",
    demo: bool = False,
    worker_id: int | None = None,
    organisation_id: int | None = None,
) -> UUID:
    """Make an account that cannot sign in yet: it has no password and no role.

    Raises
    ------
    InvalidError
        The name cannot be one.
    ConflictError
        It is taken.
    """
    name = check_name(name)
    try:
        row = await connection.execute(
            text(
                "INSERT INTO account (name, display_name, kind, demo, worker_id, organisation_id) "
                "VALUES (:name, :display_name, :kind, :demo, :worker_id, :organisation_id) RETURNING id"
            ),
            {
                "name": name,
                "display_name": display_name.strip() or name,
                "kind": kind,
                "demo": demo,
                "worker_id": worker_id,
                "organisation_id": organisation_id,
            },
        )
    except IntegrityError as error:
        if "uq_account_name" not in str(error.orig):
            raise
        raise ConflictError(f"there is an account “{name}” already", where="name") from error
    account_id: UUID = row.scalar_one()
    detail = {"kind": kind, "demo": demo, "worker": worker_id, "organisation": organisation_id}
    await write(connection, by, Entry("account.created", f"account/{name}", detail=detail))
    return account_id


async def set_password(
    connection: AsyncConnection,
    by: Actor,
    account_id: UUID,
    password: str,
    passwords: Passwords,
    *,
    must_change: bool,
    keep_session: UUID | None = None,
) -> None:
    """Give an account a password; all its sessions end, one left out.

    Raises
    ------
    InvalidError
        Not a person's account, not good enough, or one of the account's last ones.
    NotFoundError
        There is no such account.
    """
    name = await name_of(connection, account_id)
    if await kind_of(connection, account_id) != "person":
        raise InvalidError(
            "only people have passwords", where="name", hint="a program has a token, a screen a code"
        )
    check_password(password, name)
    old = (
        await connection.execute(
            text(
                "SELECT password_hash FROM account WHERE id = :id AND password_hash IS NOT NULL UNION ALL "
                "(SELECT password_hash FROM password_history WHERE account_id = :id "
                " ORDER BY replaced_at DESC LIMIT :n)"
            ),
            {"id": account_id, "n": REMEMBERED - 1},
        )
    ).scalars()
    for hashed in old.all():
        if await passwords.fits(hashed, password):
            raise InvalidError(
                f"this is one of the last {REMEMBERED} passwords of the account", where="password"
            )
    hashed = await passwords.hash(password)
    await connection.execute(
        text(
            "INSERT INTO password_history (account_id, password_hash) "
            "SELECT id, password_hash FROM account WHERE id = :id AND password_hash IS NOT NULL"
        ),
        {"id": account_id},
    )
    await connection.execute(
        text(
            "UPDATE account SET password_hash = :hash, password_at = now(), must_change_password = :must, "
            "failures = 0, locked_until = NULL WHERE id = :id"
        ),
        {"id": account_id, "hash": hashed, "must": must_change},
    )
    await credentials.revoke_all(connection, account_id, keep_session)
    await write(connection, by, Entry("account.password_set", f"account/{name}"))


async def disable(connection: AsyncConnection, by: Actor, name: str, reason: str = "") -> None:
    """Close an account: it cannot sign in, and all its sessions, tokens and sockets end.

    Raises
    ------
    NotFoundError
        There is no such account, or it is closed already.
    """
    account_id = await _changed(
        connection,
        "UPDATE account SET disabled_at = now() WHERE name = :name AND disabled_at IS NULL RETURNING id",
        name,
        "there is no open account",
    )
    await credentials.revoke_all(connection, account_id)
    await write(connection, by, Entry("account.disabled", f"account/{name}", reason=reason))


async def enable(connection: AsyncConnection, by: Actor, name: str) -> None:
    """Open a closed or locked account again.

    Raises
    ------
    NotFoundError
        There is no such account.
    """
    await _changed(
        connection,
        "UPDATE account SET disabled_at = NULL, locked_until = NULL, failures = 0, used_at = now() "
        "WHERE name = :name RETURNING id",
        name,
        "there is no account",
    )
    await write(connection, by, Entry("account.enabled", f"account/{name}"))


async def grant(
    connection: AsyncConnection, by: Actor, account_id: UUID, role: str, area_code: str = WHOLE_CODE
) -> None:
    """Let an account hold a role at an area and all below it; holding it already changes nothing.

    Parameters
    ----------
    area_code
        15 digits of a present area; `WHOLE_CODE` is the whole installation.

    Raises
    ------
    InvalidError
        There is no such role or area.
    ConflictError
        The account holds a role whose duty must be kept apart from this one.
    """
    if role not in ROLE_BY_NAME:
        raise InvalidError(
            f"there is no role “{role}”", where="role", hint=f"roles: {', '.join(ROLE_BY_NAME)}"
        )
    name = await name_of(connection, account_id)
    level = "whole"
    duty = ROLE_BY_NAME[role].group
    if duty in (Group.SYSTEM, Group.SECURITY, Group.AUDIT) and area_code != WHOLE_CODE:
        raise InvalidError(
            f"“{role}” is a duty of the whole installation", where="area", hint="leave the area out"
        )
    if area_code != WHOLE_CODE:
        found = (
            await connection.execute(
                text(
                    "SELECT level FROM area WHERE code = :code AND valid_to IS NULL AND level <> 'unit_grid'"
                ),
                {"code": area_code},
            )
        ).first()
        if found is None:
            raise InvalidError(
                f"there is no present area {area_code}",
                where="area",
                hint="GET /api/accounts/areas lists their codes",
            )
        level = found.level
    elif role == "worker":
        raise InvalidError("a grid worker belongs to an area", where="area", hint="give the code of a grid")
    (low, high), *_ = Scope.of_area(area_code, level).ranges
    try:
        await connection.execute(
            text(
                "INSERT INTO membership (account_id, role, area_code, area_level, low, high, granted_by) "
                "VALUES (:account_id, :role, :code, :level, :low, :high, :by) ON CONFLICT DO NOTHING"
            ),
            {
                "account_id": account_id,
                "role": role,
                "code": area_code,
                "level": level,
                "low": low,
                "high": high,
                "by": by.name,
            },
        )
    except IntegrityError as error:
        if "separate_duties" not in str(error.orig) and "beside the roles" not in str(error.orig):
            raise
        raise ConflictError(
            f"the role “{role}” cannot be held beside the roles this account has",
            where="role",
            hint="business, system, security and audit are held by different accounts (三员分立)",
        ) from error
    await credentials.announce(connection, account_id)
    detail: dict[str, Any] = {"role": role, "area": area_code}
    await write(connection, by, Entry("role.granted", f"account/{name}", detail=detail))


async def withdraw(connection: AsyncConnection, by: Actor, membership_id: int) -> None:
    """Take a role at an area from an account, at once.

    Raises
    ------
    NotFoundError
        It is not held.
    """
    row = (
        await connection.execute(
            text(
                "UPDATE membership SET valid_to = now() FROM account WHERE membership.id = :id "
                "AND membership.valid_to IS NULL AND account.id = membership.account_id "
                "RETURNING account_id, account.name, role, area_code"
            ),
            {"id": membership_id},
        )
    ).first()
    if row is None:
        raise NotFoundError(f"nobody holds the membership {membership_id}", where="id")
    await credentials.announce(connection, row.account_id)
    detail: dict[str, Any] = {"role": row.role, "area": row.area_code}
    await write(connection, by, Entry("role.withdrawn", f"account/{row.name}", detail=detail))


async def find_id(connection: AsyncConnection, name: str) -> UUID | None:
    """Return the id of an account by its name, None when there is none."""
    found: UUID | None = (
        await connection.execute(text("SELECT id FROM account WHERE name = :name"), {"name": name})
    ).scalar_one_or_none()
    return found


async def get_id(connection: AsyncConnection, name: str) -> UUID:
    """Return the id of an account by its name.

    Raises
    ------
    NotFoundError
        There is none.
    """
    found = await find_id(connection, name.strip().lower())
    if found is None:
        raise NotFoundError(f"there is no account “{name[:80]}”", where="name")
    return found


async def name_of(connection: AsyncConnection, account_id: UUID) -> str:
    """Return the name of an account.

    Raises
    ------
    NotFoundError
        There is none.
    """
    name: str | None = (
        await connection.execute(text("SELECT name FROM account WHERE id = :id"), {"id": account_id})
    ).scalar_one_or_none()
    if name is None:
        raise NotFoundError(f"there is no account {account_id}", where="id")
    return name


async def kind_of(connection: AsyncConnection, account_id: UUID) -> str:
    """Return whether an account is a ``person``, a ``kiosk`` or a ``program``."""
    found = await connection.execute(text("SELECT kind FROM account WHERE id = :id"), {"id": account_id})
    return str(found.scalar_one())


async def _changed(
    connection: AsyncConnection, statement: str, name: str, missing: str, **values: str
) -> UUID:
    found: UUID | None = (
        await connection.execute(text(statement), {"name": name.strip().lower(), **values})
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"{missing} “{name[:80]}”", where="name")
    return found
