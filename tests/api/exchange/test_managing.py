"""Partners are managed by who manages the system: what waits, what is given up, and what is sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.api.exchange.receiver import answer, receiving
from tests.waiting import until
from twin.exchange import retrying

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]


def versions(receiver) -> list[int]:
    return [one.said["data"]["case"]["version"] for one in receiver.came]


async def test_what_happens_while_paused_waits_and_while_switched_off_does_not(exchange) -> None:
    async with receiving() as receiver:
        partner = await exchange.add(receiver.url)
        case = exchange.case()
        paused = await exchange.post(partner, "pause", {"reason": "对方升级"})
        assert (paused.json()["state"], paused.json()["pause_reason"]) == ("paused", "对方升级")
        assert (await exchange.post(partner, "pause", {"reason": "x"})).status_code == 409
        await exchange.act(case, 1, "file")
        assert (await exchange.get(partner))["waiting"] == 1
        assert (await exchange.post(partner, "resume")).status_code == 200
        await receiver.wait(1)
        await exchange.until_told()
        settings = {
            name: (await exchange.get(partner))[name]
            for name in ("name", "address", "area_code", "categories", "events", "organisation_id", "version")
        }
        path = f"/api/partners/{partner['id']}"
        off = await exchange.admin.put(path, json=settings | {"active": False})
        assert off.json()["state"] == "off"
        stale = await exchange.admin.put(path, json=settings)
        assert (stale.status_code, stale.json()["where"]) == (409, "version")
        await exchange.act(case, 2, "note", note="x")
        await exchange.admin.put(path, json=settings | {"version": off.json()["version"]})
        await exchange.act(case, 3, "note", note="x")
        await receiver.wait(2)
        assert versions(receiver) == [2, 4]
        assert exchange.sql("SELECT DISTINCT action FROM audit WHERE action LIKE 'partner.%%' ORDER BY 1")


async def test_a_message_that_is_refused_is_parked_and_the_next_one_sent(exchange) -> None:
    async with receiving() as receiver:
        receiver.next = [answer(422)] * retrying.REFUSED_TRIES
        partner = await exchange.add(receiver.url)
        case = exchange.case()
        await exchange.act(case, 1, "file")
        await exchange.act(case, 2, "note", note="x")
        await receiver.wait(retrying.REFUSED_TRIES + 1)
        assert versions(receiver) == [2] * retrying.REFUSED_TRIES + [3]
        await exchange.until_told()
        shown = await exchange.get(partner)
        assert (shown["state"], shown["parked"], shown["last_failure"]["status"]) == ("current", 1, 422)
        first = receiver.came[0].id
        ((seq,),) = exchange.sql("SELECT seq FROM partner_parked")
        again = await exchange.post(partner, "again", {"from_sequence": seq})
        assert (again.json()["parked"], again.json()["waiting"]) == (0, 2)
        await receiver.wait(retrying.REFUSED_TRIES + 3)
        assert [one.id for one in receiver.came[-2:]] == [first, receiver.came[-3].id], "by the ids they had"
        assert (await exchange.post(partner, "again", {"from_sequence": 10**9})).status_code == 422


async def test_what_is_too_old_is_parked(exchange, monkeypatch) -> None:
    monkeypatch.setattr(retrying, "OLDEST", timedelta(seconds=0.3))
    async with receiving() as receiver:
        receiver.behave = answer(500)
        partner = await exchange.add(receiver.url)
        case = exchange.case()
        await exchange.act(case, 1, "file")
        await exchange.act(case, 2, "note", note="x")
        await until(lambda: exchange.sql("SELECT count(*) FROM partner_parked") == [(2,)])
        shown = await exchange.get(partner)
        assert (shown["parked"], shown["waiting"], shown["state"]) == (2, 0, "failing")


async def test_a_partner_that_is_gone_is_paused_and_keeps_what_it_is_owed(exchange) -> None:
    async with receiving() as receiver:
        receiver.behave = answer(410)
        partner = await exchange.add(receiver.url)
        await exchange.act(exchange.case(), 1, "file")
        await until(lambda: exchange.sql("SELECT paused_by FROM partner") == [("server",)])
        shown = await exchange.get(partner)
        assert (shown["state"], shown["waiting"]) == ("paused", 1)
        assert "410" in shown["pause_reason"]


async def test_a_partner_is_told_of_its_area_kinds_events_and_cases_only(exchange) -> None:
    async with receiving() as own, receiving() as kinds, receiving() as elsewhere:
        await exchange.add(own.url, organisation_id=1)
        await exchange.add(kinds.url, categories=["06"], events=["case.filed"])
        await exchange.add(elsewhere.url, area_code="510100000000000", categories=["02001"])
        case, other = exchange.case(source="resident"), exchange.case(category="06010")
        for one in (case, other):
            await exchange.act(one, 1, "file")
        await exchange.act(case, 2, "dispatch", organisation_id=1)
        await exchange.act(case, 3, "note", note="请带梯子，联系 13812341234")
        await exchange.act(case, 4, "transfer", worker_id=1, reason="x")
        await exchange.act(case, 5, "note", note="y")
        await own.wait(3)
        await exchange.until_told()
        told = [one.said for one in own.came]
        assert [one["type"] for one in told] == ["case.dispatched", "case.noted", "case.transferred"]
        assert [(one["data"]["yours"], one["data"]["taken_away"]) for one in told] == [
            (True, False), (True, False), (False, True),
        ]  # fmt: skip
        assert told[1]["data"]["said"] == {"note": "请带梯子，联系 138****1234"}
        assert [one["data"]["case"]["place"]["exact"] for one in told] == [True, True, False]
        assert "said" not in told[2]["data"]
        assert [one.said["type"] for one in kinds.came] == ["case.filed"]
        assert elsewhere.came == []


async def test_secrets_are_shown_once_and_lie_sealed(exchange) -> None:
    async with receiving() as receiver:
        made = await exchange.add(receiver.url, organisation_id=1)
        shown = await exchange.get(made)
        assert "secret" not in shown
        assert "receiving_secret" not in shown
        rows = str(exchange.sql("SELECT partner::text FROM partner"))
        assert made["secret"] not in rows
        renewed = (await exchange.post(made, "secrets", {})).json()
        assert (
            len({made["secret"], made["receiving_secret"], renewed["secret"], renewed["receiving_secret"]})
            == 4
        )
        tried = (await exchange.post(made, "test")).json()
        assert tried["arrived"] is True
        assert receiver.came[0].is_signed(renewed["secret"])
        assert receiver.came[0].said["type"] == "gridtwin.test"
        receiver.behave = answer(500)
        assert (await exchange.post(made, "test")).json()["failure"]["zh"] == "对方返回错误 (500)"


async def test_only_who_manages_the_system_manages_partners(exchange) -> None:
    assert (await exchange.manager.get("/api/partners")).status_code == 403
    assert (await exchange.manager.post("/api/partners", json={})).status_code == 403
    for wrong, where in (
        ({"address": "ftp://a"}, "address"),
        ({"area_code": "999999999999999"}, "area_code"),
        ({"organisation_id": 99}, "organisation_id"),
        ({"key": "k"}, "key"),
        ({"kind": "open311", "key": "k"}, "service_codes"),
        ({"service_codes": {"01": "1"}}, "service_codes, jurisdiction"),
    ):
        asked = {"kind": "webhook", "name": "x", "address": "https://a.example/"} | wrong
        refused = await exchange.admin.post("/api/partners", json=asked)
        assert (refused.status_code, refused.json()["where"]) == (422, where), wrong
    asked = {"kind": "webhook", "name": "x", "address": "https://a.example/", "events": ["case.exploded"]}
    assert (await exchange.admin.post("/api/partners", json=asked)).status_code == 422
    assert exchange.sql("SELECT count(*) FROM partner") == [(0,)]
