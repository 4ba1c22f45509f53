"""Acting on a case over HTTP: what one may is told, and two who act at once never overwrite each other."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.routes.conftest import BESIDE, HERE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

CASE = "/api/cases/1"


def names(case: dict) -> list[str]:
    return [move["name"] for move in case["moves"]]


async def act(client, version: int, move: str, **told: object):
    return await client.post(f"{CASE}/acts", json={"version": version, "move": move, **told})


_REPORTED = """
INSERT INTO case_report (case_id, account_id, sent_sha256, token_id, token_sha256, description, attributes)
    VALUES (1, gen_random_uuid(), sha256('a'), gen_random_uuid(), sha256('b'), %s, %s)"""
_KEPT = """{"alarm_group": "7", "alarms": "3", "kind": "water_level", "property": "level", "value": "30.0",
    "uid": "water-0001", "grids": "1"}"""


@pytest.mark.parametrize(
    ("source", "written", "kept", "said"),
    [
        (
            "sensor",
            "液位",
            _KEPT,
            {
                "zh": "传感器告警 3 条。water-0001 液位 30.0 cm。",
                "en": "3 alarms of sensors. water-0001 Level 30.0 cm.",
            },
        ),
        ("sensor", "四条。\nFour.", '{"alarm_group": "7"}', {"zh": "四条。", "en": "Four."}),
        # Whoever reports may call their own words as sensors call theirs.
        ("hotline", "漏水\n很多", _KEPT, {"zh": "漏水\n很多", "en": None}),
    ],
)
async def test_what_sensors_raised_is_told_in_both_languages_and_what_people_wrote_as_they_did(
    served, signed_in, source, written, kept, said
) -> None:
    served.past_triggers("UPDATE case_file SET source = %s WHERE id = 1", source)
    await served.run_sql(_REPORTED, written, kept)
    operator = await signed_in("operator", HERE)
    assert (await operator.get(CASE)).json()["description"] == said
    assert (await operator.get(f"{CASE}/report")).json()["description"] == said


async def test_a_case_goes_its_way_and_tells_what_happened(served, signed_in) -> None:
    operator, dispatcher = await signed_in("operator", HERE), await signed_in("dispatcher", HERE)
    manager = await signed_in("manager", HERE)
    case = (await operator.get(CASE)).json()
    assert (case["stage"], case["version"], case["events"]) == ("collected", 1, [])
    assert [(stage["name"], stage["times"]) for stage in case["stages"]][:2] == [
        ("collected", 1),
        ("filed", 0),
    ]
    assert names(case) == ["file", "reject", "void", "call_up", "correct", "link", "note"]
    filed = (await act(operator, 1, "file")).json()
    assert (filed["stage"], filed["version"]) == ("filed", 2)
    assert filed["case_clock"]["unit"] == "working_days"
    assert filed["stages"][0]["left_at"] == filed["stages"][1]["entered_at"]
    assert "dispatch" not in names(filed)
    assert "dispatch" in names((await dispatcher.get(CASE)).json())
    sent = (await act(dispatcher, 2, "dispatch", worker_id=1)).json()
    assert sent["handler"]["worker"]["zh"].endswith("*")
    worker = await signed_in("worker", HERE, 1)
    assert "take" in names((await worker.get(CASE)).json())
    await act(worker, 3, "take")
    asked = (await act(worker, 4, "park", reason="等雨停，电话 13812341234")).json()
    assert asked["asked"]["granted_by"] == "case.approve"
    assert asked["asked"]["reason"] == "等雨停，电话 138****1234"
    assert "grant" not in names((await dispatcher.get(CASE)).json())
    parked = (await act(manager, 5, "grant")).json()
    assert parked["parked_at"] is not None
    first, *_, last = parked["events"]
    assert (first["zh"], last["zh"], first["version"]) == ("挂账", "立案", 6)
    assert len({event["actor"] for event in parked["events"]}) == 4
    record = served.sql("SELECT action, object FROM audit WHERE action LIKE 'case.%%' ORDER BY seq")
    assert record == [
        (action, "case/1")
        for action in ("case.filed", "case.dispatched", "case.taken", "case.park_asked", "case.parked")
    ]
    journal = (await dispatcher.get("/api/journal")).json()
    assert journal[0]["zh"] == "挂账"


async def test_of_two_who_act_at_once_one_is_told_and_loses_nothing(signed_in) -> None:
    both = [await signed_in(role, HERE) for role in ("dispatcher", "manager")]
    answers = await asyncio.gather(*(act(who, 1, "correct", priority=p) for p, who in enumerate(both, 1)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (told,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert told["where"] == "version"
    assert "version 2" in told["detail"]
    assert told["version"] == 2
    (event,) = told["events"]
    done = next(answer.json() for answer in answers if answer.status_code == 200)
    assert event["changes"]["priority"] == done["priority"]
    assert (event["version"], event["zh"], event["actor"]) == (2, "更正", done["events"][0]["actor"])


async def test_what_cannot_be_done_is_refused_in_words(signed_in) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    wrong = await act(dispatcher, 1, "dispatch", worker_id=1)
    assert (wrong.status_code, wrong.json()["hint"]) == (409, "first: filed")
    assert (await act(dispatcher, 1, "reject")).json()["where"] == "reason"
    assert (await act(dispatcher, 1, "explode")).status_code == 422
    assert (await act(dispatcher, 1, "note", note="\x00")).status_code == 422
    assert (await act(dispatcher, 1, "correct", category_code="99999")).json()["where"] == "category_code"
    beside = await signed_in("dispatcher", BESIDE)
    assert (await beside.get(CASE)).status_code == 404
    assert (await act(beside, 1, "file")).status_code == 404
    for role, status in (("planner", 403), ("wall", 403), ("worker", 403), ("department", 403)):
        assert (await act(await signed_in(role, HERE), 1, "file")).status_code == status, role
