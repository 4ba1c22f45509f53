"""Count who is in each cell once a minute, and make a gathering of each cell where too many are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from twin.access.roles import SMALLEST_COUNT
from twin.batch import ObservationBatch, ObserveResult
from twin.calendar import calendar_for
from twin.errors import UnavailableError
from twin.live.board import FLAG_READINGS_SIMULATED, Board
from twin.rules.conditions import Crowd, Limit
from twin.rules.density import USUAL, Density, Gatherings, count_cells, hour_of
from twin.rules.rule import EXCESS, GATHERING, Rule, counting_slot
from twin.rules.thresholds import Limits
from twin.store.outage import is_outage
from twin.zones import timezone_of

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
"""How often is counted."""

_PREFIX: Final = "gathering-"
_MORE: Final = Limit(above=1.0)
_READ: Final = text("SELECT counted, learned FROM gathering_usual WHERE rule_id = :rule")
_WRITE: Final = text(
    """
    INSERT INTO gathering_usual (rule_id, version, counted, learned)
    VALUES (:rule, :version, :counted, :learned)
    ON CONFLICT (rule_id) DO UPDATE
    SET version = excluded.version, counted = excluded.counted, learned = excluded.learned, learned_at = now()
    """
)
_SCOPE: Final = text("SELECT gt_scope_of(ST_SetSRID(ST_MakePoint(:lon, :lat), 4326))")
_CLOSE: Final = text("SELECT close_gatherings(CAST(:rules AS int8[]))")
_PLACE: Final = text("SELECT place_gathering(:uid, :zh, :en, :lon, :lat, :simulated)")


class Crowds(Limits):
    """Judges gatherings: one holds for as long as more are there than usual.

    How long it must last, and when it is over, was decided by whoever counted (`GatheringWatch`).
    """

    def lay_out(self, rules: Sequence[Rule]) -> None:
        """Lay out that one more than usual is enough."""
        super().lay_out([replace(rule, condition=_MORE) for rule in rules])


def made_by(board: Board) -> NDArray[np.int64]:
    """Return for each row of a board which rule made it a gathering, 0 for all else, shape (rows,)."""
    n, kind = board.count, board.catalog.by_name.get(GATHERING)
    made = np.zeros(n, np.int64)
    for row in np.flatnonzero(board.kind[:n] == kind.code).tolist() if kind else ():
        number = board.uid[row].removeprefix(_PREFIX).partition("-")[0]
        if board.uid[row].startswith(_PREFIX) and number.isdecimal():
            made[row] = int(number)
    return made


@dataclass(slots=True)
class _Counted:
    """What is known by one rule: in which version, what is counted, and the hour that was learned last."""

    key: tuple[int, int]
    counted: str
    density: Density
    hour: tuple[int, int] | None = None


class GatheringWatch:
    """Counts for the rules of density that are switched on.

    Only counts leave it, and none below `SMALLEST_COUNT`. Whoever is not on duty is not on the board, and not
    counted; each mover counts once, by its newest place.

    Parameters
    ----------
    board
        Where everything is.
    engine
        Database of the twin, as the role of the server.
    rules
        Gives the rules that are switched on.
    observe, refresh
        Of the twin: its door for observations, and how it learns of new devices.
    """

    def __init__(
        self,
        board: Board,
        engine: AsyncEngine,
        rules: Callable[[], Sequence[Rule]],
        observe: Callable[[ObservationBatch], Awaitable[ObserveResult]],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._board, self._engine, self._rules = board, engine, rules
        self._observe, self._refresh = observe, refresh
        self._known: dict[int, _Counted] = {}
        self._looking: set[int] | None = None

    async def watch_forever(self) -> None:
        """Look once a minute."""
        while True:
            await asyncio.sleep(LOOK_S - time.time() % LOOK_S)
            try:
                await self.look(time.time_ns() // 1000)
            except UnavailableError:
                log.info("nobody was counted: the database is away")
            except Exception as error:
                if not is_outage(error):
                    log.exception("gatherings could not be looked for")

    async def look(self, now_us: int) -> None:
        """Count, judge and learn for every rule of density, and tell what was found."""
        rules = [rule for rule in self._rules() if isinstance(rule.condition, Crowd)]
        looking = {rule.id for rule in rules}
        for gone in self._known.keys() - looking:
            del self._known[gone]
        if looking != self._looking:  # of the others nobody would hear any more
            async with self._engine.begin() as connection:
                await connection.execute(_CLOSE, {"rules": sorted(looking)})
            self._looking = looking
        for rule in rules:
            try:
                await self._look_by(rule, now_us)
            except Exception as error:  # what one rule makes of it stops no other
                if isinstance(error, UnavailableError) or is_outage(error):
                    raise
                log.exception("rule %d could not look for gatherings", rule.id)

    async def _look_by(self, rule: Rule, now_us: int) -> None:
        assert isinstance(rule.condition, Crowd)
        rows, people = self._there(rule.condition, now_us)
        if not len(rows):
            return  # a feed that is down does not say that nobody is there
        lon, lat = self._board.lon[rows], self._board.lat[rows]
        counted = await self._counted(rule, rule.condition)
        hour = hour_of(calendar_for(timezone_of(float(lon[0]), float(lat[0]))), now_us)
        found = counted.density.tick(*count_cells(lon, lat, rule.condition.terms(), people), hour, now_us)
        if counted.hour not in (None, hour):
            await self._keep(rule, counted)
        counted.hour = hour
        made_up = bool((self._board.flags[rows] & FLAG_READINGS_SIMULATED).any())
        await self._tell(rule, found, now_us, simulated=made_up)

    def _there(self, crowd: Crowd, now_us: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return the rows of what is counted and how many each stands for: of its kinds, and heard of late.

        What moves is one and must be on the map; what stands and counts is as many as it said last.
        """
        board, n = self._board, self._board.count
        kinds = [board.catalog.by_name[name] for name in crowd.of]
        since_us = now_us - round(crowd.fresh_s * 1e6)
        moving = np.isin(board.kind[:n], [kind.code for kind in kinds if kind.moves])
        people = (moving & (board.room[:n] != 0) & (board.position_us[:n] >= since_us)).astype(np.int64)
        there = people > 0
        for kind in kinds:
            slot = counting_slot(kind)
            if slot is not None:
                heard = (board.kind[:n] == kind.code) & (board.times_us[:n, slot] >= since_us)
                people[heard] = np.round(board.values[:n, slot][heard]).astype(np.int64)
                there |= heard
        rows = np.flatnonzero(there & (board.device_id[:n] != 0))
        return rows, people[rows]

    async def _counted(self, rule: Rule, crowd: Crowd) -> _Counted:
        """Return what is known by a rule: a new version that counts the same goes on from it."""
        known = self._known.get(rule.id)
        if known is not None and known.key == rule.key:
            return known
        what = f"{','.join(sorted(crowd.of))} {crowd.resolution} {crowd.ring}"
        async with self._engine.connect() as connection:
            row = (await connection.execute(_READ, {"rule": rule.id})).one_or_none()
        learned = None
        if known is not None and known.counted == what:
            learned = known.density.usual
        elif row is not None and row.counted == what and len(row.learned) % USUAL.itemsize == 0:
            learned = np.frombuffer(row.learned, USUAL)
        made = _Counted(rule.key, what, Density(crowd.terms(), learned))
        self._known[rule.id] = made
        return made

    async def _keep(self, rule: Rule, counted: _Counted) -> None:
        """Store what was learned, once an hour."""
        values = {"rule": rule.id, "version": rule.version, "counted": counted.counted}
        async with self._engine.begin() as connection:
            await connection.execute(_WRITE, {**values, "learned": counted.density.usual.tobytes()})

    async def _tell(self, rule: Rule, found: Gatherings, now_us: int, *, simulated: bool) -> None:
        """Observe every cell that is, or once was, a gathering of this rule; make those that are new."""
        board = self._board
        uids = [f"{_PREFIX}{rule.id}-{cell:x}" for cell in found.cell.tolist()]
        begins = np.flatnonzero(found.gathered & found.changed)
        new = [n for n in begins.tolist() if uids[n] not in board.row_of_uid]
        for n in begins.tolist():
            await self._place(rule, uids[n], int(found.cell[n]), simulated=simulated)
        if new:
            await self._refresh()
        told = [n for n, uid in enumerate(uids) if uid in board.row_of_uid]
        if not told:
            return
        rows = np.array([board.row_of_uid[uids[n]] for n in told], np.int32)
        count, usual = found.count[told].astype(np.float64), found.usual[told]
        count[count < SMALLEST_COUNT] = 0.0
        more = np.maximum(np.round(count - np.nan_to_num(usual)), 1.0)
        excess = np.where(found.gathered[told], np.where(count > 0, more, 0.0), 0.0)
        slot = board.catalog.by_name[GATHERING].property(EXCESS).slot
        nowhere = np.full(2 * len(rows), np.nan)
        await self._observe(
            ObservationBatch(
                row=np.concatenate([rows, rows]),
                slot=np.repeat(np.array([0, slot], np.uint8), len(rows)),
                phenomenon_us=np.full(2 * len(rows), now_us, np.int64),
                value=np.concatenate([count, excess]),
                lon=nowhere,
                lat=nowhere,
                received_us=np.full(2 * len(rows), now_us, np.int64),
                source="gatherings",
            )
        )

    async def _place(self, rule: Rule, uid: str, cell: int, *, simulated: bool) -> None:
        """Make the gathering of a cell, or say anew whether it is simulated, where the rule holds."""
        lat, lon = h3.cell_to_latlng(cell)
        async with self._engine.begin() as connection:
            if rule.area is not None:
                code = await connection.scalar(_SCOPE, {"lon": lon, "lat": lat})
                if not rule.area.scope.contains(np.array([code])).all():
                    return
            place = {"uid": uid, "zh": rule.zh, "en": rule.en, "lon": lon, "lat": lat}
            await connection.execute(_PLACE, {**place, "simulated": simulated})
