"""Roads are closed and opened again over HTTP, each in the own area, and the streets know at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.routes.conftest import BESIDE, HERE
from tests.waiting import until
from twin.dispatch.streets import Traveller

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]


def box(west: float, south: float, east: float, north: float) -> dict:
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return {"type": "Polygon", "coordinates": [ring]}


# The street runs along 30.66 from 104.05 to 104.07; the grids reach from 104.055 and from 104.066.
IN_HERE = box(104.058, 30.6595, 104.059, 30.6605)
IN_BOTH = box(104.064, 30.6595, 104.067, 30.6605)


def ahead(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def test_a_dispatcher_closes_roads_in_the_own_area_and_the_streets_know_at_once(
    served, signed_in
) -> None:
    here, beside = await signed_in("dispatcher", HERE), await signed_in("manager", BESIDE)
    streets = served.runtime.twin.streets
    await until(lambda: streets.version > 0)
    before = streets.snapshot(Traveller("car"))
    body = {"polygon": IN_HERE, "reason": " 路面塌陷 ", "networks": ["car"]}
    made = await here.post("/api/closures", json=body)
    assert made.status_code == 201, made.text
    answer = made.json()
    told = [answer[name] for name in ("reason", "layers", "networks", "ends_at", "may_reopen")]
    assert told == [
        "路面塌陷", [0], ["car"], None, True,
    ]  # fmt: skip
    assert answer["cut_off"] == {}, "the only street is closed itself"
    await until(lambda: streets.snapshot(Traveller("car")) is not before)
    assert [one["id"] for one in (await here.get("/api/closures")).json()["closures"]] == [answer["id"]]
    assert (await beside.get("/api/closures")).json()["closures"] == []
    path = f"/api/closures/{answer['id']}/reopen"
    assert (await beside.post(path)).status_code == 404
    assert (await (await signed_in("operator", HERE)).post(path)).status_code == 403
    opened = await here.post(path)
    assert (opened.status_code, bool(opened.json()["ended_by"])) == (200, True)
    assert (await here.post(path)).status_code == 404
    await until(lambda: bool((streets.snapshot(Traveller("car")).there == before.there).all()))
    assert streets.snapshot(Traveller("car")).version > before.version
    told = await served.run_sql("SELECT kind, scope_code FROM journal WHERE kind LIKE 'road.%' ORDER BY seq")
    assert told == [("road.closed", int(HERE)), ("road.reopened", int(HERE))]
    acts = await served.run_sql("SELECT action, reason FROM audit WHERE action LIKE 'road.%' ORDER BY seq")
    assert acts == [("road.closed", "路面塌陷"), ("road.reopened", "")]


async def test_what_cannot_be_closed_is_refused_with_what_to_do(served, signed_in) -> None:
    here = await signed_in("dispatcher", HERE)
    bow = {"type": "Polygon", "coordinates": [[(104.058, 30.659), (104.059, 30.661), (104.059, 30.659),
           (104.058, 30.661), (104.058, 30.659)]]}  # fmt: skip
    refused = [
        ({"polygon": IN_BOTH}, 403, "close less, or ask a dispatcher of the area"),
        ({"road_ids": [1]}, 403, "close less, or ask a dispatcher of the area"),
        ({"polygon": bow}, 422, "draw it without crossing lines"),
        ({"polygon": box(104.058, 30.663, 104.059, 30.664)}, 422, "draw it across a road"),
        ({"polygon": IN_HERE, "layers": [1]}, 422, "the roads there are on the layers 0"),
        ({"polygon": IN_HERE, "road_ids": [1]}, 422, "close one after the other"),
        ({}, 422, "send a polygon, road_ids or a case_id"),
        ({"road_ids": [999]}, 404, ""),
        ({"case_id": 999}, 404, ""),
        ({"polygon": IN_HERE, "reason": "  "}, 422, "say why the roads are closed"),
        ({"polygon": IN_HERE, "ends_at": ahead(-1)}, 422, "give a later time, or none"),
        ({"polygon": IN_HERE, "begins_at": ahead(3), "ends_at": ahead(2)}, 422, "give a later time, or none"),
        ({"polygon": IN_HERE, "networks": ["plane"]}, 422, ""),
    ]
    for change, status, hint in refused:
        answer = await here.post("/api/closures", json={"reason": "x"} | change)
        assert (answer.status_code, hint in answer.text) == (status, True), (change, answer.text)
    assert await served.run_sql("SELECT count(*) FROM closure") == [(0,)]


async def test_a_closure_of_a_case_ends_with_it(served, signed_in) -> None:
    here = await signed_in("dispatcher", HERE)
    ((case,),) = await served.run_sql("SELECT id FROM case_file WHERE number = 'HERE-1'")
    streets = served.runtime.twin.streets
    made = await here.post("/api/closures", json={"case_id": case, "reason": "积水", "networks": ["foot"]})
    assert made.status_code == 201, made.text
    assert made.json()["case_id"] == case
    await until(lambda: streets._now.closures)
    act = {"version": 1, "move": "reject", "reason": "已处理"}
    answer = await here.post(f"/api/cases/{case}/acts", json=act)
    assert (answer.status_code, answer.json()["closed_at"] is None) == (200, False), answer.text
    await until(lambda: not streets._now.closures)
    ((ended,),) = await served.run_sql("SELECT ended_by FROM closure")
    assert ended == "case HERE-1"
    told = await served.run_sql(
        "SELECT kind, data ->> 'case_id' FROM journal WHERE kind LIKE 'road.%' ORDER BY seq"
    )
    assert told == [("road.closed", str(case)), ("road.reopened", str(case))]
    again = await here.post("/api/closures", json={"case_id": case, "reason": "积水"})
    assert again.status_code == 409


async def test_closures_that_cut_the_city_are_taken_counted_and_told(served, signed_in) -> None:
    await served.run_sql(
        "INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, name, foot, bike_forward, "
        "bike_backward, car_forward, car_backward, width_m) "
        "SELECT 1, 'way/' || n, '\\x00', ST_GeomFromText(line, 4326), 'residential', name, true, true, true, "
        "true, true, 5 FROM (VALUES (90, 'LINESTRING(104.05 30.66, 104.05 30.665)', '西街'), "
        "(91, 'LINESTRING(104.07 30.66, 104.07 30.668)', '东街')) AS r (n, line, name)"
    )
    streets = served.runtime.twin.streets
    await until(lambda: streets._built is not None and len(streets._built.network.roads) == 3)
    whole = await signed_in("dispatcher", "0" * 15)
    made = await whole.post(
        "/api/closures", json={"road_ids": [1], "reason": "x", "networks": ["foot", "car"]}
    )
    assert made.status_code == 201, made.text
    cut = made.json()["cut_off"]
    assert set(cut) == {"foot", "car"}
    assert [(part["streets"], round(part["metres"])) for part in cut["foot"]] == [(["西街"], 554)]
    await until(lambda: streets._now.closures)
    listed = (await whole.get("/api/closures")).json()
    assert listed["cut_off"] == cut
    ((told,),) = await served.run_sql("SELECT data ->> 'cut_off_m' FROM journal WHERE kind = 'road.closed'")
    assert round(float(told)) == 554
