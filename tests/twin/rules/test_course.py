"""After any course of readings, rules, devices, restarts and outages, open alarms are what is held."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress

import pytest

from tests.reading import rows
from tests.twin import observing
from tests.twin.observing import batch, begin_now
from tests.twin.rules.switching import said
from twin.errors import UnavailableError
from twin.states import State
from twin.store.engine import create_async_engine
from twin.store.rules import add_rule, add_version
from twin.twin import Twin

pytestmark = pytest.mark.postgis

LANE = [[[104.06, 30.66], [104.062, 30.66], [104.062, 30.6602], [104.06, 30.6602], [104.06, 30.66]]]
IN, OUT = (104.061, 30.6601), (104.07, 30.6601)
AREA = "510104000000000"
INSIDE, OUTSIDE = 510104021001001, 510105021001001
RULES = (
    {"condition": {"type": "limit", "above": 5.0, "hysteresis": 2.0}},
    {"condition": {"type": "limit", "above": 7.0, "hold_s": 8}, "state": State.WARNING, "area": AREA},
    {"condition": {"type": "rate", "above": 1.0, "per_s": 1, "window_s": 60}},
    {"condition": {"type": "silence", "after_s": 12}, "kinds": ("water_level", "door"), "observed": None},
    {
        "condition": {"type": "fence", "when": "enter", "polygons": [LANE], "fixes": 1},
        "kinds": ("vehicle",),
        "observed": None,
    },
)
OPEN = """
    SELECT device_id, coalesce(property, -1), coalesce(rule_id, 0), coalesce(rule_version, 0), alarm.state
    FROM alarm JOIN device ON device.id = device_id WHERE cleared_at IS NULL AND valid_to IS NULL
"""
GROUPS_OUT_OF_STEP = """
    SELECT g.id, g.alarms, g.open_alarms, count(a.id), count(a.id) FILTER (WHERE a.cleared_at IS NULL)
    FROM alarm_group AS g LEFT JOIN alarm AS a ON a.group_id = g.id GROUP BY g.id
    HAVING g.alarms <> count(a.id) OR g.open_alarms <> count(a.id) FILTER (WHERE a.cleared_at IS NULL)
"""
TOLD_WRONG = """
    SELECT a.id, count(*) FILTER (WHERE j.kind = 'alarm.raised'),
        count(*) FILTER (WHERE j.kind = 'alarm.cleared'), a.cleared_at
    FROM alarm AS a LEFT JOIN journal AS j ON (j.data ->> 'alarm_id')::bigint = a.id GROUP BY a.id
    HAVING count(*) FILTER (WHERE j.kind = 'alarm.raised') <> 1
        OR count(*) FILTER (WHERE j.kind = 'alarm.cleared') <> (a.cleared_at IS NOT NULL)::int
