"""Shelving, maintenance, groups acknowledged at once, and the load of alarms, over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.alarm_load import flood_began
from tests.api.routes.conftest import BESIDE, HERE, observe

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]


def ahead(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def groups(http) -> list[dict]:
    return (await http.get("/api/alarms")).json()["groups"]


async def test_a_group_is_acknowledged_at_once_and_one_beside_is_unknown(served, signed_in, client) -> None:
    ids = {group["area"]["code"]: group["group_id"] for group in await groups(client) if group["area"]}
    here = await signed_in("operator", HERE)
    body = {"group_ids": list(ids.values())}
    answer = await here.post("/api/alarms/acknowledge", json=body)
    assert answer.json() == {"acknowledged": 1, "already": 0, "unknown": len(ids) - 1}
    assert (await here.post("/api/alarms/acknowledge", json={})).status_code == 422


async def test_what_is_put_aside_is_listed_counted_told_and_on_the_record(served, client, signed_in) -> None:
    here = await signed_in("operator", HERE)
    [group] = await groups(here)
    body = {"group_id": group["group_id"], "reason": " 误报 ", "until": ahead(2)}
    made = await here.post("/api/alarms/shelve", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["reason"], made.json()["ended_at"]) == ("误报", None)
    assert (await here.post("/api/alarms/shelve", json=body)).status_code == 409
    answer = (await here.get("/api/alarms")).json()
    assert (answer["shelved"], answer["open"], len(answer["groups"])) == (1, 1, 1)
    assert (answer["groups"][0]["no_case"], answer["without_case"]) == ("before", 0)
    assert answer["groups"][0]["shelved_until"] == made.json()["until_at"]
    assert answer["groups"][0]["shelving"] == made.json()
    assert (answer["groups"][0]["may_acknowledge"], answer["groups"][0]["acknowledged_by"]) == (True, [])
    watching = await signed_in("worker", HERE)
    assert (await watching.get("/api/alarms")).json()["groups"][0]["may_acknowledge"] is False
    assert [one["id"] for one in (await here.get("/api/alarms/shelved")).json()] == [made.json()["id"]]
    beside = await signed_in("operator", BESIDE)
    assert (await beside.get("/api/alarms/shelved")).json() == []
    path = f"/api/alarms/shelved/{made.json()['id']}/end"
    assert (await beside.post(path)).status_code == 404
    assert (await beside.post("/api/alarms/shelve", json=body)).status_code == 404
    assert (await here.post(path)).status_code == 200
    answer = (await here.get("/api/alarms")).json()
    assert (answer["shelved"], answer["groups"][0]["shelving"]) == (0, None)
    told = await served.run_sql(
        "SELECT kind, scope_code FROM journal WHERE kind LIKE 'alarm.%shelved' ORDER BY seq"
    )
    assert told == [("alarm.shelved", int(HERE)), ("alarm.unshelved", int(HERE))]
    acts = await served.run_sql("SELECT action, reason FROM audit WHERE action LIKE 'alarm.%' ORDER BY seq")
    assert acts == [("alarm.shelved", "误报"), ("alarm.unshelved", "")]


REFUSED = [
    ({"until": -1}, 422),
    ({"until": 8.1}, 422),
    ({"until": "2026-01-01T00:00:00"}, 422),
    ({"reason": "  "}, 422),
    ({"group_id": None, "device_id": None}, 422),
    ({"device_id": 1}, 422),
    ({"group_id": 999_999}, 404),
]


async def test_what_cannot_be_put_aside_is_refused(client) -> None:
    for change, status in REFUSED:
        body = {"group_id": 1, "reason": "x", "until": 1} | change
        if isinstance(body["until"], int | float):  # hours from the time when it is asked
            body["until"] = ahead(body["until"])
        answer = await client.post("/api/alarms/shelve", json=body)
        assert answer.status_code == status, (change, answer.text)


async def test_who_may_set_windows_and_where(served, signed_in) -> None:
    manager, operator = await signed_in("manager", HERE), await signed_in("operator", HERE)
    body = {"area_code": HERE, "begins_at": ahead(-1), "ends_at": ahead(2), "reason": "管网检修"}
    assert (await operator.post("/api/maintenance", json=body)).status_code == 403
    assert (await manager.post("/api/maintenance", json=body | {"area_code": BESIDE})).status_code == 422
    assert (await manager.post("/api/maintenance", json=body | {"area_code": None})).status_code == 403
    bent = {"type": "Polygon", "coordinates": [[[104, 30], [105, 31], [105, 30], [104, 31], [104, 30]]]}
    refused = await manager.post("/api/maintenance", json=body | {"polygon": bent})
    assert (refused.status_code, refused.json()["where"]) == (422, "polygon")
    made = await manager.post("/api/maintenance", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["area_name"]["zh"] == "第一网格"
    assert (made.json()["may_end"], made.json()["alarms"]) == (True, 0)
    await served.run_sql(
        "UPDATE alarm SET maintenance_id = %s WHERE id = (SELECT min(id) FROM alarm)", made.json()["id"]
    )
    [told] = (await operator.get("/api/maintenance")).json()
    assert (told["may_end"], told["alarms"], told["open_alarms"]) == (False, 1, 1)
    assert [one["id"] for one in (await operator.get("/api/maintenance")).json()] == [made.json()["id"]]
    assert (await manager.post(f"/api/maintenance/{made.json()['id']}/end")).status_code == 200
    assert (await operator.get("/api/maintenance")).json() == []
    assert (await manager.post(f"/api/maintenance/{made.json()['id']}/end")).status_code == 404


async def test_a_sensor_raises_its_case_by_itself_and_tells_the_load(served, client) -> None:
    await observe(served, "water-0003", [31.4])

    cases = "SELECT 1 FROM case_file WHERE source = 'sensor' AND category_code = '54001'"
    for _ in range(200):
        if await served.run_sql(cases):
            break
        await asyncio.sleep(0.05)
    answer = (await client.get("/api/alarms")).json()
    mine = next(g for g in answer["groups"] if any(m["uid"] == "water-0003" for m in g["members"]))
    assert (mine["state"], mine["case"]["number"][:2]) == ("critical", "20")
    load = answer["load"]
    assert load["groups"] >= 1
    assert load["alarms"] >= 1
    assert (load["operators"], load["acceptable"], load["flood"]) == (1, 1.0, False)
    assert load["per_operator"] == load["groups"]


def test_a_flood_begins_above_ten_and_ends_below_five() -> None:
    assert flood_began({}) is None
    assert flood_began({0: 10}) is None
    assert flood_began({3: 11}) == 3
    assert flood_began({3: 4, 12: 11}) is None
    assert flood_began({3: 5, 12: 11}) == 12
    assert flood_began({40: 11}) is None
