"""Try a rule on what is stored: chunk by chunk in time order, bounded in time and memory."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.live.board import Board
from twin.live.rooms import Rows
from twin.rules.conditions import Crowd, Learned
from twin.rules.crowd_history import try_crowd
from twin.rules.evaluating import Readings
from twin.rules.rule import WHOLE, Rule, Watched, matching
from twin.rules.trying import Outcome, Trial
from twin.rules.watch import watched_on
from twin.store import pgcopy

LONGEST_DAYS: Final = 31
"""Longest time a rule is tried on."""

_ROWS: Final = 300_000
"""Readings that are read and judged together, about: so many are some 30 MiB."""

_FIRST_US: Final = 600_000_000
_SHORTEST_US: Final = 30_000_000
_LONGEST_US: Final = 7 * 86_400_000_000

_READ: Final = """
    SELECT o.device_id, o.property, (extract(epoch FROM o.phenomenon_time) * 1000000)::int8, o.value,
           coalesce(o.lon, 'NaN'), coalesce(o.lat, 'NaN')
    FROM observation AS o
    WHERE o.device_id = ANY($1::int4[]) AND ($2::int2[] IS NULL OR o.property = ANY($2::int2[]))
        AND o.phenomenon_time >= $3::timestamptz AND o.phenomenon_time < $4::timestamptz
"""
_TYPES: Final = (">i4", ">i2", ">i8", ">f8", ">f8", ">f8")


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a trial, and whether it came to the end.

    Rows of its episodes mean rows of the board, ``rows``, or H3 cells, ``cells``, where a rule of density was
    tried.
    """

    outcome: Outcome
    complete: bool
    rows: Rows
    cells: tuple[int, ...] = ()


async def try_rule(
    connection: AsyncConnection,
    board: Board,
    rule: Rule,
    rows: Rows,
    begin_us: int,
    end_us: int,
    *,
    limit_s: float,
    gone: Callable[[], Awaitable[bool]],
) -> Tried:
    """Say what a rule would have done with the observations that are stored.

    Parameters
    ----------
    connection
        Shows only observations that whoever asks may see.
    rows
        Of the board, shape (n,): the devices that they may see.
    begin_us, end_us
        From when up to when, Unix µs.
    limit_s
        How long it may take. What was covered by then is told.
    gone
        Says whether whoever asked went away; asked between two chunks, and then nothing is judged any more.

    Raises
    ------
    asyncio.CancelledError
        Whoever asked went away.
    """
    if isinstance(rule.condition, Crowd):
        outcome, complete, cells = await try_crowd(
            connection, board, rule, rows, begin_us, end_us, limit_s=limit_s, gone=gone
        )
        return Tried(outcome, complete, rows, cells)
    rows = np.sort(rows[np.isin(rows, matching(rule, watched_on(board))[0])])
    watched = _part(watched_on(board), rows)
    trial = await asyncio.to_thread(Trial, rule, watched, begin_us)
    until, deadline = begin_us, time.monotonic() + limit_s
    if len(rows):
        before_us = begin_us
        if isinstance(rule.condition, Learned):  # it must know what is usual first
            before_us -= int(rule.condition.row().memory_days * 86_400_000_000)
        _, slots = matching(rule, watched)
        chunks = _chunks(connection, watched, np.unique(slots).tolist(), before_us, end_us)
        async for readings, chunk_end in chunks:
            await asyncio.to_thread(trial.take, readings, chunk_end)
            until = max(begin_us, chunk_end)
            if await gone():
                raise asyncio.CancelledError
            if trial.is_full or time.monotonic() > deadline:
                break
    else:
        until = end_us
    outcome = await asyncio.to_thread(trial.outcome, until)
    return Tried(outcome, until >= end_us, rows)


async def _chunks(
    connection: AsyncConnection, watched: Watched, slots: Sequence[int], begin_us: int, end_us: int
) -> AsyncIterator[tuple[Readings, int]]:
    """Read the observations of devices in chunks of about `_ROWS`, each up to a time."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    ids = watched.device_id
    by_id = np.argsort(ids, kind="stable")
    wanted = None if WHOLE in slots else slots
    at, length = begin_us, _FIRST_US
    while at < end_us:
        until = min(at + length, end_us)
        out = io.BytesIO()

        async def keep(data: bytes, out: io.BytesIO = out) -> None:
            out.write(data)

        await driver.copy_from_query(
            _READ, ids.tolist(), wanted, _moment(at), _moment(until), output=keep, format="binary"
        )
        readings = await asyncio.to_thread(_readings, out.getvalue(), ids, by_id)
        yield readings, until
        grown = length * _ROWS // max(1, len(readings))
        length = int(min(max(grown, length // 8, _SHORTEST_US), length * 8, _LONGEST_US))
        at = until


def _readings(content: bytes, ids: NDArray[Any], by_id: NDArray[np.intp]) -> Readings:
    columns: list[Any] = pgcopy.read(content, _TYPES)
    device, slot, time_us, value, lon, lat = columns
    row = by_id[np.searchsorted(ids[by_id], device)].astype(np.int32)
    order = np.lexsort((time_us, slot, row))
    return Readings(
        row[order], slot[order].astype(np.int64), time_us[order], value[order], lon[order], lat[order]
    )


def _part(watched: Watched, rows: Rows) -> Watched:
    """Return some of what there is to watch."""
    return Watched(
        watched.catalog,
        watched.device_id[rows],
        watched.kind[rows],
        watched.scope_code[rows],
        watched.lon[rows],
        watched.lat[rows],
    )


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)
