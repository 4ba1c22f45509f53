"""Who could go to a case, and what they and their operators do about it, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.api.routes.conftest import BESIDE, HERE, observe
from twin.dispatch.assignments_clock import go_on

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

RANKING = "/api/cases/1/ranking"


async def test_the_ranking_says_of_everybody_why(served, signed_in) -> None:
    served.sql("UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1")
    await observe(served, "worker-0001", [1.0], track=True)
    told = (await (await signed_in("operator", HERE)).get(RANKING)).json()
    assert told["policy"] == "ranked"
    first, other = told["workers"]
    assert (first["name"]["zh"], first["rank"], first["eligible"], first["own_grid"]) == (
        "周*",
        1,
        "yes",
        True,
    )
    assert first["way_s"] < 120
    assert first["why"]["zh"].startswith("步行 1 分")
    assert "owns the grid" in first["why"]["en"]
    assert (other["rank"], other["eligible"], other["way_s"]) == (None, "no", None)
    assert [reason["code"] for reason in other["reasons"]] == [
        "own_grid",
        "open_tasks",
        "off_duty",
        "position_unknown",
    ]
    assert (await (await signed_in("operator", BESIDE)).get(RANKING)).status_code == 404
    assert (await (await signed_in("planner", HERE)).get(RANKING)).status_code == 403


async def test_a_break_and_a_certificate_decide(served, signed_in) -> None:
    served.sql("UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1")
    served.sql("UPDATE worker SET skills = '[\"firefighting\"]' WHERE id = 1")
    await observe(served, "worker-0001", [1.0], track=True)
    operator = await signed_in("operator", HERE)
    gas = {"version": 1, "move": "correct", "category_code": "54003"}
    assert (await operator.post("/api/cases/1/acts", json=gas)).status_code == 200

    async def against() -> list[str]:
        (one,) = [w for w in (await operator.get(RANKING)).json()["workers"] if w["worker_id"] == 1]
        codes = [reason["code"] for reason in one["reasons"]]
        assert (one["rank"] is None) == (one["eligible"] == "no")
        return [code for code in codes if code in ("certificate", "break", "skill")]

    assert await against() == ["certificate"]
    await served.run_sql(
        "INSERT INTO certificate (worker_id, skill, valid_from, valid_to) "
        "VALUES (1, 'firefighting', current_date - 9, current_date - 1)"
    )
    assert await against() == ["certificate"]
    await served.run_sql("UPDATE certificate SET valid_to = current_date")
    assert await against() == []
    await served.run_sql(
        "INSERT INTO shift (worker_id, starts_at, ends_at, breaks) VALUES (1, now() - interval '1 hour', "
        "now() + interval '1 hour', "
        "tstzmultirange(tstzrange(now() - interval '1 min', now() + interval '1 min')))"
    )
    assert await against() == ["break"]


@pytest.fixture
async def filed(served, signed_in):
    """A dispatcher, with case 1 filed and both workers seen, who are people: one at the case, one far."""
    await served.run_sql("UPDATE worker SET simulated = false")
    await served.run_sql("UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1")
    for uid in ("worker-0001", "worker-0009"):
        await observe(served, uid, [1.0], track=True)
    dispatcher = await signed_in("dispatcher")
    assert (await dispatcher.post(ACTS, json={"version": 1, "move": "file"})).status_code == 200
    return dispatcher


async def come(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that must be asked for."""
    for _ in range(400):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about in time")


ACTS = "/api/cases/1/acts"
NEAR, FAR = 1, 3


def sent(worker: int, version: int = 2, **more) -> dict[str, object]:
    return {"version": version, "move": "dispatch", "worker_id": worker, **more}


async def newest(client) -> dict:
    return (await client.get("/api/cases/1/assignments")).json()[0]


async def step(client, act: str, **more):
    key = (await newest(client))["id"]
    return await client.post(f"/api/assignments/{key}/acts", json={"act": act, **more})


async def test_to_send_another_than_the_first_needs_a_reason_and_is_counted(served, signed_in, filed) -> None:
    refused = await filed.post(ACTS, json=sent(FAR))
    assert (refused.status_code, refused.json()["where"]) == (422, "reason")
    assert "周*" in refused.text
    assert "步行 1 分" in refused.text
    assert "owns the grid" in refused.text
    assert (await filed.post(ACTS, json=sent(FAR, reason="认识业主"))).status_code == 200
    made = await newest(filed)
    assert (made["worker"]["zh"], made["state"], made["rank"], made["policy"]) == (
        "赵*",
        "asked",
        2,
        "ranked",
    )
    assert made["override_reason"] == "认识业主"
    manager = await signed_in("manager")
    (one,) = (await manager.get("/api/assignments/overrides")).json()["people"]
    assert (one["sent"], one["overridden"], one["last_reason"]) == (1, 1, "认识业主")
    assert (await filed.get("/api/assignments/overrides")).status_code == 403
    # One more worker is another assignment; the first is first, and no reason is asked.
    more = await filed.post("/api/cases/1/assignments", json={"worker_id": NEAR})
    assert (more.status_code, more.json()["rank"]) == (201, 1)
    again = await filed.post("/api/cases/1/assignments", json={"worker_id": NEAR})
    assert again.status_code == 409
    off = await filed.post(
        f"/api/assignments/{more.json()['id']}/acts", json={"act": "withdraw", "reason": "x"}
    )
    assert off.json()["state"] == "withdrawn"


