"""Groups of alarms: as a brute-force oracle makes them, one a place at a time whoever raises them."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import load_catalog
from twin.live.board import Board
from twin.live.fold import Transition
from twin.live.installed import Installed
from twin.rules import alarms
from twin.rules.alarms import record
from twin.rules.grouping import GATHER, GATHER_MOST, REACH_M
from twin.store.engine import create_async_engine

pytestmark = pytest.mark.postgis

AT_US = 1_784_220_128_000_000
LON, LAT = 104.066, 30.657
NORTH = REACH_M / (math.radians(1) * 6_371_008.8)
EAST = NORTH / math.cos(math.radians(LAT))
KINDS = ("water_level", "flood", "camera", "gas")


def url_of(database) -> str:
    return database.url.replace("postgresql+psycopg://", "postgresql://")


class Town:
    """Devices on the board and in the database, whose places and clock the test sets."""

    def __init__(self, database, install_devices, count: int) -> None:
        self.database = database
        install_devices(database, {f"device-{n:05d}": KINDS[n % len(KINDS)] for n in range(count)})
        self.engine = create_async_engine(database.async_url)
        self.board = Board(load_catalog())

    async def open(self) -> Town:
        await Installed(self.board, self.engine, lambda _: None).refresh(asyncio.Lock())
        return self

    def rows(self, statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(url_of(self.database)) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def place(self, row: int, x: float, y: float) -> None:
        """Put a device so many reaches east and north of the corner."""
        self.board.lon[row], self.board.lat[row] = LON + x * EAST, LAT + y * NORTH

    async def record(self, *rounds: list[Transition]) -> int:
        async with self.engine.begin() as connection:
            return await record(connection, self.board, rounds)


@pytest.fixture
async def town(database, install_devices):
    town = await Town(database.fresh(), install_devices, 60).open()
    yield town
    await town.engine.dispose()


def raised(row: int, state: int = 4, slot: int = 0, later_us: int = 0) -> Transition:
    return Transition(row, slot, 0, state, 30.0, AT_US + later_us)


def cleared(row: int, old: int = 4, slot: int = 0) -> Transition:
    return Transition(row, slot, old, 0, 1.0, AT_US)


@dataclass
class Group:
    family: str
    x: float
    y: float
    opened: float
    until: float
    members: set[tuple[int, int]] = field(default_factory=set)
    open: set[tuple[int, int]] = field(default_factory=set)
    raised: int = 0
    worst: int = 0


class Oracle:
    """Say in the plainest way which alarms belong together."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.of: dict[tuple[int, int], Group] = {}

    def meets(self, group: Group, family: str, x: float, y: float, now: float) -> bool:
        near = abs(group.x - x) <= 2 and abs(group.y - y) <= 2
        return group.family == family and near and now < group.until and group.opened < now + 600

    def take(self, now: float, batch: list[tuple[tuple[int, int], int, str, float, float]]) -> None:
        new = [one for one in batch if one[0] not in self.of]
        for _key, _state, family, x, y in new:
            if not any(self.meets(group, family, x, y, now) for group in self.groups):
                self.groups.append(Group(family, x, y, now, now + 600))
        for key, state, family, x, y in batch:
            group = self.of.get(key)
            if group is None:
                meeting = [g for g in self.groups if self.meets(g, family, x, y, now)]
                group = min(meeting, key=lambda g: math.hypot(g.x - x, g.y - y))
                self.of[key] = group
                group.members.add(key)
                group.open.add(key)
                group.raised += 1
            group.worst = max(group.worst, state)
        for group in {id(self.of[one[0]]): self.of[one[0]] for one in new}.values():
            group.until = max(group.until, min(now + 600, group.opened + 43_200))

    def clear(self, keys: list[tuple[int, int]]) -> None:
        for key in keys:
            if key in self.of:
                self.of.pop(key).open.discard(key)


STEP = st.tuples(
    st.integers(0, 900),  # seconds later
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 1), st.sampled_from([3, 4, 5])), max_size=12),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 1)), max_size=6),
)


