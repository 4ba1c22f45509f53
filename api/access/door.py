"""Tell who sends a request, from its cookie or its token, without asking the database each time."""

from __future__ import annotations

import base64
import binascii
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Scope

from api.open311.terms import key_in_query
from twin.access import credentials
from twin.access.credentials import CredentialKind, Identity

COOKIE: Final = "gridtwin_session"
SECURE_COOKIE: Final = "__Host-gridtwin_session"
"""Where the page came by https; browsers take it only so."""

REMEMBERED_S: Final = 10.0
"""An identity is asked for anew this often even where no notice of a change came."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_BY_ITSELF: Final = frozenset({"/api/live/ticket"})
"""What a page asks for without a person, though it is no plain read."""

_MOST_REMEMBERED: Final = 20_000
_LONGEST_SECRET: Final = 200
_LONGEST_BASIC: Final = 400
_BROWSER_KINDS: Final = (CredentialKind.SESSION, CredentialKind.KIOSK)


class Door:
    """Knows who holds which secret; what it remembers is forgotten with the first notice of a change.

    Parameters
    ----------
    engine
        Signed in as the role that sees accounts.
    idle
        After how long in which no person did anything a session is over.
    """

    def __init__(self, engine: AsyncEngine, idle: timedelta = credentials.IDLE) -> None:
        self.engine = engine
        self.idle = idle
        self._known: OrderedDict[bytes, tuple[Identity | None, float]] = OrderedDict()
        self._of_account: dict[UUID, set[bytes]] = {}

    async def identify(self, scope: Scope, *, basic: bool = False) -> Identity | None:
        """Return who sent a request; None when nobody is signed in.

        A token is looked at first: a program that sends one means it, whatever cookie rides along. Apps of
        residents name theirs in the address.

        Parameters
        ----------
        basic
            Take ``Authorization: Basic`` too, with the name of a program's account and its token: for paths
            whose clients speak nothing else. A password of a person is never taken so.
        """
        token, cookie = secrets_of(scope)
        token = token or key_in_query(scope)
        if basic:
            name, secret = basic_of(scope)
            if secret:
                identity = await self._identity(secret[:_LONGEST_SECRET], (CredentialKind.TOKEN,))
                return identity if identity is not None and identity.name == name else None
        if token is not None:
            return await self._identity(token, (CredentialKind.TOKEN,))
        if cookie is None:
            return None
        return await self._identity(cookie, _BROWSER_KINDS, by_person=is_act(scope))

    async def find(self, token: str) -> Identity | None:
        """Return whose token this is; None where it is nobody's."""
        return await self._identity(token[:_LONGEST_SECRET], (CredentialKind.TOKEN,))

    async def _identity(
        self, secret: str, kinds: tuple[CredentialKind, ...], *, by_person: bool = False
    ) -> Identity | None:
        key = credentials.digest(secret) + kinds[0].value.encode()
        kept = self._known.get(key)
        now = time.monotonic()
        if kept is not None and kept[1] > now and _holds(kept[0], by_person):
            return kept[0]
        async with self.engine.begin() as connection:
            identity = await credentials.find_identity(
                connection, secret, *kinds, by_person=by_person, idle=self.idle
            )
        self._remember(key, identity, now)
        return identity

    async def open_socket(self, scope: Scope) -> Identity | None:
        """Return who opens a live socket: by a ticket, which is spent, or by a token; never by a cookie.

        A browser sends the cookie with every socket any page opens; a ticket only our pages can fetch.
        """
        token, _ = secrets_of(scope)
        if token is not None:
            return await self._identity(token, (CredentialKind.TOKEN,))
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
        given = query.get("ticket", [""])[0][:_LONGEST_SECRET]
        if not given:
            return None
        async with self.engine.begin() as connection:
            return await credentials.consume(connection, given, CredentialKind.TICKET, self.idle)

    def _remember(self, key: bytes, identity: Identity | None, now: float) -> None:
        self._known[key] = identity, now + REMEMBERED_S
        self._known.move_to_end(key)
        if identity is not None:
            self._of_account.setdefault(identity.account_id, set()).add(key)
        while len(self._known) > _MOST_REMEMBERED:
            old, (gone, _) = self._known.popitem(last=False)
            if gone is not None:
                self._of_account.get(gone.account_id, set()).discard(old)

    def forget(self, account_id: UUID) -> None:
        """Forget what is known of an account: its rights or secrets changed."""
        for key in self._of_account.pop(account_id, ()):
            self._known.pop(key, None)

    def forget_all(self) -> None:
        """Forget everything, for when notices may have been missed."""
        self._known.clear()
        self._of_account.clear()


def _holds(identity: Identity | None, by_person: bool) -> bool:
    """Say whether what is remembered of somebody will do: it is not over, and an act need not be told on."""
    if identity is None:
        return True
    if by_person and identity.kind is CredentialKind.SESSION:
        return False
    return identity.ends_at > datetime.now(UTC)


def is_act(scope: Scope) -> bool:
    """Say whether a request of a page shows that a person did something; that keeps a session.

    What only reads does not: a page that nobody sits at reads on and on. A page whose person only looks and
    moves about says so itself (`POST /api/account/active`).
    """
    return scope["method"] not in SAFE_METHODS and scope["path"] not in _BY_ITSELF


def secrets_of(scope: Scope) -> tuple[str | None, str | None]:
    """Return the bearer token and the session cookie of a request, each None where there is none."""
    token = cookie = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, given = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                token = given.strip()[:_LONGEST_SECRET]
        elif name == b"cookie":
            cookie = _session_cookie(value.decode("latin-1")) or cookie
    return token, cookie


def basic_of(scope: Scope) -> tuple[str, str]:
    """Return user name and secret of ``Authorization: Basic``, "" for what it does not hold."""
    for header, value in scope["headers"]:
        if header == b"authorization":
            scheme, _, given = value.decode("latin-1").partition(" ")
            if scheme.lower() != "basic":
                break
            try:
                user, _, secret = (
                    base64.b64decode(given.strip()[:_LONGEST_BASIC], validate=True)
                    .decode("utf-8")
                    .partition(":")
                )
            except (binascii.Error, UnicodeDecodeError):
                break
            return user, secret
    return "", ""


def _session_cookie(header: str) -> str | None:
    if COOKIE not in header:
        return None
    try:
        jar = SimpleCookie(header)
    except CookieError:
        return None
    for name in (SECURE_COOKIE, COOKIE):
        if name in jar:
            return jar[name].value[:_LONGEST_SECRET]
    return None


def is_same_origin(scope: Scope) -> bool:
    """Say whether a request may have come from a page of ours; programs that are no browsers may always.

    A browser names the page's origin with everything that is not a plain read.
    """
    origin = host = site = ""
    for name, value in scope["headers"]:
        if name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"host":
            host = value.decode("latin-1")
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1")
    if site and site not in {"same-origin", "none"}:
        return False
    if not origin:
        return True
    scheme, _, named = origin.lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    return default is not None and named in {host.lower(), host.lower().removesuffix(default)}


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the server's own socket sees it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_secure(scope: Scope) -> bool:
    """Say whether the browser came by https."""
    return scope.get("scheme") in {"https", "wss"}
