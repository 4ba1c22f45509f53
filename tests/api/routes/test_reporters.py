"""Who reported a case, and a worker's phone, stay masked until revealed for a reason, on the record."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.api.routes.conftest import HERE
from tests.api.routes.test_people import REASON, record
from twin.access import persons
from twin.access.persons import COLUMNS, Person, sealed_row
from twin.access.sealing import Sealer

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

ROOM = "人民南路一段 1 号 3 栋 2 单元 1501 室"
ZHANG = Person("张三丰", "15400001234", "990000196001011234", ROOM, "zhang.sanfeng@example.org")
LI = Person("李四", "154 0000 5678")
WORKER = Person(phone="15400009999")
MASKED = {
    "name": "张*",
    "phone": "154****1234",
    "identity_number": "990***********1234",
    "address": "人民南路一段 1 号 3 栋 2 单元",
    "email": "z***@example.org",
}
SECRETS = (
    "三丰",
    "15400001234",
    "990000196001011234",
    "1501",
    "sanfeng",
    "5400005678",
    "0000 5678",
    "15400009999",
)


@pytest.fixture
def reported(served) -> tuple[int, int]:
    """Numbers of the case here, which 张三丰 reported, and of the one beside, which 李四 did."""
    for person, statement in (
        (ZHANG, f"UPDATE case_file SET reporter_id = %s, source = 'hotline', address = '{ROOM}', "
         f"title = '漏水，来电 {ZHANG.phone}，证件 {ZHANG.identity_number}' WHERE number = 'HERE-1'"),
        (LI, "UPDATE case_file SET reporter_id = %s, source = 'resident' WHERE number = 'BESIDE-1'"),
        (WORKER, "UPDATE worker SET person_id = %s WHERE code = 'w-1'"),
    ):  # fmt: skip
        served.sql(statement, store(served, served.runtime.sealer, person))
    rows = served.sql("SELECT id FROM case_file ORDER BY number DESC")
    here, beside = (int(str(row[0])) for row in rows)
    return here, beside


def store(served, sealer: Sealer, person: Person) -> UUID:
    row = sealed_row(sealer, uuid4(), person)
    values = ", ".join(["%s"] * len(COLUMNS))
    served.sql(
        f"INSERT INTO person ({', '.join(COLUMNS)}) VALUES ({values})", *(row[column] for column in COLUMNS)
    )
    made: UUID = row["id"]
    return made


@pytest.mark.parametrize(
    "path",
    [
        "/api/cases",
        "/api/workers/5",
        "/api/stats/open_cases/list",
        "/api/search?q=15400001234",
        "/api/search?q=三丰",
        "/api/journal",
    ],
)
async def test_no_answer_holds_more_than_the_masked_forms(client, reported, path) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    for secret in SECRETS:
        assert secret not in answer.text, secret


async def test_a_case_tells_masked_who_reported_it(client, signed_in, reported) -> None:
    cases = {case["number"]: case for case in (await client.get("/api/cases")).json()["cases"]}
    here = cases["HERE-1"]
    assert here["reporter"] == MASKED
    assert here["title"]["zh"] == "漏水，来电 154****1234，证件 990***********1234"
    assert here["address"] == "人民南路一段 1 号 3 栋 2 单元"
    assert cases["BESIDE-1"]["reporter"] == {
        "name": "李*", "phone": "154****5678", "identity_number": None, "address": None, "email": None
    }  # fmt: skip
    assert (await client.get("/api/workers/5")).json()["phone"] == "154****9999"
    planner = await signed_in("planner")
    assert (await planner.get("/api/cases")).status_code == 403


async def test_a_reporter_is_revealed_for_a_reason_and_that_is_on_the_record(
    served, signed_in, reported
) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    answer = await dispatcher.post(f"/api/cases/{reported[0]}/reveal", json=REASON)
    assert answer.json() == {
        "case_id": reported[0],
        "name": "张三丰",
        "phone": "15400001234",
        "identity_number": "990000196001011234",
        "address": ROOM,
        "email": "zhang.sanfeng@example.org",
        "case_address": ROOM,
    }
    [(_, about, reason, detail)] = record(served, "person.revealed")
    assert (about, reason) == (f"case/{reported[0]}", REASON["reason"])
    assert detail == {"fields": ["name", "phone", "identity_number", "address", "email", "case_address"]}
    [case] = (await dispatcher.get("/api/cases")).json()["cases"]
    assert case["reporter"] == MASKED, "once is not for ever"


async def test_a_workers_phone_is_revealed_with_the_name(served, signed_in, reported) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    answer = (await dispatcher.post("/api/workers/5/reveal", json=REASON)).json()
    assert (answer["name"]["zh"], answer["phone"]) == ("周小明", "15400009999")
    [(_, about, _, detail)] = record(served, "person.revealed")
    assert (about, detail) == ("worker/1", {"fields": ["name", "name_en", "phone"]})


async def test_nobody_is_revealed_elsewhere_without_the_right_or_without_a_reason(
    served, signed_in, reported
) -> None:
    here, beside = reported
    dispatcher = await signed_in("dispatcher", HERE)
    for other in (beside, 10**9):
        assert (await dispatcher.post(f"/api/cases/{other}/reveal", json=REASON)).status_code == 404
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "\x00"}, {"reason": "x" * 501}):
        assert (await dispatcher.post(f"/api/cases/{here}/reveal", json=body)).status_code == 422, body
    for role in ("operator", "department", "planner", "wall", "auditor", "security_admin"):
        other = await signed_in(role)
        assert (await other.post(f"/api/cases/{here}/reveal", json=REASON)).status_code == 403, role
        assert (await other.post("/api/reporters/cases", json={"phone": ZHANG.phone})).status_code == 403
    served.sql("UPDATE case_file SET reporter_id = NULL, address = NULL")
    answer = await dispatcher.post(f"/api/cases/{here}/reveal", json=REASON)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"nobody is kept who reported case {here}")
    assert record(served, "person.revealed") == []


async def test_a_reveal_that_cannot_be_recorded_reveals_nothing(served, signed_in, reported) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    # The functions of the database write it as their owner, whom nobody can forbid.
    served.sql("ALTER TABLE audit RENAME TO audit_gone")
    for path in (f"/api/cases/{reported[0]}/reveal", "/api/workers/5/reveal"):
        answer = await dispatcher.post(path, json=REASON)
        assert answer.status_code == 500
        for secret in (*SECRETS, "小明"):
            assert secret not in answer.text
    answer = await dispatcher.post("/api/reporters/cases", json={"phone": ZHANG.phone})
    assert answer.status_code == 500


async def test_the_key_of_another_installation_is_named_as_the_cause(served, signed_in, reported) -> None:
    served.sql(
        "UPDATE case_file SET reporter_id = %s WHERE number = 'HERE-1'",
        store(served, Sealer(b"x" * 32), ZHANG),
    )
    dispatcher = await signed_in("dispatcher", HERE)
    answer = await dispatcher.post(f"/api/cases/{reported[0]}/reveal", json=REASON)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/setup")
    assert answer.json()["hint"] == "the key of this installation must be the one it was written with"
    assert record(served, "person.revealed") == []


async def test_a_caller_is_found_by_the_whole_number_where_the_right_holds(
    served, client, signed_in, reported
) -> None:
    dispatcher = await signed_in("dispatcher", HERE)

    async def found(by, phone: str) -> list[str]:
        answer = await by.post("/api/reporters/cases", json={"phone": phone})
        assert answer.status_code == 200, answer.text
        for secret in SECRETS:
            assert secret not in answer.text
        return [case["number"] for case in answer.json()]

    assert await found(dispatcher, "+86 154-0000-1234") == ["HERE-1"]
    assert await found(dispatcher, "15400005678") == []
    assert await found(client, "15400005678") == ["BESIDE-1"]
    assert await found(client, "15400009999") == [], "a worker's phone reported nothing"
    for part in ("1234", "154****1234", "5400001234x"):
        answer = await dispatcher.post("/api/reporters/cases", json={"phone": part})
        assert answer.status_code == 422
        assert part not in answer.text
    first = record(served, "person.searched")[0]
    assert first[1:] == ("phone", "", {"phone": "154****1234", "cases": [reported[0]]})


async def test_too_many_reveals_an_hour_are_refused_with_a_time_to_wait(
    served, signed_in, reported, monkeypatch
) -> None:
    monkeypatch.setattr(persons, "REVEALS_PER_HOUR", 2)
    dispatcher = await signed_in("dispatcher", HERE)
    paths = [f"/api/cases/{reported[0]}/reveal", "/api/workers/5/reveal"] * 2
    answers = [await dispatcher.post(path, json=REASON) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    last = answers[-1]
    assert last.json()["type"] == "/problems/too-many"
    assert 3500 < int(last.headers["retry-after"]) <= 3600
    assert last.headers["retry-after"] in last.json()["hint"]
    for secret in SECRETS:
        assert secret not in last.text
    results = served.sql("SELECT result FROM audit WHERE action = 'person.revealed' ORDER BY seq")
    assert [row[0] for row in results] == ["done", "done", "refused"]


async def test_a_number_in_a_reason_is_masked_for_who_reads_the_record(served, signed_in, reported) -> None:
    dispatcher = await signed_in("dispatcher", HERE)
    auditor = await signed_in("auditor")
    body = {"reason": f"回拨 {ZHANG.phone}"}
    assert (await dispatcher.post(f"/api/cases/{reported[0]}/reveal", json=body)).status_code == 200
    entries = (await auditor.get("/api/record")).json()["entries"]
    assert "回拨 154****1234" in {entry["reason"] for entry in entries}


async def test_persons_are_erased_by_the_server_when_their_time_is_over(served, reported) -> None:
    await persons.expire(served.runtime.own, 180)
    assert served.sql("SELECT count(*) FROM person") == [(3,)]
    served.past_triggers(
        "UPDATE case_file SET opened_at = now() - interval '400 days', outcome = 'void', "
        "closed_at = now() - interval '200 days' WHERE number = 'HERE-1'"
    )
    served.sql("UPDATE person SET created_at = now() - interval '400 days'")
    assert await persons.expire(served.runtime.own, 180) == 1
    assert served.sql("SELECT reporter_id FROM case_file WHERE number = 'HERE-1'") == [(None,)]
