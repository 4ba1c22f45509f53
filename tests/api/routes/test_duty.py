"""A real worker begins and ends the own duty; the map, the database and the record follow at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.routes.conftest import BESIDE, HERE, observe
from tests.waiting import until
from twin.store.roles import APP, role_url

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

TRACKER = 5


@pytest.fixture
async def worker(served, signed_in) -> httpx.AsyncClient:
    """The account of the worker in the first grid, whose simulated duty is over."""
    await served.run_sql("UPDATE duty SET ends_at = now(), ended_by = 'simulation' WHERE worker_id = 1")
    return await signed_in("worker", HERE, worker_id=1)


def consenting(**more: object) -> dict[str, object]:
    return {"client_id": str(uuid4()), "consent": True, **more}


def acts(served) -> list[tuple[object, ...]]:
    return served.sql(
        "SELECT action, actor LIKE 'test-%%', object, reason, detail ->> 'by' FROM audit "
        "WHERE action LIKE 'duty.%%' AND %s ORDER BY seq",
        True,
    )


async def begun(served, worker, **more: object) -> dict[str, object]:
    """Begin a duty, and wait until the server takes what the tracker sends."""
    answer = await worker.post("/api/duty/begin", json=consenting(**more))
    assert answer.status_code == 200, answer.text
    duties = served.runtime.twin._duties
    now = int(datetime.now(UTC).timestamp() * 1e6)
    await until(lambda: bool(duties.cover(_array(TRACKER, "int32"), _array(now, "int64"))[0]))
    return answer.json()


def _array(value: int, kind: str):
    import numpy as np

    return np.array([value], kind)


async def test_a_duty_begins_with_consent_and_ends_and_the_map_follows(served, worker, signed_in) -> None:
    board = served.runtime.twin.board
    row = board.row_of_uid["worker-0001"]
    await until(lambda: board.room[row] == 0)
    assert (await worker.get("/api/duty")).json()["on_duty"] is False
    duty = await begun(served, worker)
    state = (await worker.get("/api/duty")).json()
    assert (state["on_duty"], state["current"], state["longest_s"]) == (True, duty, 43_200)
    assert duty["ended_by"] is None
    lasts = datetime.fromisoformat(duty["ends_at"]) - datetime.fromisoformat(duty["starts_at"])
    assert lasts == timedelta(hours=12)
    assert duty["consent_at"] == duty["starts_at"]
    await observe(served, "worker-0001", [1.0], track=True)
    assert board.room[row] != 0
    leader = await signed_in("operator", HERE)
    assert (await leader.get(f"/api/workers/{TRACKER}")).json()["on_duty"] is True

    ended = (await worker.post("/api/duty/end", json={"client_id": duty["client_id"]})).json()
    assert ended["ended_by"] == "worker"
    await until(lambda: board.room[row] == 0)
    await until(lambda: served.sql("SELECT count(lon) FROM device_state WHERE device_id = 5") == [(0,)])
    assert (await leader.get(f"/api/workers/{TRACKER}")).json()["on_duty"] is False
    state = (await worker.get("/api/duty")).json()
    assert (state["on_duty"], state["past"][0]) == (False, ended)
    assert acts(served) == [
        ("duty.begun", True, "worker/1", "", None),
        ("duty.ended", True, "worker/1", "", "worker"),
    ]
    consent = served.sql("SELECT detail -> 'consent' FROM audit WHERE action = 'duty.begun'")
    assert consent == [(True,)]


async def test_without_consent_there_is_no_duty(served, worker) -> None:
    for body in ({"client_id": str(uuid4()), "consent": False}, {"client_id": str(uuid4())}):
        answer = await worker.post("/api/duty/begin", json=body)
        assert answer.status_code == 422
        assert "consent" in answer.json()["where"]
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    answer = await worker.post("/api/duty/begin", json=consenting(planned_end_at=past))
    assert (answer.status_code, answer.json()["where"]) == (422, "planned_end_at")
    assert served.sql("SELECT count(*) FROM duty WHERE worker_id = 1") == [(1,)]
    assert acts(served) == []


async def test_what_is_repeated_over_a_bad_net_is_one_duty_and_one_act(served, worker) -> None:
    body = consenting()
    answers = await asyncio.gather(*(worker.post("/api/duty/begin", json=body) for _ in range(5)))
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].status_code == 200
    other = await worker.post("/api/duty/begin", json=consenting())
    assert (other.status_code, "end it first" in other.json()["hint"]) == (409, True)
    one = {"client_id": body["client_id"]}
    ends = await asyncio.gather(*(worker.post("/api/duty/end", json=one) for _ in range(5)))
    assert {(end.status_code, end.text) for end in ends} == {(200, ends[0].text)}
    late = await worker.post("/api/duty/begin", json=body)
    assert late.json() == ends[0].json(), "what began and ended does not begin again"
    assert [act for act, *_ in acts(served)] == ["duty.begun", "duty.ended"]
    next_one = await worker.post("/api/duty/begin", json=consenting())
    assert next_one.status_code == 200
    await worker.post("/api/duty/end", json=one)
    assert (await worker.get("/api/duty")).json()["current"] == next_one.json(), "a late end ends its own"
    assert (await worker.post("/api/duty/end", json={"client_id": str(uuid4())})).status_code == 404


async def test_a_duty_ends_by_itself_and_says_why(served, worker) -> None:
    board = served.runtime.twin.board
    row = board.row_of_uid["worker-0001"]
    end = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    planned = await begun(served, worker, planned_end_at=end)
    await observe(served, "worker-0001", [1.0], track=True)
    assert board.room[row] != 0
    await until(lambda: len(acts(served)) == 2)
    assert board.room[row] == 0
    assert served.sql("SELECT on_duty FROM worker WHERE id = 1") == [(False,)]
    served.runtime.settings.duty_hours = 1 / 3600
    limited = await worker.post("/api/duty/begin", json=consenting(planned_end_at="2100-01-01T00:00:00Z"))
    await until(lambda: len(acts(served)) == 4)
    past = (await worker.get("/api/duty")).json()["past"]
    assert [(one["client_id"], one["ended_by"]) for one in past[:2]] == [
        (limited.json()["client_id"], "limit"),
        (planned["client_id"], "plan"),
    ]
    assert [(act[0], act[1], act[4]) for act in acts(served)] == [
        ("duty.begun", True, None),
        ("duty.ended", False, "plan"),
        ("duty.begun", True, None),
        ("duty.ended", False, "limit"),
    ]


async def test_who_leads_the_area_may_end_a_duty_for_a_reason_and_never_begin_one(
    served, worker, signed_in
) -> None:
    await begun(served, worker)
    path, why = f"/api/workers/{TRACKER}/duty/end", {"reason": "身体不适，由班长结束"}
    assert (await (await signed_in("operator", HERE)).post(path, json=why)).status_code == 403
    assert (await worker.post(path, json=why)).status_code == 403
    assert (await (await signed_in("dispatcher", BESIDE)).post(path, json=why)).status_code == 404
    dispatcher = await signed_in("dispatcher", HERE)
    for body in ({}, {"reason": " "}, {"reason": "x" * 501}):
        assert (await dispatcher.post(path, json=body)).status_code == 422
    assert (await dispatcher.post("/api/duty/begin", json=consenting())).status_code == 403
    assert (await dispatcher.post("/api/workers/1/duty/end", json=why)).status_code == 404
    answer = await dispatcher.post(path, json=why)
    assert (answer.status_code, answer.json()["ended_by"]) == (200, "staff")
    assert (await dispatcher.post(path, json=why)).status_code == 404, "nobody is on duty"
    assert (await worker.get("/api/duty")).json()["past"][0]["end_reason"] == why["reason"]
    assert acts(served)[-1] == ("duty.ended", True, "worker/1", why["reason"], "staff")


AS_STAFF = {"may_duty_end": "{[510105001001001,510105001001002)}", "worker": "{[0,1000000000000000)}"}
AS_WORKER = {"self_worker": "1"}
BEGIN = (
    "INSERT INTO duty (worker_id, starts_at, ends_at, consent_at) "
    "VALUES ({0}, now(), now() + interval '1 h', now())"
)


@pytest.mark.parametrize(
    ("who", "statement"),
    [
        (AS_STAFF, BEGIN.format(1)),
        (AS_WORKER, BEGIN.format(3)),
        (AS_STAFF, "UPDATE duty SET ends_at = ends_at + interval '1 h' WHERE worker_id = 1"),
        (AS_WORKER, "UPDATE duty SET ends_at = NULL WHERE worker_id = 1"),
        (AS_WORKER, "UPDATE duty SET starts_at = starts_at - interval '1 h' WHERE worker_id = 1"),
        (AS_WORKER, "UPDATE duty SET worker_id = 3"),
        (AS_WORKER, "DELETE FROM duty"),
    ],
)
async def test_database_lets_nobody_begin_or_prolong_the_duty_of_another(
    served, worker, who, statement
) -> None:
    await begun(served, worker)
    with psycopg.connect(role_url(served.database.url, APP).replace("+psycopg", "")) as connection:
        for name, value in who.items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])
        assert connection.execute("SELECT count(*) FROM duty WHERE worker_id = 1").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM duty WHERE worker_id = 3").fetchone() == (0,)
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)):
            connection.execute(statement)


async def test_who_is_no_worker_has_no_duty(served, signed_in) -> None:
    manager = await signed_in("manager")
    for answer in (
        await manager.get("/api/duty"),
        await manager.post("/api/duty/begin", json=consenting()),
        await manager.post("/api/duty/end", json={"client_id": str(uuid4())}),
        await manager.get("/api/account/track"),
        await manager.get("/api/account/looks"),
    ):
        assert answer.status_code == 403
        assert "not the account of a worker" in answer.json()["detail"]
    assert (await manager.get("/api/account")).json()["is_worker"] is False
