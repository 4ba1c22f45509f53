"""Judge what comes by the rules of the database: raise and clear their alarms, and show them on the board.

Rules are evaluated after a commit of observations and once a second, in memory; alarms are written right
after, in transactions of their own. So no rule can hold up or lose an observation, and where the database is
away, what rules have to tell waits.

After a restart every rule goes on from the alarms that are open and the newest observation of each series:
hold times begin again, as those of limits do; rates read the observations of their window; learned rules go
on from what they wrote down last, every `EVERY_S` and at the end.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.catalog import Catalog
from twin.errors import InvalidError
from twin.live.board import Board
from twin.live.fold import Observations, Transition
from twin.rules.alarms import record
from twin.rules.crowds import made_by
from twin.rules.evaluating import LookBack, Readings
from twin.rules.judging import Judges, Told, readings_of
from twin.rules.learning import EVERY_S, read_learned, teach, write_learned
from twin.rules.rule import WHOLE, Area, Rule, RuleName, Watched, matching, read_rule
from twin.states import State
from twin.store import pgcopy
from twin.store.answers import LastAnswer
from twin.store.journal import Event, append
from twin.store.news import follow
from twin.store.outage import is_outage
from twin.store.rules import CHANNEL, KeptRule, add_version, list_valid

log = logging.getLogger(__name__)

_OPEN: Final = text(
    "SELECT id, device_id, property, rule_id, rule_version, state, value FROM alarm "
    "WHERE cleared_at IS NULL AND rule_id IS NOT NULL ORDER BY id"
)
_BEFORE: Final = """
    SELECT o.device_id, o.property, (extract(epoch FROM o.phenomenon_time) * 1000000)::int8, o.value,
           coalesce(o.lon, 'NaN'), coalesce(o.lat, 'NaN')
    FROM unnest($1::int4[], $2::int2[]) AS wanted (device_id, property)
    JOIN observation AS o USING (device_id, property) WHERE o.phenomenon_time > $3