@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_groups_are_those_of_the_oracle(shared_town, data, seed) -> None:
    """No two places are on the edge of one another: the database keeps boxes as floats of 4 bytes."""
    asyncio.run(_compare(shared_town, data.draw(st.lists(STEP, min_size=1, max_size=8)), seed))


@pytest.fixture(scope="module")
def shared_town(database, install_devices):
    town = Town(database.fresh(), install_devices, 60)
    asyncio.run(town.engine.dispose())
    return town


async def _compare(shared: Town, steps, seed: int) -> None:
    shared.engine = create_async_engine(shared.database.async_url)
    await shared.open()
    shared.rows("TRUNCATE alarm, alarm_group, shelving, journal RESTART IDENTITY")
    lot = random.Random(seed)
    places = [
        (0.3 * lot.randrange(27) + 7e-4 * row, 0.3 * lot.randrange(14) + 3e-4 * row) for row in range(60)
    ]
    for row, (x, y) in enumerate(places):
        shared.place(row, x, y)
    oracle, now = Oracle(), 1_800_000_000.0
    kinds = [shared.board.catalog.by_code[int(code)] for code in shared.board.kind[:60]]
    try:
        for later, rises, falls in steps:
            now += later
            batch = {}
            for row, slot, state in rises:
                batch.setdefault((row, slot % len(kinds[row].properties)), state)
            keys = sorted(batch)
            keyed = {(row, slot % len(kinds[row].properties)) for row, slot in falls}
            ended = sorted(key for key in keyed if key in oracle.of and key not in batch)
            oracle.take(now, [(k, batch[k], kinds[k[0]].family_of(k[1]), *places[k[0]]) for k in keys])
            oracle.clear(ended)
            rounds = [
                [raised(row, batch[row, slot], slot) for row, slot in keys]
                + [cleared(row, slot=slot) for row, slot in ended]
            ]
            async with shared.engine.begin() as connection:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(alarms, "take_turn", _clock(now))
                    await record(connection, shared.board, rounds)
        found = shared.rows(
            """SELECT g.family, g.alarms, g.open_alarms, g.worst_state, g.ended_at IS NULL,
                   extract(epoch FROM g.opened_at)::float8, extract(epoch FROM g.gathers_until)::float8,
                   (SELECT array_agg(DISTINCT a.device_id || '/' || a.property) FROM alarm a
                    WHERE a.group_id = g.id)
               FROM alarm_group AS g"""
        )
        expected = [
            (
                g.family,
                g.raised,
                len(g.open),
                g.worst,
                bool(g.open),
                pytest.approx(g.opened),
                pytest.approx(g.until),
                sorted(f"{shared.board.device_id[row]}/{slot}" for row, slot in g.members),
            )
            for g in oracle.groups
        ]
        told = [(*row[:7], sorted(row[7])) for row in found]
        key = lambda row: (row[0], row[7], row[1])  # noqa: E731
        assert sorted(told, key=key) == sorted(expected, key=key)
    finally:
        await shared.engine.dispose()


def _clock(now: float):
    async def take_turn(_connection) -> datetime:
        return datetime.fromtimestamp(now, UTC)

    return take_turn


async def test_two_who_raise_at_once_make_one_group(town) -> None:
    """Two real connections: one is within its transaction while the other comes."""
    for row in range(8):
        town.place(row, 0.1 * row, 0)
    water = [row for row in range(8) if KINDS[row % 4] in ("water_level", "flood")]
    await asyncio.gather(*(town.record([raised(row)]) for row in water))
    assert town.rows("SELECT family, alarms, open_alarms FROM alarm_group") == [("water", 4, 4)]


async def test_without_the_turn_the_constraint_alone_keeps_one_group(town, monkeypatch) -> None:
    async def no_turn(_connection) -> datetime:
        return datetime.now(UTC)

    monkeypatch.setattr(alarms, "take_turn", no_turn)
    town.place(0, 0, 0)
    town.place(1, 0.5, 0)
    first = await town.engine.connect()
    begun = await first.begin()
    await record(first, town.board, [[raised(0)]])
    second = asyncio.create_task(town.record([raised(1)]))
    await asyncio.sleep(0.3)
    assert not second.done(), "it waits for what the other decides"
    await begun.commit()
    await first.close()
    await second
    assert town.rows("SELECT alarms FROM alarm_group") == [(2,)]


