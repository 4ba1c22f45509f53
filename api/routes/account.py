"""Tell people who they are signed in as, and let them set their own password."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.access.caller import Caller
from api.access.permissions import IDENTITY_KEY, OWN_ACCOUNT, PUBLIC, needs
from api.routes.answers import Names
from api.runtime import Running, Runtime
from twin.access import accounts
from twin.access.credentials import Identity
from twin.access.roles import ROLE_BY_NAME
from twin.access.sign_in import SignInRefusedError
from twin.errors import ForbiddenError

router = APIRouter(tags=["account"])


class HeldRole(BaseModel):
    """A role of the caller."""

    role: str
    title: Names


class AccountAnswer(BaseModel):
    """Who asks: name, roles, what they read and do."""

    id: UUID
    name: str
    display_name: str
    kind: str
    demo: bool
    must_change_password: bool
    is_worker: bool
    """The account of a worker, who has a duty and a track."""
    roles: list[HeldRole]
    reads: list[str]
    acts: list[str]


@router.get("/api/account")
async def get_account(caller: Annotated[Caller, needs(OWN_ACCOUNT)]) -> AccountAnswer:
    """Return who is signed in."""
    return _account(caller.identity)


def _account(identity: Identity) -> AccountAnswer:
    grants = identity.grants
    return AccountAnswer(
        id=identity.account_id,
        name=identity.name,
        display_name=identity.display_name,
        kind=identity.account_kind,
        demo=identity.demo,
        must_change_password=identity.must_change_password,
        is_worker=grants.worker_id is not None,
        roles=[
            HeldRole(role=name, title=Names(zh=ROLE_BY_NAME[name].zh, en=ROLE_BY_NAME[name].en))
            for name in grants.roles
        ],
        reads=sorted(data.value for data, scope in grants.reads.items() if scope),
        acts=sorted(act.value for act, scope in grants.acts.items() if scope),
    )


class Remaining(BaseModel):
    """How long a session still lasts, s: in all, and if nobody does anything (null: that does not end it).

    ``idle_after_s`` is how long it lasts from each act on.
    """

    ends_s: float
    idle_s: float | None
    idle_after_s: float


def _remaining(running: Runtime, identity: Identity) -> Remaining:
    now = datetime.now(UTC)
    return Remaining(
        ends_s=(identity.expires_at - now).total_seconds(),
        idle_s=None if identity.idle_at is None else (identity.idle_at - now).total_seconds(),
        idle_after_s=running.door.idle.total_seconds(),
    )


class SessionAnswer(BaseModel):
    """Who is signed in in this browser and for how long; both null where nobody is."""

    account: AccountAnswer | None
    remaining: Remaining | None


@router.get("/api/session", dependencies=[needs(PUBLIC)])
async def get_session(running: Running, request: Request) -> SessionAnswer:
    """Return who is signed in here, if anybody is; to ask does not keep a session."""
    identity: Identity | None = request.scope[IDENTITY_KEY]
    if identity is None:
        return SessionAnswer(account=None, remaining=None)
    return SessionAnswer(account=_account(identity), remaining=_remaining(running, identity))


@router.post("/api/account/active")
async def stay_signed_in(running: Running, caller: Annotated[Caller, needs(OWN_ACCOUNT)]) -> Remaining:
    """Say that a person is at work at a page: like all that is no plain read, this keeps the session."""
    return _remaining(running, caller.identity)


class PasswordRequest(BaseModel):
    """The password that holds, and the new one."""

    old: Annotated[str, Field(min_length=1, max_length=200)]
    new: Annotated[str, Field(min_length=1, max_length=200, pattern="^[^\\x00]*$")]


@router.post("/api/account/password", status_code=204)
async def set_own_password(
    running: Running, caller: Annotated[Caller, needs(OWN_ACCOUNT)], body: PasswordRequest
) -> None:
    """Set a new password; every other session of the account ends."""
    if caller.identity.account_kind != "person":
        raise ForbiddenError("only people have passwords", where="account")
    if not await running.sign_in.knows_password(caller.identity.account_id, body.old):
        raise SignInRefusedError("the password that holds is another one", where="old")
    async with running.accounts.begin() as connection:
        await accounts.set_password(
            connection,
            caller.actor,
            caller.identity.account_id,
            body.new,
            running.sign_in.passwords,
            must_change=False,
            keep_session=caller.identity.credential_id,
        )
    running.door.forget(caller.identity.account_id)
