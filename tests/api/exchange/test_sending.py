"""Partners are told of what happens to cases, in order and signed, whatever goes wrong at another."""

from __future__ import annotations

import time

import pytest

from tests.api.exchange.receiver import answer, hang, receiving
from tests.waiting import until

pytestmark = [pytest.mark.postgis, pytest.mark.asyncio(loop_scope="module")]


async def test_a_partner_is_told_in_order_signed_and_of_no_person(exchange) -> None:
    async with receiving() as receiver:
        partner = await exchange.add(receiver.url)
        case = exchange.case(source="resident")
        await exchange.act(case, 1, "file")
        await exchange.act(case, 2, "note", note="请联系张先生 13812341234")
        await exchange.act(case, 3, "correct", priority=1)
        came = await receiver.wait(3)
        assert all(one.is_signed(partner["secret"]) for one in came)
        assert [one.said["type"] for one in came] == ["case.filed", "case.noted", "case.corrected"]
        assert [one.said["data"]["case"]["version"] for one in came] == [2, 3, 4]
        assert len({one.id for one in came}) == 3
        first = came[0].said["data"]
        assert first["case"]["category"]["code"] == "01001"
        assert first["case"]["place"] == {"lon": 104.06, "lat": 30.66, "exact": False}
        assert first["changes"]["stage"] == "filed"
        everything = b"".join(one.body for one in came).decode()
        assert not any(word in everything for word in ("138", "老王", "张先生", "account", "repaired_by"))
        await exchange.until_told()
        shown = await exchange.get(partner)
        assert (shown["state"], shown["waiting"], shown["state_name"]["zh"]) == ("current", 0, "已同步")


async def test_what_fails_is_tried_again_with_the_same_id_and_the_order_stays(exchange) -> None:
    async with receiving() as receiver:
        await exchange.add(receiver.url)
        receiver.next = [answer(500), answer(503), answer(302, Location="http://127.0.0.1:9/"), answer(200)]
        case = exchange.case()
        await exchange.act(case, 1, "file")
        await exchange.act(case, 2, "note", note="x")
        came = await receiver.wait(5)
        assert [one.said["data"]["case"]["version"] for one in came] == [2, 2, 2, 2, 3]
        assert len({one.id for one in came[:4]}) == 1
        assert len({one.body for one in came[:4]}) == 1
        assert came[4].path == "/told"


async def test_a_partner_that_asks_to_wait_is_waited_for(exchange) -> None:
    async with receiving() as receiver:
        partner = await exchange.add(receiver.url)
        receiver.next = [answer(429, Retry_After="1")]
        begun = time.monotonic()
        await exchange.act(exchange.case(), 1, "file")
        await receiver.wait(1)
        await until(lambda: exchange.sql("SELECT tries FROM partner") == [(1,)])
        shown = await exchange.get(partner)
        assert (shown["state"], shown["last_failure"]["status"], shown["waiting"]) == ("failing", 429, 1)
        assert shown["last_success_at"] is None
        assert "429" in shown["last_failure"]["zh"]
        await receiver.wait(2)
        assert time.monotonic() - begun > 1.0


async def test_a_partner_that_hangs_delays_no_other(exchange) -> None:
    async with receiving() as dead, receiving() as well:
        dead.behave = hang
        await exchange.add(dead.url)
        await exchange.add(well.url)
        case = exchange.case()
        await exchange.act(case, 1, "file")
        await dead.wait(1)
        begun = time.monotonic()
        for version in range(2, 7):
            await exchange.act(case, version, "note", note="x")
        await well.wait(6)
        assert time.monotonic() - begun < 5.0
        assert len(dead.came) == 1, "one at a time: nothing more is sent there while it does not answer"


LOCKS = "FROM pg_stat_activity WHERE application_name = 'gridtwin exchange' AND datname = %s"


async def test_of_two_servers_one_tells_and_a_lost_connection_loses_nothing(
    exchange, serve, tmp_path
) -> None:
    name = exchange.served.database.name
    async with receiving() as receiver:
        await exchange.add(receiver.url)
        case = exchange.case()
        async with serve(exchange.served.database, tmp_path):
            await until(lambda: exchange.sql(f"SELECT count(*) {LOCKS}", name) == [(2,)])
            await exchange.act(case, 1, "file")
            await exchange.until_told()
            exchange.sql(f"SELECT pg_terminate_backend(pid) {LOCKS}", name)
            await exchange.act(case, 2, "note", note="x")
            await receiver.wait(2)
        await exchange.until_told()
        assert [one.said["data"]["case"]["version"] for one in receiver.came] == [2, 3]
