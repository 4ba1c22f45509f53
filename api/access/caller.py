"""Give routes their caller: who asks, and questions to the database that show only what they may see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.rows import TIMEOUT_S, Row
from twin.access.credentials import Identity
from twin.access.grants import Grants
from twin.access.record import Actor
from twin.access.roles import DataClass
from twin.access.scope import Scope
from twin.errors import UnavailableError
from twin.store.scoped import scoped

if TYPE_CHECKING:
    from api.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request, with the parts of the server they may ask."""

    identity: Identity
    address: str
    running: Runtime

    @property
    def grants(self) -> Grants:
        """What the caller may read and do."""
        return self.identity.grants

    @property
    def actor(self) -> Actor:
        """The caller as the record of acts names them."""
        return Actor(self.identity.name, self.identity.account_id, self.grants.roles, self.address)

    @property
    def shown_name(self) -> str:
        """What others read of who acted, at most 200 letters."""
        return (self.identity.display_name.strip() or self.identity.name)[:200]

    def scope(self, data: DataClass) -> Scope:
        """Return where the caller reads rows of a class."""
        return self.grants.scope(data)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction in which the database shows and takes only what the caller may.

        Raises
        ------
        UnavailableError
            It took longer than `TIMEOUT_S`.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), scoped(self.running.engine, self.grants) as connection:
                yield connection
        except TimeoutError as error:
            raise UnavailableError(
                f"the database took longer than {TIMEOUT_S:.0f} s", hint="ask for less, or try again"
            ) from error

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        """Return all rows of a query that the caller may see, each a dictionary by column."""
        async with self.transaction() as connection:
            result = await connection.execute(text(sql), parameters)
            return [dict(row) for row in result.mappings()]

    async def fetch_one(self, sql: str, /, **parameters: object) -> Row | None:
        """Return the first row of a query that the caller may see, or None."""
        found = await self.fetch(sql, **parameters)
        return found[0] if found else None

    def sees(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Say for rows of the board, shape (n,), which ones the caller may see."""
        return self.running.twin.board.in_scope(rows, self.grants)
