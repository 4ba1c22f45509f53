"""The one door for observations, on a real PostGIS."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import psycopg
import pytest

from tests.reading import rows
from tests.twin.observing import batch
from tests.waiting import until
from twin.batch import Detail
from twin.errors import UnavailableError
from twin.states import State
from twin.store import writer
from twin.store.engine import create_async_engine
from twin.twin import Twin

pytestmark = pytest.mark.postgis


@pytest.fixture
async def city(database, install_devices, now_us):
    """A fresh database with five devices, and a twin open on it."""
    fresh = database.fresh()
    install_devices(
        fresh,
        {
            "level-1": "water_level",
            "level-2": "water_level",
            "door-1": "door",
            "wg-0001": "worker",
            "air-1": "air_quality",
        },
    )
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    yield twin, fresh
    await twin.close()
    await engine.dispose()


@pytest.fixture(params=["one statement", "copied", "states copied too"])
def by(request, monkeypatch) -> None:
    """Few observations are written by one statement, many copied: the same comes of all ways."""
    if request.param != "one statement":
        monkeypatch.setattr(writer, "_FEW", 0)
    if request.param == "states copied too":
        monkeypatch.setattr(writer, "_FEW_STATES", -1)


@pytest.mark.usefixtures("by")
async def test_observation_is_stored_and_shown(city) -> None:
    twin, database = city
    result = await twin.observe(batch(twin, ("level-1", "level", -1, 12.5), ("level-1", "battery", -1, 80)))
    assert (result.stored, result.duplicate, result.late, result.quarantined) == (2, 0, 0, 0)
    row = twin.board.row_of_uid["level-1"]
    assert twin.board.value[row] == 12.5
    assert twin.board.values[row, 1] == 80
    assert twin.board.state[row] == State.NORMAL
    stored = rows(database, "SELECT property, value FROM observation ORDER BY property")
    assert stored == [(0, 12.5), (1, 80.0)]
    assert rows(database, "SELECT property, value, state FROM device_state ORDER BY 1") == [
        (0, 12.5, 0),
        (1, 80, 0),
    ]


@pytest.mark.usefixtures("by")
async def test_late_and_double_never_move_the_state_back(city) -> None:
    twin, database = city
    await twin.observe(batch(twin, ("level-1", "level", -10, 3.0)))
    result = await twin.observe(
        batch(
            twin,
            ("level-1", "level", -20, 30.0),  # late
            ("level-1", "level", -10, 99.0),  # the time is taken
            ("level-1", "level", -20, 30.0),  # double inside the batch
            ("level-1", "level", -5, 4.0),
            ("level-1", "level", -7, 5.0),  # out of order inside the batch, but newer than what was shown
        )
    )
    assert (result.stored, result.duplicate, result.late) == (3, 2, 1)
    row = twin.board.row_of_uid["level-1"]
    assert twin.board.value[row] == 4.0
    assert twin.board.state[row] == State.NORMAL
    assert rows(database, "SELECT value FROM observation ORDER BY phenomenon_time") == [
        (30.0,),
        (3.0,),
        (5.0,),
        (4.0,),
    ]
    assert rows(database, "SELECT value FROM device_state") == [(4.0,)]
    assert rows(database, "SELECT count(*) FROM alarm") == [(0,)]


async def test_what_cannot_be_true_is_quarantined_with_its_reason(city) -> None:
    twin, database = city
    wrong = batch(
        twin,
        ("level-1", "level", -1, float("nan")),
        ("level-1", "level", -1, float("inf")),
        ("level-1", "level", -1, 1000.1),
        ("level-1", "level", 601, 5.0),
        ("level-1", "level", -31 * 86400, 5.0),
        ("level-1", "level", -1, 5.0, 104.0, 30.0),
        ("wg-0001", "speed", -1, 1.0, 200.0, 30.0),
        ("wg-0001", "speed", -1, 1.0, 104.0, float("nan")),
        ("door-1", "open", -1, 0.0),
    )
    result = await twin.observe(wrong)
    assert (result.stored, result.quarantined) == (1, 8)
    assert [r.reason for r in result.refusals] == [
        "not_finite",
        "not_finite",
        "out_of_range",
        "from_the_future",
        "too_old",
        "does_not_move",
        "bad_position",
        "bad_position",
    ]
    await asyncio.wait_for(asyncio.gather(*(r.written for r in result.refusals if r.written)), 10)
    kept = rows(database, "SELECT reason, source, detail, payload FROM quarantine ORDER BY id")
    assert [k[0] for k in kept] == [r.reason for r in result.refusals]
    assert b"level-1" in kept[2][3]
    assert kept[2][1:3] == (
        "test",
        "level = 1000.1 cm: possible is 0 to 1000 · at device level-1 · check the sensor and its unit",
    )
    assert twin.board.times_us[twin.board.row_of_uid["level-1"]].max() == 0


async def test_what_a_client_declared_is_kept_beyond_the_board(city) -> None:
    twin, fresh = city[:2]
    given = batch(twin, ("level-1", "level", 0, 5.0), *(("level-1", "level", s, 0.0) for s in (0, 1, 1)))
    given.slot = np.array([0, 4, 4, 4], np.int16)
    given.value[1:] = 1e6, np.nan, 7.0  # no range holds there; the third is of a moment that is there already
    given.detail = np.array([None, None, Detail(result='"text"'), None], object)
    result = await twin.observe(given)
    assert (result.stored, result.duplicate, result.quarantined) == (3, 1, 0)
    again = await twin.observe(given)
    assert (again.stored, again.duplicate) == (0, 4)
    kept = rows(
        fresh,
        "SELECT o.property, nullif(o.value, 'NaN'), x.result FROM observation AS o "
        "LEFT JOIN observation_detail AS x USING (device_id, property, phenomenon_time) "
        "ORDER BY o.property, o.phenomenon_time",
    )
    assert kept == [(0, 5.0, None), (4, 1e6, None), (4, None, "text")]
    assert rows(fresh, "SELECT property FROM device_state") == [(0,)]
    assert twin.board.values[twin.board.row_of_uid["level-1"], 0] == 5.0


async def test_alarm_is_raised_changed_and_cleared_once_each(city) -> None:
    twin, database = city
    for second, level in ((-60, 14.9), (-50, 15.0), (-40, 14.5), (-30, 26.0), (-20, 24.5), (-10, 13.9)):
        await twin.observe(batch(twin, ("level-1", "level", second, level)))
    events = rows(
        database, "SELECT seq, kind, data->>'state', (data->>'value')::float FROM journal ORDER BY seq"
    )
    # 14.5 is inside the hysteresis of 15, 24.5 inside that of 25: neither is an event.
    assert events == [
        (1, "alarm.raised", "warning", 15.0),
        (2, "alarm.changed", "critical", 26.0),
        (3, "alarm.cleared", "normal", 13.9),
    ]
    alarms = rows(database, "SELECT state, worst_state, value, cleared_at > raised_at, simulated FROM alarm")
    assert alarms == [(0, 5, 13.9, True, True)]


async def test_short_alarm_inside_one_batch_is_not_missed(city) -> None:
    twin, database = city
    await twin.observe(
        batch(
            twin,
            ("level-1", "level", -30, 2.0),
            ("level-1", "level", -10, 2.0),
            ("level-1", "level", -20, 40.0),
        )
    )
    kinds = [k for (k,) in rows(database, "SELECT kind FROM journal ORDER BY seq")]
    assert kinds == ["alarm.raised", "alarm.cleared"]


async def test_hold_time_runs_out_without_another_message(city) -> None:
    twin, database = city
    await twin.observe(batch(twin, ("door-1", "open", -299.0, 1.0)))
    row = twin.board.row_of_uid["door-1"]
    assert twin.board.state[row] == State.NORMAL
    await until(lambda: twin.board.state[row] == State.WARNING)
    assert rows(database, "SELECT kind FROM journal") == [("alarm.raised",)]
    assert rows(database, "SELECT state FROM device_state") == [(3,)]


@pytest.mark.usefixtures("by")
async def test_worker_moves_by_the_newest_position(city, now_us) -> None:
    twin, database = city
    await twin.observe(batch(twin, ("wg-0001", "speed", -5, 1.0, 104.1, 30.7)))
    await twin.observe(
        batch(twin, ("wg-0001", "speed", -9, 1.0, 104.2, 30.8), ("wg-0001", "battery", -1, 50))
    )
    row = twin.board.row_of_uid["wg-0001"]
    assert (twin.board.lon[row], twin.board.lat[row]) == (104.1, 30.7)
    assert row in twin.board.rows_in_room(int(twin.board.room[row]))
    places = rows(database, "SELECT lon, lat FROM observation ORDER BY phenomenon_time")
    assert places == [(104.2, 30.8), (104.1, 30.7), (None, None)]
    seen = "SELECT extract(epoch FROM phenomenon_time) * 1000000, extract(epoch FROM received_at) * 1000000"
    times = rows(database, f"{seen} FROM observation ORDER BY 1")
    assert times == [(now_us + s * 1_000_000, now_us) for s in (-9, -5, -1)]


async def test_state_survives_a_restart(city, database) -> None:
    twin, fresh = city
    await twin.observe(
        batch(
            twin,
            ("level-1", "level", -3, 22.0),
            ("wg-0001", "speed", -2, 1.0, 104.1, 30.7),
            ("air-1", "no2", -1, 41),
        )
    )
    again = await Twin.open(twin.engine)
    try:
        for uid in ("level-1", "wg-0001", "air-1"):
            a, b = twin.board.row_of_uid[uid], again.board.row_of_uid[uid]
            assert np.array_equal(twin.board.values[a], again.board.values[b], equal_nan=True)
            for column in ("times_us", "states", "lon", "lat", "room", "state", "heard_us", "position_us"):
                assert np.array_equal(getattr(twin.board, column)[a], getattr(again.board, column)[b]), column
        result = await again.observe(
            batch(again, ("level-1", "level", -3, 22.0), ("level-1", "level", -1, 3.0))
        )
        assert (result.stored, result.duplicate) == (1, 1)
        kinds = [k for (k,) in rows(fresh, "SELECT kind FROM journal ORDER BY seq")]
        assert kinds == ["alarm.raised", "alarm.cleared"]
    finally:
        await again.close()


@pytest.mark.usefixtures("by")
async def test_unique_violation_falls_back_and_loses_nothing(city, now_us) -> None:
    twin, database = city
    await twin.observe(batch(twin, ("level-1", "level", -9, 1.0)))
    with psycopg.connect(
        database.url.replace("+psycopg", "")
    ) as connection:  # somebody else stored the next one
        connection.execute(
            "INSERT INTO observation "
            "SELECT device_id, property, to_timestamp(0) + make_interval(secs => %s), received_at, 7.0, "
            "NULL, NULL FROM observation",
            [(now_us - 5_000_000) / 1e6],
        )
    result = await twin.observe(batch(twin, ("level-1", "level", -5, 7.0), ("level-1", "level", -4, 8.0)))
    assert (result.stored, result.duplicate) == (1, 1)
    assert twin.board.value[twin.board.row_of_uid["level-1"]] == 8.0


async def test_imported_device_appears_and_a_closed_one_goes(city, install_devices) -> None:
    twin, database = city
    twin.board.take_changes()
    install_devices(database, {"late-1": "smoke"})
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE device SET valid_to = now() + interval '1 s' WHERE uid = 'level-2'")
    await until(lambda: "late-1" in twin.board.row_of_uid and "level-2" not in twin.board.row_of_uid)
    changes = twin.board.take_changes()
    assert len(changes.left_id) == 1
    assert twin.board.row_of_uid["late-1"] in changes.moved


async def test_many_senders_at_once_share_commits(city) -> None:
    twin, database = city
    results = await asyncio.gather(
        *(twin.observe(batch(twin, ("level-1", "level", -100 + i, float(i)))) for i in range(50))
    )
    assert sum(r.stored for r in results) == 50
    assert twin.totals.commits < 50
    assert rows(database, "SELECT count(*) FROM observation") == [(50,)]


async def test_twin_without_a_database_says_so(tmp_path) -> None:
    engine = create_async_engine(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(UnavailableError, match="does not answer"):
        await Twin.open(engine)
    await engine.dispose()


async def test_closing_twin_takes_nothing_more(city) -> None:
    twin, _ = city
    await twin.close()
    with pytest.raises(UnavailableError):
        await twin.observe(batch(twin, ("level-1", "level", -1, 1.0)))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_permuted_doubled_and_interleaved_observations_are_stored_once(city, seed: int, now_us) -> None:
    twin, database = city
    chance = random.Random(seed)
    unique = [
        (uid, name, -second, float((second * 7) % 40), *place)
        for uid, name, place in (
            ("level-1", "level", ()),
            ("level-2", "level", ()),
            ("air-1", "pm10", ()),
            ("wg-0001", "speed", (104.0 + seed / 100, 30.6)),
        )
        for second in range(1, 301)
    ]
    flood = unique + chance.sample(unique, 300)
    chance.shuffle(flood)
    sending = []
    while flood:
        n = chance.randint(1, 200)
        sending.append(twin.observe(batch(twin, *flood[:n])))
        flood = flood[n:]
    results = await asyncio.gather(*sending)
    assert sum(r.stored for r in results) == 1200
    assert sum(r.duplicate for r in results) == 300
    stored = rows(
        database,
        "SELECT uid, property, round(extract(epoch FROM phenomenon_time) * 1000000 - %s)::int8 / 1000000, "
        "value "
        "FROM observation JOIN device ON device.id = device_id",
        now_us,
    )
    slots = {"level": 0, "pm10": 1, "speed": 0}
    assert sorted(stored) == sorted(
        (uid, slots[name], second, value) for uid, name, second, value, *_ in unique
    )
    board = twin.board
    for uid, slot in (("level-1", 0), ("level-2", 0), ("air-1", 1), ("wg-0001", 0)):
        assert board.values[board.row_of_uid[uid], slot] == 7.0  # the newest, one second ago
        assert board.times_us[board.row_of_uid[uid], slot] == now_us - 1_000_000
    present = rows(database, "SELECT DISTINCT value FROM device_state")
    assert present == [(7.0,)]
    alarms = rows(database, "SELECT count(*) FROM alarm WHERE cleared_at IS NULL")
    assert alarms == [(int((board.states[:5] >= State.WARNING).sum()),)]


async def test_flood_of_alarms_is_one_commit(city, install_devices) -> None:
    twin, database = city
    install_devices(database, {f"flood-{i:04d}": "water_level" for i in range(2000)})
    await twin.refresh_devices()
    result = await twin.observe(batch(twin, *((f"flood-{i:04d}", "level", -1, 26.0) for i in range(2000))))
    assert result.stored == 2000
    assert twin.totals.commits == 1
    assert rows(database, "SELECT count(*), max(seq) FROM journal WHERE kind = 'alarm.raised'") == [
        (2000, 2000)
    ]


async def test_device_removed_while_its_observation_waits_is_not_stored(city) -> None:
    twin, database = city
    waiting = batch(twin, ("level-1", "level", -1, 1.0), ("level-2", "level", -1, 2.0))
    async with twin._commits.turn:
        task = asyncio.create_task(twin.observe(waiting))
        await asyncio.sleep(0.05)
        twin.board.remove([int(twin.board.device_id[twin.board.row_of_uid["level-1"]])])
    result = await task
    assert (result.stored, result.quarantined) == (1, 1)
    assert rows(database, "SELECT value FROM observation") == [(2.0,)]


async def test_refresh_reads_only_what_changed(city, install_devices) -> None:
    twin, database = city
    await twin.refresh_devices()
    twin.board.take_changes()
    await twin.refresh_devices()
    assert len(twin.board.take_changes().moved) == 0
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE device SET height_m = 7, uid = 'air-renamed' WHERE uid = 'air-1'")
    await until(lambda: "air-renamed" in twin.board.row_of_uid)
    row = twin.board.row_of_uid["air-renamed"]
    assert "air-1" not in twin.board.row_of_uid
    assert twin.board.height_m[row] == 7
    assert list(twin.board.take_changes().moved) == [row]
