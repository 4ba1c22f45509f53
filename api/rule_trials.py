"""Hold the places at which rules are tried on history: few at once, each with a connection of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import numpy as np
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from twin.errors import TooManyError, UnavailableError
from twin.live.board import Board
from twin.rules.history import Tried, try_rule
from twin.rules.rule import Rule
from twin.store.engine import create_async_engine
from twin.store.scoped import set_scope

MOST_AT_ONCE: Final = 2
"""Trials at the same time; of one account there is one."""

LIMIT_S: Final = 25.0
"""Longest time of a trial; what it covered by then is told."""

CHECK: Final = timedelta(hours=24)
"""On how much of the past a rule is tried before it is switched on."""

_STATEMENT_S: Final = 20.0
_TIMED_OUT: Final = "57014"
_WAIT_S: Final = 5


class RuleTrials:
    """Tries rules on what the database holds, as whoever asks sees it.

    Parameters
    ----------
    dsn
        The database, as the role that row-level security holds for.
    board
        The devices there are.
    """

    def __init__(self, dsn: str, board: Board) -> None:
        self._board = board
        self._engine = create_async_engine(
            dsn,
            application_name="gridtwin rule trials",
            pool_size=MOST_AT_ONCE,
            statement_timeout_s=_STATEMENT_S,
        )
        self._under_way: set[UUID] = set()

    async def try_on(
        self, caller: Caller, rule: Rule, begin: datetime, end: datetime, gone: Callable[[], Awaitable[bool]]
    ) -> Tried:
        """Say what a rule would have done in a time, with the devices that the caller sees.

        Raises
        ------
        TooManyError
            A trial of this account is under way, or as many as are made at once.
        UnavailableError
            The database took too long.
        """
        rows = np.flatnonzero(caller.sees(np.arange(self._board.count))).astype(np.int32)
        begin_us, end_us = (round(at.timestamp() * 1e6) for at in (begin, end))
        try:
            async with self._place(caller.identity.account_id) as connection, connection.begin():
                await set_scope(connection, caller.grants)
                return await try_rule(
                    connection, self._board, rule, rows, begin_us, end_us, limit_s=LIMIT_S, gone=gone
                )
        except (DBAPIError, asyncpg.QueryCanceledError) as error:
            if getattr(getattr(error, "orig", error), "sqlstate", "") != _TIMED_OUT:
                raise
            raise UnavailableError(
                "the trial took the database too long",
                where="try",
                hint="try a shorter time or a smaller area, or later",
            ) from error

    async def check(self, caller: Caller, rule: Rule, gone: Callable[[], Awaitable[bool]]) -> Tried:
        """Try a rule on the last `CHECK`, as is done before it is switched on."""
        now = datetime.now(UTC)
        return await self.try_on(caller, rule, now - CHECK, now, gone)

    @contextlib.asynccontextmanager
    async def _place(self, account_id: UUID) -> AsyncIterator[AsyncConnection]:
        if account_id in self._under_way or len(self._under_way) >= MOST_AT_ONCE:
            whose = "of this account" if account_id in self._under_way else "of others"
            raise TooManyError(
                f"a trial {whose} is under way", wait_s=_WAIT_S, where="try", hint="wait until it is done"
            )
        self._under_way.add(account_id)
        try:
            async with self._engine.connect() as connection:
                yield connection
        finally:
            self._under_way.discard(account_id)

    async def close(self) -> None:
        """Close what is left."""
        await self._engine.dispose()
