"""Who a worker is stays masked until it is revealed for a reason, and whoever looks is on the record."""

from __future__ import annotations

import time
from types import SimpleNamespace

import httpx
import pytest

from api.access import reading
from api.access.door import COOKIE
from api.access.reading import REMEMBERED_S
from tests.api.routes.conftest import BESIDE, HERE, observe
from twin.access.scope import WHOLE_CODE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

REASON = {"reason": "居民投诉，需要联系本人"}


def record(served, action: str) -> list[tuple[object, ...]]:
    return served.sql(
        "SELECT actor, object, reason, detail FROM audit WHERE action = %s ORDER BY seq", action
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/5",
        "/api/workers/5",
        "/api/devices/1/neighbours?radius_m=5000",
        "/api/search?q=worker-0001",
        "/api/stats/on_duty_workers/list",
        "/api/journal",
    ],
)
async def test_a_name_is_masked_in_every_answer(client, path) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "小明" not in answer.text
    assert "Xiaoming" not in answer.text
    assert "周*" in answer.text


async def test_a_worker_is_not_found_by_a_guess_of_the_name(client) -> None:
    for name in ("周小明", "周", "Xiaoming"):
        assert (await client.get("/api/search", params={"q": name})).json() == []


async def test_a_worker_reads_the_own_name_and_nobody_elses(signed_in) -> None:
    own = await signed_in("worker", HERE, worker_id=1)
    answer = (await own.get("/api/workers/5")).json()
    assert (answer["name"], answer["masked"]) == ({"zh": "周小明", "en": "Zhou Xiaoming"}, False)
    assert (await own.get("/api/devices/5")).json()["name"]["zh"] == "周小明"
    assert (await own.get("/api/workers/7")).status_code == 404
    elsewhere = await signed_in("worker", BESIDE, worker_id=1)
    assert (await elsewhere.get("/api/workers/5")).json()["name"]["zh"] == "周小明"
    assert (await elsewhere.get("/api/workers/7")).status_code == 404
    leader = await signed_in("operator", HERE, worker_id=1)
    rows = (await leader.get("/api/stats/on_duty_workers/list")).json()["rows"]
    assert [row["name"]["zh"] for row in rows] == ["周小明", "李*"]


async def test_a_reveal_gives_the_name_and_is_on_the_record(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    answer = await dispatcher.post("/api/workers/5/reveal", json=REASON)
    assert answer.json() == {
        "worker_id": 1, "name": {"zh": "周小明", "en": "Zhou Xiaoming"}, "phone": None
    }  # fmt: skip
    [(_actor, about, reason, detail)] = record(served, "person.revealed")
    assert (about, reason, detail) == ("worker/1", REASON["reason"], {"fields": ["name", "name_en"]})
    assert (await dispatcher.get("/api/workers/5")).json()["name"]["zh"] == "周*", "once is not for ever"


async def test_nobody_is_revealed_elsewhere_without_the_right_or_without_a_reason(served, signed_in) -> None:
    dispatcher, operator = await signed_in("dispatcher", HERE), await signed_in("operator")
    assert (await dispatcher.post("/api/workers/7/reveal", json=REASON)).status_code == 404
    assert (await dispatcher.post("/api/workers/1/reveal", json=REASON)).status_code == 404
    assert (await operator.post("/api/workers/5/reveal", json=REASON)).status_code == 403
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "\x00"}, {"reason": "x" * 501}):
        assert (await dispatcher.post("/api/workers/5/reveal", json=body)).status_code == 422, body
    assert record(served, "person.revealed") == []


async def test_who_sees_a_worker_may_reveal_only_where_the_right_holds(served) -> None:
    secret = await served.secret(("operator", WHOLE_CODE), ("dispatcher", BESIDE))
    async with httpx.AsyncClient(base_url=served.url, cookies={COOKIE: secret}) as both:
        assert (await both.get("/api/workers/5")).status_code == 200
        assert (await both.post("/api/workers/5/reveal", json=REASON)).status_code == 404
        assert (await both.post("/api/workers/7/reveal", json=REASON)).status_code == 200


async def test_a_reveal_that_cannot_be_recorded_reveals_nothing(served, signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    await served.run_sql("ALTER TABLE audit RENAME TO audit_gone")
    answer = await dispatcher.post("/api/workers/5/reveal", json=REASON)
    assert answer.status_code == 500
    assert "周" not in answer.text


async def test_each_reading_of_trails_is_on_the_record_with_the_workers(served, client, signed_in) -> None:
    for uid in ("worker-0001", "worker-0009"):
        await observe(served, uid, [4.0] * 3, track=True)
    assert {trail["id"] for trail in (await client.get("/api/trails?minutes=5")).json()} == {5, 7}
    here = await signed_in("operator", HERE)
    assert {trail["id"] for trail in (await here.get("/api/trails?minutes=2")).json()} == {5}
    [(first, *rest), (second, *others)] = record(served, "track.read")
    assert rest == ["workers", "", {"workers": [1, 3], "minutes": 5.0, "for_s": REMEMBERED_S}]
    assert others == ["worker/1", "", {"workers": [1], "minutes": 2.0, "for_s": REMEMBERED_S}]
    assert first != second


async def test_the_same_reading_by_the_same_session_is_on_the_record_once_in_its_time(
    served, client, signed_in, monkeypatch
) -> None:
    async def read(by: httpx.AsyncClient, minutes: int) -> int:
        assert (await by.get("/api/trails", params={"minutes": minutes})).status_code == 200
        return len(record(served, "track.read"))

    await observe(served, "worker-0001", [4.0] * 3, track=True)
    assert [await read(client, 5) for _ in range(3)] == [1, 1, 1]
    assert [await read(client, 6), await read(client, 5)] == [2, 2], "other minutes are another reading"
    other = await signed_in("manager")
    assert [await read(other, 5) for _ in range(2)] == [3, 3], "and so is another session"
    began = time.monotonic()
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: began + REMEMBERED_S + 1))
    assert await read(client, 5) == 4


async def test_trails_that_cannot_be_recorded_are_not_read(served, client) -> None:
    await observe(served, "worker-0001", [4.0] * 3, track=True)
    await forbid_the_record(served)
    answer = await client.get("/api/trails")
    assert answer.status_code == 500
    assert "path" not in answer.json()


async def forbid_the_record(served) -> None:
    await served.run_sql(
        "REVOKE EXECUTE ON FUNCTION audit_append(text, uuid, text, text, text, text, text, text, jsonb) "
        "FROM gridtwin_app"
    )
