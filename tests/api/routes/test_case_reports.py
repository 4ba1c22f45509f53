"""Cases written down by hand: once for each key, placed, with who told it sealed, and refused in words."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest

from tests.api.routes.conftest import BESIDE, HERE
from twin.cases import categories

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

REPORT = {
    "category_code": "06010",
    "description": "垃圾堆在门口，电话 13812341234",
    "lon": 104.06,
    "lat": 30.66,
    "source": "hotline",
    "reporter": {"name": "李四", "phone": "13812345678"},
}


async def report(client, **changes: object):
    body = {**REPORT, "client_key": str(uuid4()), **changes}
    return await client.post("/api/cases", json={k: v for k, v in body.items() if v is not None})


async def test_a_report_by_hand_is_one_case_however_often_it_is_sent(served, signed_in) -> None:
    operator, key = await signed_in("operator", HERE), str(uuid4())
    answers = [await report(operator, client_key=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    first, again = (answer.json() for answer in answers)
    assert (again["id"], again["token"]) == (first["id"], first["token"])
    assert first["title"]["zh"] == "暴露垃圾：垃圾堆在门口，电话 138****1234"
    assert (first["stage"], first["source"], first["area"]["code"]) == ("collected", "hotline", HERE)
    assert first["also_in"] == []
    assert first["stage_clock"]["unit"] == "working_hours"
    assert "file" in [move["name"] for move in first["moves"]]
    assert (await report(operator, client_key=key, priority=1)).json()["where"] == "client_key"
    (case,) = [c for c in (await operator.get("/api/cases")).json()["cases"] if c["id"] == first["id"]]
    assert (case["reporter"]["name"], case["reporter"]["phone"]) == ("李*", "138****5678")
    assert served.sql("SELECT count(*) FROM audit WHERE action = 'case.reported'") == [(1,)]
    worker = await signed_in("worker", HERE, 1)
    found = await report(worker, source="patrol", reporter=None)
    assert (found.status_code, found.json()["token"]) == (201, None)


async def test_a_place_in_no_grid_belongs_to_the_community_and_one_in_no_area_to_nobody(signed_in) -> None:
    operator = await signed_in("operator")
    between = (await report(operator, lon=104.0655)).json()
    assert (between["area"]["level"], between["also_in"]) == ("community", [])
    outside = await report(operator, lon=120.0)
    assert (outside.status_code, outside.json()["where"]) == (422, "lat, long")


async def test_where_grids_overlap_the_lowest_code_is_taken_and_the_other_told(served, signed_in) -> None:
    served.sql(
        "UPDATE area SET geom = ST_Multi(ST_MakeEnvelope(104.064, 30.655, 104.069, 30.665, 4326)) "
        f"WHERE code = '{BESIDE}'"
    )
    told = (await report(await signed_in("operator"), lon=104.0645)).json()
    assert (told["area"]["code"], [area["code"] for area in told["also_in"]]) == (HERE, [BESIDE])


async def test_the_area_of_a_case_is_the_same_in_every_answer(signed_in) -> None:
    operator = await signed_in("operator")
    for lon, level in (
        (104.0600, "responsibility_grid"),
        (104.0655, "community"),
        (104.0670, "responsibility_grid"),
    ):
        made = (await report(operator, lon=lon)).json()
        assert made["area"]["level"] == level
        one = (await operator.get(f"/api/cases/{made['id']}")).json()
        listed = (await operator.get("/api/cases")).json()["cases"]
        assert one["area"] == made["area"]
        assert next(case for case in listed if case["id"] == made["id"])["area"] == made["area"]


async def test_what_cannot_be_a_case_is_refused_in_words(signed_in, monkeypatch) -> None:
    operator, worker = await signed_in("operator", HERE), await signed_in("worker", HERE, 1)
    for changes, status, where in (
        ({"category_code": "99999"}, 422, "category_code"),
        ({"source": "patrol"}, 422, "reporter"),
        ({"lon": 104.0670}, 403, "lat, long"),
        ({"description": ""}, 422, "body.description"),
        ({"lon": 181}, 422, "body.lon"),
        ({"source": "sensor"}, 422, "body.source"),
        ({"client_key": "mine"}, 422, "body.client_key"),
        ({"reporter": {"phone": "12"}}, 422, "phone"),
    ):
        refused = await report(operator, **changes)
        assert (refused.status_code, refused.json()["where"]) == (status, where), changes
    for source in ("hotline", "superior", "camera"):
        refused = await report(worker, source=source, reporter=None)
        assert (refused.status_code, refused.json()["where"]) == (403, "source")
        assert "patrol" in refused.json()["hint"]
    for role in ("planner", "wall", "department"):
        assert (await report(await signed_in(role, HERE), reporter=None)).status_code == 403, role
    known = categories.load_categories()
    gone = known.by_code["06010"]
    withdrawn = categories.msgspec.structs.replace(gone, valid_to=date(2026, 1, 1))
    changed = categories.msgspec.structs.replace(known, by_code={**known.by_code, "06010": withdrawn})
    monkeypatch.setattr(categories, "load_categories", lambda: changed)
    refused = await report(operator)
    assert (refused.status_code, "withdrawn on 2026-01-01" in refused.json()["detail"]) == (422, True)
