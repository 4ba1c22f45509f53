"""Find out whether a transaction was committed whose answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_NUMBER: Final = text("SELECT CAST(pg_current_xact_id() AS text)")
_STATUS: Final = text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")
_UNHEARD_OF: Final = "22023"
"""What is said of a number of the future: the database is another one, which lost the transaction."""


class LastAnswer:
    """Whether the answer to the last transaction of one writer came, and what to do where it did not.

    What is written twice is not always written once: who raises an alarm and clears it in one transaction
    would raise another one when the connection was cut between the commit and its answer. So who writes notes
    each transaction within it, tells when it was answered, and settles before the next one.
    """

    def __init__(self) -> None:
        self._noted: tuple[str, Callable[[], None]] | None = None

    async def note(self, connection: AsyncConnection, committed: Callable[[], None]) -> None:
        """Note the transaction that a connection is in; ``committed`` is called where its answer is lost."""
        number: str = (await connection.execute(_NUMBER)).scalar_one()
        self._noted = number, committed

    def came(self) -> None:
        """Forget the transaction: it was answered."""
        self._noted = None

    async def settle(self, engine: AsyncEngine) -> None:
        """Find out what became of the last transaction, and call ``committed`` where it was.

        Raises
        ------
        TimeoutError
            It is not over yet: the database has not noticed that nobody waits for it. Try again.
        """
        if self._noted is None:
            return
        number, committed = self._noted
        async with engine.connect() as connection:
            status = await _status_of(connection, number)
        if status == "in progress":
            raise TimeoutError("the last transaction is not over yet")
        self._noted = None
        if status == "committed":
            committed()


async def _status_of(connection: AsyncConnection, number: str) -> str | None:
    try:
        status: str | None = (await connection.execute(_STATUS, {"number": number})).scalar_one()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _UNHEARD_OF:
            raise
        return None
    return status
