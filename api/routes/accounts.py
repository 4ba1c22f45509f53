"""Let security administrators make, change and close accounts."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from api.access.caller import Caller
from api.access.permissions import does, needs
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names
from api.routes.areas import AreaAbove, AreaChoice, AreaWords, MostAreas, listed_areas
from api.runtime import Running
from twin.access import account_list, accounts, credentials
from twin.access.credentials import LIFETIMES, CredentialKind
from twin.access.passwords import make_password
from twin.access.record import Entry, write
from twin.access.roles import ROLES, Act
from twin.access.scope import WHOLE_CODE
from twin.errors import InvalidError

router = APIRouter(tags=["accounts"], responses=NOT_FOUND)

Manager = Annotated[Caller, needs(does(Act.MANAGE_ACCOUNTS))]
Name = Annotated[str, Path(min_length=2, max_length=64, pattern="^[a-z0-9][a-z0-9._@-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern="^[^\\x00]*$")]


class RoleAnswer(BaseModel):
    """A role that can be held."""

    name: str
    title: Names
    duty: str
    privileged: bool
    reads: list[str]
    acts: list[str]


class HeldAnswer(BaseModel):
    """A role at an area; the code of zeros is the whole installation."""

    id: int
    role: str
    area_code: str
    area_level: str
    area_name: Names | None


class AccountRowAnswer(BaseModel):
    """An account in the list."""

    id: UUID
    name: str
    display_name: str
    kind: str
    demo: bool
    disabled: bool
    locked: bool
    second_factor: bool
    held: list[HeldAnswer]


class AccountsAnswer(BaseModel):
    """All accounts, and the roles there are."""

    accounts: list[AccountRowAnswer]
    roles: list[RoleAnswer]


@router.get("/api/accounts")
async def list_accounts(running: Running, _caller: Manager) -> AccountsAnswer:
    """Return all accounts with the roles they hold."""
    async with running.accounts.connect() as connection:
        found = await account_list.list_accounts(connection)
    return AccountsAnswer(
        accounts=[
            AccountRowAnswer(
                id=row.id,
                name=row.name,
                display_name=row.display_name,
                kind=row.kind,
                demo=row.demo,
                disabled=row.disabled,
                locked=row.locked,
                second_factor=row.second_factor,
                held=[
                    HeldAnswer(
                        id=held.id,
                        role=held.role,
                        area_code=held.area_code,
                        area_level=held.area_level,
                        area_name=None
                        if held.area_name is None
                        else Names(zh=held.area_name, en=held.area_name_en),
                    )
                    for held in row.held
                ],
            )
            for row in found
        ],
        roles=[
            RoleAnswer(
                name=role.name,
                title=Names(zh=role.zh, en=role.en),
                duty=role.group.value,
                privileged=role.privileged,
                reads=sorted(role.reads),
                acts=sorted(role.acts),
            )
            for role in ROLES
        ],
    )


@router.get("/api/accounts/areas")
async def list_areas(
    running: Running,
    _caller: Manager,
    q: AreaWords = "",
    under: AreaAbove = None,
    limit: MostAreas = 200,
) -> list[AreaChoice]:
    """Return the areas right below one, or all whose name has the words or whose code begins so."""
    async with running.accounts.connect() as connection:
        return await listed_areas(connection, q.strip(), under, limit)


class NewAccountRequest(BaseModel):
    """A new account; a person gets a password that is shown once."""

    name: Text
    display_name: Annotated[str, Field(max_length=200, pattern="^[^\\x00]*$")] = ""
    kind: Literal["person", "kiosk", "program"] = "person"


class SecretAnswer(BaseModel):
    """A secret that is told this once, and how long it holds (null: until it is changed)."""

    secret: str | None
    expires_s: float | None = None


@router.post("/api/accounts", status_code=201, responses=CONFLICT)
async def create_account(running: Running, caller: Manager, body: NewAccountRequest) -> SecretAnswer:
    """Make an account without a role; the first password must be changed at the first sign-in."""
    password = make_password() if body.kind == "person" else None
    async with running.accounts.begin() as connection:
        made = await accounts.create(connection, caller.actor, body.name, body.display_name, kind=body.kind)
        if password is not None:
            await accounts.set_password(
                connection, caller.actor, made, password, running.sign_in.passwords, must_change=True
            )
    return SecretAnswer(secret=password)


@router.post("/api/accounts/{name}/disable", status_code=204)
async def disable_account(running: Running, caller: Manager, name: Name) -> None:
    """Close an account; its sessions and sockets end at once."""
    if name == caller.identity.name:
        raise InvalidError("nobody closes the own account", where="name", hint="let another do it")
    async with running.accounts.begin() as connection:
        await accounts.disable(connection, caller.actor, name)


@router.post("/api/accounts/{name}/enable", status_code=204)
async def enable_account(running: Running, caller: Manager, name: Name) -> None:
    """Open a closed or locked account again."""
    async with running.accounts.begin() as connection:
        await accounts.enable(connection, caller.actor, name)


class GrantRequest(BaseModel):
    """A role at an area."""

    role: Text
    area_code: Annotated[str, Field(pattern="^[0-9]{15}$")] = WHOLE_CODE


@router.post("/api/accounts/{name}/roles", status_code=204, responses=CONFLICT)
async def grant_role(running: Running, caller: Manager, name: Name, body: GrantRequest) -> None:
    """Let an account hold a role at an area and all below it."""
    if name == caller.identity.name:
        raise InvalidError("nobody gives roles to the own account", where="name", hint="let another do it")
    async with running.accounts.begin() as connection:
        account_id = await accounts.get_id(connection, name)
        await accounts.grant(connection, caller.actor, account_id, body.role, body.area_code)


@router.post("/api/accounts/roles/{id}/withdraw", status_code=204)
async def withdraw_role(
    running: Running, caller: Manager, membership_id: Annotated[int, Path(alias="id", ge=1, le=2**53)]
) -> None:
    """Take a role at an area from an account."""
    async with running.accounts.begin() as connection:
        await accounts.withdraw(connection, caller.actor, membership_id)


@router.post("/api/accounts/{name}/password")
async def reset_password(running: Running, caller: Manager, name: Name) -> SecretAnswer:
    """Give a person a new password, shown once, that must be changed at the next sign-in."""
    password = make_password()
    async with running.accounts.begin() as connection:
        account_id = await accounts.get_id(connection, name)
        await accounts.set_password(
            connection, caller.actor, account_id, password, running.sign_in.passwords, must_change=True
        )
    return SecretAnswer(secret=password)


@router.post("/api/accounts/{name}/credential")
async def make_credential(running: Running, caller: Manager, name: Name) -> SecretAnswer:
    """Make the token of a program, or the code that makes one screen a kiosk."""
    async with running.accounts.begin() as connection:
        account_id = await accounts.get_id(connection, name)
        kind = await accounts.kind_of(connection, account_id)
        if kind == "person":
            raise InvalidError(
                "people sign in with a password",
                where="name",
                hint="make an account of kind program or kiosk",
            )
        made = CredentialKind.TOKEN if kind == "program" else CredentialKind.ENROLMENT
        secret, _ = await credentials.issue(connection, account_id, made, note=f"by {caller.identity.name}")
        await write(
            connection, caller.actor, Entry("credential.made", f"account/{name}", detail={"kind": made.value})
        )
    return SecretAnswer(secret=secret, expires_s=LIFETIMES[made].total_seconds())
