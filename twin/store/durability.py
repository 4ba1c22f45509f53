"""Refuse a database that may lose what it has confirmed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.errors import SetupError

DURABLE: Final = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
}
"""Settings a commit's durability depends on, and the values that keep it."""


def require_durable(name: str, value: str, where: str) -> None:
    """Check one setting.

    Raises
    ------
    SetupError
        What the database has confirmed could be lost.
    """
    if value not in DURABLE[name]:
        raise SetupError(
            f"the database runs with {name} = {value}: what it has confirmed could be lost",
            where=where,
            hint=f"set {name} = on there",
        )


async def require_durable_commits(engine: AsyncEngine) -> None:
    """Check that what this engine's account commits is on disk, whatever was set for it alone.

    Raises
    ------
    SetupError
        It may not be.
    """
    async with engine.connect() as connection:
        for name in DURABLE:
            found = await connection.execute(text("SELECT current_setting(:name)"), {"name": name})
            require_durable(name, str(found.scalar_one()), "the database")
