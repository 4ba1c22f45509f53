"""Open transactions in which the database itself shows only what a caller may see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.access.grants import NO_GRANTS, Grants

_NAMES = tuple(NO_GRANTS.settings())
_SET_SCOPE = text("SELECT " + ", ".join(f"set_config('gridtwin.{name}', :{name}, true)" for name in _NAMES))


def set_scope_sql(grants: Grants) -> str:
    """Return the statement that does the same without parameters, so that it can ride with another.

    Digits, brackets and words of our own: nothing from outside is in it.
    """
    values = grants.settings().items()
    return "SELECT " + ", ".join(f"set_config('gridtwin.{name}', '{value}', true)" for name, value in values)


async def set_scope(connection: AsyncConnection, grants: Grants) -> None:
    """Let the rest of this transaction see and write what the grants allow."""
    await connection.execute(_SET_SCOPE, grants.settings())


@contextlib.asynccontextmanager
async def scoped(engine: AsyncEngine, grants: Grants) -> AsyncIterator[AsyncConnection]:
    """Open a transaction that sees and writes what the grants allow, and commit it at the end.

    Parameters
    ----------
    engine
        Signed in as a role that row-level security holds for: see `twin.store.roles`.
    grants
        What the caller may do. The settings end with the transaction, so that a connection that goes back
        to its pool carries nothing over; without them the policies show nothing.
    """
    async with engine.begin() as connection:
        await set_scope(connection, grants)
        yield connection
