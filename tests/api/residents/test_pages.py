"""Whoever has the link of a report, and nobody else, sees how it is doing, and rates it once at the end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.residents.page import write_page
from api.residents.standing import Standing, entered_at
from twin.cases.states import Outcome, Stage

pytestmark = pytest.mark.postgis

SAID = "楼下垃圾，我是张三丰，电话 13812341234"
NAMES = ("张三丰", "13812341234", "138****1234", "1501", "垃圾，我是", "zhang@example.org")


def shown(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL))


def stand(served, case: int, **columns: object) -> None:
    """Let a case stand somewhere, as if acts had led it there, and tell its stage in the journal."""
    names = ", ".join(f"{name} = %s" for name in columns)
    served.past_triggers(f"UPDATE case_file SET {names} WHERE id = %s", *columns.values(), case)


def close(served, case: int) -> None:
    stand(served, case, stage="rated", outcome="closed", closed_at=datetime.now(ZoneInfo("UTC")))


async def test_the_page_tells_where_a_report_stands_and_nothing_of_persons(reporter):
    case, link = await reporter.report(
        description=SAID, address_string="人民南路一段 1 号 1501 室", first_name="三丰", last_name="张",
        phone="13812341234", email="zhang@example.org",
    )  # fmt: skip
    answer = await reporter.http.get(link)
    assert answer.status_code == 200
    text = shown(answer.text)
    assert "暴露垃圾 Exposed rubbish" in text
    assert "我们已收到您的反映，正在核实。" in text
    assert "本阶段时限 30 分钟（工作时间）" in text
    assert [name for name in NAMES if name in answer.text] == []
    assert answer.text.count('aria-current="step"') == 1
    number = await reporter.served.run_sql("SELECT number FROM case_file WHERE id = %s", case)
    assert number[0][0] in text
    assert "模拟" not in text
    reporter.served.past_triggers("UPDATE case_file SET simulated = true WHERE id = %s", case)
    assert "模拟数据" in (await reporter.http.get(link)).text


async def test_the_page_is_closed_to_searches_and_says_its_address_to_nobody(reporter):
    _, link = await reporter.report(description="headers")
    for path in (link, "/r/nothing"):
        answer = await reporter.http.get(path)
        headers = answer.headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "noindex" in headers["x-robots-tag"]
        assert '<meta name="robots" content="noindex' in answer.text
        assert "<script" not in answer.text
        assert not re.search(r'(?:src|href)="', answer.text)
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_an_unknown_and_an_expired_link_are_answered_alike(reporter):
    case, link = await reporter.report(description="expired")
    known = await reporter.http.get("/r/" + "A" * 43)
    close(reporter.served, case)
    assert (await reporter.http.get(link)).status_code == 200
    reporter.served.past_triggers(
        "UPDATE case_file SET opened_at = opened_at - interval '95 days', "
        "closed_at = closed_at - interval '91 days' WHERE id = %s",
        case,
    )
    expired = await reporter.http.get(link)
    assert (expired.status_code, expired.text) == (known.status_code, known.text) == (404, known.text)
    assert "链接无效或已过期" in expired.text
    sent = await reporter.http.post(link, data={"rating": "5"})
    assert (sent.status_code, sent.text) == (404, known.text)


async def test_a_closed_report_is_rated_once_and_the_words_are_masked(reporter):
    case, link = await reporter.report(description="rated")
    early = await reporter.http.post(link, data={"rating": "5", "words": "太早"})
    assert early.status_code == 409
    assert "尚未办结，办结后才能评价" in early.text
    close(reporter.served, case)
    page = await reporter.http.get(link)
    assert page.text.count('type="radio"') == 5
    for wrong in ({}, {"rating": "6"}, {"rating": "0"}, {"rating": "<b>"}):
        refused = await reporter.http.post(link, data={**wrong, "words": "a<script>alert(1)</script>&"})
        assert refused.status_code == 422
        assert "a&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in refused.text
        assert "请选择 1 到 5 分" in refused.text
    long = await reporter.http.post(link, data={"rating": "2", "words": "长" * 501})
    assert (long.status_code, "最多 500 字" in long.text) == (422, True)
    # As a browser sends it that was told to name no referrer, from whatever page.
    headers = {"origin": "null", "sec-fetch-site": "cross-site"}
    done = await reporter.http.post(
        link, data={"rating": "2", "words": "没修好，请打 13812341234"}, headers=headers
    )
    assert (done.status_code, done.headers["location"]) == (303, link)
    assert "2 / 5 · 不满意" in shown((await reporter.http.get(link)).text)
    again = await reporter.http.post(link, data={"rating": "5"})
    assert again.status_code == 409
    assert "已经评价过" in again.text
    ((rating, actor, told),) = await reporter.served.run_sql(
        "SELECT rating, actor, data -> 'told' FROM case_file AS c JOIN journal AS j "
        "ON subject = 'case/' || c.id WHERE c.id = %s AND kind = 'case.rated'",
        case,
    )
    assert (rating, actor) == (2, "resident")
    assert told == {"rating": 2, "note": "没修好，请打 138****1234"}
    ((stage, waits),) = await reporter.served.run_sql(
        "SELECT stage, review_since IS NOT NULL FROM case_file WHERE id = %s", case
    )
    assert (stage, waits) == ("rated", True)


async def test_of_ratings_sent_at_once_one_counts(reporter):
    case, link = await reporter.report(description="at once")
    close(reporter.served, case)
    sent = await asyncio.gather(
        *(reporter.http.post(link, data={"rating": str(number)}) for number in (1, 2, 3, 4, 5))
    )
    assert sorted(answer.status_code for answer in sent) == [303, 409, 409, 409, 409]
    rated = await reporter.served.run_sql(
        "SELECT count(*) FROM journal WHERE subject = %s AND kind = 'case.rated'", f"case/{case}"
    )
    assert rated == [(1,)]


async def test_a_report_that_repeats_another_shows_how_that_is_doing(reporter):
    first, _ = await reporter.report(description="排水沟堵了", lat="30.6603")
    case, link = await reporter.report(description="很臭", service_code="51004", lat="30.6603")
    stand(reporter.served, first, stage="handling", filed_at=None)
    stand(reporter.served, case, linked_to=first)
    text = shown((await reporter.http.get(link)).text)
    assert "已合并办理" in text
    assert "处理人员正在处理" in text


async def test_many_requests_of_an_address_are_held_back(reporter):
    async def ask() -> int:
        return (await reporter.http.get("/r/none")).status_code

    found = {status for _ in range(5) for status in await asyncio.gather(*(ask() for _ in range(30)))}
    assert found == {404, 429}
    assert "请" in (await reporter.http.get("/r/none")).json()["hint"]


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


def standing(stage: Stage, outcome: Outcome | None = None, **entered: datetime) -> Standing:
    return Standing(
        1, 3, "20260302-00001", "06010", stage, outcome, NOON, NOON if outcome else None, None, None, False,
        None, False, False, {Stage(name): at for name, at in entered.items()}, None, "Asia/Shanghai",
    )  # fmt: skip


def test_a_case_that_is_sent_back_has_its_stages_before_it_again():
    times = [NOON + timedelta(hours=hour) for hour in range(6)]
    stages = [Stage.FILED, Stage.HANDLING, Stage.CHECKING, Stage.HANDLING]
    found = entered_at(times[0], zip(stages, times[1:], strict=False))
    assert found == {Stage.COLLECTED: times[0], Stage.FILED: times[1], Stage.HANDLING: times[4]}


def steps(page: str) -> list[tuple[str, str]]:
    return [
        (state, shown(body).split()[1])
        for state, body in re.findall(r'<li class="(\w+)".*?>(.*?)</li>', page, re.DOTALL)
    ]


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_its_words_and_its_step(stage):
    page = write_page(standing(stage, Outcome.CLOSED if stage is Stage.RATED else None), now=NOON)
    states = [state for state, _ in steps(page)]
    wanted = [Stage.COLLECTED, Stage.FILED, Stage.HANDLING, Stage.CHECKING, Stage.RATED]
    at = wanted.index({Stage.DISPATCHED: Stage.HANDLING, Stage.FEEDBACK: Stage.CHECKING}.get(stage, stage))
    expected = ["done"] * at + ["now"] + ["later"] * (4 - at)
    assert states == (["done"] * 5 if stage is Stage.RATED else expected)


@pytest.mark.parametrize(("outcome", "word"), [(Outcome.REJECTED, "未予立案"), (Outcome.VOID, "已作废")])
def test_what_was_not_dealt_with_says_so_and_is_not_rated(outcome, word):
    page = write_page(standing(Stage.COLLECTED, outcome), now=NOON)
    assert steps(page) == [("done", "已收到"), ("now", word)]
    assert "<form" not in page
