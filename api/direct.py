"""Call the routes of devices and gateways without the router, which takes longer than all they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.limits import INGEST
from api.access.permissions import BY_SENDER, permission_of
from api.errors import answer_to

_JSON: Final = (b"content-type", b"application/json")

Answering = Callable[[Scope, Receive, Send], Awaitable[None]]


class DirectRoutes:
    """The routes that only devices and gateways may call.

    Each is called as the router would: with its caller, the request and the parts of its address; what it
    returns is written as JSON, what it raises is answered as everywhere. A request that fits none of them,
    or whose address has a part that a route does not take, is left to the router, which says what is wrong.

    Parameters
    ----------
    routes
        All routes of the server.

    Raises
    ------
    RuntimeError
        One of them asks for more than this module gives; names it.
    """

    def __init__(self, routes: Iterable[object]) -> None:
        self._direct = [
            _DirectRoute(route)
            for route in routes
            if isinstance(route, APIRoute) and permission_of(route) == BY_SENDER
        ]

    def find(self, scope: Scope) -> Answering | None:
        """Return what answers a request, None where that is the router."""
        if scope["path"].startswith(INGEST):
            for route in self._direct:
                answering = route.match(scope)
                if answering is not None:
                    return answering
        return None


class _DirectRoute:
    def __init__(self, route: APIRoute) -> None:
        asks = route.dependant
        unknown = (
            *(asks.query_params, asks.header_params, asks.cookie_params, asks.body_params),
            *(one.path_params or one.dependencies for one in asks.dependencies),
            *(asks.response_param_name or "", asks.background_tasks_param_name or ""),
        )
        if any(unknown) or asks.request_param_name is None or route.status_code not in (None, 200):
            raise RuntimeError(f"{route.path} asks for what is not given past the router")
        self._methods = frozenset(route.methods or ())
        self._path = route.path_regex
        self._parts = [(part.name, part.alias, part) for part in asks.path_params]
        self._request = asks.request_param_name
        self._given = [(str(one.name), one.call) for one in asks.dependencies if one.call is not None]
        self._endpoint: Callable[..., Awaitable[Any]] = route.endpoint

    def match(self, scope: Scope) -> Answering | None:
        if scope["method"] not in self._methods:
            return None
        found = self._path.match(scope["path"])
        if found is None:
            return None
        parts: dict[str, Any] = {}
        for name, alias, part in self._parts:
            parts[name], wrong = part.validate(found[alias])
            if wrong:
                return None

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await self._answer(parts, scope, receive, send)

        return answer

    async def _answer(self, parts: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            for name, give in self._given:
                parts[name] = await give(request)
            parts[self._request] = request
            said = await self._endpoint(**parts)
        except ClientDisconnect:
            return  # gone, or answered by the edge: nobody waits
        except Exception as error:
            said = answer_to(request, error)
        if isinstance(said, Response):
            await said(scope, receive, send)
            return
        body = msgspec.json.encode(said)
        headers = [(b"content-length", b"%d" % len(body)), _JSON]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
