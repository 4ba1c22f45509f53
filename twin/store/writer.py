"""Write observations, the present state and alarms of one commit, in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.errors import UnavailableError
from twin.live.board import Board, Newest
from twin.live.fold import Folded, Observations
from twin.store import pgcopy
from twin.store.outage import is_duplicate, is_outage

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OBSERVATION = ("device_id", "property", "phenomenon_time", "received_at", "value", "lon", "lat")
_STATE = ("device_id", "property", "phenomenon_time", "received_at", "value", "state", "lon", "lat")

# Where there are many rows, the stage tables hold those that are late or double, and the changed states.
_STAGES = """
CREATE TEMP TABLE IF NOT EXISTS stage_observation (
    device_id int4, property int2, phenomenon_time timestamptz, received_at timestamptz,
    value float8, lon float8, lat float8) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS stage_state (
    device_id int4, property int2, phenomenon_time timestamptz, received_at timestamptz,
    value float8, state int2, lon float8, lat float8) ON COMMIT DELETE ROWS;
SET synchronous_commit = on;
"""
_INSERT = """
INSERT INTO observation (device_id, property, phenomenon_time, received_at, value, lon, lat)
SELECT device_id, property, phenomenon_time, received_at, value, lon, lat FROM {source}
ON CONFLICT DO NOTHING
RETURNING device_id, property, (extract(epoch FROM phenomenon_time) * 1000000)::int8 AS time_us
"""
_UPSERT = """
INSERT INTO device_state AS old (device_id, property, phenomenon_time, received_at, value, state, lon, lat)
SELECT device_id, property, phenomenon_time, received_at, value, state, lon, lat FROM {source}
ON CONFLICT (device_id, property) DO UPDATE
SET phenomenon_time = excluded.phenomenon_time, received_at = excluded.received_at, value = excluded.value,
    state = excluded.state, lon = coalesce(excluded.lon, old.lon), lat = coalesce(excluded.lat, old.lat)
WHERE old.phenomenon_time < excluded.phenomenon_time
"""
_GIVEN = """(
    SELECT device_id, property, value, {state} nullif(lon, 'NaN') AS lon, nullif(lat, 'NaN') AS lat,
        timestamptz 'epoch' + time_us * interval '1 microsecond' AS phenomenon_time,
        timestamptz 'epoch' + received_us * interval '1 microsecond' AS received_at
    FROM unnest({arrays}) AS given (device_id, property, time_us, received_us, value, {state} lon, lat)
) AS rows"""
_TAKE_OVER = _INSERT.format(source="stage_observation")
_UPSERT_STAGED = _UPSERT.format(source="stage_state")
_TYPES: Final = ("int4", "int2", "int8", "int8", "float8", "float8", "float8")


def _given(first: int, state: str = "") -> str:
    """Return the source of rows that are arrays, the parameters of a statement from the ``first`` on."""
    types = (*_TYPES[:5], "int2", *_TYPES[5:]) if state else _TYPES
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, first))
    return _GIVEN.format(state=state, arrays=arrays)


_WRITE_FEW: Final = f"""
WITH added AS ({_INSERT.format(source=_given(1))}), shown AS ({_UPSERT.format(source=_given(8, "state,"))})
SELECT device_id, property, time_us FROM added
"""
_UPSERT_FEW: Final = _UPSERT.format(source=_given(1, "state,"))
_FEW: Final = 64
"""Up to so many rows one statement, a transaction of its own, takes less than COPY does, with its four."""
_FEW_STATES: Final = 64
"""Up to so many changed states are the parameters of a statement, without a stage table."""

INSERT_DETAIL: Final = """
    INSERT INTO observation_detail (device_id, property, phenomenon_time, phenomenon_end, result_time,
        valid_from, valid_to, result, result_quality, parameters, feature_id)
    VALUES (:device_id, :property, :phenomenon_time, :phenomenon_end, :result_time, :valid_from, :valid_to,
        CAST(:result AS jsonb), CAST(:result_quality AS jsonb), CAST(:parameters AS jsonb), :feature_id)
    ON CONFLICT DO NOTHING
