"""Hold back who asks too much: sign-in by address, everything else by account."""

from __future__ import annotations

import math
import time
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import Scope

from api.access.door import address_of
from api.photographs.terms import UPLOAD_PATH, UPLOADS_PER_MINUTE
from ingest.intake import Sender
from twin.access.credentials import Identity

SIGN_INS_PER_MINUTE: Final = 20
"""Tries of one address; an account is closed after five wrong ones whatever the address."""

REQUESTS_PER_MINUTE: Final = 6_000
"""Of one account, one device or one gateway.

A wall that is moved about asks for some tens of tiles a second for moments.
"""

INGEST: Final = "/ingest/"
"""Where devices and gateways bring observations; accounts of people mean nothing there."""
EXPORTS_PER_MINUTE: Final = 30
"""Of one account; each is a file that leaves the system."""

_UNKNOWN_PER_MINUTE: Final = 600
_EXPORT_PATH: Final = "/api/exports/"
_SIGN_IN_PATHS: Final = ("/api/sign-in", "/api/kiosk/enrol", "/api/account/password")


class Limits:
    """Counts of the last minute, in this process."""

    def __init__(self) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._sign_in = RateLimitItemPerMinute(SIGN_INS_PER_MINUTE)
        self._known = RateLimitItemPerMinute(REQUESTS_PER_MINUTE)
        self._export = RateLimitItemPerMinute(EXPORTS_PER_MINUTE)
        self._uploads = RateLimitItemPerMinute(UPLOADS_PER_MINUTE)
        self._unknown = RateLimitItemPerMinute(_UNKNOWN_PER_MINUTE)

    def wait_s(self, scope: Scope, identity: Identity | None, sender: Sender | None = None) -> int | None:
        """Count a request; return after how many seconds to come back when it was too many."""
        if scope["method"] == "POST" and scope["path"].startswith(_SIGN_IN_PATHS):
            return self._taken(self._sign_in, "sign-in", address_of(scope))
        if identity is not None and scope["path"].startswith(_EXPORT_PATH):
            return self._taken(self._export, "export", str(identity.account_id))
        if identity is not None and scope["method"] == "POST" and UPLOAD_PATH.fullmatch(scope["path"]):
            return self._taken(self._uploads, "uploads", str(identity.account_id))
        if identity is not None:
            return self._taken(self._known, "account", str(identity.account_id))
        if sender is not None:
            return self._taken(self._known, "publisher", sender.name)
        if scope["path"].startswith(INGEST):  # many phones come from one address of a mobile network
            return self._taken(self._known, "ingest", address_of(scope))
        return self._taken(self._unknown, "address", address_of(scope))

    def socket_wait_s(self, scope: Scope) -> int | None:
        """Count a socket that says who it is only once it is open."""
        return self._taken(self._unknown, "address", address_of(scope))

    def _taken(self, limit: RateLimitItem, *who: str) -> int | None:
        if self._counter.hit(limit, *who):
            return None
        reset_at = self._counter.get_window_stats(limit, *who).reset_time
        return max(1, math.ceil(reset_at - time.time()))
