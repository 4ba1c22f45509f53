"""Do one asynchronous piece of work in an installation's database, as its owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from api.cli.answering import say

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from api.settings import Settings

T = TypeVar("T")


def in_transaction(settings: Settings, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Join the running database, or start the private one for the moment; do the work and commit.

    Raises
    ------
    NotFoundError
        There is no installation; none is made.
    TwinError
        The database cannot be reached, or the work fails: then nothing of it is kept.
    """

    async def whole(engine: AsyncEngine) -> T:
        async with engine.begin() as connection:
            return await work(connection)

    return with_engine(settings, whole)


def with_engine(settings: Settings, work: Callable[[AsyncEngine], Awaitable[T]], connections: int = 1) -> T:
    """Join the running database, or start the private one for the moment; do work of many transactions.

    Raises
    ------
    NotFoundError
        There is no installation; none is made.
    TwinError
        The database cannot be reached, or the work fails.
    """
    import asyncio  # noqa: PLC0415 (loaded only by the commands that need it)

    from api.database import opened_database  # noqa: PLC0415
    from twin.store.engine import create_async_engine  # noqa: PLC0415

    async def go(url: str) -> T:
        engine = create_async_engine(url, application_name="gridtwin command", pool_size=connections)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    with opened_database(settings, say, create=False) as engine:
        return asyncio.run(go(engine.url.render_as_string(hide_password=False)))
