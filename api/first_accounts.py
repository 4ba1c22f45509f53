"""Make the accounts of a new installation: its first administrator, and those of the demonstration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.access import accounts
from twin.access.passwords import Passwords, make_password
from twin.access.record import COMMAND_LINE
from twin.access.roles import ROLE_BY_NAME
from twin.access.scope import WHOLE_CODE, Scope
from twin.store.closed_file import write_closed
from twin.store.engine import create_async_engine
from twin.store.roles import AUTH, role_url

ADMINISTRATOR: Final = "admin"
DEMO_FILE: Final = "demo-accounts.txt"

T = TypeVar("T")

_PLACES: Final = text(
    """
    SELECT first.id, first.grid, above.code, above.level
    FROM (SELECT worker.id, area.code AS grid
          FROM worker JOIN area ON area.id = worker.responsibility_grid_id AND area.valid_to IS NULL
          WHERE worker.simulated AND worker.device_id IS NOT NULL AND worker.role = 'grid_worker'
          ORDER BY worker.code LIMIT 1) AS first
    LEFT JOIN area AS above ON above.valid_to IS NULL AND above.level IN ('street', 'district', 'community')
    ORDER BY array_position(ARRAY['street', 'district', 'community'], above.level), above.code
    """
)
_DEPARTMENT: Final = text("SELECT id FROM organisation WHERE simulated AND code = 'SIM-D-city_management'")
_OPEN_DEMO: Final = text("SELECT name FROM account WHERE demo AND disabled_at IS NULL ORDER BY name")


@dataclass(frozen=True, slots=True)
class Made:
    """An account and the password it signs in with, told only now."""

    name: str
    password: str
    roles: str
    demo: bool


@dataclass(frozen=True, slots=True)
class _Demo:
    """Where an account of the demonstration is held."""

    name: str
    role: str
    area_code: str = WHOLE_CODE
    worker_id: int | None = None
    organisation_id: int | None = None


def ensure_accounts(url: str, password: str | None, *, demo: bool, simulated: bool) -> list[Made]:
    """Make the first accounts of a database that has none; return them with their passwords.

    Parameters
    ----------
    url
        URL of the database's owner.
    password
        Of the role that sees accounts; None where it needs none.
    demo
        Whether accounts to try the roles with are made too; only beside simulated devices.
    simulated
        Whether there are simulated devices.

    Notes
    -----
    The administrator's password must be changed at the first sign-in. Where there are no simulated devices
    accounts of the demonstration are closed, those of an earlier start included: nobody comes to real data
    by a password that lies in a file.
    """

    async def work(connection: AsyncConnection) -> list[Made]:
        if not simulated:
            for row in (await connection.execute(_OPEN_DEMO)).all():
                await accounts.disable(connection, COMMAND_LINE, row.name, "there are no simulated devices")
        if (await connection.execute(text("SELECT EXISTS (SELECT FROM account)"))).scalar_one():
            return []
        passwords = Passwords()
        made = [await _administrator(connection, passwords)]
        if demo and simulated:
            made += [await _demo(connection, passwords, one) for one in await _plan(connection)]
        return made

    return _run(role_url(url, AUTH, password), work)


async def _administrator(connection: AsyncConnection, passwords: Passwords) -> Made:
    account_id = await accounts.create(connection, COMMAND_LINE, ADMINISTRATOR, "安全管理员")
    await accounts.grant(connection, COMMAND_LINE, account_id, "security_admin")
    password = make_password()
    await accounts.set_password(connection, COMMAND_LINE, account_id, password, passwords, must_change=True)
    return Made(ADMINISTRATOR, password, "security_admin", demo=False)


async def _plan(connection: AsyncConnection) -> list[_Demo]:
    """Say which roles are shown where: the dispatcher and the worker in the same part of the city."""
    rows = (await connection.execute(_PLACES)).all()
    around = (
        row.code
        for row in rows
        if row.code is not None and int(row.grid) in Scope.of_area(row.code, row.level)
    )
    part = next(around, WHOLE_CODE)
    plan = [
        _Demo("demo-operator", "operator"),
        _Demo("demo-dispatcher", "dispatcher", part),
        _Demo("demo-planner", "planner"),
        _Demo("demo-auditor", "auditor"),
        _Demo("demo-system", "system_admin"),
        _Demo("demo-security", "security_admin"),
    ]
    department = (await connection.execute(_DEPARTMENT)).scalar_one_or_none()
    if department is not None:
        plan.insert(3, _Demo("demo-department", "department", organisation_id=department))
    if rows:
        plan.insert(3, _Demo("demo-worker", "worker", rows[0].grid, rows[0].id))
    return plan


async def _demo(connection: AsyncConnection, passwords: Passwords, one: _Demo) -> Made:
    title = f"演示 {ROLE_BY_NAME[one.role].zh}"
    account_id = await accounts.create(
        connection,
        COMMAND_LINE,
        one.name,
        title,
        demo=True,
        worker_id=one.worker_id,
        organisation_id=one.organisation_id,
    )
    await accounts.grant(connection, COMMAND_LINE, account_id, one.role, one.area_code)
    password = make_password()
    await accounts.set_password(connection, COMMAND_LINE, account_id, password, passwords, must_change=False)
    where = "" if one.area_code == WHOLE_CODE else f" at {one.area_code}"
    return Made(one.name, password, f"{one.role}{where}", demo=True)


def keep_demo_file(secrets_dir: Path, made: list[Made]) -> Path | None:
    """Write the accounts of the demonstration to a file of the owner; return it where there is one."""
    path = secrets_dir / DEMO_FILE
    lines = [f"{one.name:<16} {one.password}  {one.roles}\n" for one in made if one.demo]
    if lines:
        write_closed(path, "".join(lines))
    elif any(not one.demo for one in made):
        path.unlink(missing_ok=True)  # of a database that was there before this one
    return path if path.is_file() else None


def how_to_sign_in(made: list[Made], demo_file: Path | None) -> list[str]:
    """Say how one signs in: what goes behind ``ready``, and a line for each account of the demonstration."""
    administrator = next((one for one in made if not one.demo), None)
    if administrator is not None:
        first = (
            f"sign in as {administrator.name} with the one-time password {administrator.password}, "
            "shown only now"
        )
    elif demo_file is not None:
        first = f"sign in with your account; accounts to try are in {demo_file}"
    else:
        first = "sign in with your account; gridtwin user list shows them"
    lines = [f"{one.name:<16} {one.password}  {one.roles}" for one in made if one.demo]
    return [first, *([f"accounts to try, kept in {demo_file}:", *lines] if lines else [])]


def _run(url: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def go() -> T:
        engine = create_async_engine(url, application_name="gridtwin accounts", pool_size=1)
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    return asyncio.run(go())
