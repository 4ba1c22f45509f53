"""Everything is deleted after its time, and nothing before; hourly figures stay."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.reading import rows
from twin.access.record import SERVER
from twin.catalog import load_catalog
from twin.errors import InvalidError
from twin.store.engine import create_async_engine
from twin.store.locks import Lock
from twin.store.retention import Retention
from twin.store.retention_terms import DEFAULT_FILE, load_terms
from twin.store.roles import TWIN, role_url

CATALOG = load_catalog()
TERMS = load_terms(CATALOG)


def midnight(days: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


@pytest.fixture
async def kept(database, install_devices):
    """Observations at 1, 89, 95, 200 and 450 days of a camera, a smoke detector, a tracker, a van, meter."""
    fresh = database.fresh()
    ids = install_devices(
        fresh,
        {
            "cam-1": "camera",
            "smoke-1": "smoke",
            "wg-1": "worker",
            "van-1": "vehicle",
            "meter-1": "water_meter",
        },
    )
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        for days in (1, 89, 95, 200, 450):
            day = midnight(days)
            connection.execute("SELECT ensure_observation_partition(%s)", [day.date()])
            for uid in ids:
                for minute, value in ((5, 1.0), (50, 4.0), (70, 10.0)):
                    at = day + timedelta(minutes=minute)
                    connection.execute(
                        "INSERT INTO observation VALUES (%s, 0, %s, %s, %s)", [ids[uid], at, at, value]
                    )
        for days in (1, 29, 31, 2000):
            at = midnight(days)
            connection.execute(
                "INSERT INTO quarantine (received_at, source, reason, detail, payload) "
                "VALUES (%s, 's', 'empty', '', '')",
                [at],
            )
            connection.execute(
                "INSERT INTO journal (seq, at, kind, subject, actor, data) "
                "SELECT journal_newest() + 1, %s, 'alarm.raised', 'device/1', 'system', '{}'",
                [at],
            )
    engine = create_async_engine(role_url(fresh.async_url, TWIN), pool_size=3)
    yield fresh, ids, engine
    await engine.dispose()


def left(database) -> dict[str, list[int]]:
    today = datetime.now(UTC).date()
    found: dict[str, list[int]] = {}
    query = (
        "SELECT DISTINCT uid, phenomenon_time::date FROM observation JOIN device ON device.id = device_id "
        "ORDER BY 1, 2 DESC"
    )
    for uid, day in rows(database, query):
        found.setdefault(uid, []).append((today - day).days)
    return found


@pytest.mark.postgis
async def test_each_class_goes_after_its_days_and_hours_stay(kept) -> None:
    database, ids, engine = kept
    retention = Retention(engine, CATALOG, TERMS)
    would = await retention.preview()
    assert left(database)["wg-1"] == [1, 89, 95, 200, 450]  # a look deletes nothing
    done = await retention.run(SERVER)
    assert done is not None
    gone = {"tracks": 12, "drives": 9, "care": 6, "video": 6}
    assert left(database) == {
        "cam-1": [1, 89],
        "meter-1": [1, 89],
        "smoke-1": [1, 89, 95, 200],
        "van-1": [1],
        "wg-1": [1],
    }
    assert done.observations == gone
    assert done.dropped_days == [midnight(450).date().isoformat()]
    # What was shown beforehand is what went; of the day that goes whole only the day is told.
    assert would.observations == gone
    assert (would.dropped_days, would.tables) == (done.dropped_days, done.tables)
    assert done.tables == {"quarantine": 2, "journal": 0, "observation_hour": 0}
    assert rows(database, "SELECT to_regclass(%s)", f"observation_{midnight(450):%Y%m%d}") == [(None,)]

    hours = rows(database, "SELECT device_id, hour, count, minimum, mean, maximum FROM observation_hour")
    of_camera = sorted(
        row[1:] for row in hours if row[0] == ids["cam-1"] and row[1].date() == midnight(95).date()
    )
    assert of_camera == [
        (midnight(95), 2, 1.0, 2.5, 4.0),
        (midnight(95) + timedelta(hours=1), 1, 10.0, 10.0, 10.0),
    ]
    assert {row[0] for row in hours} == {ids["cam-1"], ids["smoke-1"]}  # of no person, nor their home or van
    assert {row[1].date() for row in hours if row[0] == ids["smoke-1"]} == {midnight(450).date()}

    told = rows(database, "SELECT actor, action, detail FROM audit WHERE action = 'retention.ran'")
    assert told == [("server", "retention.ran", done.as_dict())]
    again = await retention.run(SERVER)
    assert again is not None
    assert not again.anything
    assert len(rows(database, "SELECT 1 FROM audit WHERE action = 'retention.ran'")) == 1


@pytest.mark.postgis
async def test_where_a_vehicle_was_last_is_forgotten_as_its_way_is(kept) -> None:
    database, ids, engine = kept
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        for uid, days in (("van-1", 31), ("cam-1", 400)):
            connection.execute(
                "INSERT INTO device_state (device_id, property, phenomenon_time, received_at, value, state, "
                "lon, lat) VALUES (%s, 0, %s, now(), 12, 0, 104.06, 30.66)",
                [ids[uid], midnight(days)],
            )
    query = "SELECT value, lon, lat FROM device_state WHERE device_id = %s"
    await Retention(engine, CATALOG, TERMS.with_tracks(32.5)).run(SERVER)
    assert rows(database, query, ids["van-1"]) == [(12.0, 104.06, 30.66)]
    await Retention(engine, CATALOG, TERMS).run(SERVER)
    assert rows(database, query, ids["van-1"]) == [(12.0, None, None)]
    assert rows(database, query, ids["cam-1"]) == [(12.0, 104.06, 30.66)], "what stands is no way of anybody"


@pytest.mark.postgis
async def test_the_newest_event_stays_for_numbers_go_on_from_it(kept) -> None:
    database, _, engine = kept
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE journal SET at = now() - interval '9 years'")
    done = await Retention(engine, CATALOG, TERMS).run(SERVER)
    assert done is not None
    assert done.tables["journal"] == 3
    assert rows(database, "SELECT seq FROM journal") == [(4,)]


@pytest.mark.postgis
async def test_one_server_at_a_time(kept) -> None:
    database, _, engine = kept
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({Lock.RETENTION})")
        assert await Retention(engine, CATALOG, TERMS).run(SERVER) is None
        assert left(database)["wg-1"] == [1, 89, 95, 200, 450]
    two = await asyncio.gather(*(Retention(engine, CATALOG, TERMS).run(SERVER) for _ in range(2)))
    assert sum(done is not None and done.anything for done in two) == 1


@pytest.mark.postgis
async def test_a_day_that_is_being_read_goes_the_next_time(kept) -> None:
    """Nobody queues behind a wait for it, and the rest is deleted all the same."""
    database, _, engine = kept
    with psycopg.connect(database.url.replace("+psycopg", "")) as reader:
        reader.execute("SELECT count(*) FROM observation")
        done = await Retention(engine, CATALOG, TERMS).run(SERVER)
    assert done is not None
    assert (done.dropped_days, done.tables["quarantine"]) == ([], 2)
    done = await Retention(engine, CATALOG, TERMS).run(SERVER)
    assert done is not None
    assert done.dropped_days == [midnight(450).date().isoformat()]


@pytest.mark.postgis
async def test_the_servers_hand_deletes_nothing_that_is_young(kept) -> None:
    database, ids, engine = kept
    with pytest.raises(Exception, match="not a day old"):
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT drop_observations(current_date - 1)")
    with pytest.raises(Exception, match="permission denied"):
        async with engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM observation")
    assert left(database)["cam-1"] == [1, 89, 95, 200, 450]
    assert ids


def test_what_comes_late_is_taken_no_longer_than_it_would_be_kept() -> None:
    for kind in CATALOG.by_name.values():
        term = TERMS.term_of(kind)
        assert TERMS.accepted_days(kind) <= term.days
        assert TERMS.accepted_days(kind) == min(30, term.days)
    short = TERMS.with_tracks(3)
    assert short.accepted_days(CATALOG.by_name["worker"]) == 3
    assert short.accepted_days(CATALOG.by_name["vehicle"]) == 3
    assert short.accepted_days(CATALOG.by_name["camera"]) == 30


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('groups = ["video"]', 'groups = ["care"]', "care"),
        ('groups = ["video"]', 'groups = ["vidio"]', "video"),
        ("hourly = false", "hourly = true", "without hourly"),
        (
            'groups = ["vehicles"]\ndays = 30\nhourly = false',
            'groups = ["vehicles"]\ndays = 30\nhourly = true',
            "moves",
        ),
        ("days = 90", "days = 0", "days"),
        ('name = "journal"', 'name = "alarm"', "alarm"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    file = tmp_path / "retention.toml"
    file.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidError, match=wrong):
        load_terms(CATALOG, file)
