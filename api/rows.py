"""Read rows of the database as dictionaries, within a time limit."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.errors import UnavailableError

TIMEOUT_S: Final = 8.0
"""Longest time one question of a route may take in the database."""

Row = dict[str, Any]


async def fetch(engine: AsyncEngine, sql: str, /, **parameters: object) -> list[Row]:
    """Return all rows of a query, each a dictionary by column.

    Raises
    ------
    UnavailableError
        The database took longer than `TIMEOUT_S`.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S), engine.connect() as connection:
            result = await connection.execute(text(sql), parameters)
            return [dict(row) for row in result.mappings()]
    except TimeoutError as error:
        raise UnavailableError(
            f"the database took longer than {TIMEOUT_S:.0f} s", hint="ask for less, or try again"
        ) from error


async def fetch_one(engine: AsyncEngine, sql: str, /, **parameters: object) -> Row | None:
    """Return the first row of a query, or None."""
    found = await fetch(engine, sql, **parameters)
    return found[0] if found else None