"""


class Flaky:
    """An engine whose transactions fail before they begin, or are cut off once they are committed."""

    def __init__(self, engine, chance: random.Random) -> None:
        self._engine, self._chance = engine, chance
        self.away = self.cuts = 0.0

    def __getattr__(self, name: str):
        return getattr(self._engine, name)

    def connect(self):
        if self._chance.random() < self.away:
            raise ConnectionRefusedError("away")
        return self._engine.connect()

    @asynccontextmanager
    async def begin(self):
        if self._chance.random() < self.away:
            raise ConnectionRefusedError("away")
        async with self._engine.begin() as connection:
            yield connection
        self.cut()

    def cut(self) -> None:
        if self._chance.random() < self.cuts:
            raise ConnectionResetError("cut before the answer came")


class Course:
    """One course of what may happen, by lot."""

    def __init__(self, database, engine, seed: int) -> None:
        self.chance = random.Random(seed)
        self.database, self.engine = database, Flaky(engine, self.chance)
        self.at = -240.0
        self.known: list[tuple[int, int, int, bool]] = []

    async def open(self) -> None:
        self.twin = await Twin.open(self.engine)
        write = self.twin._writer._write

        async def cut(*values):
            written = await write(*values)
            self.engine.cut()
            return written

        self.twin._writer._write = cut

    async def observe(self) -> None:
        self.at = min(self.at + self.chance.choice((0.5, 1, 2, 5, 14)), 0)
        uids = [uid for uid in ("level-1", "level-2", "door-1", "car-1") if uid in self.twin.board.row_of_uid]
        readings = []
        for uid in self.chance.choices(uids, k=self.chance.randint(1, 6)):
            self.at += 0.01
            if uid == "car-1":
                readings.append((uid, "speed", self.at, 3.0, *self.chance.choice((IN, OUT))))
            elif uid == "door-1":
                readings.append((uid, "open", self.at, self.chance.choice((0.0, 1.0))))
            else:
                readings.append((uid, "level", self.at, self.chance.choice((0.0, 4.0, 6.0, 8.0, 16.0, 25.0))))
        made = batch(self.twin, *readings)
        for _ in range(self.chance.choice((1, 1, 3))):  # not everybody sends again
            try:
                await self.twin.observe(made)
                return
            except UnavailableError:
                pass

    async def change_rule(self) -> None:
        async with self.engine._engine.begin() as connection:
            if len(self.known) < len(RULES):
                number = len(self.known)
                text = said(**RULES[number])
                rule = await add_rule(connection, text, "张三", None)
                await add_version(connection, rule.id, 1, text, "张三", enabled=True)
                self.known.append((rule.id, number, 2, True))
                return
            at = self.chance.randrange(len(self.known))
            rule_id, number, version, enabled = self.known[at]
            enabled = not enabled if self.chance.random() < 0.5 else enabled
            await add_version(connection, rule_id, version, said(**RULES[number]), "李四", enabled=enabled)
            self.known[at] = rule_id, number, version + 1, enabled

    async def move_device(self) -> None:
        where = self.chance.choice((INSIDE, OUTSIDE))
        rows(self.database, f"UPDATE device SET scope_code = {where} WHERE uid = 'level-1' RETURNING id")
        await self.refresh_devices()

    async def remove_device(self) -> None:
        gone = "now()" if "level-2" in self.twin.board.row_of_uid else "NULL"
        rows(self.database, f"UPDATE device SET valid_to = {gone} WHERE uid = 'level-2' RETURNING id")
        await self.refresh_devices()

    async def refresh_devices(self) -> None:
        with suppress(ConnectionError):
            await self.twin.refresh_devices()

    async def refresh(self) -> None:
        with suppress(ConnectionError):
            await self.twin.rules.refresh()

    async def tick(self) -> None:
        with suppress(ConnectionError):
            await self.twin.rules.tick(observing.now_us + int(self.at * 1e6))

    async def flicker(self) -> None:
        self.engine.away, self.engine.cuts = self.chance.choice(((0, 0), (0.5, 0), (0, 0.5), (0.3, 0.3)))

    async def restart(self) -> None:
        self.engine.away = self.engine.cuts = 0.0
        await self.twin.close()
        await self.open()

    async def kill(self) -> None:
        """End as a process that is killed: nothing is written any more."""
        self.engine.away = self.engine.cuts = 0.0
        twin = self.twin
        for task in twin._tasks:
            task.cancel()
        await asyncio.gather(*twin._tasks, return_exceptions=True)
        await twin._writer.close()
        await twin.quarantine.close()
        await self.open()

    async def go(self, steps: int) -> None:
        acts = {
            self.observe: 24,
            self.change_rule: 4,
            self.move_device: 2,
            self.remove_device: 1,
            self.refresh: 2,
            self.tick: 4,
            self.flicker: 3,
            self.restart: 1,
            self.kill: 1,
        }
        await self.open()
        for _ in range(steps):
            (act,) = self.chance.choices(list(acts), acts.values())
            await act()
        self.engine.away = self.engine.cuts = 0.0

    async def settled(self) -> tuple[list, list]:
        """Return open alarms and what is judged to hold, when all that was judged is written."""
        twin, board = self.twin, self.twin.board
        await twin.refresh_devices()
        await twin.rules.refresh()
        async with twin._commits.turn:
            await twin._commits.answer.settle(twin.engine)
            async with twin.rules.writing:
                while twin.rules._pending.transitions:
                    await twin.rules._write()
                held = [
                    (int(board.device_id[row]), slot, rule.id, rule.version, int(rule.state))
                    for evaluator in twin.rules._judges._evaluators.values()
                    for rule, row, slot in (
                        (evaluator.rules[i], row, slot)
                        for i, row, slot in zip(*(c.tolist() for c in evaluator.holding()[:3]), strict=True)
                    )
                ]
                for row in board.row_of_id.values():
                    for slot, state in enumerate(board.states[row].tolist()):
                        if state >= State.WARNING:
                            held.append((int(board.device_id[row]), slot, 0, 0, state))
                return sorted(rows(self.database, OPEN)), sorted(held)


async def take(installed, seed: int, monkeypatch, steps: int) -> None:
    begin_now(monkeypatch)
    database = installed.copy()
    engine = create_async_engine(database.async_url)
    course = Course(database, engine, seed)
    try:
        await course.go(steps)
        opened, held = await course.settled()
        assert opened == held
        assert rows(database, GROUPS_OUT_OF_STEP) == []
        assert rows(database, TOLD_WRONG) == []
        assert rows(database, "SELECT count(*) > 0 FROM alarm") == [(True,)]  # there was something to keep
        await course.restart()
        opened, held = await course.settled()
        assert opened == held
    finally:
        await course.twin.close()
        await engine.dispose()


@pytest.mark.parametrize("seed", range(2))
async def test_open_alarms_are_what_is_judged_to_hold(installed, seed, monkeypatch) -> None:
    await take(installed, seed, monkeypatch, 40)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 140))
async def test_open_alarms_are_what_is_judged_to_hold_at_length(installed, seed, monkeypatch) -> None:
    await take(installed, seed, monkeypatch, 200)
