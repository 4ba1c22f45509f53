"""Say every refusal below the GeoReport address in its form, whoever in the house refused."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import MEDIA_TYPE
from api.open311.formats import written
from api.open311.terms import NO_KEY, PREFIX, STATUS

_NO_KEY: Final = (
    "api_key was not provided, or is none that is known here",
    "api_key",
    "send it in the form or the address, or as Authorization: Bearer KEY",
)
_OF_THE_BODY: Final = ("content-length", "content-type")


class ErrorAnswer(BaseModel):
    """Why something was refused."""

    code: int
    description: str


class Refusals:
    """ASGI application around all others: turns a problem (RFC 9457) into a list of code and description.

    It stands outside, since the edge, the routes and the router itself refuse.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        held: Message | None = None
        body = b""

        async def send_in_form(message: Message) -> None:
            nonlocal held, body
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE):
                    held = message
                    return
            elif held is not None and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body", False):
                    return
                start, held = held, None
                form = "xml" if scope["path"].endswith(".xml") else "json"
                answer = refusal(form, orjson.loads(body))
                headers = MutableHeaders(raw=list(start["headers"]))
                for name in _OF_THE_BODY:
                    headers[name] = answer.headers[name]
                await send({**start, "status": answer.status_code, "headers": headers.raw})
                await send({"type": "http.response.body", "body": answer.body})
                return
            await send(message)

        await self._app(scope, receive, send_in_form)


def refusal(form: str, problem: dict[str, Any]) -> Response:
    """Make the answer to a problem: its status as the specification knows it; what, where and what to do."""
    status = STATUS.get(problem["status"], problem["status"])
    parts = problem["detail"] or problem["title"], problem["where"], problem["hint"]
    if problem["status"] == NO_KEY:
        parts = _NO_KEY
    said = " · ".join(part for part in parts if part)
    return written(form, "errors", [{"code": status, "description": said}], status)
