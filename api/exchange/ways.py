"""Say how a partner is told of an event: by a signed message, or as a request of Open311."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from api.exchange.posting import Line
from twin.access.sealing import Sealer
from twin.exchange import signing, telling
from twin.exchange.owing import Failed
from twin.exchange.partners import Partner
from twin.exchange.telling import Owed

Database = Callable[[], contextlib.AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction of the server's own hand; held for a statement, never while a partner is asked."""

JSON: Final = {"content-type": "application/json"}


class Way(Protocol):
    """How one partner is told, and asked."""

    @property
    def look_s(self) -> float:
        """How often to look whether there is something to ask."""

    async def tell(self, owed: Owed) -> Failed | None:
        """Tell the partner of an event; None where it took it, or it is not for it."""

    async def try_out(self) -> Failed | None:
        """Try whether the partner is there, without telling it of a case."""

    async def look(self) -> None:
        """Ask the partner what became of what it was told, where it is time to."""


class Webhook:
    """Signed messages, each with the id of its event; errors of the secret as of `Sealer.open`."""

    look_s = 3_600.0

    def __init__(self, partner: Partner, line: Line, sealer: Sealer) -> None:
        self._partner = partner
        self._line = line
        self._secret = partner.secret(sealer)

    async def tell(self, owed: Owed) -> Failed | None:
        """Send a message."""
        return await self.post(telling.message_id(self._partner.id, owed.seq), telling.event_body(owed))

    async def try_out(self) -> Failed | None:
        """Send a message that is about no case."""
        now = datetime.now(UTC)
        return await self.post(f"test_{now:%Y%m%dT%H%M%S%f}", telling.test_body(now))

    async def post(self, message_id: str, body: bytes) -> Failed | None:
        """Send a message, signed at this moment."""
        signed = signing.headers(self._secret, message_id, int(time.time()), body)
        answered = await self._line.ask("POST", self._partner.address, JSON | signed, body)
        return answered if isinstance(answered, Failed) else None

    async def look(self) -> None:
        """Do nothing: who is told by messages tells by messages."""