"""

_Key = tuple[int, int, int, int]
"""What an alarm of a rule is of: the rule, its version, row, slot."""


@dataclass(slots=True)
class RuleTotals:
    """Counts since the start: changes told, and rules that failed and were switched off."""

    told: int = 0
    failed: int = 0
    evaluated_s: float = 0.0


@dataclass(slots=True)
class _Pending:
    transitions: deque[Transition] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class RuleWatch:
    """Evaluates the rules that are switched on.

    Parameters
    ----------
    board
        What there is to watch, and where the states that rules hold are shown.
    engine
        Database of the twin, as the role of the server.
    """

    def __init__(self, board: Board, engine: AsyncEngine) -> None:
        self.totals = RuleTotals()
        self.writing = asyncio.Lock()
        """Held while alarms are written: no device is taken off the board meanwhile."""
        self._board, self._engine = board, engine
        self._judges = Judges()
        self._pending = _Pending()
        self._answer = LastAnswer()
        self._placements = -1
        self._learned_at, self._learned_us = time.monotonic(), 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that are evaluated now."""
        return self._judges.rules

    async def follow_changes(self) -> None:
        """Evaluate what the database says as soon as somebody changes a rule."""
        await follow(self._engine, CHANNEL, self.refresh)

    # what comes

    def take(self, seen: Observations) -> None:
        """Judge observations that were committed, each newer than all before of its series; never fails."""
        if self._judges.rules:
            self._judge(lambda: self._judges.take(readings_of(seen)))

    async def tick(self, now_us: int) -> None:
        """Judge what time alone makes due, and watch what was installed meanwhile."""
        if self._placements != self._board.placements:
            await self.refresh()
        elif self._judges.rules:
            self._judge(lambda: self._judges.tick(now_us))
        if time.monotonic() - self._learned_at > EVERY_S:
            self._learned_at = time.monotonic()
            await self.write_learned()

    async def write_learned(self) -> None:
        """Write down what learned rules learned since the last time."""
        async with self.writing, self._engine.begin() as connection:
            since_us = await write_learned(connection, self._judges, self._board, self._learned_us)
        self._learned_us = since_us

    def _judge(self, ask: Callable[[], Told]) -> None:
        begun = time.perf_counter()
        try:
            self._tell(ask())
        except Exception:  # what is committed is committed, whatever rules make of it
            log.exception("the rules could not be evaluated")
        self.totals.evaluated_s += time.perf_counter() - begun
        if self._judges.failed:
            self._pending.wake.set()

    def _tell(self, told: Told) -> None:
        for rules, changes in told:
            columns = (changes.rule, changes.row, changes.slot, changes.on, changes.time_us, changes.value)
            for number, row, slot, on, time_us, value in zip(*(c.tolist() for c in columns), strict=True):
                rule = rules[number]
                old, new = (0, rule.state) if on else (rule.state, 0)
                self._pending.transitions.append(Transition(row, slot, old, new, value, time_us, rule.name))
        if told:
            self._pending.wake.set()

    # what is told

    async def write_forever(self) -> None:
        """Write alarms as soon as rules raise and clear them."""
        while True:
            await self._pending.wake.wait()
            self._pending.wake.clear()
            try:
                async with self.writing:
                    await self._write()
                    await self._switch_off_failed()
                if self._judges.spoiled:
                    await self.refresh()
            except Exception as error:
                if not is_outage(error):
                    log.exception("alarms of rules could not be written")
                self._pending.wake.set()
                await asyncio.sleep(1.0)

    async def _write(self) -> None:
        """Write what is pending, and show it. What could not be written is pending still."""
        await self._answer.settle(self._engine)
        now = list(self._pending.transitions)  # more may come while a connection is waited for
        there = [t for t in now if self._board.device_id[t.row]]  # a device that is gone keeps its alarms
        if there:
            async with self._engine.begin() as connection:
                await self._answer.note(connection, lambda: self._written(len(now)))
                await record(connection, self._board, _rounds(there))
            self._answer.came()
        self._written(len(now))
        self._board.hold_by_rules(self._judges.states(self._board.count))

    def _written(self, count: int) -> None:
        for _ in range(count):
            self._pending.transitions.popleft()
        self.totals.told += count

    async def _switch_off_failed(self) -> None:
        while self._judges.failed:
            rule, why = self._judges.failed[0]
            async with self._engine.begin() as connection:
                kept = next((k for k in await list_valid(connection) if k.id == rule.id), None)
                if kept is not None and kept.version == rule.version and kept.enabled:
                    await add_version(
                        connection, kept.id, kept.version, kept.said, "system", enabled=False, failed=why
                    )
                    await append(connection, [rule_event("rule.failed", kept, "system", why)])
            log.error("rule %d was switched off: %s", rule.id, why)
            self.totals.failed += 1
            self._judges.failed.pop(0)

    # what changes

    async def refresh(self) -> None:
        """Evaluate what the database says; clear alarms of rules that are changed, switched off or gone."""
        async with self.writing:
            kept, opened, stored = await self._said()
            placements = self._board.placements
            rules = [rule for one in kept if one.enabled and (rule := self._read(one)) is not None]
            watching = self._watching(rules, opened)
            open_now = {row.id: at for row in opened if (at := self._at(row)) in watching}
            # What was judged since is not written yet; what it is about may be watched no more.
            left = [t for t in self._pending.transitions if _of(t) in watching]
            held = set(open_now.values())
            for t in left:
                (held.add if t.new else held.discard)(_of(t))
            if self._judges.spoiled:  # what was judged beside a rule that failed begins anew
                self._judges = Judges()
            here = {(rule_id, row, slot) for rule_id, _, row, slot in held}
            self._judges.watch(rules, watched_on(self._board), here, waits=True)
            teach(self._judges, self._board, stored)
            self._placements = placements
            over = [row for row in opened if row.id not in open_now]
            self._pending.transitions = deque([*self._ends(over, kept), *left])
            await self._prime()
            await self._write()

    async def _said(self) -> tuple[list[KeptRule], list[Any], Any]:
        """Read rules, alarms that are open and what was learned, when all is written and no rule failed."""
        while True:
            await self._write()
            await self._switch_off_failed()
            async with self._engine.connect() as connection:
                kept = await list_valid(connection)
                opened = list(await connection.execute(_OPEN))
                stored = await read_learned(connection)
            if not self._judges.failed:
                return kept, opened, stored

    def _read(self, kept: KeptRule) -> Rule | None:
        try:
            return read_kept(self._board.catalog, kept)
        except InvalidError as error:  # a kind that is gone, or a rule of a newer program
            log.error("rule %d cannot be evaluated: %s", kept.id, error)
            return None

    def _watching(self, rules: Sequence[Rule], opened: Sequence[Any]) -> set[_Key]:
        """Return what is watched by rules that have an alarm open or to be written."""
        told = {(t.rule.id, t.rule.version) for t in self._pending.transitions if t.rule}
        told |= {(row.rule_id, row.rule_version) for row in opened}
        watched, found = watched_on(self._board), set()
        for rule in rules:
            if rule.key in told:
                rows, slots = matching(rule, watched)
                found |= {(*rule.key, *at) for at in zip(rows.tolist(), slots.tolist(), strict=True)}
        return found

    def _at(self, alarm: Any) -> _Key:
        row = self._board.row_of_id.get(alarm.device_id, -1)
        return alarm.rule_id, alarm.rule_version, row, _slot(alarm.property)

    def _ends(self, over: Sequence[Any], kept: Sequence[KeptRule]) -> Iterator[Transition]:
        """Let alarms go that no rule watches any more, and say why."""
        by_id, now_us = {rule.id: rule for rule in kept}, time.time_ns() // 1000
        for row in over:
            at, rule = self._board.row_of_id.get(row.device_id), by_id.get(row.rule_id)
            if at is None or rule is None:
                continue  # a device that is gone keeps its alarms, as those of limits
            why, who = "not_watched", ""
            if rule.version != row.rule_version:
                who = rule.changed_by
                why = (
                    "rule_failed" if rule.failed else "rule_changed" if rule.enabled else "rule_switched_off"
                )
            name = RuleName(rule.id, rule.version, rule.zh, rule.en)
            yield Transition(at, _slot(row.property), row.state, 0, row.value, now_us, name, why, who)

    async def _prime(self) -> None:
        """Let new watches know what came before."""
        wanted, now_us = self._judges.looks_back(), time.time_ns() // 1000
        read = None
        if wanted.us:
            async with self._engine.connect() as connection:
                read = await self._read_before(connection, wanted, now_us)
        newest = newest_on(self._board)
        # What came while it was read was not judged: what is new waited.
        before = newest
        if read is not None:
            before = read.and_newer(newest.only(newest.time_us > now_us - wanted.us))
        self._tell(self._judges.prime(newest, before, now_us))

    async def _read_before(self, connection: AsyncConnection, wanted: LookBack, now_us: int) -> Readings:
        board = self._board
        series = np.unique(np.column_stack((board.device_id[wanted.row], wanted.slot)), axis=0)
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        out = io.BytesIO()

        async def keep(data: bytes) -> None:
            out.write(data)

        await driver.copy_from_query(
            _BEFORE,
            series[:, 0].tolist(),
            series[:, 1].tolist(),
            datetime.fromtimestamp((now_us - wanted.us) / 1e6, UTC),
            output=keep,
            format="binary",
        )
        columns: list[Any] = pgcopy.read(out.getvalue(), (">i4", ">i2", ">i8", *[">f8"] * 3))
        device, slot, time_us, value, lon, lat = columns
        row = np.array([board.row_of_id.get(one, -1) for one in device.tolist()], np.int32)
        # What is committed while this is read is judged when it comes.
        known = (row >= 0) & (time_us <= board.times_us[row, slot])
        order = np.lexsort((time_us, slot, row))
        order = order[known[order]]
        slot = slot.astype(np.int64)
        return Readings(*(column[order] for column in (row, slot, time_us, value, lon, lat)))


