"""Cases go out as requests of Open311, here to our own interface, and come back when they are done."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from api.exchange import georeport
from tests.api.exchange.receiver import answer, receiving
from tests.waiting import until
from twin.access.credentials import CredentialKind

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]

CODES = {"01": "06010", "01001": "06011"}


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(georeport, "ASK_EVERY", timedelta(seconds=0.2))


async def test_a_case_becomes_a_request_at_another_platform_and_is_checked_here(exchange, soon) -> None:
    key = await exchange.served.secret(("resident_channel", "000000000000000"), kind=CredentialKind.TOKEN)
    partner = await exchange.add(
        f"{exchange.served.url}/open311/v2",
        kind="open311", key=key, service_codes=CODES, events=["case.dispatched"], organisation_id=1,
    )  # fmt: skip
    assert (partner["secret"], partner["receiving_secret"]) == (None, None)
    assert (await exchange.post(partner, "test")).json()["arrived"] is True
    case = exchange.case()
    await exchange.act(case, 1, "file")
    await exchange.act(case, 2, "dispatch", organisation_id=1)
    await until(lambda: exchange.sql("SELECT count(*) FROM partner_case") == [(1,)])
    ((number, other, category),) = exchange.sql(
        "SELECT number, id, category_code FROM partner_case JOIN case_file ON number = request_id"
    )
    assert category == "06011", "the longest code that fits"
    words = exchange.sql("SELECT description FROM case_report WHERE case_id = %s", other)[0][0]
    assert "老王" not in words
    assert exchange.sql("SELECT version FROM case_file WHERE id = %s", case) == [(3,)], "nobody's act is late"
    # Of a kind whose work is reported as done with a photograph.
    exchange.served.past_triggers("UPDATE case_file SET category_code = '06010' WHERE id = %s", case)
    exchange.served.past_triggers(
        "UPDATE case_file SET stage = 'rated', outcome = 'closed', closed_at = now() WHERE id = %s", other
    )
    await until(lambda: exchange.sql("SELECT stage FROM case_file WHERE id = %s", case) == [("feedback",)])
    stands = (await exchange.manager.get(f"/api/cases/{case}")).json()
    assert [event["event"] for event in stands["events"][:2]] == ["case.reported_done", "case.taken"]
    assert number in stands["events"][0]["told"]["note"]
    assert "不带照片" in stands["events"][0]["told"]["reason"]
    assert stands["closed_at"] is None


async def test_what_a_partner_says_of_a_case_that_is_not_its_own_is_a_note(exchange, soon) -> None:
    async with receiving() as receiver:
        filed = json.dumps([{"token": "t-1"}]).encode()
        number = json.dumps([{"service_request_id": "7", "token": "t-1"}]).encode()
        status = [{"service_request_id": "7", "status": "closed", "status_notes": "已处理\n联系 13812341234"}]
        receiver.next = [answer(200, b"[]"), answer(201, filed), answer(200, number)]
        receiver.behave = answer(200, json.dumps(status).encode())
        partner = await exchange.add(
            receiver.url,
            kind="open311",
            key="k-1",
            service_codes=CODES,
            events=["case.filed"],
            jurisdiction="j",
        )
        case = exchange.case()
        await exchange.act(case, 1, "file")
        await until(lambda: exchange.sql("SELECT version FROM case_file WHERE id = %s", case) == [(3,)])
        stands = (await exchange.manager.get(f"/api/cases/{case}")).json()
        assert (stands["stage"], stands["events"][0]["event"]) == ("filed", "case.noted")
        assert stands["events"][0]["told"]["note"].endswith("7：已办结 closed · 已处理 联系 138****1234")
        posts = [one for one in receiver.came if one.method == "POST"]
        assert len(posts) == 2, "an answer without a number is not understood, and it is sent again"
        form = parse_qs(posts[0].body.decode())
        assert (form["api_key"], form["service_code"], form["jurisdiction_id"]) == (["k-1"], ["06011"], ["j"])
        assert len({one.headers["idempotency-key"] for one in posts}) == 1
        assert [one.path for one in receiver.came if one.method == "GET"] == [
            "/told/tokens/t-1.json?jurisdiction_id=j",
            "/told/requests.json?service_request_id=7&jurisdiction_id=j",
        ]
        assert (await exchange.get(partner))["last_failure"]["failure"] == "not_understood"
