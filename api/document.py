"""Make the OpenAPI document: what each route asks of its caller and how it may refuse, read off the route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api.access.door import COOKIE
from api.access.permissions import BY_PARTNER, BY_SENDER, Permission, permission_of
from api.connections import TOO_LARGE_HEAD, TOO_LONG_ADDRESS
from api.errors import MEDIA_TYPE, PROBLEM_CONTENT, Problem
from api.open311.refusals import ErrorAnswer
from api.open311.terms import PREFIX as OPEN311
from api.open311.terms import STATUS as OPEN311_STATUS

_SECURITY: Final[dict[str, dict[str, str]]] = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "token": {"type": "http", "scheme": "bearer"},
    "sender": {"type": "http", "scheme": "basic"},
    "signature": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
}
"""A session is a browser's, a token a program's; devices and gateways send theirs with or without a name.

A partner signs what it sends.
"""

_WAYS: Final[dict[Permission, tuple[str, ...]]] = {
    BY_SENDER: ("sender", "token"),
    BY_PARTNER: ("signature",),
}

_RETRY: Final[dict[str, Any]] = {
    "Retry-After": {
        "description": "Seconds after which to come back.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}

_UNREAD: Final = (TOO_LONG_ADDRESS, TOO_LARGE_HEAD)
"""Said before anybody read where a request goes, so in our form everywhere."""

_OPEN311_CONTENT: Final[dict[str, Any]] = {
    "content": {
        "application/json": {
            "schema": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorAnswer"}}
        },
        "text/xml": {"schema": {"type": "string"}},
    }
}
"""How refusals look to apps of residents (`api.open311.refusals`)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that a route may give without having a word about it in its own file."""

    status: int
    description: str
    applies: Callable[[Permission, dict[str, Any]], bool]
    headers: dict[str, Any] | None = None


def _always(_permission: Permission, _operation: dict[str, Any]) -> bool:
    return True


def _has_body(_permission: Permission, operation: dict[str, Any]) -> bool:
    return "requestBody" in operation


def _has_values(_permission: Permission, operation: dict[str, Any]) -> bool:
    return bool(operation.get("parameters")) or "requestBody" in operation


def _asks_or_changes(permission: Permission, operation: dict[str, Any]) -> bool:
    return not permission.public or "requestBody" in operation


def _asks(permission: Permission, _operation: dict[str, Any]) -> bool:
    return not permission.public


REFUSALS: Final[tuple[Refusal, ...]] = (
    Refusal(400, "The body cannot be read.", _has_body),
    Refusal(401, "Nobody is signed in.", _asks),
    Refusal(403, "The caller's roles do not allow it, or the page is of another origin.", _asks_or_changes),
    Refusal(408, "The body did not arrive in time.", _has_body),
    Refusal(413, "The body is larger than the limit.", _has_body),
    Refusal(TOO_LONG_ADDRESS, "The address is longer than 65,535 bytes.", _always),
    Refusal(421, "The server does not go by the name it was called by.", _always),
    Refusal(422, "A value is wrong.", _has_values),
    Refusal(429, "Too many requests.", _always, _RETRY),
    Refusal(TOO_LARGE_HEAD, "The headers are larger than 64 KiB.", _always),
    Refusal(503, "A part that is needed is not there now.", _always, _RETRY),
)
"""What is refused before a route runs, or by what every route is made with; the rest stands at the routes."""


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Let the application answer with the document of these routes; it is made once, when first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app, routes)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI's manual says


def _made(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = made["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    schemas["ErrorAnswer"] = ErrorAnswer.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    made["components"]["securitySchemes"] = _SECURITY
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            permission = permission_of(route)
            assert permission is not None, route.path  # `require_declared` lets no other start
            for method in route.methods or ():
                operation = made["paths"][route.path_format][method.lower()]
                _complete(operation, permission)
                if route.path.startswith(OPEN311):
                    _refuse_as_open311(operation["responses"])
    return made


def _complete(operation: dict[str, Any], permission: Permission) -> None:
    """Write into an operation who may ask and how it may refuse; what the route says itself stays."""
    ways = _WAYS.get(permission, ("session", "token"))
    operation["security"] = [] if permission.public else [{way: []} for way in ways]
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's, in a form that is not ours
    for status, answer in responses.items():
        if status >= "400" and (own := answer.get("content", {}).pop("application/json", None)):
            answer["content"][MEDIA_TYPE] = own  # a problem with members of its own, named by its model
    for refusal in REFUSALS:
        if refusal.applies(permission, operation):
            answer = responses.setdefault(
                str(refusal.status), {**PROBLEM_CONTENT, "description": refusal.description}
            )
            if refusal.headers is not None:
                answer["headers"] = refusal.headers
    operation["responses"] = dict(sorted(responses.items()))


def _refuse_as_open311(responses: dict[str, Any]) -> None:
    """Write the refusals of an operation as `api.open311.refusals` says them."""
    for status in [status for status in responses if int(status) >= 400 and int(status) not in _UNREAD]:
        answer = responses.pop(status)
        known_as = str(OPEN311_STATUS.get(int(status), int(status)))
        responses.setdefault(known_as, {**answer, **_OPEN311_CONTENT})
    responses.setdefault("404", {**_OPEN311_CONTENT, "description": "There is no such thing."})
