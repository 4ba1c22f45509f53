"""Declare what each route asks of its caller; where one declares nothing, no server starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Path
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request

from api.access.caller import Caller
from api.access.door import address_of
from api.open311.form import key_in_form
from ingest.decoders.envelope import Envelope
from ingest.decoders.osmand import named_in
from ingest.intake import Sender
from twin.access.credentials import Identity
from twin.access.roles import Act, DataClass
from twin.errors import ForbiddenError, SignInNeededError
from twin.exchange.partners import Partner, find_with_secrets
from twin.exchange.signing import verify

IDENTITY_KEY: Final = "gridtwin.identity"
"""Where the edge leaves who asks in the scope of a request."""

SENDER_KEY: Final = "gridtwin.sender"
"""Where it leaves which device or gateway sends a message."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What a route asks: nothing, to be signed in, to be a worker, to read one of some classes, or an act.

    An act with classes is to be done where rows of one of them are read.

    Where in the tree the caller may do it is not asked here: the database shows and takes only that.
    """

    name: str
    public: bool = False
    reads: frozenset[DataClass] = frozenset()
    counts: bool = False
    act: Act | None = None
    as_worker: bool = False
    before_password_change: bool = False

    def holds(self, identity: Identity) -> bool:
        """Say whether somebody has it."""
        grants = identity.grants
        if self.as_worker and grants.worker_id is not None:
            return True
        if self.act is not None:
            where = grants.where(self.act)
            return bool(where) and (not self.reads or any(grants.scope(data) & where for data in self.reads))
        if self.as_worker:
            return False
        if not self.reads:
            return True
        if DataClass.CASE in self.reads and grants.organisation_id is not None:
            return True  # the cases of that organisation
        return any(grants.scope(data) or (self.counts and grants.counts.get(data)) for data in self.reads)


PUBLIC: Final = Permission("public", public=True)
SIGNED_IN: Final = Permission("signed in")
OWN_ACCOUNT: Final = Permission("own account", before_password_change=True)
"""What somebody who must set a new password first may still do."""
BY_SENDER: Final = Permission("by a device or gateway")
BY_PARTNER: Final = Permission("by a partner, signed")
OWN_WORKER: Final = Permission("own worker", as_worker=True)
"""What the account of a worker may do for that worker, wherever they are."""


def reads(*classes: DataClass, counts: bool = False) -> Permission:
    """Ask that the caller reads rows of one of these classes somewhere, or their counts where they do."""
    return Permission("reads " + " or ".join(classes), reads=frozenset(classes), counts=counts)


def does(act: Act, *classes: DataClass, or_own: bool = False) -> Permission:
    """Ask that the caller may do an act somewhere, and reads rows of one of these classes there.

    With ``or_own`` the account of a worker passes too: it may do it to what is that worker's.
    """
    about = f" with {' or '.join(classes)}" if classes else ""
    own = " or is a worker" if or_own else ""
    return Permission(f"does {act.value}{about}{own}", reads=frozenset(classes), act=act, as_worker=or_own)


class _Check:
    """The dependency of a route; holds the permission so that it can be read off the route."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        identity: Identity | None = connection.scope.get(IDENTITY_KEY)
        if self.permission.public:
            return None
        if identity is None:
            raise SignInNeededError("nobody is signed in", hint="sign in at /sign-in, or send a token")
        if identity.must_change_password and not self.permission.before_password_change:
            raise ForbiddenError("a new password must be set first", hint="POST /api/account/password")
        if not self.permission.holds(identity):
            if self.permission.as_worker and self.permission.act is None:
                raise ForbiddenError(
                    "this is not the account of a worker",
                    hint="gridtwin user add NAME --worker CODE makes one",
                )
            raise ForbiddenError(
                "the roles of this account do not allow this", where=connection.scope["path"][:200]
            )
        return Caller(identity, address_of(connection.scope), connection.app.state.runtime)


class _SenderCheck(_Check):
    """The dependency of a route where devices and gateways bring observations."""

    async def __call__(self, connection: HTTPConnection) -> Sender:  # type: ignore[override]  # no person calls
        sender: Sender | None = connection.scope.get(SENDER_KEY)
        if sender is None:
            raise SignInNeededError(
                "no device or gateway is known by this secret",
                where="Authorization",
                hint="send the user name and password that “gridtwin device token” or “gateway add” printed",
            )
        return sender


