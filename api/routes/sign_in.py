"""Sign people and wall screens in and out, and open live sockets for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from api.access.caller import Caller
from api.access.cookies import give_cookie, take_cookies
from api.access.door import address_of, is_secure
from api.access.oidc import FLOW_COOKIE, FLOW_S, Problem, Provider, ProviderRefusedError
from api.access.permissions import OWN_ACCOUNT, PUBLIC, SIGNED_IN, needs
from api.errors import NOT_FOUND, SIGN_IN_REFUSED
from api.runtime import Running, Runtime
from twin.access import credentials
from twin.access.credentials import LIFETIMES, CredentialKind
from twin.access.record import Actor, Entry, write
from twin.access.sign_in import SecondStep, SignedIn, SignInRefusedError
from twin.errors import NotFoundError, TwinError, UnavailableError

router = APIRouter(tags=["sign-in"])

Text = Annotated[str, Field(min_length=1, max_length=200, pattern="^[^\\x00]*$")]


class SignInRequest(BaseModel):
    """Name and password."""

    name: Text
    password: Text


class CodeRequest(BaseModel):
    """The secret of the first step, and the code of the authenticator."""

    step: Text
    code: Annotated[str, Field(min_length=6, max_length=12, pattern="^[0-9 ]*$")]


class SignInAnswer(BaseModel):
    """Signed in, with a cookie; or the code of an authenticator is asked for.

    ``enrolment`` is the ``otpauth://`` address of a new authenticator where the account has none.
    """

    state: Literal["signed_in", "code_needed"]
    must_change_password: bool = False
    step: str | None = None
    enrolment: str | None = None


@router.post("/api/sign-in", dependencies=[needs(PUBLIC)], responses=SIGN_IN_REFUSED)
async def sign_in(
    running: Running, request: Request, response: Response, body: SignInRequest
) -> SignInAnswer:
    """Sign in with a name and a password; what is wrong is never said more closely."""
    done = await running.sign_in.by_password(
        body.name, body.password, address_of(request.scope), _agent(request)
    )
    if isinstance(done, SecondStep):
        return SignInAnswer(state="code_needed", step=done.secret, enrolment=done.enrolment)
    return _opened(request, response, done)


@router.post("/api/sign-in/code", dependencies=[needs(PUBLIC)], responses=SIGN_IN_REFUSED)
async def sign_in_with_code(
    running: Running, request: Request, response: Response, body: CodeRequest
) -> SignInAnswer:
    """Finish signing in with the code of an authenticator."""
    done = await running.sign_in.by_code(body.step, body.code, address_of(request.scope), _agent(request))
    return _opened(request, response, done)


def _opened(request: Request, response: Response, done: SignedIn) -> SignInAnswer:
    give_cookie(request, response, done.secret, datetime.now(UTC) + LIFETIMES[CredentialKind.SESSION])
    return SignInAnswer(state="signed_in", must_change_password=done.must_change_password)


def _agent(request: Request) -> str | None:
    return request.headers.get("user-agent")


@router.post("/api/sign-out", status_code=204)
async def sign_out(
    running: Running, response: Response, caller: Annotated[Caller, needs(OWN_ACCOUNT)]
) -> None:
    """End this session, with its live sockets."""
    await running.sign_in.sign_out(caller.identity, caller.address)
    running.door.forget(caller.identity.account_id)
    take_cookies(response)


@router.get(
    "/api/sign-in/oidc",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[needs(PUBLIC)],
    responses=NOT_FOUND,
)
async def leave_for_provider(
    running: Running,
    request: Request,
    after: Annotated[
        str, Query(max_length=300, pattern=r"^/([\x21-\x2e\x30-\x5b\x5d-\x7e][\x21-\x7e]*)?$")
    ] = "/",
) -> Response:
    """Send the browser to the identity provider; `after` is the page to show at the end."""
    try:
        departure = await _provider(running).leave(_return_address(request), after)
    except (NotFoundError, UnavailableError) as error:
        return _back_to_sign_in(request, error, after)
    answer = RedirectResponse(departure.url, 303)
    answer.set_cookie(
        FLOW_COOKIE,
        departure.flow,
        max_age=FLOW_S,
        path="/api/sign-in/oidc",
        secure=is_secure(request.scope),
        httponly=True,
        samesite="lax",  # the provider's page sends the browser back here
    )
    return answer


@router.get(
    "/api/sign-in/oidc/callback",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[needs(PUBLIC)],
    responses=SIGN_IN_REFUSED | NOT_FOUND,
)
async def return_from_provider(
    running: Running,
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str | None, Query(max_length=2_000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Take the answer of the identity provider, and show the page asked for."""
    flow = request.cookies.get(FLOW_COOKIE)
    after = "/"
    try:
        provider = _provider(running)
        after = provider.page_asked_for(flow)
        subject, _ = await provider.arrive(flow, state, code, error)
        done = await running.sign_in.by_provider(
            subject.issuer, subject.subject, address_of(request.scope), _agent(request)
        )
    except (NotFoundError, UnavailableError, SignInRefusedError) as problem:
        return _back_to_sign_in(request, problem, after)
    answer = RedirectResponse(after, 303)
    answer.delete_cookie(FLOW_COOKIE, path="/api/sign-in/oidc", httponly=True, samesite="lax")
    give_cookie(request, answer, done.secret, datetime.now(UTC) + LIFETIMES[CredentialKind.SESSION])
    return answer


