"""An alarm is acknowledged by whoever is signed in, where they may, and that is on the record."""

from __future__ import annotations

import httpx
import pytest

from api.access.door import COOKIE
from tests.api.routes.conftest import BESIDE, HERE
from twin.access.grants import Grants
from twin.access.roles import Act, DataClass
from twin.access.scope import EVERYWHERE
from twin.rules.alarms import acknowledge
from twin.store.scoped import scoped

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

PATH = "/api/alarms/acknowledge"


async def alarm_of(served, uid: str) -> int:
    [(alarm_id,)] = await served.run_sql(
        "SELECT a.id FROM alarm AS a JOIN device AS d ON d.id = a.device_id WHERE d.uid = %s", uid
    )
    return alarm_id


async def test_an_alarm_beside_is_unknown_and_stays_as_it_is(served, signed_in) -> None:
    own, other = await alarm_of(served, "water-0001"), await alarm_of(served, "water-0009")
    here = await signed_in("operator", HERE)
    answer = await here.post(PATH, json={"alarm_ids": [own, other]})
    assert answer.json() == {"acknowledged": 1, "already": 0, "unknown": 1}
    assert (await here.post(PATH, json={"alarm_ids": [own, other]})).json() == {
        "acknowledged": 0,
        "already": 1,
        "unknown": 1,
    }
    found = await served.run_sql("SELECT id FROM alarm WHERE acknowledged_at IS NOT NULL")
    assert found == [(own,)]
    events = await served.run_sql(
        "SELECT scope_code, data ->> 'alarm_id' FROM journal WHERE kind = 'alarm.acknowledged'"
    )
    assert events == [(int(HERE), str(own))]
    [(actor, by, about, detail)] = await served.run_sql(
        """SELECT audit.actor, alarm.acknowledged_by, audit.object, audit.detail
           FROM audit, alarm WHERE action = 'alarm.acknowledged' AND acknowledged_by IS NOT NULL"""
    )
    assert (actor, about, detail) == (by, f"alarm/{own}", {"alarms": [own], "by": by})


async def test_an_alarm_that_lies_in_no_area_is_acknowledged_by_who_has_the_whole(
    served, client, signed_in
) -> None:
    alarm = await alarm_of(served, "water-0009")
    await served.run_sql("UPDATE alarm SET scope_code = 0 WHERE id = %s", alarm)
    await served.run_sql("UPDATE device SET geom = ST_SetSRID(ST_MakePoint(110, 35), 4326) WHERE id = 6")
    beside = await signed_in("operator", BESIDE)
    body = {"alarm_ids": [alarm]}
    assert (await beside.post(PATH, json=body)).json()["unknown"] == 1
    assert (await client.post(PATH, json=body)).json()["acknowledged"] == 1


async def test_who_may_not_acknowledge_is_refused_and_seeing_is_not_enough(served, signed_in) -> None:
    own = await alarm_of(served, "water-0001")
    for role, area in {
        "worker": HERE,
        "wall": HERE,
        "department": HERE,
        "planner": HERE,
        "auditor": None,
    }.items():
        answer = await (await signed_in(role, area)).post(PATH, json={"alarm_ids": [own]})
        assert answer.status_code == 403, role
    secret = await served.secret(("worker", HERE), ("operator", BESIDE))
    async with httpx.AsyncClient(base_url=served.url, cookies={COOKIE: secret}) as both:
        assert (await both.get("/api/devices/1/events")).status_code == 200
        answer = await both.post(PATH, json={"alarm_ids": [own]})
        assert answer.json() == {"acknowledged": 0, "already": 0, "unknown": 1}
    assert await served.run_sql("SELECT 1 FROM alarm WHERE acknowledged_at IS NOT NULL") == []


async def test_the_alarm_of_a_worker_one_does_not_see_is_unknown(served) -> None:
    tracker = await alarm_of(served, "worker-0009")
    reads = {DataClass.PLACE: EVERYWHERE, DataClass.ALARM: EVERYWHERE}
    grants = Grants(reads=reads, acts={Act.ACKNOWLEDGE_ALARM: EVERYWHERE}, roles=("made up",))
    async with scoped(served.runtime.engine, grants) as connection:
        result = await acknowledge(connection, [tracker], "somebody")
    assert (result.acknowledged, result.unknown) == (0, 1)


async def test_without_the_record_nothing_is_acknowledged(served, client) -> None:
    own = await alarm_of(served, "water-0001")
    await served.run_sql(
        "REVOKE EXECUTE ON FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) "
        "FROM gridtwin_app"
    )
    assert (await client.post(PATH, json={"alarm_ids": [own]})).status_code == 500
    assert await served.run_sql("SELECT 1 FROM alarm WHERE acknowledged_at IS NOT NULL") == []
    assert await served.run_sql("SELECT 1 FROM journal WHERE kind = 'alarm.acknowledged'") == []
