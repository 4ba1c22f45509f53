"""Read what is installed, and its last known state, from the database onto the board."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.catalog import SLOTS
from twin.live.board import (
    FLAG_HAS_BEARING,
    FLAG_POSITION_ESTIMATED,
    FLAG_READINGS_SIMULATED,
    FLAG_SIMULATED,
    Board,
    Placement,
)
from twin.live.rooms import Rows
from twin.rules.limits import LimitTable
from twin.store import pgcopy

# xmin is the transaction that wrote the row: it tells 50,000 unchanged devices apart from the changed ones
# without reading them.
_VERSIONS = text(
    """
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(xmin::text::int8), '{}')
    FROM device WHERE valid_to IS NULL
    """
)
_DEVICES = text(
    """
    SELECT id, uid, kind, ST_X(geom) AS lon, ST_Y(geom) AS lat, height_m, expected_interval_s, simulated,
           position_source <> 'measured' AS estimated, bearing_deg IS NOT NULL AS has_bearing,
           simulated OR readings_simulated AS made_up, scope_code
    FROM device WHERE id = ANY(:ids) ORDER BY id
    """
)
_STATES = """
SELECT device_id, property, (extract(epoch FROM phenomenon_time) * 1000000)::int8,
       (extract(epoch FROM received_at) * 1000000)::int8, value, state,
       coalesce(lon, 'NaN'), coalesce(lat, 'NaN') FROM device_state WHERE device_id = ANY($1::int4[])
"""
_STATE_TYPES = (">i4", ">i2", ">i8", ">i8", ">f8", ">i2", ">f8", ">f8")

_AT_ONCE = 2_000  # devices read and placed before the event loop gets its turn


class Installed:
    """Keep the board in step with the table of devices.

    Parameters
    ----------
    hide
        Takes off the map those of these rows that must not be seen now.
    """

    def __init__(self, board: Board, engine: AsyncEngine, hide: Callable[[Rows], None]) -> None:
        self._board = board
        self._limits = LimitTable.of(board.catalog)
        self._hide = hide
        self._engine = engine
        self._known: dict[int, int] = {}
        self._refreshing = asyncio.Lock()
        self.unknown_kinds: set[str] = set()

    async def refresh(self, turn: AbstractAsyncContextManager[None]) -> int:
        """Place new and changed devices, remove closed ones; return how many changed.

        One that is new here, or comes back, begins with its last known state.

        ``turn`` is held while rows are removed, so that nothing is under way that writes of them.
        """
        async with self._refreshing, self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            ids, versions = (await connection.execute(_VERSIONS)).one()
            present = dict(zip(ids, versions, strict=True))
            changed = [i for i, version in present.items() if self._known.get(i) != version]
            for begin in range(0, len(changed), _AT_ONCE):
                ids = changed[begin : begin + _AT_ONCE]
                found = (await connection.execute(_DEVICES, {"ids": ids})).all()
                states = await _read_states(connection, [i for i in ids if i not in self._board.row_of_id])
                rows = self._board.place(self._placements(found))
                self._restore(states)
                self._hide(rows)
            gone = [i for i in self._known if i not in present and i in self._board.row_of_id]
            if gone:
                async with turn:
                    self._board.remove(gone)
            self._known = present
            return len(gone) + len(changed)

    def _placements(self, rows: Any) -> list[Placement]:
        kinds = self._board.catalog.by_name
        placements: list[Placement] = []
        for device_id, uid, kind_name, lon, lat, height_m, interval_s, *marks in rows:
            kind = kinds.get(kind_name)
            if kind is None:
                self.unknown_kinds.add(kind_name)
                continue
            simulated, estimated, bearing, made_up, code = marks
            flags = (
                simulated * FLAG_SIMULATED
                + estimated * FLAG_POSITION_ESTIMATED
                + bearing * FLAG_HAS_BEARING
                + made_up * FLAG_READINGS_SIMULATED
            )
            placement = Placement(
                device_id=device_id,
                uid=uid,
                kind=kind.code,
                layer=kind.layer,
                flags=flags,
                lon=lon,
                lat=lat,
                height_m=height_m,
                expected_s=interval_s or kind.expected_interval_s,
                scope_code=code,
            )
            placements.append(placement)
        return placements

    def _restore(self, columns: Sequence[Any]) -> None:
        board, table = self._board, self._limits
        ids, slots, times, heard, values, states, lon, lat = columns
        row = np.array([board.row_of_id.get(one, -1) for one in ids.tolist()], np.int32)
        ok = (row >= 0) & (slots >= 0) & (slots < SLOTS)
        row, slot, times, heard = row[ok], slots[ok], times[ok], heard[ok]
        values, states, lon, lat = values[ok], states[ok], lon[ok], lat[ok]
        board.restore(row, slot, times, heard, values, states, lon, lat)
        # How long a value was beyond its limit before is not stored: the hold time begins again.
        v, kind = values[:, None], board.kind[row]
        beyond = (v >= table.above[kind, slot]) | (v <= table.below[kind, slot])
        board.beyond_us[row, slot] = np.where(beyond, times[:, None], 0)


async def _read_states(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Any]:
    """Return the stored present states of devices as columns."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    out = io.BytesIO()

    async def keep(data: bytes) -> None:
        out.write(data)

    if ids:
        await driver.copy_from_query(_STATES, list(ids), output=keep, format="binary")
    return pgcopy.read(out.getvalue(), _STATE_TYPES)
