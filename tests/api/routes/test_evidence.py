"""What speaks for a case: sensors by kind with the curve of the worst, repeats, photographs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.alarming import raise_sql
from tests.api.routes.conftest import BESIDE, HERE, observe

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

PATH = "/api/cases/1/evidence"


async def test_forty_sensors_are_a_row_for_each_kind(served, signed_in) -> None:
    await observe(served, "water-0001", [float(n) for n in range(100)])
    made = [
        (await served.run_sql(raise_sql(f"uid = '{uid}'", state=str(state), value=str(value), ago=ago)))[0]
        for uid, state, value, ago in (
            ("water-0002", 4, 18.5, "4 minutes"),
            ("camera-0001", 3, 1.0, "3 minutes"),
        )
    ]
    await served.run_sql("UPDATE alarm_group SET case_id = NULL")
    (group,) = served.sql("SELECT min(group_id) FROM alarm")[0]
    await served.run_sql("UPDATE alarm SET group_id = %s WHERE id = ANY(%s)", group, [row[0] for row in made])
    await served.run_sql("UPDATE alarm_group SET case_id = 1, no_case = NULL WHERE id = %s", group)
    await served.run_sql("UPDATE alarm SET cleared_at = now() WHERE id = %s", made[1][0])
    served.past_triggers("UPDATE case_file SET linked_to = 1 WHERE id = 2")
    operator = await signed_in("operator")
    told = (await operator.get(PATH)).json()
    water, camera = told["alarms"]
    # What was observed made the first alarm critical; its value is the one that did.
    assert (water["kind"], water["count"], water["state"]) == ("water_level", 2, "critical")
    assert (water["low"], water["unit"], water["high"]) == (18.5, "cm", 25.0)
    assert water["names"]["zh"] == "液位计"
    assert water["first_at"] < water["last_at"]
    assert 0 < len(water["series"]) <= 60
    assert water["series"][-1][1] == 99.0
    assert (camera["kind"], camera["state"], camera["count"]) == ("camera", "normal", 1)
    assert [member["state"] for member in told["members"]] == ["critical", "alarm", "normal"]
    assert [repeat["number"] for repeat in told["repeats"]] == ["BESIDE-1"]
    assert told["photographs"] == 0
    here = (await (await signed_in("operator", HERE)).get(PATH)).json()
    assert here["repeats"] == []
    await _group_is_told(group, operator, signed_in)
    department = (await (await signed_in("department", HERE)).get(PATH)).json()
    assert (department["alarms"], department["members"], department["group"]) == ([], [], None)
    assert (await (await signed_in("operator", BESIDE)).get(PATH)).status_code == 404


async def test_an_alarm_about_a_whole_device_has_no_value(served, signed_in) -> None:
    """It was silent for 180 s: that is not what the device observed."""
    silence = {"type": "silence", "after_s": 180}
    ((rule,),) = await served.run_sql(
        "INSERT INTO alarm_rule (version, zh, en, state, kinds, condition, enabled, changed_by) "
        "VALUES (1, '失联', 'Silent', 3, '{water_level}', %s, true, 'x') RETURNING id",
        json.dumps(silence),
    )
    await served.run_sql(
        "UPDATE alarm SET property = NULL, rule_id = %s, rule_version = 1, value = 180 "
        "WHERE device_id = (SELECT id FROM device WHERE uid = 'water-0001')",
        rule,
    )
    await served.run_sql(
        "UPDATE alarm_group SET case_id = 1, no_case = NULL "
        "WHERE id = (SELECT group_id FROM alarm WHERE property IS NULL)"
    )
    told = (await (await signed_in("operator")).get(PATH)).json()
    (kind,), (member,) = told["alarms"], told["members"]
    assert (kind["property"], kind["low"], kind["high"], member["value"]) == (None, None, None, None)


async def _group_is_told(group: int, operator, signed_in) -> None:
    """Which group raised the case, who acknowledged it, and who may put it aside."""
    told = (await operator.get(PATH)).json()["group"]
    assert told == {
        "group_id": group,
        "alarms": 3,
        "open": 2,
        "acknowledged": 0,
        "acknowledged_by": [],
        "may_acknowledge": True,
        "shelving": None,
    }
    assert (await operator.post("/api/alarms/acknowledge", json={"group_ids": [group]})).status_code == 200
    until = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    body = {"group_id": group, "reason": "误报", "until": until}
    made = (await operator.post("/api/alarms/shelve", json=body)).json()
    worker = await signed_in("worker", HERE)
    told = (await worker.get(PATH)).json()["group"]
    assert (told["acknowledged"], len(told["acknowledged_by"])) == (2, 1)
    assert told["acknowledged_by"] == [made["shelved_by"]]
    assert (told["may_acknowledge"], told["shelving"]) == (False, made)


async def test_a_case_without_sensors_has_an_empty_list(signed_in) -> None:
    told = (await (await signed_in("operator")).get("/api/cases/2/evidence")).json()
    assert told == {"group": None, "alarms": [], "members": [], "repeats": [], "photographs": 0}
