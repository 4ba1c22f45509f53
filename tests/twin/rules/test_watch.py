"""Rules of the database, live on a real PostGIS: alarms, restart, changes, and what must never fail."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.reading import rows
from tests.twin.observing import batch
from tests.twin.rules.switching import open_alarms, said, switch_on
from tests.waiting import until
from twin.rules.conditions import Learned
from twin.rules.history import try_rule
from twin.rules.thresholds import Limits
from twin.states import State
from twin.store.rules import add_version, get_rule
from twin.twin import Twin

pytestmark = pytest.mark.postgis


async def test_rule_raises_and_clears_beside_the_limits_and_is_shown(city) -> None:
    twin, database, engine = city
    rule = await switch_on(engine, said(), twin)
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0), ("level-2", "level", -9, 16.0)))
    await until(lambda: len(open_alarms(database)) == 2)
    assert open_alarms(database) == [("level-1", 0, 4, 2), ("level-2", 0, 4, 2)]
    one, two = (twin.board.row_of_uid[uid] for uid in ("level-1", "level-2"))
    await until(lambda: twin.board.state[one] == State.ALARM)
    assert twin.board.state[two] == State.ALARM  # the limit says warning, the rule alarm: the worst is shown
    limits = rows(database, "SELECT count(*) FROM alarm WHERE rule_id IS NULL AND cleared_at IS NULL")
    assert limits == [(1,)]
    await twin.observe(batch(twin, ("level-1", "level", -8, 4.5)))
    await twin.observe(batch(twin, ("level-1", "level", -7, 3.9)))
    await until(lambda: len(open_alarms(database)) == 1)
    await until(lambda: twin.board.state[one] == State.NORMAL)
    told = rows(
        database, "SELECT kind, data -> 'rule' ->> 'id', data ->> 'property' FROM journal ORDER BY seq"
    )
    assert ("alarm.raised", str(rule), "level") in told
    assert ("alarm.raised", None, "level") in told
    assert ("alarm.cleared", str(rule), "level") in told


async def test_changed_rule_lets_its_alarms_go_and_says_why(city) -> None:
    twin, database, engine = city
    rule = await switch_on(engine, said(), twin)
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0), ("level-2", "level", -9, 7.0)))
    await until(lambda: len(open_alarms(database)) == 2)
    async with engine.begin() as connection:
        other = said({"type": "limit", "above": 6.5})
        await add_version(connection, rule, 2, other, "李四", enabled=True)
    await until(lambda: open_alarms(database) == [("level-2", 0, 4, 3)])
    async with engine.begin() as connection:
        await add_version(connection, rule, 3, other, "王五", enabled=False, reason="误报")
    await until(lambda: open_alarms(database) == [])
    await until(lambda: not twin.board.rule_state.any())
    why = rows(
        database,
        "SELECT data ->> 'why', actor FROM journal WHERE kind = 'alarm.cleared' ORDER BY seq",
    )
    assert why == [("rule_changed", "李四")] * 2 + [("rule_switched_off", "王五")]


async def test_rules_go_on_after_a_restart(city) -> None:
    twin, database, engine = city
    await switch_on(engine, said(), twin)
    rise = {"type": "rate", "above": 1.0, "per_s": 1, "window_s": 60}
    await switch_on(engine, said(rise, state=State.WARNING), twin)
    silent = {"type": "silence", "after_s": 100}
    await switch_on(engine, said(silent, kinds=("door",), observed=None), twin)
    await twin.observe(
        batch(
            twin,
            ("level-1", "level", -50, 0.0),
            ("level-1", "level", -2, 4.5),
            ("level-2", "level", -9, 6.0),
            ("door-1", "open", -150, 0.0),
        )
    )
    await until(lambda: len(open_alarms(database)) == 2, 5)
    assert open_alarms(database) == [("door-1", None, 4, 2), ("level-2", 0, 4, 2)]
    before = rows(database, "SELECT id, raised_at FROM alarm ORDER BY id")
    await twin.close()
    again = await Twin.open(engine)
    try:
        assert again.board.state[again.board.row_of_uid["level-2"]] == State.ALARM
        # Within the hysteresis: begun it would not, it only goes on. The window of the rate is known too.
        await again.observe(batch(again, ("level-2", "level", -1, 4.5), ("level-1", "level", -1, 60.0)))
        await until(lambda: ("level-1", 0, 3, 2) in open_alarms(database), 5)
        assert ("level-2", 0, 4, 2) in open_alarms(database)
        kept = rows(database, "SELECT id, raised_at FROM alarm WHERE cleared_at IS NULL ORDER BY id")
        assert set(before) <= set(kept)
        assert not rows(database, "SELECT FROM journal WHERE kind = 'alarm.cleared'")
        await again.observe(batch(again, ("door-1", "open", 0, 0.0)))
        await until(lambda: ("door-1", None, 4, 2) not in open_alarms(database), 5)
    finally:
        await again.close()


async def test_what_comes_while_a_connection_is_waited_for_is_written_once(city, monkeypatch) -> None:
    twin, database, engine = city
    rule = await switch_on(engine, said(), twin)

    class Late:
        """Gives its first connection only after more was judged."""

        @asynccontextmanager
        async def begin(self):
            monkeypatch.setattr(twin.rules, "_engine", engine)
            await twin.observe(batch(twin, ("level-2", "level", -7, 6.0), ("level-2", "level", -6, 3.0)))
            async with engine.begin() as connection:
                yield connection

    monkeypatch.setattr(twin.rules, "_engine", Late())
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))
    await until(lambda: twin.rules.totals.told >= 3)
    await twin.observe(batch(twin, ("level-1", "level", -5, 3.0)))
    await until(lambda: not open_alarms(database))
    assert rows(database, "SELECT count(*) FROM alarm WHERE rule_id = %s", rule) == [(2,)]


async def test_rule_holds_only_in_its_area_and_follows_new_devices(city, install_devices) -> None:
    twin, database, engine = city
    install_devices(database, {"level-9": "water_level"}, lon=104.2)
    code = rows(database, "UPDATE device SET scope_code = 510104021001001 WHERE uid = 'level-1' RETURNING id")
    assert code
    await twin.refresh_devices()
    await switch_on(engine, said(area="510104000000000"), twin)
    await twin.observe(batch(twin, ("level-1", "level", -9, 6.0), ("level-2", "level", -9, 7.0)))
    await until(lambda: open_alarms(database) == [("level-1", 0, 4, 2)])
    rows(database, "UPDATE device SET scope_code = 510104021001001 WHERE uid = 'level-2' RETURNING id")
    rows(database, "UPDATE device SET scope_code = 510105021001001 WHERE uid = 'level-1' RETURNING id")
    await twin.refresh_devices()
    await until(lambda: open_alarms(database) == [("level-2", 0, 4, 2)], 5)
    assert rows(database, "SELECT data ->> 'why' FROM journal WHERE kind = 'alarm.cleared'") == [
        ("not_watched",)
    ]


async def test_rule_that_cannot_be_evaluated_stops_no_observation(city, monkeypatch) -> None:
    twin, database, engine = city
    good = await switch_on(engine, said(), twin)
    bad = await switch_on(engine, said({"type": "limit", "above": 7.0}), twin)
    whole = Limits.take

    def take(self, found):
        if any(one.id == bad for one in self.rules):
            raise ZeroDivisionError("broken")
        return whole(self, found)

    monkeypatch.setattr(Limits, "take", take)
    result = await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))
    assert result.stored == 1
    await until(lambda: [one.id for one in twin.rules.rules] == [good])
    await twin.observe(batch(twin, ("level-1", "level", -8, 6.5)))
    await until(lambda: open_alarms(database) == [("level-1", 0, 4, 2)], 5)
    async with engine.connect() as connection:
        kept = await get_rule(connection, bad)
    assert (kept.enabled, kept.failed, kept.changed_by) == (False, "ZeroDivisionError: broken", "system")
    assert twin.rules.totals.failed == 1
    assert rows(database, "SELECT subject FROM journal WHERE kind = 'rule.failed'") == [(f"rule/{bad}",)]


async def test_alarm_that_could_not_be_written_is_written_later(city, monkeypatch) -> None:
    twin, database, engine = city
    await switch_on(engine, said(), twin)
    broken = time.monotonic() + 0.3
    whole = engine.begin

    def begin():
        if time.monotonic() < broken:
            raise OSError("away")
        return whole()

    monkeypatch.setattr(
        twin.rules, "_engine", type("E", (), {"begin": staticmethod(begin), "connect": engine.connect})
    )
    result = await twin.observe(batch(twin, ("level-1", "level", -9, 6.0)))
    assert result.stored == 1
    await until(lambda: open_alarms(database) == [("level-1", 0, 4, 2)], 5)


async def test_parked_car_is_told_also_after_a_restart(city) -> None:
    twin, database, engine = city
    lane = [[[104.06, 30.66], [104.062, 30.66], [104.062, 30.6602], [104.06, 30.6602], [104.06, 30.66]]]
    parked = {"type": "fence", "when": "dwell", "polygons": [lane], "dwell_s": 60, "radius_m": 30}
    stands = [("car-1", "speed", -70 + 10 * n, 0.0, 104.061, 30.6601) for n in range(6)]
    await twin.observe(batch(twin, *stands))
    # A new rule learns of the stay that began before it, and after a restart it goes on.
    await switch_on(engine, said(parked, kinds=("vehicle",), observed=None), twin)
    await until(lambda: open_alarms(database) == [("car-1", None, 4, 2)], 5)
    before = rows(database, "SELECT id FROM alarm WHERE rule_id IS NOT NULL")
    await twin.close()
    again = await Twin.open(engine)
    try:
        assert again.board.state[again.board.row_of_uid["car-1"]] == State.ALARM
        away = [("car-1", "speed", n, 9.0, 104.07, 30.6601) for n in (-2, -1)]
        await again.observe(batch(again, *away))
        await until(lambda: open_alarms(database) == [], 5)
        assert rows(database, "SELECT id FROM alarm WHERE rule_id IS NOT NULL") == before
    finally:
        await again.close()


async def test_what_was_learned_survives_a_restart_and_a_new_name(city) -> None:
    twin, database, engine = city
    rule = await switch_on(engine, said({"type": "learned"}), twin)
    for minute in range(40, 0, -10):
        await twin.observe(batch(twin, ("level-1", "level", -60.0 * minute, 5.0 + minute / 40)))
    await twin.close()
    before = rows(database, "SELECT rule_id, property, version, learned FROM alarm_rule_series")
    assert [(number, slot, version) for number, slot, version, _ in before] == [(rule, 0, 2)]
    async with engine.begin() as connection:
        other = said({"type": "learned"}, state=State.WARNING)
        await add_version(connection, rule, 2, other, "张三", enabled=True)
    again = await Twin.open(engine)
    try:
        evaluator = again.rules._judges.evaluator(Learned)
        known = evaluator.state["series"][evaluator.row == again.board.row_of_uid["level-1"]]
        assert known.tobytes() == before[0][3]
        assert known["heard_h"].sum() > 0.4
    finally:
        await again.close()


async def test_trial_on_what_was_stored_says_what_was_raised_live(city, monkeypatch, now_us) -> None:
    twin, database, engine = city
    tick = twin.rules.tick
    # The readings are of the past: the clock is theirs.
    monkeypatch.setattr(twin.rules, "tick", lambda _now_us: asyncio.sleep(0))
    conditions = [
        {"type": "limit", "above": 8.0, "hysteresis": 2.0, "hold_s": 20},
        {"type": "rate", "above": 1.0, "per_s": 10, "window_s": 60},
        {"type": "silence", "after_s": 25},
    ]
    ids = [await switch_on(engine, said(condition), twin) for condition in conditions]
    random = np.random.default_rng(7)
    begin_us = now_us - 700_000_000
    at = -600.0
    for value, step in zip(
        random.uniform(0, 12, 60).tolist(), random.uniform(2, 30, 60).tolist(), strict=True
    ):
        at += step
        if at < 0:
            await twin.observe(
                batch(twin, ("level-1", "level", at, value), ("level-2", "level", at, 12 - value))
            )
    end_us = now_us
    await tick(end_us)
    told = "SELECT count(*) FROM alarm WHERE rule_id = %s"
    gone = lambda: asyncio.sleep(0, False)  # noqa: E731
    for rule, number in zip(twin.rules.rules, ids, strict=True):
        async with engine.connect() as connection:
            every = np.arange(twin.board.count, dtype=np.int32)
            tried = await try_rule(
                connection, twin.board, rule, every, begin_us, end_us, limit_s=20, gone=gone
            )
        assert tried.complete
        assert tried.outcome.fired > 2
        await until(lambda n=number, t=tried: rows(database, told, n) == [(t.outcome.fired,)], 5)
        episodes = sorted((e.begin_us, e.end_us or 0) for e in tried.outcome.episodes)
        live = rows(
            database,
            "SELECT (extract(epoch FROM raised_at) * 1000000)::int8, "
            "coalesce((extract(epoch FROM cleared_at) * 1000000)::int8, 0) FROM alarm WHERE rule_id = %s",
            number,
        )
        assert sorted(live) == episodes