def read_kept(catalog: Catalog, kept: KeptRule) -> Rule:
    """Return a version of a rule as it is evaluated.

    Raises
    ------
    InvalidError
        It does not fit the kinds of devices there are, or its condition is of another program.
    """
    return read_rule(
        catalog,
        zh=kept.zh,
        en=kept.en,
        state=State(kept.state),
        area=Area(kept.area_code, kept.area_level or "") if kept.area_code else None,
        kinds=tuple(kept.kinds),
        observed=kept.property,
        condition=kept.condition,
        category_code=kept.category_code,
        key=(kept.id, kept.version),
    )


def watched_on(board: Board) -> Watched:
    """Return what of a board there is to watch."""
    n = board.count
    return Watched(
        board.catalog,
        board.device_id[:n],
        board.kind[:n],
        board.scope_code[:n],
        board.lon[:n],
        board.lat[:n],
        made_by(board),
    )


def newest_on(board: Board) -> Readings:
    """Return the newest reading of each series of a board."""
    row, slot = np.nonzero(board.times_us[: board.count])
    times, values = board.times_us[row, slot], board.values[row, slot]
    return Readings(row.astype(np.int32), slot, times, values, board.lon[row], board.lat[row])


def rule_event(kind: str, rule: KeptRule, by: str, reason: str | None) -> Event:
    """Return the event of the journal that tells what became of a rule."""
    data = {
        "rule_id": rule.id,
        "version": rule.version,
        "zh": rule.zh,
        "en": rule.en,
        "state": State(rule.state).name.lower(),
        "reason": reason,
    }
    return Event(kind, f"rule/{rule.id}", data, area_code=rule.area_code, actor=by)


def _rounds(transitions: Sequence[Transition]) -> list[list[Transition]]:
    """Cut transitions into rounds within which each series appears once by each rule, in order."""
    rounds: list[list[Transition]] = []
    seen: Counter[tuple[int, int, int]] = Counter()
    for t in transitions:
        key = t.row, t.slot, t.rule.id if t.rule else 0
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(t)
        seen[key] += 1
    return rounds


def _of(t: Transition) -> _Key:
    assert t.rule is not None
    return t.rule.id, t.rule.version, t.row, t.slot


def _slot(observed: int | None) -> int:
    return WHOLE if observed is None else observed
