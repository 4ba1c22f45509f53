"""Tell an absent database from a statement that is wrong."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Connection exceptions, insufficient resources (disk full, out of memory, too many connections), operator
# intervention (shutdown, cannot connect now), system errors, serialisation and deadlock: all pass by.
_PASSING = ("08", "53", "57", "58", "40")

CUT: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says where the connection was cut while a question began
)
"""What a connection of asyncpg that listens raises when it is cut."""


def is_outage(error: BaseException) -> bool:
    """Say whether the same act may succeed later, unchanged."""
    cause = error.__cause__ if isinstance(error, DBAPIError) else error
    if isinstance(cause, ValueError | TypeError) or isinstance(getattr(cause, "__cause__", None), ValueError):
        return False  # a value the driver cannot encode, which it also calls an interface error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return True
        cause = error.__cause__ or error.orig
        state = getattr(cause, "sqlstate", None) or getattr(
            getattr(cause, "__cause__", None), "sqlstate", None
        )
        if state is None and cause is not None and cause is not error:
            return is_outage(cause)
        return str(state or "")[:2] in _PASSING
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] in _PASSING
    return isinstance(
        error,
        OSError
        | asyncpg.InterfaceError
        | asyncpg.InternalClientError
        | PoolTimeoutError
        | asyncio.TimeoutError
        | EOFError,
    )


def is_duplicate(error: BaseException) -> bool:
    """Say whether a unique constraint refused."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None) == "23505"
    return isinstance(error, asyncpg.UniqueViolationError)
