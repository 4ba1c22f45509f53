"""Who answers for a case: the rule of the smallest area, the closest kind; its staff see and handle it."""

from __future__ import annotations

import pytest

from tests.api.routes.conftest import BESIDE, HERE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

RULES = "/api/responsibilities"
WHOLE = "0" * 15
_ORGANISATIONS = """
INSERT INTO organisation (code, name, name_en, kind) SELECT code, code, code, 'department'
    FROM (VALUES ('water'), ('roads'), ('lamps')) AS o (code)
"""


async def rule(client, about: str, area: str, organisation: int):
    body = {"about": about, "area_code": area, "organisation_id": organisation}
    return await client.post(RULES, json=body)


async def test_the_smallest_area_counts_and_of_it_the_closest_kind(served, signed_in) -> None:
    served.sql(_ORGANISATIONS)
    ids = dict(served.sql("SELECT code, id FROM organisation"))
    manager, dispatcher = await signed_in("manager"), await signed_in("dispatcher", HERE)
    # The case is of the category 01001, whose faults city_management answers for.
    made = [
        await rule(manager, "city_management", WHOLE, ids["org-1"]),
        await rule(manager, "01001", WHOLE, ids["water"]),
        await rule(manager, "city_management", HERE, ids["roads"]),
        await rule(manager, "01", HERE, ids["lamps"]),
    ]
    assert [answer.status_code for answer in made] == [201] * 4
    await dispatcher.post("/api/cases/1/acts", json={"version": 1, "move": "file"})
    version = 2
    for name, answer in zip(["lamps", "roads", "water", "org-1"], reversed(made), strict=True):
        act = {"version": version, "move": "dispatch"}
        sent = (await dispatcher.post("/api/cases/1/acts", json=act)).json()
        assert sent["handler"]["organisation_id"] == ids[name], name
        assert sent["events"][0]["told"] == {"organisation_id": ids[name]}
        holding = [row["id"] for row in (await dispatcher.get(RULES)).json()]
        gone = answer.json()["id"]
        assert gone in holding
        assert (await manager.post(f"{RULES}/{gone}/withdraw")).json()["withdrawn_by"]
        assert [row["id"] for row in (await dispatcher.get(RULES)).json()] == [
            row for row in holding if row != gone
        ]
        version += 2
        served.past_triggers(
            "UPDATE case_file SET stage = 'filed', organisation_id = NULL, version = %s WHERE id = 1", version
        )
    refused = await dispatcher.post("/api/cases/1/acts", json={"version": version, "move": "dispatch"})
    assert (refused.status_code, refused.json()["where"]) == (422, "handler")


async def test_rules_that_cannot_be_made_are_refused_in_words(served, signed_in) -> None:
    manager, operator = await signed_in("manager", HERE), await signed_in("operator", HERE)
    assert (await rule(manager, "06010", HERE, 1)).status_code == 201
    twice = await rule(manager, "06010", HERE, 1)
    assert (twice.status_code, "withdraw rule" in twice.json()["hint"]) == (409, True)
    for about, area, organisation, where in (
        ("99999", HERE, 1, "about"),
        ("nobody", HERE, 1, "about"),
        ("06010", "510199999999999", 1, "area_code"),
        ("06011", HERE, 999, "organisation_id"),
    ):
        refused = await rule(manager, about, area, organisation)
        assert (refused.status_code, refused.json()["where"]) == (422, where), about
    assert (await rule(manager, "06010", WHOLE, 1)).status_code == 403
    assert (await rule(operator, "06011", HERE, 1)).status_code == 403
    (made,) = (await manager.get(RULES)).json()
    assert (made["about_name"]["zh"], made["area"]["zh"], made["valid_to"]) == ("暴露垃圾", "第一网格", None)
    beside = await signed_in("manager", BESIDE)
    assert (await beside.get(RULES)).json() == []
    assert (await beside.post(f"{RULES}/{made['id']}/withdraw")).status_code == 404
    assert (await manager.post(f"{RULES}/{made['id']}/withdraw")).status_code == 200
    assert (await manager.post(f"{RULES}/{made['id']}/withdraw")).status_code == 409
    assert (await manager.get(RULES)).json() == []
    assert len((await manager.get(f"{RULES}?present=false")).json()) == 1
    record = served.sql("SELECT action FROM audit WHERE action LIKE 'responsibility.%%' ORDER BY seq")
    assert record == [("responsibility.made",), ("responsibility.withdrawn",)]


async def test_staff_of_a_department_see_and_handle_what_was_given_to_it_and_nothing_else(
    served, signed_in
) -> None:
    served.sql(_ORGANISATIONS)
    ids = dict(served.sql("SELECT code, id FROM organisation"))
    served.past_triggers(
        "UPDATE case_file SET stage = 'dispatched', organisation_id = %s WHERE number = 'BESIDE-1'",
        ids["water"],
    )
    staff = await signed_in("department", HERE, organisation_id=ids["water"])
    other = await signed_in("department", HERE, organisation_id=ids["roads"])
    listed = (await staff.get("/api/cases")).json()
    assert [case["number"] for case in listed["cases"]] == ["BESIDE-1"]
    assert (await other.get("/api/cases")).json()["cases"] == []
    (case,) = listed["cases"]
    path = f"/api/cases/{case['id']}"
    assert (await other.get(path)).status_code == 404
    assert [move["name"] for move in (await staff.get(path)).json()["moves"]] == [
        *("take", "return", "extend", "park", "call_up", "note")
    ]
    assert (await other.post(f"{path}/acts", json={"version": 1, "move": "take"})).status_code == 404
    assert (await staff.post(f"{path}/acts", json={"version": 1, "move": "take"})).status_code == 200
    asked = {"version": 2, "move": "return", "reason": "不是我们的"}
    assert (await staff.post(f"{path}/acts", json=asked)).json()["asked"]["ask"] == "return"
    dispatcher = await signed_in("dispatcher", BESIDE)
    assert (
        await dispatcher.post(f"{path}/acts", json={"version": 3, "move": "refuse", "reason": "是"})
    ).status_code == 200
    done = {"version": 4, "move": "report_done", "note": "修好了"}
    assert (await staff.post(f"{path}/acts", json=done)).json()["stage"] == "feedback"
    assert (await staff.post(f"{path}/acts", json={"version": 5, "move": "send_check"})).status_code == 403
    told = [event["event"] for event in (await staff.get(path)).json()["events"]]
    assert told == ["case.reported_done", "case.refused", "case.return_asked", "case.taken"]
    assert {
        row["data"]["number"] for row in (await staff.get("/api/journal")).json() if "number" in row["data"]
    }
    assert (await dispatcher.get(path)).json()["handler"]["organisation"]["zh"] == "water"
