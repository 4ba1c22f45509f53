"""Stand before the routes: who asks, finished tiles, security headers, the limit of a body."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.door import SAFE_METHODS, Door, is_same_origin
from api.access.limits import INGEST, Limits
from api.access.permissions import IDENTITY_KEY, SENDER_KEY
from api.access.publishers import PublisherDoor
from api.direct import DirectRoutes
from api.errors import database_away, is_unreachable, problem
from api.open311.terms import PREFIX as OPEN311
from api.photographs import terms as photographs
from api.policy import POLICY
from api.residents.link import PREFIX as RESIDENTS
from api.sensorthings.mqtt.terms import PATH as MQTT_PATH
from api.tiles import PREFIX, Tile, TileStore
from twin.access.credentials import Identity
from twin.access.roles import DataClass
from twin.errors import InvalidError, NotFoundError, UnavailableError

SENSORTHINGS: Final = "/sta/"
"""The standard interface, where programs, people, devices and gateways come alike."""

_GUARDED: Final = ("/api/", PREFIX, INGEST, OPEN311, SENSORTHINGS)
"""Paths behind which there is something to see; pages hold nothing, and say so themselves."""

MAX_BODY_BYTES: Final = 1 << 20
"""Most bytes a request may carry, but for photographs: imports are done by the command line."""

BODY_S: Final = 30.0
"""Longest time a request's body may take to arrive, but for photographs."""

SECURITY_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(self)"),
)
_RAW_HEADERS: Final = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS)
_RAW_NOT_STORED: Final = (*_RAW_HEADERS, (b"cache-control", b"no-store"))
_RAW_TILE_HEADERS: Final = tuple(
    (name, value)
    for name, value in _RAW_HEADERS
    if name in {b"x-content-type-options", b"cross-origin-resource-policy"}
)


