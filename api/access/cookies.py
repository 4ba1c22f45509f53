"""Hand sessions to browsers, and take them back."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.access.door import COOKIE, SECURE_COOKIE, is_secure


def give_cookie(request: HTTPConnection, response: Response, secret: str, expires_at: datetime) -> None:
    """Let the browser hold a secret that its scripts cannot read and other sites cannot send."""
    secure = is_secure(request.scope)
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        secret,
        expires=expires_at,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def take_cookies(response: Response) -> None:
    """Let the browser forget its secrets."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    response.delete_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
