"""Where a worker is may be known only while they are on duty: at the door, in the database, on the board."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from tests.reading import rows
from tests.waiting import until
from twin.live.duties import Duties
from twin.store.engine import create_async_engine
from twin.store.roles import TWIN, role_url
from twin.store.tracks import expire_tracks
from twin.twin import ObservationBatch, Twin

pytestmark = pytest.mark.postgis

HERE = (104.1234567, 30.7654321)


def batch(twin: Twin, *readings: tuple) -> ObservationBatch:
    """Readings (uid, property, seconds from now, value[, lon, lat]) as a batch."""
    board, now_us = twin.board, time.time_ns() // 1000
    at = [board.row_of_uid[reading[0]] for reading in readings]
    kinds = [board.catalog.by_code[int(board.kind[row])] for row in at]
    places = np.array([reading[4:6] or (np.nan, np.nan) for reading in readings], np.float64)
    return ObservationBatch(
        row=np.array(at, np.int32),
        slot=np.array([k.property(r[1]).slot for k, r in zip(kinds, readings, strict=True)], np.uint8),
        phenomenon_us=np.array([now_us + int(reading[2] * 1e6) for reading in readings], np.int64),
        value=np.array([reading[3] for reading in readings], np.float64),
        lon=places[:, 0],
        lat=places[:, 1],
        received_us=np.full(len(at), now_us, np.int64),
        source="test",
    )


def change(database, statement: str, *parameters) -> None:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute(statement, parameters)


@pytest.fixture
async def city(database, install_devices):
    """A twin, signed in as the server is, with two workers: the duty of one ended a minute ago."""
    fresh = database.fresh()
    install_devices(fresh, {"wg-on-1": "worker", "wg-off-1": "worker", "level-1": "water_level"})
    change(fresh, "UPDATE duty SET ends_at = now() - interval '60 s' FROM worker "
                  "WHERE worker.id = worker_id AND code = 'wg-off-1'")  # fmt: skip
    engine = create_async_engine(role_url(fresh.url, TWIN))
    twin = await Twin.open(engine)
    yield twin, fresh
    await twin.close()
    await engine.dispose()


def test_time_is_covered_from_the_first_moment_of_a_duty_to_before_its_end() -> None:
    duties = Duties(30)
    duties.replace([(7, 100, 200), (7, 300, None), (9, 150, 160)])
    times = [99, 100, 199, 200, 299, 300, 10**18]
    asked = np.array(times, np.int64)
    covered = [False, True, True, False, False, True, True]
    assert duties.cover(np.full(7, 7, np.int32), asked).tolist() == covered
    assert not duties.cover(np.full(7, 8, np.int32), asked).any(), "a tracker between two known ones"
    assert not duties.cover(np.full(7, 99, np.int32), asked).any()
    duties.replace([])
    assert not duties.cover(np.full(7, 7, np.int32), asked).any()


async def test_nothing_of_the_time_off_duty_is_kept(city) -> None:
    twin, database = city
    result = await twin.observe(
        batch(
            twin,
            ("wg-off-1", "speed", -90, 1.0, *HERE),  # on duty then, delivered late
            ("wg-off-1", "speed", -30, 1.5, *HERE),
            ("wg-off-1", "battery", -30, 50),
            ("wg-off-1", "speed", -20, 1e9, *HERE),  # impossible besides: kept even less
            ("wg-on-1", "speed", -5, 1.0, 104.5, 30.5),
            ("level-1", "level", -1, 3.0),
        )
    )
    assert (result.stored, result.quarantined) == (3, 3)
    assert [(r.index, r.reason, r.written) for r in result.refusals] == [
        (i, "off_duty", None) for i in (1, 2, 3)
    ]
    assert twin.quarantine.reasons == {"off_duty": 3}
    stored = rows(
        database, "SELECT uid, lon FROM observation JOIN device ON device.id = device_id ORDER BY uid"
    )
    assert stored == [("level-1", None), ("wg-off-1", HERE[0]), ("wg-on-1", 104.5)]
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]
    row = twin.board.row_of_uid["wg-off-1"]
    assert twin.board.room[row] == 0, "a late place of a duty that is over shows nobody"


async def test_quarantine_keeps_no_place_of_a_worker(city) -> None:
    twin, database = city
    await twin.observe(batch(twin, ("wg-on-1", "speed", -5, 1e9, *HERE)))
    await until(lambda: twin.quarantine.written == 1)
    ((payload,),) = rows(database, "SELECT payload FROM quarantine")
    assert b"104.1" not in bytes(payload)
    assert b"1000000000.0" in bytes(payload)


async def test_marker_leaves_when_the_duty_ends_and_comes_back_with_the_next(city) -> None:
    twin, database = city
    board = twin.board
    row = board.row_of_uid["wg-on-1"]
    base = board.lon[row], board.lat[row]
    await twin.observe(batch(twin, ("wg-on-1", "speed", -5, 1.0, *HERE)))
    board.take_changes()
    room = int(board.room[row])
    assert row in board.rows_in_room(room)
    change(database, "UPDATE duty SET ends_at = now(), ended_by = 'worker' WHERE ends_at IS NULL")
    await until(lambda: board.room[row] == 0)
    changes = board.take_changes()
    assert (list(changes.left_id), list(changes.left_room)) == ([board.device_id[row]], [room])
    assert row not in changes.moved
    assert row in changes.hidden
    assert row not in board.rows_in_room(room)
    assert (board.lon[row], board.lat[row]) == base
    query = "SELECT count(*) FROM device_state WHERE lon IS NOT NULL"
    await until(lambda: rows(database, query) == [(0,)])
    assert rows(database, "SELECT bool_or(on_duty) FROM worker") == [(False,)]
    change(database, "INSERT INTO duty (worker_id, starts_at, consent_at) "
                     "SELECT id, now(), now() FROM worker WHERE code = 'wg-on-1'")  # fmt: skip
    assert rows(database, "SELECT code FROM worker WHERE on_duty") == [("wg-on-1",)]

    for _ in range(100):
        if (await twin.observe(batch(twin, ("wg-on-1", "speed", 0, 1.0, *HERE)))).stored:
            break
        await asyncio.sleep(0.02)
    assert board.room[row] == room


async def test_duty_that_ends_at_a_set_time_ends_then(city) -> None:
    twin, database = city
    row = twin.board.row_of_uid["wg-on-1"]
    assert twin.board.room[row] != 0
    change(database, "UPDATE duty SET ends_at = now() + interval '1 s' WHERE ends_at IS NULL")
    await until(lambda: twin.board.room[row] == 0)
    query = "SELECT bool_or(on_duty) FROM worker"
    await until(lambda: rows(database, query) == [(False,)])


@pytest.mark.parametrize("way", ["copy", "insert"])
def test_database_itself_drops_a_place_off_duty(database, install_devices, way: str) -> None:
    fresh = database.fresh()
    ids = install_devices(fresh, {"wg-on-1": "worker", "level-1": "water_level"})
    change(fresh, "UPDATE duty SET ends_at = now() - interval '1 min'")
    now = datetime.now(UTC)
    given = [
        (ids["wg-on-1"], now, 104.0),
        (ids["wg-on-1"], now - timedelta(seconds=1), None),
        (ids["wg-on-1"], now - timedelta(minutes=2), 104.0),
        (ids["level-1"], now, None),
        (99_999, now, 104.0),  # no device: nobody's place
    ]
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        for day in {moment.date() for _, moment, _ in given}:
            connection.execute("SELECT ensure_observation_partition(%s)", [day])
        columns = "(device_id, property, phenomenon_time, received_at, value, lon, lat)"
        if way == "copy":
            with connection.cursor().copy(f"COPY observation {columns} FROM STDIN") as copy:
                for device, moment, lon in given:
                    copy.write_row((device, 0, moment, moment, 1.0, lon, lon and 30.0))
        else:
            for device, moment, lon in given:
                connection.execute(
                    f"INSERT INTO observation {columns} VALUES (%s, 0, %s, %s, 1, %s, %s)",
                    [device, moment, moment, lon, lon and 30.0],
                )
    stored = rows(fresh, "SELECT device_id, phenomenon_time, lon FROM observation")
    assert sorted(stored, key=str) == sorted(given[1:], key=str)


def test_two_duties_of_one_worker_do_not_overlap(database, install_devices) -> None:
    fresh = database.fresh()
    install_devices(fresh, {"wg-on-1": "worker"})
    with pytest.raises(psycopg.errors.ExclusionViolation):
        change(
            fresh, "INSERT INTO duty (worker_id, starts_at, consent_at) SELECT id, now(), now() FROM worker"
        )
    with pytest.raises(psycopg.errors.NotNullViolation):
        change(fresh, "INSERT INTO duty (worker_id, starts_at) SELECT id, '2001-01-01' FROM worker")


async def test_tracks_are_deleted_after_their_days_and_nothing_else(database, install_devices) -> None:
    fresh = database.fresh()
    ids = install_devices(fresh, {"wg-on-1": "worker", "level-1": "water_level"})
    now = datetime.now(UTC)
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        for days in (0.5, 29.9, 30.1, 31, 35):
            moment = now - timedelta(days=days)
            connection.execute("SELECT ensure_observation_partition(%s)", [moment.date()])
            for uid, lon in (("wg-on-1", 104.0), ("level-1", None)):
                connection.execute(
                    "INSERT INTO observation VALUES (%s, 0, %s, %s, 1, %s, %s)",
                    [ids[uid], moment, moment, lon, lon],
                )
        connection.execute(
            "INSERT INTO device_state VALUES (%s, 0, %s, %s, 1, 0, 104, 30)",
            [ids["wg-on-1"], now - timedelta(days=31), now],
        )
    engine = create_async_engine(role_url(fresh.url, TWIN))
    try:
        assert await expire_tracks(engine, 30) == 3
        assert await expire_tracks(engine, 30) == 0
    finally:
        await engine.dispose()
    counted = (
        "SELECT uid, count(*) FROM observation JOIN device ON device.id = device_id GROUP BY 1 ORDER BY 1"
    )
    assert rows(fresh, counted) == [("level-1", 5), ("wg-on-1", 2)]
    assert rows(fresh, "SELECT lon, lat, value FROM device_state") == [(None, None, 1.0)]