class _TrackerCheck(_SenderCheck):
    """The dependency of routes for apps that send no header: what they call their device is the secret."""

    async def __call__(self, request: Request) -> Sender:  # type: ignore[override]
        if request.scope.get(SENDER_KEY) is None:
            content_type = content_type_of(request)
            named = named_in(Envelope(await request.body(), None, request.query_params, content_type))
            found = await request.app.state.runtime.publishers.find(named) if named else None
            request.scope[SENDER_KEY] = found
        return await super().__call__(request)


class _KeyCheck(_Check):
    """The dependency of a route for apps that name their token in a form, where no header names one."""

    async def __call__(self, request: Request) -> Caller | None:  # type: ignore[override]
        if request.scope.get(IDENTITY_KEY) is None:
            key = key_in_form(await request.body())
            found = await request.app.state.runtime.door.find(key) if key else None
            request.scope[IDENTITY_KEY] = found
        return await super().__call__(request)


PartnerId = Annotated[UUID, Path(alias="id", description="of the partner")]


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message of a partner whose signature is good, and where it came from."""

    partner: Partner
    message_id: str
    body: bytes
    address: str


class _SignatureCheck(_Check):
    """The dependency of a route for systems of partners, whose id is in the path."""

    async def __call__(  # type: ignore[override]  # no person calls
        self, request: Request, partner_id: PartnerId
    ) -> SignedMessage:
        running, body = request.app.state.runtime, await request.body()
        async with running.own.connect() as connection:
            partner = await find_with_secrets(connection, partner_id)
        secret = None if partner is None else partner.receiving_secret(running.sealer)
        if partner is None or secret is None:
            raise SignInNeededError("there is no partner here whose messages are taken", where="id")
        message_id = verify(secret, request.headers, body, time.time())
        return SignedMessage(partner, message_id, body, address_of(request.scope))


def needs_signature() -> Any:
    """Return the dependency that lets only partners through, and gives the `SignedMessage`."""
    return Depends(_SignatureCheck(BY_PARTNER))


def needs_key(permission: Permission) -> Any:
    """Return the dependency that takes the ``api_key`` of a form for the caller's token."""
    return Depends(_KeyCheck(permission))


def needs_tracker() -> Any:
    """Return the dependency that takes the id of a tracker for its secret, where no header names one."""
    return Depends(_TrackerCheck(BY_SENDER))


def content_type_of(request: Request) -> str:
    """Return the type of a request's body, in small letters and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class _EitherCheck(_Check):
    """The dependency of a route for accounts with a permission and for devices and gateways alike."""

    async def __call__(self, connection: HTTPConnection) -> Caller | Sender | None:  # type: ignore[override]
        sender: Sender | None = connection.scope.get(SENDER_KEY)
        return sender if sender is not None else await super().__call__(connection)


def needs_either(permission: Permission) -> Any:
    """Return the dependency that gives the `Sender`, or the `Caller` of an account with a permission."""
    return Depends(_EitherCheck(permission))


def needs_sender() -> Any:
    """Return the dependency that lets only devices and gateways through, and gives the `Sender`."""
    return Depends(_SenderCheck(BY_SENDER))


def needs(permission: Permission) -> Any:
    """Return the dependency that lets only callers with a permission through, and gives the `Caller`."""
    return Depends(_Check(permission))


def permission_of(route: APIRoute) -> Permission | None:
    """Return what a route declares, None where it declares nothing or more than one thing."""
    found = {check.permission for check in _checks(route.dependant)}
    return found.pop() if len(found) == 1 else None


def _checks(dependant: Dependant) -> Iterable[_Check]:
    call: Callable[..., Any] | None = dependant.call
    if isinstance(call, _Check):
        yield call
    for inner in dependant.dependencies:
        yield from _checks(inner)


def reading_permissions(routes: Iterable[object]) -> dict[str, Permission | None]:
    """Return what each path that can be read asks, by the path as it is declared."""
    return {
        route.path: permission_of(route)
        for route in routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }


def require_declared(routes: Iterable[object]) -> None:
    """Check that every route declares exactly one permission.

    Raises
    ------
    RuntimeError
        One does not; names all of them.
    """
    missing = [
        f"{','.join(sorted(route.methods or ()))} {route.path}"
        for route in routes
        if isinstance(route, APIRoute) and permission_of(route) is None
    ]
    if missing:
        raise RuntimeError(f"routes without exactly one permission: {'; '.join(missing)}")
