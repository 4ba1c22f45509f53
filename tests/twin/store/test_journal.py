"""The journal: numbered in the order of commits, nothing skipped, listeners told."""

from __future__ import annotations

import asyncio
import random

import pytest

from twin.store.engine import create_async_engine
from twin.store.journal import Event, append, newest, read_after

pytestmark = pytest.mark.postgis


@pytest.fixture
async def engine(database):
    made = create_async_engine(database.fresh().async_url, pool_size=12)
    yield made
    await made.dispose()


async def test_events_come_back_in_order_and_whole(engine) -> None:
    events = [
        Event(
            "alarm.raised",
            "device/1",
            {"value": 31.4, "词": "液位 '’\U0001f30a"},
            area_code="510104001001001",
        ),
        Event("alarm.acknowledged", "device/1", {}, actor="张三"),
    ]
    async with engine.begin() as conn:
        assert await append(conn, events) == 2
        assert await append(conn, []) == 2
        assert await append(conn, [Event("alarm.cleared", "device/1", {"n": 3})]) == 3
    async with engine.connect() as conn:
        found = await read_after(conn, 0, 10)
        assert [(e.kind, e.subject, e.data, e.area_code, e.actor) for e in found[:2]] == [
            (e.kind, e.subject, e.data, e.area_code, e.actor) for e in events
        ]
        assert [e.seq for e in await read_after(conn, 1, 1)] == [2]
        assert await newest(conn) == 3
        assert found[0].at is not None
        assert found[0].at.tzinfo is not None
        assert found[0].at <= found[2].at


async def test_number_that_cannot_be_json_is_refused_and_nothing_is_written(engine) -> None:
    with pytest.raises(ValueError, match="JSON"):
        async with engine.begin() as conn:
            await append(conn, [Event("a", "b", {"v": float("nan")})])
    async with engine.connect() as conn:
        assert await newest(conn) == 0


async def test_roll_back_leaves_no_gap(engine) -> None:
    async with engine.connect() as conn, conn.begin() as transaction:
        await append(conn, [Event("a", "b", {})])
        await transaction.rollback()
    async with engine.begin() as conn:
        assert await append(conn, [Event("a", "b", {})]) == 1


async def test_writers_at_once_never_share_or_skip_a_number_and_no_reader_misses_one(engine) -> None:
    """What the advisory lock is for: eight writers commit slowly while a reader resumes from what it saw."""
    writers, each = 8, 25
    seen: list[int] = []
    done = asyncio.Event()

    async def write(name: int) -> None:
        chance = random.Random(name)
        for n in range(each):
            async with engine.begin() as conn:
                events = [Event("test.written", f"{name}/{n}", {"i": i}) for i in range(chance.randint(1, 3))]
                await append(conn, events)
                await asyncio.sleep(chance.random() * 0.004)  # the commit comes late

    async def read() -> None:
        async with engine.connect() as conn:
            while True:
                finished = done.is_set()
                events = await read_after(conn, seen[-1] if seen else 0, 7)
                await conn.rollback()
                seen.extend(e.seq for e in events)
                if finished and not events:
                    return

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(n) for n in range(writers)))
    done.set()
    await reader
    async with engine.connect() as conn:
        last = await newest(conn)
    assert last >= writers * each
    assert seen == list(range(1, last + 1))


async def test_listeners_are_told_the_newest_number_at_commit(engine) -> None:
    told: asyncio.Queue[int] = asyncio.Queue()
    async with engine.connect() as listening:
        driver = (await listening.get_raw_connection()).driver_connection
        await driver.add_listener("journal", lambda *call: told.put_nowait(int(call[3])))
        async with engine.begin() as conn:
            await append(conn, [Event("a", "b", {}), Event("a", "b", {})])
            await asyncio.sleep(0.1)
            assert told.empty()
        assert await asyncio.wait_for(told.get(), 5) == 2
