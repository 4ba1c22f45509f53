"""The numbers of a day that is over are exact whatever comes and goes after, and while it is counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from twin.access.record import SERVER
from twin.catalog import load_catalog
from twin.store.day_counts import count_days, counted_days
from twin.store.engine import create_async_engine
from twin.store.retention import Retention
from twin.store.retention_terms import load_terms
from twin.store.roles import TWIN, role_url

pytestmark = pytest.mark.postgis

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
OVER, OLDER = TODAY - timedelta(days=3), TODAY - timedelta(days=92)
BRING = "INSERT INTO observation VALUES (%s, %s, %s, %s, 1) ON CONFLICT DO NOTHING"


class Kept:
    """A database with observations, asked and changed as its owner."""

    def __init__(self, database, ids: dict[str, int], engine) -> None:
        self.url = database.url.replace("+psycopg", "")
        self.ids, self.engine = ids, engine

    def run(self, statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def bring(self, uid: str, day: datetime, *minutes: int) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("SELECT ensure_observation_partition(%s)", [day.date()])
            for minute in minutes:
                at = day + timedelta(minutes=minute)
                connection.execute(BRING, [self.ids[uid], 0, at, at])

    async def count(self) -> int:
        days = {row[0] for row in self.run("SELECT DISTINCT phenomenon_time::date FROM observation")}
        return await count_days(self.engine, days)

    def truth(self) -> dict[tuple, int]:
        return self._sums(
            "SELECT phenomenon_time::date, device_id, property, count(*) FROM observation "
            "WHERE phenomenon_time::date IN (SELECT day FROM counted_day) GROUP BY 1, 2, 3"
        )

    def kept(self) -> dict[tuple, int]:
        return self._sums(
            "SELECT day, device_id, property, sum(count) FROM observation_count "
            "GROUP BY 1, 2, 3 HAVING sum(count) <> 0"
        )

    def _sums(self, statement: str) -> dict[tuple, int]:
        return {row[:3]: int(row[3]) for row in self.run(statement)}


@pytest.fixture
async def kept(database, install_devices):
    fresh = database.fresh()
    ids = install_devices(fresh, {"cam-1": "camera", "cam-2": "camera", "smoke-1": "smoke"})
    engine = create_async_engine(role_url(fresh.async_url, TWIN), pool_size=4)
    yield Kept(fresh, ids, engine)
    await engine.dispose()


async def test_days_that_are_over_are_counted_once_and_the_others_not(kept):
    for day in (OVER, TODAY - timedelta(days=1), TODAY):
        kept.bring("cam-1", day, 1, 2, 3)
    assert await kept.count() == 1
    assert kept.kept() == kept.truth() == {(OVER.date(), kept.ids["cam-1"], 0): 3}
    assert await kept.count() == 0
    async with kept.engine.connect() as connection:
        assert await counted_days(connection) == [OVER.date()]


async def test_what_comes_and_goes_later_is_counted_too(kept):
    kept.bring("cam-1", OVER, 1, 2, 3)
    kept.bring("cam-2", OVER, 1)
    await kept.count()
    kept.bring("cam-1", OVER, 3, 4, 5, 6)  # one of them is there already
    kept.bring("smoke-1", OVER, 7)
    kept.run("DELETE FROM observation WHERE device_id = %s", kept.ids["cam-2"])
    kept.run("UPDATE observation SET value = 7")
    with psycopg.connect(kept.url) as connection:
        at = OVER + timedelta(minutes=50)
        connection.execute(BRING, [kept.ids["cam-1"], 0, at, at])
        connection.rollback()
    assert kept.kept() == kept.truth()
    assert kept.kept() == {
        (OVER.date(), kept.ids["cam-1"], 0): 6,
        (OVER.date(), kept.ids["smoke-1"], 0): 1,
    }
    assert await kept.count() == 0
    rows = kept.run("SELECT device_id, count FROM observation_count ORDER BY 1")
    assert rows == [(kept.ids["cam-1"], 6), (kept.ids["smoke-1"], 1)]  # put together


async def test_what_comes_and_goes_while_a_day_is_counted_is_counted_once(kept):
    kept.bring("cam-1", OVER, *range(10))
    kept.bring("cam-2", OVER, 1)
    async with kept.engine.begin() as connection:
        await connection.exec_driver_sql(f"SELECT watch_observations('{OVER.date()}')")
    kept.bring("cam-1", OVER, 20, 21)  # noted, and there when the count begins
    kept.run("DELETE FROM observation WHERE device_id = %s", kept.ids["cam-2"])
    at = OVER + timedelta(minutes=30)
    with psycopg.connect(kept.url) as late:
        late.execute(BRING, [kept.ids["cam-1"], 0, at, at])  # not committed while it is counted
        assert await kept.count() == 1
        late.commit()
    assert kept.kept() == kept.truth() == {(OVER.date(), kept.ids["cam-1"], 0): 13}


async def test_a_day_somebody_writes_to_is_not_waited_for(kept):
    kept.bring("cam-1", OVER, 1)
    at = OVER + timedelta(minutes=30)
    with psycopg.connect(kept.url) as late:
        late.execute(BRING, [kept.ids["cam-1"], 0, at, at])
        async with asyncio.timeout(5):
            assert await kept.count() == 0
    assert await kept.count() == 1
    assert kept.kept() == kept.truth()


async def test_what_is_kept_for_its_time_is_taken_out_of_the_numbers(kept):
    catalog = load_catalog()
    for day in (OLDER, OVER, TODAY - timedelta(days=450)):
        kept.bring("cam-1", day, 1, 2)
        kept.bring("smoke-1", day, 1)
    assert await kept.count() == 3
    done = await Retention(kept.engine, catalog, load_terms(catalog)).run(SERVER)
    assert done is not None
    assert (done.observations, len(done.dropped_days)) == ({"video": 2}, 1)
    assert kept.kept() == kept.truth()
    assert {day for day, *_ in kept.kept()} == {OLDER.date(), OVER.date()}
    assert kept.run("SELECT count(*) FROM counted_day") == [(2,)]


async def test_days_are_counted_by_whoever_deletes(kept):
    catalog = load_catalog()
    kept.bring("cam-1", OVER, 1, 2)
    await Retention(kept.engine, catalog, load_terms(catalog)).run(SERVER)
    assert kept.kept() == {(OVER.date(), kept.ids["cam-1"], 0): 2}


async def test_the_servers_hand_changes_no_number(kept):
    kept.bring("cam-1", OVER, 1)
    await kept.count()
    for statement in (
        "UPDATE observation_count SET count = 7",
        "DELETE FROM observation_count",
        "INSERT INTO counted_day (day) VALUES (current_date)",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with kept.engine.begin() as connection:
                await connection.exec_driver_sql(statement)
    with pytest.raises(Exception, match="not a day old"):
        async with kept.engine.begin() as connection:
            await connection.exec_driver_sql("SELECT watch_observations(current_date - 1)")