class Edge:
    """ASGI application around the routes.

    Tiles are answered here, before routing: a route takes more of the processor than a small tile does. An
    address of no tile is left to the route, which says what is wrong with it. So is what devices and gateways
    send (`api.direct`).

    ``hosts`` are the names a request may call this server by; empty allows every name. A server that listens
    on this machine only must not be reached by a page whose name was made to point here (DNS rebinding): to
    the browser that page would be of our own origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        tiles: TileStore,
        door: Door,
        publishers: PublisherDoor,
        hosts: frozenset[str] = frozenset(),
        max_body_bytes: int = MAX_BODY_BYTES,
        routes: Sequence[BaseRoute] = (),
    ) -> None:
        self._app = app
        self._direct = DirectRoutes(routes)
        self._tiles = tiles
        self._door = door
        self._publishers = publishers
        self._limits = Limits()
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._hosts and scope["type"] in {"http", "websocket"}:
            name = _host(scope)
            if name and name not in self._hosts:
                await self._misdirected(name, scope, receive, send)
                return
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith(RESIDENTS):
            # The link is the key: no cookie opens it, so that the page of another origin can do no harm.
            wait_s = self._limits.resident_wait_s(scope)
            if wait_s is not None:
                await self._answered(_too_many(scope, wait_s), scope, receive, send)
                return
        if not path.startswith(_GUARDED):
            await self._checked(scope, receive, send)
            return
        refusal = await self._admitted(scope)
        if refusal is not None:
            await self._answered(refusal, scope, receive, send)
            return
        identity: Identity | None = scope[IDENTITY_KEY]
        if path.startswith(PREFIX) and scope["method"] == "GET" and identity is not None:
            try:
                tile = await self._tiles.get(path, identity.grants.scope(DataClass.PLACE))
            except UnavailableError as error:
                await _no_tile_now(error)(scope, receive, send)
                return
            except (InvalidError, NotFoundError):
                pass
            else:
                await send_tile(tile, scope, send)
                return
        await self._checked(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Response | None:
        """Find out who asks; give the answer of one who is not let in."""
        if scope["method"] not in SAFE_METHODS and not is_same_origin(scope):
            return problem(
                403,
                "this request comes from a page of another origin",
                kind="forbidden",
                where="Origin",
                hint="use the pages of this server, or a token",
            )
        identity = sender = None
        try:
            if scope["path"].startswith(INGEST):
                sender = await self._publishers.identify(scope)
            elif scope["path"].startswith(SENSORTHINGS):
                identity = await self._door.identify(scope, basic=True)
                if identity is None:
                    sender = await self._publishers.identify(scope)
            else:
                identity = await self._door.identify(scope)
        except Exception as error:
            if not is_unreachable(error):
                raise
            return database_away("sign-in")
        scope[IDENTITY_KEY], scope[SENDER_KEY] = identity, sender
        wait_s = self._limits.wait_s(scope, identity, sender)
        if wait_s is None:
            return None
        return _too_many(scope, wait_s)

    async def _answered(self, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            _harden(message, stored=False)
            await send(message)

        await answer(scope, receive, with_headers)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a live socket in that comes from a page of ours, with a ticket or a token."""
        identity = None
        if scope["path"] == MQTT_PATH and is_same_origin(scope):
            if self._limits.socket_wait_s(scope) is None:
                await self._app(scope, receive, send)  # its first packet says who it is
                return
        elif is_same_origin(scope):
            try:
                identity = await self._door.open_socket(scope)
            except Exception as error:
                if not is_unreachable(error):
                    raise
                await receive()
                await send({"type": "websocket.close", "code": 1013})
                return
        if identity is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accept: answered 403
            return
        scope[IDENTITY_KEY] = identity
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def send_with_headers(message: Message) -> None:
            if answered:
                return
            _harden(message, stored=not scope["path"].startswith(("/api/", OPEN311, SENSORTHINGS, RESIDENTS)))
            await send(message)

        most_bytes, most_s = self._body_bounds(scope)
        if _content_length(scope) > most_bytes:
            await self._too_large(most_bytes, scope, receive, send_with_headers)
            return
        read = 0
        whole = False
        deadline = asyncio.get_running_loop().time() + most_s

        async def receive_bounded() -> Message:
            nonlocal read, answered, whole
            try:
                # Once the body is whole, the next message is the end of the connection, whenever that is.
                async with asyncio.timeout_at(None if whole else deadline):
                    message = await receive()
            except TimeoutError:
                await self._too_slow(most_s, scope, receive, send_with_headers)
                answered = True
                return {"type": "http.disconnect"}
            if message["type"] == "http.request":
                whole = not message.get("more_body", False)
                read += len(message.get("body", b""))
                if read > most_bytes:
                    # Answered here: the routes would turn the broken read into an error of their own.
                    await self._too_large(most_bytes, scope, receive, send_with_headers)
                    answered = True
                    return {"type": "http.disconnect"}
            return message

        app = self._direct.find(scope) or self._app
        await app(scope, receive_bounded, send_with_headers)

    async def _misdirected(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before accept: answered 403
            return
        answer = problem(
            421,
            f"this server does not go by the name {name[:100]!r}",
            where="Host",
            hint="open it by http://127.0.0.1 or localhost, or name it in GRIDTWIN_ALLOWED_HOSTS",
        )
        await answer(scope, receive, send)

    def _body_bounds(self, scope: Scope) -> tuple[int, float]:
        """Return how many bytes a request's body may have and how many seconds it may take."""
        if scope["method"] == "POST" and photographs.UPLOAD_PATH.fullmatch(scope["path"]):
            return photographs.MAX_BODY_BYTES, photographs.BODY_S
        return self._max_body_bytes, BODY_S

    async def _too_slow(self, most_s: float, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(
            408,
            f"the body did not arrive within {most_s:g} s",
            where=scope["path"][:200],
            hint="send it again",
            headers={"connection": "close"},
        )
        await answer(scope, receive, send)

    async def _too_large(self, most_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(
            413,
            f"the body is larger than {most_bytes} bytes",
            where=scope["path"][:200],
            hint="files are imported with `gridtwin import`, photographs are sent smaller · 照片请压缩后上传",
            headers={"connection": "close"},
        )
        await answer(scope, receive, send)


def _harden(message: Message, *, stored: bool) -> None:
    """Give an answer the security headers that it does not bring itself."""
    if message["type"] == "http.response.start":
        headers = message["headers"]
        brought = {name for name, _ in headers}
        ours = _RAW_HEADERS if stored else _RAW_NOT_STORED
        message["headers"] = [*headers, *(pair for pair in ours if pair[0] not in brought)]


def _too_many(scope: Scope, wait_s: int) -> Response:
    return problem(
        429,
        "too many requests · 请求过于频繁",
        where=scope["path"][:200],
        hint=f"wait {wait_s} s · 请 {wait_s} 秒后再试",
        headers={"Retry-After": str(wait_s)},
    )


def _no_tile_now(error: UnavailableError) -> Response:
    # Answered here: the route would ask the database once more, and wait once more.
    headers = {"Retry-After": "2", **dict(SECURITY_HEADERS)}
    return problem(503, error.what, kind="unavailable", where=error.where, hint=error.hint, headers=headers)


def _host(scope: Scope) -> str:
    """Return the name a request calls us by, without the port; empty where it names none."""
    for name, value in scope["headers"]:
        if name == b"host":
            text: str = value.decode("latin-1").strip().lower()
            if text.startswith("["):
                return text[1:].partition("]")[0]
            return text.rpartition(":")[0] if text.count(":") == 1 else text
    return ""


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def send_tile(tile: Tile, scope: Scope, send: Send) -> None:
    """Answer with a finished tile, or 304 when the asker has it."""
    wanted = b""
    takes_gzip = False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            wanted = value
        elif name == b"accept-encoding":
            takes_gzip = b"gzip" in value
    if wanted and (wanted == b"*" or tile.etag in wanted):
        headers = [*tile.headers_304, *_RAW_TILE_HEADERS]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    body = tile.body
    headers = [*tile.headers, *_RAW_TILE_HEADERS]
    if not takes_gzip:
        body = gzip.decompress(body)
        headers = [pair for pair in headers if pair[0] not in {b"content-encoding", b"content-length"}]
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