"""
"""Keep what an observation says beside its number: the fields of a `Detail`, and what it belongs to."""

Extra = Callable[[AsyncConnection], Awaitable[None]]
"""What else belongs to the transaction: alarms and their journal rows."""


@dataclass(slots=True)
class Written:
    """What became of n observations: those that were new to the store, shape (n,)."""

    stored: NDArray[np.bool_]


class ObservationWriter:
    """Own one connection to the database and write one commit at a time over it."""

    def __init__(self, engine: AsyncEngine, *, commit_timeout_s: float = 30.0) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self._days: set[int] = set()
        self._commit_timeout_s = commit_timeout_s

    async def write(self, board: Board, seen: Observations, folded: Folded, extra: Extra | None) -> Written:
        """Write one commit; when this returns, it is on disk.

        Raises
        ------
        UnavailableError
            The database is away; nothing is known to be stored, and the same commit may be tried again:
            what had been stored after all is then found as duplicate.
        """
        try:
            async with asyncio.timeout(self._commit_timeout_s):
                try:
                    return await self._write(board, seen, folded, extra, folded.in_order)
                except Exception as error:
                    if not is_duplicate(error):
                        raise
                    # Something newer than the board is in the store already: look at every row.
                    await self.close()
                    return await self._write(board, seen, folded, extra, np.zeros_like(folded.in_order))
        except BaseException as error:
            await self.close()
            if is_outage(error):
                raise UnavailableError(
                    "the database does not answer", where="observations", hint="it is tried again"
                ) from error
            raise

    async def close(self) -> None:
        """Drop the connection; the next commit opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.invalidate(), 2.0)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), 2.0)

    async def ensure_days(self, days: set[int]) -> None:
        """Make the partitions of days, counted since 1970-01-01 UTC, in a transaction of their own."""
        missing = days - self._days
        if not missing:
            return
        connection = await self._connected()
        async with connection.begin():
            for day in sorted(missing):
                await connection.execute(
                    text("SELECT ensure_observation_partition(:day)"),
                    {"day": date(1970, 1, 1) + timedelta(days=day)},
                )
        self._days |= missing

    async def ensure_coming_days(self) -> None:
        """Make the partitions of yesterday, today and tomorrow, so that no commit has to wait for it."""
        today = int(datetime.now(UTC).timestamp() // 86_400)
        try:
            await self.ensure_days({today - 1, today, today + 1})
        except BaseException:
            await self.close()
            raise

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect()
            raw = await self._connection.get_raw_connection()
            self._driver = raw.driver_connection
            await self._driver.execute(_STAGES)
        return self._connection

    async def _write(
        self,
        board: Board,
        seen: Observations,
        folded: Folded,
        extra: Extra | None,
        straight: NDArray[np.bool_],
    ) -> Written:
        await self.ensure_days(set(np.unique(seen.time_us // _DAY_US).tolist()))
        connection = await self._connected()
        plain = seen.detail is None and extra is None
        if plain and len(seen.row) <= _FEW:
            arrays = *_arrays_of_seen(board, seen), *_arrays_of_newest(board, folded.newest)
            inserted = await self._driver.fetch(_WRITE_FEW, *arrays)
            every = np.ones(len(seen.row), np.bool_)
            return Written(every if len(inserted) == len(every) else _found(board, seen, every, inserted))
        stored = straight.copy()
        driver = self._driver
        async with driver.transaction() if plain else connection.begin():
            if not plain:
                # SQLAlchemy begins with its first statement; what goes past it to the driver must come after.
                await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            if straight.any():
                await _copy(driver, "observation", _OBSERVATION, _observations(board, seen, straight))
            if not straight.all():
                late = ~straight
                await _copy(driver, "stage_observation", _OBSERVATION, _observations(board, seen, late))
                stored |= _found(board, seen, late, await driver.fetch(_TAKE_OVER))
            if len(folded.newest.row) <= _FEW_STATES:
                await driver.execute(_UPSERT_FEW, *_arrays_of_newest(board, folded.newest))
            else:
                await _copy(driver, "stage_state", _STATE, _states(board, folded.newest))
                await driver.execute(_UPSERT_STAGED)
            details = _details(board, seen, stored)
            if details:
                await connection.execute(text(INSERT_DETAIL), details)
            if extra is not None:
                await extra(connection)  # nosec B610  # no Django here
        return Written(stored)


async def _copy(driver: Any, table: str, columns: tuple[str, ...], content: bytes) -> None:
    # asyncpg takes bytes for the name of a file, and a memoryview for the content.
    await driver.copy_to_table(table, source=memoryview(content), columns=columns, format="binary")


def _arrays_of_seen(board: Board, seen: Observations) -> list[list[Any]]:
    """Return observations as the first arrays that `_WRITE_FEW` takes."""
    columns: list[NDArray[Any]] = [
        *(board.device_id[seen.row], seen.slot, seen.time_us, seen.received_us, seen.value),
        *(seen.lon, seen.lat),
    ]
    return [column.tolist() for column in columns]


def _arrays_of_newest(board: Board, newest: Newest) -> list[list[Any]]:
    """Return states as the arrays that `_UPSERT_FEW` takes."""
    columns: list[NDArray[Any]] = [
        *(board.device_id[newest.row], newest.slot, newest.time_us, newest.received_us, newest.value),
        *(newest.state, newest.lon, newest.lat),
    ]
    return [column.tolist() for column in columns]


def _observations(board: Board, seen: Observations, which: NDArray[np.bool_]) -> bytes:
    going = ~np.isnan(seen.lon)
    parts = []
    for moves in (False, True):
        at = np.flatnonzero(which & (going == moves))
        if len(at):
            columns: list[pgcopy.Column] = [
                (">i4", board.device_id[seen.row[at]]),
                (">i2", seen.slot[at]),
                (">i8", seen.time_us[at] - pgcopy.EPOCH_US),
                (">i8", seen.received_us[at] - pgcopy.EPOCH_US),
                (">f8", seen.value[at]),
                (">f8", seen.lon[at] if moves else None),
                (">f8", seen.lat[at] if moves else None),
            ]
            parts.append(pgcopy.rows(columns, len(at)))
    return pgcopy.stream(*parts)


def _states(board: Board, newest: Newest) -> bytes:
    going = ~np.isnan(newest.lon)
    parts = []
    for moves in (False, True):
        at = np.flatnonzero(going == moves)
        if len(at):
            columns: list[pgcopy.Column] = [
                (">i4", board.device_id[newest.row[at]]),
                (">i2", newest.slot[at]),
                (">i8", newest.time_us[at] - pgcopy.EPOCH_US),
                (">i8", newest.received_us[at] - pgcopy.EPOCH_US),
                (">f8", newest.value[at]),
                (">i2", newest.state[at]),
                (">f8", newest.lon[at] if moves else None),
                (">f8", newest.lat[at] if moves else None),
            ]
            parts.append(pgcopy.rows(columns, len(at)))
    return pgcopy.stream(*parts)


def _details(board: Board, seen: Observations, stored: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return what the observations that were new say beside their numbers."""
    if seen.detail is None:
        return []
    return [
        {
            "device_id": int(board.device_id[seen.row[i]]),
            "property": int(seen.slot[i]),
            "phenomenon_time": _EPOCH + timedelta(microseconds=int(seen.time_us[i])),
            **asdict(seen.detail[i]),
        }
        for i in np.flatnonzero(stored & (seen.detail != None)).tolist()  # noqa: E711  (each of an array)
    ]


def _found(
    board: Board, seen: Observations, which: NDArray[np.bool_], inserted: list[Any]
) -> NDArray[np.bool_]:
    """Say which of the staged observations were inserted; of equal ones only the first."""
    found = np.zeros(len(which), np.bool_)
    keys = {tuple(row) for row in inserted}
    for i in np.flatnonzero(which).tolist():
        key = (int(board.device_id[seen.row[i]]), int(seen.slot[i]), int(seen.time_us[i]))
        if key in keys:
            keys.discard(key)
            found[i] = True
    return found
