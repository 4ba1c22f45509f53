"""Hold the places at which exports are made: few at once, each with a connection of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import TooManyError
from twin.store.engine import create_async_engine

MOST_AT_ONCE: Final = 3
"""Exports that are made at the same time; of one account there is one."""

STATEMENT_S: Final = 60.0
"""Longest time a statement of an export may take in the database."""

_WAIT_S: Final = 5


class ExportDesk:
    """Gives each export its connection, or says that there is none now.

    Parameters
    ----------
    dsn
        The database, as the role that row-level security holds for.
    most_rows
        Most rows of one export.
    """

    def __init__(self, dsn: str, most_rows: int) -> None:
        self.most_rows = most_rows
        self._engine = create_async_engine(
            dsn,
            application_name="gridtwin exports",
            pool_size=MOST_AT_ONCE,
            statement_timeout_s=STATEMENT_S,
        )
        self._under_way: set[UUID] = set()

    @contextlib.asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[AsyncConnection]:
        """Give a connection until the export ends; then it is closed, with all it held in the database.

        Raises
        ------
        TooManyError
            An export of this account is under way, or as many as are made at once.
        """
        if account_id in self._under_way:
            raise TooManyError(
                "an export of this account is under way",
                wait_s=_WAIT_S,
                where="exports",
                hint="wait until it is done",
            )
        if len(self._under_way) >= MOST_AT_ONCE:
            raise TooManyError(
                f"{MOST_AT_ONCE} exports are under way, more are not made at once",
                wait_s=_WAIT_S,
                where="exports",
                hint="try again in a minute",
            )
        self._under_way.add(account_id)
        try:
            async with self._engine.connect() as connection:
                try:
                    yield connection
                finally:
                    await connection.invalidate()
        finally:
            self._under_way.discard(account_id)

    async def close(self) -> None:
        """Close what is left."""
        await self._engine.dispose()