async def test_who_accepts_has_taken_the_case_on_and_arrives_by_their_tracker(
    served, signed_in, filed
) -> None:
    assert (await filed.post(ACTS, json=sent(NEAR))).status_code == 200
    worker, other = (
        await signed_in("worker", HERE, worker_id=NEAR),
        await signed_in("worker", BESIDE, worker_id=FAR),
    )
    (own,) = (await worker.get("/api/assignments")).json()
    assert (own["case"]["id"], own["acts"]) == (1, ["accept", "decline", "depart", "arrive"])
    assert (await other.get("/api/assignments")).json() == []
    path = f"/api/assignments/{own['id']}/acts"
    assert (await other.post(path, json={"act": "accept"})).status_code == 404
    # Who acts on cases of the area sees it, and answers for nobody.
    colleague = await signed_in("worker", HERE, worker_id=2)
    assert (await colleague.post(path, json={"act": "accept"})).status_code == 403
    assert (await step(worker, "accept")).json()["accepted_at"]
    stand = (await worker.get("/api/cases/1")).json()
    assert (stand["stage"], stand["events"][0]["event"]) == ("handling", "case.taken")

    async def arrived() -> bool:
        return (await newest(worker))["state"] == "arrived"

    await come(arrived)
    made = await newest(worker)
    assert (made["arrival"], made["arrived_at"] > made["accepted_at"]) == ("geofence", True)
    assert made["arrival_m"] < 50


async def test_arrival_far_away_is_refused_or_marked(served, signed_in, filed) -> None:
    assert (await filed.post(ACTS, json=sent(FAR, reason="x"))).status_code == 200
    worker = await signed_in("worker", BESIDE, worker_id=FAR)
    assert (await step(worker, "depart")).json()["state"] == "departed"
    refused = await step(worker, "arrive")
    assert refused.status_code == 409
    assert "m from the case, not within 50 m" in refused.json()["title"] + refused.json().get("detail", "")
    made = (await step(worker, "arrive", reason="室内无信号")).json()
    assert (made["state"], made["arrival"], made["reason"]) == ("arrived", "unproved", "室内无信号")
    assert made["arrival_m"] == pytest.approx(690, abs=30)


async def test_no_answer_goes_to_the_next_and_then_back_to_the_queue(served, signed_in, filed) -> None:
    assert (await filed.post(ACTS, json=sent(NEAR))).status_code == 200
    own, twin = served.runtime.own, served.runtime.twin

    async def let_lapse() -> dict:
        await served.run_sql("UPDATE assignment SET answer_by = now() - interval '1 s' WHERE state = 'asked'")
        # Two servers beside the one that runs.
        await asyncio.gather(*(go_on(own, twin) for _ in range(2)))
        return (await filed.get("/api/cases/1")).json()

    async def handed_on() -> bool:
        return (await let_lapse())["handler"]["worker_id"] != NEAR

    await come(handed_on)
    stand = (await filed.get("/api/cases/1")).json()
    if stand["stage"] != "filed":
        assert (stand["stage"], stand["handler"]["worker_id"]) == ("dispatched", FAR)
        assert stand["events"][0]["actor"] == "system"

    async def given_back() -> bool:
        return (await let_lapse())["stage"] == "filed"

    await come(given_back)
    events = [one["event"] for one in (await filed.get("/api/cases/1")).json()["events"]]
    assert events[:3] == ["case.unanswered", "case.worker_lapsed", "case.transferred"]
    made = (await filed.get("/api/cases/1/assignments")).json()
    assert [(one["worker_id"], one["state"]) for one in made] == [(FAR, "lapsed"), (NEAR, "lapsed")]
    assert made[0]["follows"] == made[1]["id"]
    assert made[0]["chosen_by"] == "system"


async def test_what_waits_is_asked_when_the_worker_is_free(served, signed_in, filed) -> None:
    assert (await filed.post(ACTS, json=sent(NEAR))).status_code == 200
    beside = "/api/cases/2/acts"
    assert (await filed.post(beside, json={"version": 1, "move": "file"})).status_code == 200
    busy = await filed.post(beside, json=sent(NEAR, reason="x"))
    assert (busy.status_code, busy.json()["where"]) == (409, "worker_id")
    assert "HERE-1" in busy.text
    assert (await filed.post(beside, json=sent(NEAR, reason="x", behind=True))).status_code == 200
    worker = await signed_in("worker", HERE, worker_id=NEAR)
    first, second = (await worker.get("/api/assignments")).json()
    assert (first["state"], second["state"], second["place"]) == ("asked", "queued", 1)
    assert (await step(worker, "decline")).status_code == 422
    assert (await step(worker, "decline", reason="受伤")).json()["state"] == "declined"

    async def asked() -> bool:
        (left,) = (await worker.get("/api/assignments")).json()
        return left["state"] == "asked"

    await come(asked)
