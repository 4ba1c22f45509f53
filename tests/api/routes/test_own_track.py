"""Workers see their own track and who looked at it, and of others neither."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.api.routes.conftest import BESIDE, HERE, observe
from twin.store.roles import APP, AUTH, TWIN, role_url

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]


def store(served, device: int, *ages_s: float) -> None:
    """Put fixes into the store as the past left them, each a little farther on."""
    now = datetime.now(UTC)
    with psycopg.connect(served.database.url.replace("+psycopg", "")) as connection:
        for n, age_s in enumerate(ages_s):
            at = now - timedelta(seconds=age_s)
            connection.execute("SELECT ensure_observation_partition(%s)", [at.date()])
            connection.execute(
                "INSERT INTO observation VALUES (%s, 0, %s, %s, 1, %s, 30.66)",
                [device, at, at, 104.06 + n * 1e-4],
            )


async def test_own_track_is_a_line_with_its_times_and_its_gaps(served, signed_in) -> None:
    own = await signed_in("worker", HERE, worker_id=1)
    assert (await own.get("/api/account")).json()["is_worker"] is True
    assert (await own.get("/api/account/track")).json() == {
        "type": "FeatureCollection",
        "features": [],
        "fixes": 0,
    }
    await served.run_sql("UPDATE worker SET device_since = now() - interval '1 h'")
    store(served, 5, 900, 895, 890, 600, 100, 95)
    store(served, 7, 80, 70)
    answer = (await own.get("/api/account/track")).json()
    kinds = [(one["geometry"]["type"], len(one["properties"]["times"])) for one in answer["features"]]
    assert kinds == [("LineString", 3), ("Point", 1), ("LineString", 2)]
    assert answer["fixes"] == 6
    first = answer["features"][0]
    assert first["geometry"]["coordinates"] == [[104.06, 30.66], [104.0601, 30.66], [104.0602, 30.66]]
    assert first["properties"]["times"][0] == pytest.approx(time.time() - 900, abs=20)
    since = (datetime.now(UTC) - timedelta(seconds=300)).isoformat()
    until = (datetime.now(UTC) - timedelta(seconds=98)).isoformat()
    part = (await own.get("/api/account/track", params={"from": since, "to": until})).json()
    assert part["fixes"] == 1
    record = served.sql("SELECT count(*) FROM audit WHERE action LIKE 'track%'")
    assert record == [(0,)], "to read the own track is not a look at it"


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-01-01T00:00:00", "2026-01-02T00:00:00Z"),
        (None, "0001-01-01T00:00:00Z"),
    ],
)
async def test_times_that_cannot_be_are_refused(signed_in, since, until) -> None:
    own = await signed_in("worker", HERE, worker_id=1)
    given = {name: value for name, value in (("from", since), ("to", until)) if value}
    assert (await own.get("/api/account/track", params=given)).status_code == 422


async def test_what_a_tracker_observed_with_another_is_not_the_own_track(served, signed_in) -> None:
    store(served, 5, 100, 95, 90)
    await served.run_sql("UPDATE worker SET device_id = NULL WHERE id = 1")
    await served.run_sql("UPDATE worker SET device_id = 5 WHERE id = 2")
    await served.run_sql(
        "INSERT INTO duty (worker_id, starts_at, ends_at, consent_at) VALUES "
        "(2, now() - interval '1 h', now() + interval '1 h', now() - interval '1 h')"
    )
    second = await signed_in("worker", HERE, worker_id=2)
    assert (await second.get("/api/account/track")).json()["fixes"] == 0
    store(served, 5, -1)
    until = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert (await second.get("/api/account/track", params={"to": until})).json()["fixes"] == 1
    first = await signed_in("worker", HERE, worker_id=1)
    assert (await first.get("/api/account/track", params={"to": until})).json()["fixes"] == 0


async def test_worker_is_told_who_looked_and_nothing_of_others(served, client, signed_in) -> None:
    for uid in ("worker-0001", "worker-0009"):
        await observe(served, uid, [4.0] * 3, track=True)
    assert len((await client.get("/api/trails?minutes=5")).json()) == 2
    beside = await signed_in("dispatcher", BESIDE)
    assert len((await beside.get("/api/trails?minutes=7")).json()) == 1
    first = await signed_in("worker", HERE, worker_id=1)
    other = await signed_in("worker", BESIDE, worker_id=3)
    [look] = (await first.get("/api/account/looks")).json()
    [(actor,)] = served.sql("SELECT actor FROM audit WHERE detail ->> 'minutes' = '5.0'")
    assert set(look) == {"at", "account", "roles", "reason", "minutes"}, "not who else was looked at"
    assert (look["account"], look["minutes"]) == (actor, 5.0)
    assert look["roles"] == [{"zh": "区域管理员", "en": "Area manager"}]
    assert [look["minutes"] for look in (await other.get("/api/account/looks")).json()] == [7.0, 5.0]
    nobody = await signed_in("worker", HERE, worker_id=2)
    assert (await nobody.get("/api/account/looks")).json() == []


async def test_way_to_the_looks_opens_nothing_else_of_the_record(served, client) -> None:
    await observe(served, "worker-0001", [4.0] * 3, track=True)
    await client.get("/api/trails")
    await client.post("/api/workers/5/reveal", json={"reason": "电话核实"})
    look = "SELECT count(*) FROM own_looks(now() - interval '1 day', 1000)"

    def connect(role: str) -> psycopg.Connection:
        return psycopg.connect(role_url(served.database.url, role).replace("+psycopg", ""))

    with connect(APP) as connection:
        assert connection.execute(look).fetchone() == (0,), "nobody"
        connection.execute("SELECT set_config('gridtwin.self_worker', '1', true)")
        assert connection.execute(look).fetchone() == (1,), "not what was revealed, nor who signed in"
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (0,)
        connection.execute("SELECT set_config('gridtwin.self_worker', '3', true)")
        assert connection.execute(look).fetchone() == (0,)
    for role in (AUTH, TWIN):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(look)
