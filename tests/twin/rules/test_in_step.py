"""Alarms of the database stay in step with what is judged, whatever fails between the two."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from tests.reading import rows
from tests.twin.observing import batch
from tests.twin.rules.switching import open_alarms, said, switch_on
from tests.waiting import until
from twin.errors import UnavailableError
from twin.rules.thresholds import Limits
from twin.states import State
from twin.store.locks import Lock
from twin.twin import Twin

pytestmark = pytest.mark.postgis


class AnswerLost:
    """Commits the first transactions, and then says that the connection was cut."""

    def __init__(self, engine, times: int = 1) -> None:
        self._engine, self.left = engine, times

    def __getattr__(self, name: str):
        return getattr(self._engine, name)

    @asynccontextmanager
    async def begin(self):
        async with self._engine.begin() as connection:
            yield connection
        if self.left:
            self.left -= 1
            raise ConnectionResetError("cut before the answer came")


async def test_alarm_that_came_and_went_is_written_once_though_the_answer_was_lost(city, monkeypatch) -> None:
    twin, database, engine = city
    await switch_on(engine, said(), twin)
    cut = AnswerLost(engine)
    monkeypatch.setattr(twin.rules, "_engine", cut)
    up_and_down = ("level-1", "level", -9, 6.0), ("level-1", "level", -8, 3.0)
    await twin.observe(batch(twin, *up_and_down))
    await until(lambda: twin.rules.totals.told == 2)
    assert not cut.left
    assert rows(database, "SELECT count(*), count(cleared_at) FROM alarm WHERE rule_id IS NOT NULL") == [
        (1, 1)
    ]
    told = rows(database, "SELECT kind FROM journal WHERE starts_with(kind, 'alarm.') ORDER BY seq")
    assert told == [("alarm.raised",), ("alarm.cleared",)]


def lose_answer(twin, monkeypatch) -> None:
    """Let the next commit of observations be done, and its answer not come."""
    whole, left = twin._writer._write, [1]

    async def cut(*values):
        written = await whole(*values)
        if left:
            left.pop()
            raise ConnectionResetError("cut before the answer came")
        return written

    monkeypatch.setattr(twin._writer, "_write", cut)


async def test_alarm_goes_also_where_the_answer_was_lost_and_nobody_sent_again(city, monkeypatch) -> None:
    twin, database, _ = city
    lose_answer(twin, monkeypatch)
    with pytest.raises(UnavailableError):
        await twin.observe(batch(twin, ("level-1", "level", -9, 16.0)))
    await twin.observe(batch(twin, ("level-1", "level", -8, 3.0)))
    assert rows(database, "SELECT count(*), count(cleared_at) FROM alarm") == [(1, 1)]


async def test_batch_sent_again_raises_no_second_alarm(city, monkeypatch) -> None:
    twin, database, _ = city
    lose_answer(twin, monkeypatch)
    up_and_down = batch(twin, ("level-1", "level", -9, 16.0), ("level-1", "level", -8, 3.0))
    with pytest.raises(UnavailableError):
        await twin.observe(up_and_down)
    result = await twin.observe(up_and_down)
    assert (result.stored, result.duplicate) == (0, 2)
    assert rows(database, "SELECT count(*), count(cleared_at) FROM alarm") == [(1, 1)]


async def test_alarms_beside_a_rule_that_failed_are_still_held(city, monkeypatch) -> None:
    twin, database, engine = city
    await switch_on(engine, said(), twin)
    bad = await switch_on(engine, said({"type": "limit", "above": 7.0}), twin)
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))
    await until(lambda: open_alarms(database) == [("level-1", 0, 4, 2)])
    whole = Limits.take

    def take(self, found):
        if any(one.id == bad for one in self.rules):
            raise ZeroDivisionError("broken")
        return whole(self, found)

    monkeypatch.setattr(Limits, "take", take)
    await twin.observe(batch(twin, ("level-2", "level", -8, 3.0)))
    await until(lambda: bool(rows(database, "SELECT FROM journal WHERE kind = 'rule.failed'")))
    await until(lambda: len(twin.rules.rules) == 1)
    await twin.rules.refresh()
    row = twin.board.row_of_uid["level-1"]
    assert twin.board.rule_state[row] == 4
    await twin.observe(batch(twin, ("level-1", "level", -7, 3.0)))
    await until(lambda: not open_alarms(database), 5)


async def test_device_removed_before_its_alarm_was_written_holds_up_no_other(city, monkeypatch) -> None:
    twin, database, engine = city
    await switch_on(engine, said(), twin)

    class Away:
        def begin(self):
            raise ConnectionRefusedError("away")

        connect = begin

    monkeypatch.setattr(twin.rules, "_engine", Away())
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))
    rows(database, "UPDATE device SET valid_to = now() WHERE uid = 'level-1' RETURNING id")
    await twin.refresh_devices()
    monkeypatch.setattr(twin.rules, "_engine", engine)
    await twin.observe(batch(twin, ("level-2", "level", -8, 6.0)))
    await until(lambda: open_alarms(database) == [("level-2", 0, 4, 2)], 5)


async def test_alarm_judged_while_rules_are_read_goes_with_what_it_is_about(city, monkeypatch) -> None:
    twin, database, engine = city
    rows(database, "UPDATE device SET scope_code = 510104021001001 WHERE uid = 'level-1' RETURNING id")
    await twin.refresh_devices()
    await switch_on(engine, said(area="510104000000000"), twin)
    rows(database, "UPDATE device SET scope_code = 510105021001001 WHERE uid = 'level-1' RETURNING id")

    class Late:
        """Answers what is asked first, and hands the answer out after more was judged."""

        begin = engine.begin

        @asynccontextmanager
        async def connect(self):
            monkeypatch.setattr(twin.rules, "_engine", engine)
            async with engine.connect() as connection:
                yield connection
                await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))

    monkeypatch.setattr(twin.rules, "_engine", Late())
    await twin.refresh_devices()
    await twin.rules.refresh()
    await until(lambda: not twin.rules._pending.transitions)
    assert open_alarms(database) == []


async def test_what_waits_while_the_twin_closes_is_refused(city) -> None:
    twin, database, _ = city
    with psycopg.connect(database.url.replace("+psycopg", "")) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({Lock.ALARM_GROUPS})")
        first = asyncio.create_task(twin.observe(batch(twin, ("level-1", "level", -9, 16.0))))
        await until(lambda: twin.totals.commit_begun is not None)
        second = asyncio.create_task(twin.observe(batch(twin, ("level-1", "level", -8, 3.0))))
        await until(lambda: bool(twin._commits.waiting))
        closing = asyncio.create_task(twin.close())
        await asyncio.sleep(0)
    await asyncio.wait([first, second, closing], timeout=5)
    assert first.result().stored == 1
    assert isinstance(second.exception(), UnavailableError)


async def test_watch_of_the_clock_that_fails_disturbs_no_commit(city, monkeypatch) -> None:
    twin, database, _ = city
    begun, fails = asyncio.Event(), asyncio.Event()

    async def tick(_now_us: int) -> None:
        begun.set()
        await fails.wait()
        raise RuntimeError("broken")

    monkeypatch.setattr(twin.rules, "tick", tick)
    await begun.wait()
    with psycopg.connect(database.url.replace("+psycopg", "")) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({Lock.ALARM_GROUPS})")
        going = asyncio.create_task(twin.observe(batch(twin, ("level-1", "level", -9, 16.0))))
        await until(lambda: twin.totals.commit_begun is not None)
        fails.set()
        await asyncio.sleep(0.1)
    assert (await going).stored == 1


async def test_device_that_comes_back_goes_on_from_its_open_alarm(city) -> None:
    twin, database, _ = city
    await twin.observe(batch(twin, ("level-1", "level", -9, 16.0)))
    rows(database, "UPDATE device SET valid_to = now() WHERE uid = 'level-1' RETURNING id")
    await twin.refresh_devices()
    assert "level-1" not in twin.board.row_of_uid
    rows(database, "UPDATE device SET valid_to = NULL WHERE uid = 'level-1' RETURNING id")
    await twin.refresh_devices()
    assert twin.board.state[twin.board.row_of_uid["level-1"]] == State.WARNING
    await twin.observe(batch(twin, ("level-1", "level", -8, 3.0)))
    assert rows(database, "SELECT count(*), count(cleared_at) FROM alarm") == [(1, 1)]


async def test_start_mends_what_is_out_of_step(city) -> None:
    twin, database, engine = city
    await twin.observe(batch(twin, ("level-1", "level", -9, 16.0), ("level-2", "level", -9, 3.0)))
    await twin.close()
    rows(database, "UPDATE device_state SET state = 3 - state RETURNING 1")
    again = await Twin.open(engine)
    try:
        opened = "SELECT d.uid, a.state FROM alarm AS a JOIN device AS d ON d.id = device_id"
        assert rows(database, f"{opened} WHERE cleared_at IS NULL") == [("level-2", State.WARNING)]
        assert rows(database, "SELECT alarms, open_alarms FROM alarm_group") == [(2, 1)]
    finally:
        await again.close()


async def test_what_comes_while_windows_are_read_is_judged(city, monkeypatch) -> None:
    twin, database, engine = city
    await twin.observe(batch(twin, ("level-1", "level", -50, 0.0)))
    whole = twin.rules._read_before

    async def late(*values):
        read = await whole(*values)
        monkeypatch.setattr(twin.rules, "_read_before", whole)
        await twin.observe(batch(twin, ("level-1", "level", -2, 90.0)))
        return read

    monkeypatch.setattr(twin.rules, "_read_before", late)
    await switch_on(engine, said({"type": "rate", "above": 1.0, "per_s": 1, "window_s": 60}), twin)
    await until(lambda: open_alarms(database) == [("level-1", 0, 4, 2)], 5)
