"""Hold back who asks too much: sign-in by address, everything else by account."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final

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

RESIDENTS_PER_MINUTE: Final = 120
"""Pages of residents that one address asks for; a mobile network stands behind one."""

_UNKNOWN_PER_MINUTE: Final = 600
_EXPORT_PATH: Final = "/api/exports/"
_SIGN_IN_PATHS: Final = ("/api/sign-in", "/api/kiosk/enrol", "/api/account/password")
_WINDOW_S: Final = 60.0


class Windows:
    """Counts of this minute and of the one before, which counts as far as it reaches into the last 60 s.

    Who is in neither takes no memory.

    Parameters
    ----------
    clock
        Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._number = 0
        self._counts: dict[Hashable, int] = {}
        self._before: dict[Hashable, int] = {}

    def take(self, what: str, most: int, who: Hashable) -> int | None:
        """Count what somebody does; return after how many seconds to come back where it was too much.

        Parameters
        ----------
        most
            How often somebody may do it within 60 s.
        """
        at = self._clock() / _WINDOW_S
        number = int(at)
        if number != self._number:
            self._before = self._counts if number == self._number + 1 else {}
            self._counts, self._number = {}, number
        key, left = (what, who), number + 1 - at
        done, before = self._counts.get(key, 0), self._before.get(key, 0)
        if done + before * left < most:
            self._counts[key] = done + 1
            return None
        # As soon as enough of the minute before has passed, or all of this one.
        wait = left - (most - done) / before if done < most else left
        return int(wait * _WINDOW_S) + 1


class Limits:
    """Counts of the last minute, in this process."""

    def __init__(self) -> None:
        self._windows = Windows()

    def wait_s(self, scope: Scope, identity: Identity | None, sender: Sender | None = None) -> int | None:
        """Count a request; return after how many seconds to come back when it was too many."""
        take = self._windows.take
        if sender is not None:
            return take("publisher", REQUESTS_PER_MINUTE, sender.name)
        path, is_post = scope["path"], scope["method"] == "POST"
        if is_post and path.startswith(_SIGN_IN_PATHS):
            return take("sign-in", SIGN_INS_PER_MINUTE, address_of(scope))
        if identity is not None and path.startswith(_EXPORT_PATH):
            return take("export", EXPORTS_PER_MINUTE, identity.account_id)
        if identity is not None and is_post and UPLOAD_PATH.fullmatch(path):
            return take("upload", UPLOADS_PER_MINUTE, identity.account_id)
        if identity is not None:
            return take("account", REQUESTS_PER_MINUTE, identity.account_id)
        if path.startswith(INGEST):  # many phones come from one address of a mobile network
            return take("ingest", REQUESTS_PER_MINUTE, address_of(scope))
        return take("address", _UNKNOWN_PER_MINUTE, address_of(scope))

    def resident_wait_s(self, scope: Scope) -> int | None:
        """Count a request for the page of a resident, where nobody is signed in."""
        return self._windows.take("resident", RESIDENTS_PER_MINUTE, address_of(scope))

    def socket_wait_s(self, scope: Scope) -> int | None:
        """Count a socket that says who it is only once it is open."""
        return self._windows.take("address", _UNKNOWN_PER_MINUTE, address_of(scope))
