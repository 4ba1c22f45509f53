"""Alarms: one open a property, acknowledged by people."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.live.board import Board
from twin.live.fold import Transition
from twin.live.installed import Installed
from twin.rules.alarms import acknowledge, record
from twin.states import State
from twin.store.engine import create_async_engine
from twin.store.journal import read_after

pytestmark = pytest.mark.postgis

AT = 1_784_220_128_000_000


@pytest.fixture
async def town(database, install_devices):
    import asyncio

    fresh = database.fresh()
    install_devices(fresh, {"level-1": "water_level", "level-2": "water_level"})
    engine = create_async_engine(fresh.async_url)
    board = Board(load_catalog())
    await Installed(board, engine, lambda _: None).refresh(asyncio.Lock())
    yield engine, board
    await engine.dispose()


async def events(engine) -> list[tuple]:
    async with engine.connect() as conn:
        return [(e.kind, e.subject, e.data["state"], e.actor) for e in await read_after(conn, 0, 100)]


async def test_second_run_of_a_commit_raises_nothing_twice(town) -> None:
    engine, board = town
    rounds = [
        [Transition(0, 0, 0, 3, 15.0, AT), Transition(1, 0, 0, 5, 26.0, AT)],
        [Transition(0, 0, 3, 4, 21.0, AT + 10)],
    ]
    for expected in (3, 0):
        async with engine.begin() as conn:
            wrote = await record(conn, board, rounds)
        # The second run finds both alarms as they are, but for the first round of the first device.
        assert wrote == expected or (expected == 0 and wrote <= 2)
    async with engine.connect() as conn:
        found = (await conn.execute(text("SELECT state, worst_state FROM alarm ORDER BY device_id"))).all()
    assert [tuple(r) for r in found] == [(4, 4), (5, 5)]


async def test_clear_before_the_begin_is_not_before_it_in_the_table(town) -> None:
    engine, board = town
    async with engine.begin() as conn:
        await record(conn, board, [[Transition(0, 0, 0, 3, 15.0, AT)]])
        await record(conn, board, [[Transition(0, 0, 3, 0, 1.0, AT - 5_000_000)]])
    async with engine.connect() as conn:
        assert (await conn.execute(text("SELECT cleared_at = raised_at FROM alarm"))).scalar_one() is True
        assert (await conn.execute(text("SELECT count(*) FROM alarm"))).scalar_one() == 1


async def test_new_alarm_after_a_cleared_one_is_another_row(town) -> None:
    engine, board = town
    async with engine.begin() as conn:
        await record(
            conn,
            board,
            [
                [Transition(0, 0, 0, 3, 15.0, AT)],
                [Transition(0, 0, 3, 0, 1.0, AT + 1_000_000)],
                [Transition(0, 0, 0, 4, 20.0, AT + 2_000_000)],
            ],
        )
    assert [k for k, *_ in await events(engine)] == ["alarm.raised", "alarm.cleared", "alarm.raised"]
    async with engine.connect() as conn:
        found = (await conn.execute(text("SELECT cleared_at IS NULL FROM alarm ORDER BY id"))).scalars().all()
    assert found == [False, True]


async def test_removed_device_raises_nothing_and_fails_nothing(town) -> None:
    engine, board = town
    board.device_id[0] = 999_999
    async with engine.begin() as conn:
        assert await record(conn, board, [[Transition(0, 0, 0, 3, 15.0, AT)]]) == 0


async def test_acknowledging_is_noted_once_with_the_name(town) -> None:
    engine, board = town
    async with engine.begin() as conn:
        await record(conn, board, [[Transition(0, 0, 0, 3, 15.0, AT), Transition(1, 0, 0, 4, 21.0, AT)]])
        ids = (await conn.execute(text("SELECT id FROM alarm ORDER BY id"))).scalars().all()
    async with engine.begin() as conn:
        first = await acknowledge(conn, [ids[0], 4_000_000], " 张三 ")
    assert (first.acknowledged, first.already, first.unknown) == (1, 0, 1)
    assert first.ids == (ids[0],)
    async with engine.begin() as conn:
        second = await acknowledge(conn, ids, "李四")
    assert (second.acknowledged, second.already, second.unknown) == (1, 1, 0)
    found = await events(engine)
    assert found[2:] == [
        ("alarm.acknowledged", "device/1", "warning", "张三"),
        ("alarm.acknowledged", "device/2", "alarm", "李四"),
    ]
    assert State.WARNING == 3


@pytest.mark.parametrize(("ids", "by"), [([1], "  "), ([1], "x" * 201), (range(1, 10_002), "me")])
async def test_bad_acknowledgement_is_refused(town, ids, by) -> None:
    async with town[0].begin() as conn:
        with pytest.raises(InvalidError):
            await acknowledge(conn, list(ids), by)
