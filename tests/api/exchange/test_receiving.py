"""Partners act on the cases of their organisation by signed messages: once, and on no other case."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time

import pytest
import pytest_asyncio

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]

_ids = itertools.count(1)
MOMENT = "2026-11-22T08:00:00+08:00"


class Speaker:
    """A partner that signs by the words of the specification, without the product's code."""

    def __init__(self, exchange, partner: dict) -> None:
        self.exchange, self.partner = exchange, partner

    async def say(self, move: str, number: str, version: int, *, event_id="", at=0.0, secret="", **told):
        said = {"type": f"case.{move}", "timestamp": MOMENT}
        body = json.dumps({**said, "data": {"number": number, "version": version, **told}}).encode()
        message_id, sent = event_id or f"e-{next(_ids)}", str(int(at or time.time()))
        key = base64.b64decode((secret or self.partner["receiving_secret"]).split("_", 1)[1])
        signed = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": sent,
            "webhook-signature": "v1,AAAA v1," + base64.b64encode(signed).decode(),
            "content-type": "application/json",
        }
        path = f"{self.exchange.served.url}/api/partners/{self.partner['id']}/events"
        async with self.exchange.nobody() as http:
            return await http.post(path, content=body, headers=headers)


@pytest_asyncio.fixture(loop_scope="module")
async def speaker(exchange):
    partner = await exchange.add("https://partner.invalid/", organisation_id=1, active=True)
    return Speaker(exchange, partner)


async def given(exchange) -> tuple[int, str]:
    """Give a case to the organisation of the partner; return its id and number, at version 3."""
    case = exchange.case()
    await exchange.act(case, 1, "file")
    sent = await exchange.act(case, 2, "dispatch", organisation_id=1)
    return case, sent["number"]


async def test_a_message_that_is_sent_again_while_it_is_done_is_answered_the_same(exchange, speaker) -> None:
    _, number = await given(exchange)
    said = await asyncio.gather(*(speaker.say("take", number, 3, event_id="twice") for _ in range(4)))
    assert {(one.status_code, one.json().get("version")) for one in said} == {(200, 4)}


async def test_a_partner_takes_a_case_and_says_that_it_is_done(exchange, speaker) -> None:
    case, number = await given(exchange)
    taken = await speaker.say("take", number, 3)
    assert (taken.status_code, taken.json()) == (200, {"number": number, "version": 4, "stage": "handling"})
    assert (await speaker.say("report_done", number, 4, note="已修好，电话 13812341234")).status_code == 200
    stands = (await exchange.manager.get(f"/api/cases/{case}")).json()
    assert (stands["stage"], stands["version"]) == ("feedback", 5)
    assert stands["events"][0]["told"]["note"] == "已修好，电话 138****1234"
    assert stands["events"][0]["actor"] == speaker.partner["name"]
    record = exchange.sql(
        "SELECT actor, action FROM audit WHERE object = %s ORDER BY seq DESC LIMIT 2", f"case/{case}"
    )
    assert record == [(speaker.partner["name"], f"case.{done}") for done in ("reported_done", "taken")]


async def test_the_same_message_again_does_nothing_and_is_answered_the_same(exchange, speaker) -> None:
    case, number = await given(exchange)
    first = await speaker.say("take", number, 3, event_id="once")
    again = await speaker.say("take", number, 3, event_id="once")
    assert (again.status_code, again.json()) == (200, first.json())
    other = await speaker.say("note", number, 4, event_id="once", note="x")
    assert (other.status_code, other.json()["where"]) == (409, "webhook-id")
    assert exchange.sql("SELECT version FROM case_file WHERE id = %s", case) == [(4,)]


async def test_what_is_not_signed_or_not_of_now_is_not_taken(exchange, speaker) -> None:
    _, number = await given(exchange)
    for wrong in (
        {"secret": speaker.partner["secret"]},
        {"at": time.time() - 301},
        {"at": time.time() + 301},
        {"event_id": "a.b"},
    ):
        refused = await speaker.say("take", number, 3, **wrong)
        assert refused.status_code == 401, wrong
    speaker.partner = {**speaker.partner, "id": "00000000-0000-0000-0000-000000000000"}
    assert (await speaker.say("take", number, 3)).status_code == 401


async def test_only_what_a_partner_may_is_done_and_only_with_its_own_cases(exchange, speaker) -> None:
    _, number = await given(exchange)
    stale = await speaker.say("take", number, 2)
    assert (stale.status_code, stale.json()["where"]) == (409, "version")
    assert (await speaker.say("report_done", number, 3, note="x")).status_code == 409
    assert (await speaker.say("return", number, 3)).json()["where"] == "reason"
    assert (await speaker.say("void", number, 3, reason="x")).status_code == 422
    assert (await speaker.say("take", number, 3, organisation_id=1)).status_code == 422
    assert (await speaker.say("take", number, 3)).status_code == 200
    other = exchange.case()
    filed = await exchange.act(other, 1, "file")
    assert (await speaker.say("note", filed["number"], 2, note="x")).status_code == 404
    await exchange.served.run_sql("UPDATE partner SET low = 0, high = 1")
    assert (await speaker.say("note", number, 4, note="x")).status_code == 404
    await exchange.served.run_sql("UPDATE partner SET active = false")
    assert (await speaker.say("note", number, 4, note="x")).status_code == 403
