"""Answer every error as application/problem+json that says what, where and what to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from api import plain_page
from twin.errors import (
    ConflictError,
    ForbiddenError,
    FullError,
    GoneError,
    InvalidError,
    NotFoundError,
    PausedError,
    SetupError,
    SignInNeededError,
    TooLargeError,
    TooManyError,
    TwinError,
    UnavailableError,
)

_log = logging.getLogger("gridtwin.api")

MEDIA_TYPE = "application/problem+json"

STATUS_OF_ERROR: Final[tuple[tuple[type[TwinError], int, str], ...]] = (
    (SignInNeededError, 401, "sign-in-needed"),
    (ForbiddenError, 403, "forbidden"),
    (NotFoundError, 404, "not-found"),
    (ConflictError, 409, "conflict"),
    (GoneError, 410, "gone"),
    (TooLargeError, 413, "too-large"),
    (InvalidError, 422, "invalid"),
    (TooManyError, 429, "too-many"),
    (UnavailableError, 503, "unavailable"),
    (PausedError, 503, "paused"),
    (FullError, 507, "full"),
    (SetupError, 500, "setup"),
)
"""The first row whose class fits decides; the last column ends the problem's type URI."""


class ProblemWords(BaseModel):
    """What is wrong and what to do about it, for who reads it on a page."""

    zh: str
    en: str


class Problem(BaseModel):
    """A problem after RFC 9457, with the place it was found in and what to do about it.

    ``words`` is there where a page shows it to a person.
    """

    type: str = Field(examples=["/problems/invalid"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = ""
    where: str = ""
    hint: str = ""
    words: ProblemWords | None = None


PROBLEM_CONTENT: Final[dict[str, Any]] = {
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {
    404: {**PROBLEM_CONTENT, "description": "There is no such thing."}
}
NO_ROOM: Final[dict[int | str, dict[str, Any]]] = {
    507: {**PROBLEM_CONTENT, "description": "The disk is nearly full; what can wait is not taken."}
}
TOO_MANY: Final[dict[int | str, dict[str, Any]]] = {
    429: {**PROBLEM_CONTENT, "description": "The account did this too often in the last hour."}
}
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {**PROBLEM_CONTENT, "description": "It does not fit what is there already."}
}
SIGN_IN_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    401: {**PROBLEM_CONTENT, "description": "Not signed in; what is wrong is not said more closely."}
}
"""Refusals of single routes; those that every route may give are in `api.document`."""


def problem(
    status: int,
    detail: str,
    *,
    kind: str = "",
    where: str = "",
    hint: str = "",
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
) -> Response:
    """Make a problem response; `kind` ends the type URI and is taken from the status when empty.

    ``members`` are what this problem has beside those of `Problem` (RFC 9457, 3.2).
    """
    phrase = HTTPStatus(status).phrase
    body = {
        "type": f"/problems/{kind or phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": status,
        "detail": detail,
        "where": where,
        "hint": hint,
        **(members or {}),
    }
    return Response(orjson.dumps(body), status, media_type=MEDIA_TYPE, headers=headers)


def _twin_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TwinError)
    if isinstance(error, NotFoundError) and plain_page.is_for_a_person(request):
        return plain_page.unknown(request.url.path)
    for kind, status, name in STATUS_OF_ERROR:
        if isinstance(error, kind):
            headers = {"Retry-After": "2"} if status == 503 else None
            if isinstance(error, TooManyError | PausedError):
                headers = {"Retry-After": str(error.wait_s)}
            return problem(
                status,
                error.what,
                kind=name,
                where=error.where,
                hint=error.hint,
                headers=headers,
                members=_words(error),
            )
    return problem(500, error.what, kind="internal", where=error.where, hint=error.hint)


def _words(error: TwinError) -> dict[str, Any]:
    if not error.zh:
        return {}
    return {"words": {"zh": error.zh, "en": "; ".join(filter(None, (error.what, error.hint)))}}


