"""Rules over HTTP: made off, tried, switched on where they say something, changed by one at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace

from api import rule_trials
from api.routes import rule_content
from tests.api.routes.conftest import BESIDE, HERE
from tests.waiting import until
from twin.cases.categories import load_categories

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

LIMIT = {"type": "limit", "above": 20.0, "hysteresis": 1.0}
RULE = {"zh": "液位高", "en": "Level high", "state": "alarm", "area": HERE, "kinds": ["water_level"]}
RULE |= {"property": "level", "condition": LIMIT}

_HISTORY = """
    INSERT INTO observation (device_id, property, phenomenon_time, received_at, value)
    SELECT d.id, 0, t, t, CASE WHEN n % 60 = 0 THEN 25 ELSE 5 END
    FROM device AS d, generate_series(0, 120) AS n, LATERAL (SELECT now() - interval '21 hours' + n * interval '10 min') AS x (t)
    WHERE d.uid IN ('water-0001', 'water-0009')
"""  # noqa: E501


@pytest.fixture
def stored(two_grids) -> None:
    """A day of readings every ten minutes: three peaks of a gauge in each grid, 21 hours ago, 11 and 1."""
    with psycopg.connect(two_grids.url.replace("+psycopg", ""), autocommit=True) as connection:
        for back in (0, 1, 2):
            connection.execute("SELECT ensure_observation_partition(current_date - %s::int)", [back])
        assert connection.execute(_HISTORY).rowcount == 242


@pytest.fixture
def history(stored, served):
    """A server on them."""
    return served


def span(hours: float = 24) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": (now - timedelta(hours=hours)).isoformat(), "to": now.isoformat()}


async def made(client, **changes: object) -> dict:
    answer = await client.post("/api/rules", json=RULE | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def switch(client, rule: dict, enabled: bool, version: int | None = None, reason: str | None = "试"):
    body = {"version": version or rule["version"], "enabled": enabled, "reason": reason}
    return await client.post(f"/api/rules/{rule['id']}/switch", json=body)


async def test_a_rule_is_made_tried_switched_on_changed_and_off(history, signed_in) -> None:
    manager = await signed_in("manager", HERE)
    rule = await made(manager)
    assert (rule["version"], rule["enabled"], rule["may_manage"], rule["devices"]) == (1, False, True, 2)
    assert rule["area"]["code"] == HERE
    assert rule["words"]["zh"].startswith("液位 ≥ 20 cm")
    on = (await switch(manager, rule, True, reason=None)).json()
    assert (on["version"], on["enabled"]) == (2, True)
    await until(lambda: [one.id for one in history.runtime.twin.rules.rules] == [rule["id"]])
    body = {"version": 2, "rule": RULE | {"state": "critical"}, "reason": "更严"}
    changed = (await manager.put(f"/api/rules/{rule['id']}", json=body)).json()
    assert (changed["version"], changed["state"], changed["enabled"]) == (3, "critical", True)
    unexplained = await switch(manager, changed, False, reason="  ")
    assert unexplained.status_code == 422
    off = (await switch(manager, changed, False)).json()
    assert [one["version"] for one in off["versions"]] == [4, 3, 2, 1]
    assert [one["enabled"] for one in off["versions"]] == [False, True, True, False]
    assert (await manager.get(f"/api/rules/{rule['id']}?version=1")).json()["state"] == "alarm"
    acts = ["rule.created", "rule.switched_on", "rule.changed", "rule.switched_off"]
    told = history.sql("SELECT kind FROM journal WHERE kind LIKE 'rule.%%' ORDER BY seq")
    record = history.sql("SELECT action, object FROM audit WHERE action LIKE 'rule.%%' ORDER BY seq")
    assert [kind for (kind,) in told] == acts
    assert record == [(act, f"rule/{rule['id']}") for act in acts]
    await until(lambda: not history.runtime.twin.rules.rules)


async def test_a_rule_names_the_kind_of_case_its_alarms_report(served, signed_in, monkeypatch) -> None:
    manager = await signed_in("manager", HERE)
    assert (await made(manager))["category_code"] is None
    rule = await made(manager, category_code="54001")
    assert rule["category_code"] == "54001"
    unknown = await manager.post("/api/rules", json=RULE | {"category_code": "99999"})
    assert (unknown.status_code, unknown.json()["where"]) == (422, "category_code")
    assert "不存在" in unknown.text
    body = {"version": 1, "rule": RULE | {"category_code": "09009"}}
    assert (await manager.put(f"/api/rules/{rule['id']}", json=body)).json()["category_code"] == "09009"
    assert (await manager.get(f"/api/rules/{rule['id']}?version=1")).json()["category_code"] == "54001"
    known = load_categories()
    gone = {"09009": replace(known.by_code["09009"], valid_to=datetime.now(UTC).date())}
    monkeypatch.setattr(rule_content, "load_categories", lambda: replace(known, by_code=known.by_code | gone))
    for answer in (
        await manager.put(f"/api/rules/{rule['id']}", json=body | {"version": 2}),
        await manager.post("/api/rules/try", json={"rule": body["rule"], **span()}),
        await switch(manager, rule, True, 2),
    ):
        assert (answer.status_code, answer.json()["where"]) == (422, "category_code")
        assert "已停用" in answer.text
    assert (await switch(manager, rule, False, 2)).json()["category_code"] == "09009"


async def test_two_who_change_a_rule_never_overwrite_each_other(served, signed_in) -> None:
    one, other = await signed_in("manager", HERE), await signed_in("manager", HERE)
    rule = await made(one)
    bodies = [{"version": 1, "rule": RULE | {"en": name}} for name in ("First", "Second")]
    answers = await asyncio.gather(
        *(c.put(f"/api/rules/{rule['id']}", json=b) for c, b in zip((one, other), bodies, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409).json()
    assert refused["where"] == "version"
    assert len(served.sql("SELECT 1 FROM alarm_rule WHERE valid_to IS NULL")) == 1


async def test_rules_are_seen_and_managed_where_one_may(served, signed_in) -> None:
    here, beside = await signed_in("manager", HERE), await signed_in("manager", BESIDE)
    whole, operator = await signed_in("manager", "0" * 15), await signed_in("operator", HERE)
    rule, wide = await made(here), await made(whole, area=None)
    for client, seen in ((here, [1, 2]), (beside, [2]), (operator, [1, 2]), (whole, [1, 2])):
        rules = (await client.get("/api/rules")).json()["rules"]
        assert [one["id"] for one in rules] == seen
    assert [one["may_manage"] for one in (await here.get("/api/rules")).json()["rules"]] == [True, False]
    assert (await beside.get(f"/api/rules/{rule['id']}")).status_code == 404
    assert (await switch(beside, rule, True)).status_code == 404
    assert (await switch(here, wide, False)).status_code == 403
    assert (await here.post("/api/rules", json=RULE | {"area": BESIDE})).status_code == 422  # not seen
    assert (await here.post("/api/rules", json=RULE | {"area": None})).status_code == 403
    assert (await operator.post("/api/rules", json=RULE)).status_code == 403
    body = {"version": 1, "rule": RULE | {"area": None}}
    assert (await here.put(f"/api/rules/{rule['id']}", json=body)).status_code == 403
    assert (await whole.put(f"/api/rules/{rule['id']}", json=body)).status_code == 200
    assert (await switch(here, rule, False, 2)).status_code == 403
    assert (await signed_in("planner", HERE)) is not None
    assert (await (await signed_in("planner", HERE)).get("/api/rules")).status_code == 403
    assert served.sql("SELECT count(*) FROM alarm_rule WHERE version > 1") == [(1,)]


async def test_trial_tells_what_would_have_been(history, signed_in) -> None:
    manager = await signed_in("manager", HERE)
    answer = await manager.post("/api/rules/try", json={"rule": RULE, **span()})
    tried = answer.json()
    assert answer.status_code == 200, tried
    assert (tried["devices"], tried["series"], tried["readings"]) == (2, 1, 121)
    assert (tried["fired"], tried["fired_devices"], tried["most_at_once"]) == (3, 1, 1)
    assert tried["complete"]
    assert tried["verdict"]["code"] == "good"
    assert [e["uid"] for e in tried["episodes"]] == ["water-0001"] * 3
    assert {e["worst"] for e in tried["episodes"]} == {25.0}
    first = tried["episodes"][0]
    assert (first["unit"], first["area"]["code"], first["name"]["zh"]) == ("cm", HERE, "液位计一号")
    still = next(e for e in tried["episodes"] if e["to"] is None)
    assert datetime.fromisoformat(still["from"]) > datetime.now(UTC) - timedelta(hours=2)
    whole = await signed_in("manager", "0" * 15)
    both = (await whole.post("/api/rules/try", json={"rule": RULE | {"area": None}, **span()})).json()
    assert (both["devices"], both["series"], both["fired"]) == (4, 2, 6)
    silent = {"type": "silence", "after_s": 100}
    asked = {"rule": RULE | {"property": None, "condition": silent}, **span()}
    told = (await manager.post("/api/rules/try", json=asked)).json()
    assert told["verdict"]["code"] == "refused"
    assert told["fired"] == 121
    assert history.sql("SELECT action FROM audit WHERE action = 'rule.tried'") == [("rule.tried",)] * 3


WRONG = [
    ({"condition": {"type": "limit", "above": 5000.0}}, "condition"),
    ({"condition": {"type": "limit"}}, "condition"),
    ({"condition": {"type": "limit", "above": 1.0, "below": 0.0}}, "condition"),
    ({"condition": {"type": "limit", "above": "20"}}, "condition.above"),
    ({"condition": {"type": "limit", "above": 1e13}}, "condition.above"),
    ({"condition": {"type": "python", "code": "1"}}, "condition.type"),
    ({"condition": {"type": "limit", "above": 5.0, "code": "1"}}, "condition"),
    ({"condition": {"type": "learned", "parameters": "none"}}, "condition.parameters"),
    ({"kinds": ["dragon"]}, "kinds"),
    ({"property": "dragons"}, "property"),
    ({"property": None}, "property"),
    ({"kinds": [], "property": "temperature", "area": "999999999999999"}, "area"),
    ({"state": "normal"}, "body.state"),
    ({"zh": "  "}, "body.zh"),
]


async def test_wrong_rule_is_refused_and_says_where(serve_rules) -> None:
    for changes, where in WRONG:
        answer = await serve_rules.post("/api/rules", json=RULE | changes)
        assert answer.status_code == 422, (changes, answer.text)
        assert answer.json()["where"] == where, changes


@pytest.fixture
async def serve_rules(signed_in):
    return await signed_in("manager", HERE)


async def test_rule_that_says_nothing_is_not_switched_on(history, signed_in) -> None:
    manager = await signed_in("manager", HERE)
    always = await made(manager, condition={"type": "limit", "above": 0.0})
    refused = await switch(manager, always, True)
    assert refused.status_code == 422
    assert "100 %" in refused.json()["detail"]
    nothing = await made(manager, kinds=["smoke"], property="battery")
    assert "符合" in (await switch(manager, nothing, True)).json()["detail"]
    good = (await switch(manager, await made(manager), True)).json()
    body = {"version": good["version"], "rule": RULE | {"condition": {"type": "limit", "above": 0.0}}}
    assert (await manager.put(f"/api/rules/{good['id']}", json=body)).status_code == 422
    never = await made(manager, condition={"type": "limit", "above": 900.0})
    assert (await switch(manager, never, True)).status_code == 200


async def test_trial_is_of_a_time_that_was_and_not_too_long(history, signed_in, monkeypatch) -> None:
    manager = await signed_in("manager", HERE)
    now = datetime.now(UTC)
    for begin, end in ((now, now), (now + timedelta(1), now + timedelta(2)), (now - timedelta(32), now)):
        times = {"from": begin.isoformat(), "to": end.isoformat()}
        assert (await manager.post("/api/rules/try", json={"rule": RULE, **times})).status_code == 422
    monkeypatch.setattr(rule_trials, "LIMIT_S", 0.0)
    tried = (await manager.post("/api/rules/try", json={"rule": RULE, **span()})).json()
    assert not tried["complete"]
    assert tried["covered_to"] < tried["to"]


async def test_one_account_tries_one_rule_at_a_time_and_going_away_ends_it(
    history, signed_in, monkeypatch
) -> None:
    manager = await signed_in("manager", HERE)
    trials = history.runtime.rule_trials
    asked = asyncio.Event()

    async def never_ends(*_args: object, gone, **_kwargs: object) -> object:
        asked.set()
        while not await gone():  # noqa: ASYNC110  (it is asked between chunks)
            await asyncio.sleep(0.01)
        raise asyncio.CancelledError

    monkeypatch.setattr(rule_trials, "try_rule", never_ends)
    first = asyncio.create_task(manager.post("/api/rules/try", json={"rule": RULE, **span()}))
    await asyncio.wait_for(asked.wait(), 10)
    refused = await manager.post("/api/rules/try", json={"rule": RULE, **span()})
    assert refused.status_code == 429
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: not trials._under_way)


async def test_form_tells_what_a_rule_can_be_made_of(signed_in) -> None:
    operator = await signed_in("operator", HERE)
    form = (await operator.get("/api/rules/form")).json()
    water = next(kind for kind in form["kinds"] if kind["name"] == "water_level")
    assert water["properties"][0]["unit"] == "cm"
    assert form["learned"][0]["name"] == "usual"
    assert HERE in {area["code"] for area in form["areas"]}
    assert BESIDE not in {area["code"] for area in form["areas"]}


async def test_who_switches_a_version_on_that_is_made_meanwhile_does_not_undo_it(
    history, signed_in, monkeypatch
) -> None:
    manager = await signed_in("manager", HERE)
    rule = await made(manager)
    whole = rule_trials.RuleTrials.check

    async def check(self, caller, tried, gone):
        body = {"version": 1, "rule": RULE | {"state": "critical"}, "reason": "更严"}
        assert (await manager.put(f"/api/rules/{rule['id']}", json=body)).status_code == 200
        return await whole(self, caller, tried, gone)

    monkeypatch.setattr(rule_trials.RuleTrials, "check", check)
    assert (await switch(manager, rule, True, version=2)).status_code == 409
    assert (await switch(manager, rule, True)).status_code == 409
    kept = (await manager.get(f"/api/rules/{rule['id']}")).json()
    assert (kept["version"], kept["state"], kept["enabled"]) == (2, "critical", False)