def _back_to_sign_in(request: Request, error: TwinError, after: str) -> Response:
    """Send a browser to the page that says what is wrong and what to do; raise for whoever reads no pages."""
    if "text/html" not in request.headers.get("accept", ""):
        raise error
    if isinstance(error, ProviderRefusedError):
        problem = error.problem
    elif isinstance(error, SignInRefusedError):
        problem = Problem.UNKNOWN
    else:
        problem = Problem.AWAY if isinstance(error, UnavailableError) else Problem.NONE
    query = urlencode({"problem": problem.value, **({"next": after} if after != "/" else {})})
    answer = RedirectResponse(f"/sign-in?{query}", 303)
    answer.delete_cookie(FLOW_COOKIE, path="/api/sign-in/oidc", httponly=True, samesite="lax")
    return answer


def _provider(running: Runtime) -> Provider:
    if running.provider is None:
        raise NotFoundError(
            "this installation has no identity provider", hint="sign in with a password at /sign-in"
        )
    return running.provider


def _return_address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/api/sign-in/oidc/callback"


class EnrolRequest(BaseModel):
    """The code that an administrator made for one screen."""

    code: Text


@router.post("/api/kiosk/enrol", status_code=204, dependencies=[needs(PUBLIC)], responses=SIGN_IN_REFUSED)
async def enrol_kiosk(running: Running, request: Request, response: Response, body: EnrolRequest) -> None:
    """Make this browser a wall screen: it reads and does nothing, and stays signed in for a year."""
    address = address_of(request.scope)
    async with running.accounts.begin() as connection:
        identity = await credentials.consume(connection, body.code.strip().upper(), CredentialKind.ENROLMENT)
        if identity is None or identity.account_kind != "kiosk":
            raise SignInRefusedError(
                "this code is wrong, was used before or is too old", hint="ask for a new one"
            )
        secret, _ = await credentials.issue(
            connection,
            identity.account_id,
            CredentialKind.KIOSK,
            address=address,
            agent=_agent(request),
        )
        actor = Actor(identity.name, identity.account_id, identity.grants.roles, address)
        await write(connection, actor, Entry("kiosk.enrolled", f"account/{identity.name}"))
    give_cookie(request, response, secret, datetime.now(UTC) + LIFETIMES[CredentialKind.KIOSK])


class TicketAnswer(BaseModel):
    """What opens one live socket, once, within these seconds: ``/live?ticket=...``."""

    ticket: str
    expires_s: float


TICKET_S: Final = LIFETIMES[CredentialKind.TICKET].total_seconds()


@router.post("/api/live/ticket")
async def make_ticket(running: Running, caller: Annotated[Caller, needs(SIGNED_IN)]) -> TicketAnswer:
    """Make a ticket for one live socket."""
    async with running.accounts.begin() as connection:
        ticket, _ = await credentials.issue(
            connection,
            caller.identity.account_id,
            CredentialKind.TICKET,
            parent_id=caller.identity.credential_id,
            address=caller.address,
        )
    return TicketAnswer(ticket=ticket, expires_s=TICKET_S)