def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0] if error.errors() else {}
    place = [str(part) for part in first.get("loc", ())]
    if first.get("type") == "json_invalid":
        return problem(400, f"the body is not JSON: {first.get('ctx', {}).get('error', '')}", where="body")
    return problem(
        422,
        str(first.get("msg", "a value is wrong"))[:300],
        kind="invalid",
        where=".".join(place),
        hint="see the schema at /api/openapi.json",
    )


def no_such_page(request: Request, hint: str = "") -> Response:
    """Answer an address that nothing is at: people with a page, programs with a problem."""
    path = request.url.path
    if plain_page.is_for_a_person(request):
        return plain_page.unknown(path)
    return problem(404, "there is no such page", where=path[:200], hint=hint)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return no_such_page(request)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # Starlette names the methods of the first route of this path only.
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return problem(error.status_code, str(error.detail), where=request.url.path[:200], headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    methods: set[str] = set()
    for route in request.app.state.answering_routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    return sorted(methods)


def is_unreachable(error: BaseException) -> bool:
    """Whether this error means that the database went away, or had no time for us."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError)):
            return True
        code = getattr(error.orig, "sqlstate", None) or ""
        return code[:2] in {"08", "57", "53"}
    return isinstance(
        error,
        OSError
        | PoolTimeoutError
        | asyncio.TimeoutError
        | asyncpg.PostgresConnectionError
        | asyncpg.InterfaceError
        | asyncpg.InternalClientError  # what its pool says of a connection that was cut while idle
        | asyncpg.CannotConnectNowError
        | asyncpg.AdminShutdownError
        | asyncpg.CrashShutdownError
        | asyncpg.QueryCanceledError
        | asyncpg.TooManyConnectionsError,
    )


def database_away(where: str) -> Response:
    """Make the answer of a server whose database is away; `where` is what was asked."""
    return problem(
        503,
        "the database does not answer now",
        kind="unavailable",
        where=where,
        hint="try again; /api/health says which part is down",
        headers={"Retry-After": "2"},
    )


def _database_error(request: Request, error: Exception) -> Response:
    if is_unreachable(error):
        return database_away(request.url.path[:200])
    if isinstance(error, DBAPIError) and str(getattr(error.orig, "sqlstate", "")).startswith("22"):
        # Data exceptions: what only the database can see, for example a zero byte in a text.
        return problem(
            422, "the database cannot take a value of this request", kind="invalid", where="request"
        )
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> Response:
    # As a literal: a path may hold line ends, which would forge lines of the log.
    _log.error("%s %r failed", request.method, request.url.path[:500], exc_info=error)
    return problem(
        500,
        "the server made a mistake",
        kind="internal",
        where=request.url.path[:200],
        hint="the server's log holds the details",
    )


def _gone(_request: Request, _error: Exception) -> Response:
    # Nobody hears it: the sender hung up, or the edge has answered. It is no mistake of the server.
    return problem(400, "the body ended before it was whole", where="body", hint="send it again")


_ANSWERS: Final[tuple[tuple[type[Exception], Callable[[Request, Exception], Response]], ...]] = (
    (TwinError, _twin_error),
    (RequestValidationError, _validation_error),
    (HTTPException, _http_error),
    (ClientDisconnect, _gone),
    (DBAPIError, _database_error),
    (PoolTimeoutError, _database_error),
    (OSError, _database_error),
    (asyncpg.PostgresError, _database_error),
    (asyncpg.InterfaceError, _database_error),
    (Exception, _unexpected),
)
"""How errors are answered; the first row whose class fits decides."""


def answer_to(request: Request, error: Exception) -> Response:
    """Make the answer to a request that ended in an error."""
    return next(answer(request, error) for kind, answer in _ANSWERS if isinstance(error, kind))


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Give the application the handlers of this module, and `routes` for the header ``Allow``."""
    app.state.answering_routes = routes
    for kind, answer in _ANSWERS:
        app.add_exception_handler(kind, answer)
