"""The queues of the desk: who waits where, what is most urgent first, with clocks a browser can count."""

from __future__ import annotations

from typing import get_args

import pytest

from api.routes.cases import QueueName, SourceName
from tests.api.routes.conftest import HERE
from twin.cases.queues import QUEUES
from twin.model import SOURCES

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

_CASES = """
INSERT INTO case_file (number, title, category_code, source, stage, priority, geom, opened_at, stage_since,
                       stage_due_at, parked_at, asked, supervised_by, called_up, linked_to, worker_id)
    SELECT number, number, '06010', source, stage, priority, 'SRID=4326;POINT(104.0600 30.6600)',
           now() - interval '2 days', now() - interval '2 days', now() + due * interval '1 hour',
           CASE WHEN parked THEN now() - interval '1 hour' END, CAST(asked AS jsonb),
           supervised, called, linked, 1
    FROM (VALUES
        ('filed-late', 'sensor', 'filed', 3, -1, false, NULL, NULL, 0, NULL::bigint),
        ('filed-urgent', 'hotline', 'filed', 1, 2, false, NULL, NULL, 0, NULL),
        ('filed-parked', 'sensor', 'filed', 1, -5, true, NULL, NULL, 0, NULL),
        ('asked', 'patrol', 'handling', 2, 3, false,
         '{"ask":"extend","by":"x","reason":"r","until":"2030-01-01T00:00:00+00:00"}', NULL, 0, NULL),
        ('watched', 'sensor', 'handling', 3, 3, false, NULL, 'somebody', 0, NULL),
        ('called', 'sensor', 'dispatched', 3, 3, false, NULL, NULL, 1, NULL),
        ('done', 'sensor', 'feedback', 3, 3, false, NULL, NULL, 0, NULL),
        ('repeats', 'sensor', 'filed', 3, 3, false, NULL, NULL, 0, 1)
    ) AS c (number, source, stage, priority, due, parked, asked, supervised, called, linked)
"""


def test_the_names_that_are_taken_are_those_there_are() -> None:
    assert get_args(QueueName) == tuple(queue.name for queue in QUEUES)
    assert get_args(SourceName) == SOURCES


async def test_cases_wait_where_they_are_to_be_acted_on(served, signed_in) -> None:
    served.sql(_CASES)
    served.sql(
        "UPDATE alarm_group SET no_case = NULL, "
        "case_id = (SELECT id FROM case_file WHERE number = 'filed-late') "
        "WHERE id = (SELECT min(group_id) FROM alarm)"
    )
    operator = await signed_in("operator", HERE)

    async def queue(name: str, **also: str) -> tuple[list[str], dict[str, int]]:
        told = (await operator.get("/api/cases", params={"queue": name, **also})).json()
        return [case["number"] for case in told["cases"]], told["sources"]

    assert await queue("collect") == (["HERE-1"], {"sensor": 1})
    waiting = ["filed-urgent", "asked", "filed-late", "filed-parked"]
    sources = {"sensor": 2, "hotline": 1, "patrol": 1}
    assert await queue("dispatch") == (waiting, sources)
    assert await queue("dispatch", source="hotline") == (["filed-urgent"], sources)
    assert (await queue("supervise"))[0] == ["filed-late", "watched", "called"]
    assert (await queue("check"))[0] == ["done"]
    told = (await operator.get("/api/queues")).json()["queues"]
    assert [(q["name"], q["zh"], q["open"], q["waiting"], q["overdue"]) for q in told] == [
        ("collect", "受理", 1, 0, 0),
        ("dispatch", "派遣", 3, 1, 1),
        ("supervise", "督办", 3, 0, 1),
        ("check", "核查", 1, 0, 0),
    ]
    cases = {
        case["number"]: case
        for case in (await operator.get("/api/cases", params={"queue": "dispatch"})).json()["cases"]
    }
    late, parked, urgent = cases["filed-late"], cases["filed-parked"], cases["filed-urgent"]
    assert late["alarms"] == 1
    assert late["state"] == "alarm"
    assert late["clock"]["left_s"] <= 0
    assert (parked["clock"]["runs"], parked["clock"]["changes_at"]) == (False, None)
    assert urgent["clock"]["unit"] == "hours"
    assert urgent["clock"]["left_s"] == pytest.approx(7200, abs=60)
    assert (urgent["clock"]["runs"], urgent["clock"]["changes_at"]) == (True, None)
    assert urgent["handler"]["worker"]["zh"].endswith("*")
    assert (urgent["alarms"], urgent["state"], urgent["version"]) == (0, None, 1)
    assert cases["asked"]["asked"]["granted_by"] == "case.dispatch"


_CLOSED = """
INSERT INTO case_file (number, title, category_code, source, stage, outcome, priority, geom, opened_at,
                       closed_at, stage_due_at, rating, review_since, linked_to)
    SELECT number, number, '06010', 'resident', 'rated', 'closed', 3, 'SRID=4326;POINT(104.0600 30.6600)',
           now() - interval '2 days', now(), now() - interval '1 day', rating,
           CASE WHEN waits THEN now() END, linked
    FROM (VALUES ('poor', 1, true, NULL::bigint), ('poor-repeat', 2, true, 1), ('looked-at', 1, false, NULL),
                 ('good', 5, false, NULL)) AS c (number, rating, waits, linked)
"""


async def test_a_closed_case_waits_where_it_is_supervised_while_a_poor_rating_of_it_was_not_looked_at(
    served, signed_in
) -> None:
    operator = await signed_in("operator", HERE)
    before = {q["name"]: q for q in (await operator.get("/api/queues")).json()["queues"]}
    await served.run_sql(_CLOSED)
    try:
        after = {q["name"]: q for q in (await operator.get("/api/queues")).json()["queues"]}
        before["supervise"]["open"] += 2
        assert after == before
        told = (await operator.get("/api/cases", params={"queue": "supervise"})).json()["cases"]
        assert {case["number"]: case["rating"] for case in told if case["review_since"]} == {
            "poor": 1,
            "poor-repeat": 2,
        }
    finally:
        await served.run_sql("DELETE FROM case_file WHERE source = 'resident' AND stage = 'rated'")


async def test_a_queue_of_ended_cases_or_of_no_name_is_refused(signed_in) -> None:
    operator = await signed_in("operator", HERE)
    for query in ("queue=check&open=false", "queue=mine", "source=rumour"):
        assert (await operator.get(f"/api/cases?{query}")).status_code == 422, query
    assert (await (await signed_in("planner", HERE)).get("/api/queues")).status_code == 403
