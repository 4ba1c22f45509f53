"""Tell which device or gateway sends a request, by the secret it also signs in to the broker with."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Scope

from api.access.door import basic_of, secrets_of
from ingest.intake import Sender
from ingest.transports.accounts import user_name

REMEMBERED_S: Final = 10.0
"""A sender is asked for anew this often even where no notice of a change came."""

_MOST_REMEMBERED: Final = 100_000
_FIND: Final = text(
    "SELECT p.name, p.kind, p.low, p.high, s.slot FROM publisher_secret AS s "
    "JOIN publisher AS p ON p.name = s.publisher "
    "WHERE s.secret_hash = :hash AND p.disabled_at IS NULL AND (s.valid_to IS NULL OR s.valid_to > now())"
)


class PublisherDoor:
    """Knows who holds which secret of a publisher; forgets all with the first notice of a change.

    Parameters
    ----------
    engine
        Signed in as the role that sees accounts.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._known: OrderedDict[tuple[str, bytes], tuple[Sender | None, float]] = OrderedDict()

    async def identify(self, scope: Scope) -> Sender | None:
        """Return who sent a request, by ``Authorization: Basic`` (user name and secret) or ``Bearer``."""
        user, secret = _given(scope)
        return await self.find(secret, user) if secret else None

    async def find(self, secret: str, user: str = "") -> Sender | None:
        """Return who holds a secret; a user name that comes with it must be theirs."""
        digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
        key = (user, digest)
        kept = self._known.get(key)
        now = time.monotonic()
        if kept is not None and kept[1] > now:
            return kept[0]
        async with self.engine.connect() as connection:
            row = (await connection.execute(_FIND, {"hash": digest})).first()
        sender = None
        if row is not None and user in ("", row.name, user_name(row.name, row.slot)):
            sender = Sender(row.name, row.kind, row.low, row.high)
        self._known[key] = sender, now + REMEMBERED_S
        self._known.move_to_end(key)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return sender

    async def forget(self) -> None:
        """Forget everything: an account or a secret changed."""
        self._known.clear()


def _given(scope: Scope) -> tuple[str, str]:
    """Return user name and secret of a request, "" for what it does not hold."""
    token, _ = secrets_of(scope)
    return ("", token) if token is not None else basic_of(scope)