async def test_the_database_refuses_a_second_group_in_the_same_place(town) -> None:
    await town.record([raised(0)])
    with pytest.raises(psycopg.errors.ExclusionViolation):
        town.rows(
            "INSERT INTO alarm_group (family, geom, seed_box, opened_at, gathers_until, worst_state, "
            "simulated) SELECT family, geom, seed_box, opened_at, gathers_until, 3, simulated "
            "FROM alarm_group"
        )


async def test_what_is_made_up_is_no_part_of_what_is_real(town) -> None:
    town.place(0, 0, 0)
    town.place(1, 0, 0)
    town.rows("UPDATE device SET simulated = false WHERE id = %s", int(town.board.device_id[1]))
    await town.record([raised(0), raised(1)])
    assert town.rows("SELECT simulated, alarms FROM alarm_group ORDER BY 1") == [(False, 1), (True, 1)]


async def test_a_lost_answer_changes_no_group(town) -> None:
    for row in range(20):
        town.place(row, 0.1 * row, 0)
    round_ = [raised(row) for row in range(20)]
    await town.record(round_)
    before = town.rows("SELECT * FROM alarm_group ORDER BY id")
    assert await town.record(round_) == 0
    assert town.rows("SELECT * FROM alarm_group ORDER BY id") == before


async def test_a_group_whose_case_is_over_takes_in_none(town) -> None:
    town.place(0, 0, 0)
    town.place(1, 0.5, 0)
    await town.record([raised(0)])
    town.rows(
        """WITH c AS (INSERT INTO case_file (number, title, category_code, source, geom, opened_at, closed_at,
                          stage, outcome)
                      SELECT 'X-1', 'x', '01001', 'sensor', geom, now(), now(), 'collected', 'void'
                      FROM alarm_group RETURNING id)
           UPDATE alarm_group SET case_id = c.id FROM c"""
    )
    await town.record([raised(1)])
    assert town.rows("SELECT alarms, case_id IS NULL FROM alarm_group ORDER BY id") == [
        (1, False),
        (1, True),
    ]


async def test_a_group_ends_with_its_last_alarm_and_goes_on_while_it_gathers(town) -> None:
    town.place(0, 0, 0)
    town.place(1, 0.5, 0)
    await town.record([raised(0)], [cleared(0)])
    assert town.rows("SELECT open_alarms, ended_at IS NULL FROM alarm_group") == [(0, False)]
    await town.record([raised(1, 5)])
    assert town.rows("SELECT open_alarms, ended_at, worst_state FROM alarm_group") == [(1, None, 5)]


async def test_after_half_a_day_another_group_begins(town, monkeypatch) -> None:
    town.place(0, 0, 0)
    begin = datetime.now(UTC)
    for minutes in range(0, 12 * 60 + 20, 9):
        monkeypatch.setattr(alarms, "take_turn", _clock((begin + timedelta(minutes=minutes)).timestamp()))
        await town.record([raised(0)], [cleared(0)])
    spans = town.rows("SELECT gathers_until - opened_at FROM alarm_group ORDER BY id")
    assert spans[0] == (GATHER_MOST,)
    assert len(spans) == 2
    assert GATHER < GATHER_MOST


async def test_a_storm_is_as_many_groups_as_it_has_causes(town) -> None:
    """Some hundreds in one commit, of twelve places far apart."""
    with psycopg.connect(url_of(town.database)) as connection:
        connection.execute("UPDATE device SET kind = 'flood'")
    await Installed(town.board, town.engine, lambda _: None).refresh(asyncio.Lock())
    for row in range(60):
        town.place(row, 10 * (row % 12) + 0.3 * (row // 12), 0.1 * (row // 12))
    await town.record([raised(row, 5, slot) for row in range(60) for slot in (0, 1)])
    found = town.rows("SELECT family, count(*), sum(alarms) FROM alarm_group GROUP BY 1 ORDER BY 1")
    assert found == [("battery", 12, 60), ("water", 12, 60)]
    assert town.rows("SELECT count(DISTINCT group_id) FROM alarm") == [(24,)]
