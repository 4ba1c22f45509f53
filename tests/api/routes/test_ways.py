"""Ways, matrices, who is nearest and what is reached: on one street of the small city, and who is told."""

from __future__ import annotations

import pytest
import shapely

from tests.api.routes.conftest import BESIDE, HERE, observe
from tests.waiting import until

pytestmark = pytest.mark.postgis

A, B = "104.0550,30.6600", "104.0650,30.6602"
PACE = 4.5 / 3.6
STREET_M = 958.0
"""A hundredth of a degree along the street."""

_ISLAND = """
INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward, bike_backward,
                  car_forward, car_backward, width_m)
    VALUES (1, 'way/10', '\\x00', 'SRID=4326;LINESTRING(104.05 30.68, 104.06 30.68)', 'service', true, true,
            true, true, true, 4)
"""

_LOCKED = """
INSERT INTO gate (dataset_id, source_ref, content_hash, geom, kind, foot, bike, car, keys)
    VALUES (1, 'g', '\\x00', 'SRID=4326;POINT(104.0601 30.66)', 'gate', 'key', 'key', 'key', '{grid_worker}')
"""


async def ask(http, path, status=200, **query):
    answer = await http.get(path, params={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_way_has_a_line_steps_and_what_it_takes(reader) -> None:
    way = await ask(reader, "/api/ways", from_=A, to=B)
    assert way["metres"] == pytest.approx(STREET_M + 22, abs=2)
    assert way["seconds"] == pytest.approx(way["metres"] / PACE, abs=1)
    assert (way["beside_m"], way["joints"]) == (pytest.approx(22.2, abs=0.5), 0)
    assert (way["profile"], way["profile_name"]) == ("foot", {"zh": "步行", "en": "on foot"})
    assert way["network_version"] >= 1
    assert way["line"] == {"type": "LineString", "coordinates": [[104.055, 30.66], [104.065, 30.66]]}
    assert way["steps"][0]["words"]["zh"] == "沿人民南路向东出发"
    assert way["steps"][1]["words"]["zh"] == "到达，目的地在左侧 22 米处"
    assert sum(step["metres"] for step in way["steps"]) == pytest.approx(way["metres"], abs=0.2)
    assert (way["start"]["lon"], way["goal"]["road_lat"]) == (104.055, 30.66)
    nowhere = await ask(reader, "/api/ways", from_=A, to=A)
    assert nowhere["metres"] == pytest.approx(0, abs=0.2)
    assert nowhere["line"]["coordinates"] == [[104.055, 30.66]] * 2
    by_car = await ask(reader, "/api/ways", from_=A, to=B, profile="car")
    assert by_car["seconds"] < way["seconds"] / 4


async def test_a_matrix_tells_seconds_and_what_lies_off(reader) -> None:
    places = [[104.055, 30.66], [104.065, 30.66], [104.06, 30.67]]
    told = (await reader.post("/api/ways/matrix", json={"from": places, "to": places[:2]})).json()
    there = pytest.approx(STREET_M / PACE, rel=0.01)
    here = pytest.approx(0.0, abs=0.2)
    assert told["seconds"] == [[here, there], [there, here], [None, None]]
    assert (told["starts_off"], told["goals_off"]) == ([2], [])
    near = {"from": places[:2], "to": places, "limit_s": 60}
    seconds = (await reader.post("/api/ways/matrix", json=near)).json()["seconds"]
    assert seconds == [[here, None, None], [None, here, None]]
    many = {"from": [places[0]] * 300, "to": [places[0]] * 300}
    refused = await reader.post("/api/ways/matrix", json=many)
    assert refused.status_code == 413
    assert refused.json()["words"]["zh"] == "一次最多 60000 对地点，这里有 90000 对"
    wrong = await reader.post("/api/ways/matrix", json={"from": [[30.66, 104.06]], "to": places})
    assert (wrong.status_code, wrong.json()["where"]) == (422, "from.0")


async def test_what_is_reached_is_ground_around_the_street_each_band_in_the_next(reader) -> None:
    told = await ask(reader, "/api/ways/reach", place=A, minutes="2,5", direction="to")
    wide, narrow = (shapely.geometry.shape(one["geometry"]) for one in told["features"])
    assert [one["properties"]["minutes"] for one in told["features"]] == [5, 2]
    assert told["type"] == "FeatureCollection"
    assert wide.covers(narrow)
    reached = 5 * 60 * PACE / STREET_M * 0.01
    assert wide.covers(shapely.Point(104.055 + 0.99 * reached, 30.66))
    assert not wide.covers(shapely.Point(104.055 + reached + 0.0004, 30.66))
    for wrong in ("", "0", "-1", "nan", "5,", "1,2,3,4,5,6", "121", "inf"):
        refused = await ask(reader, "/api/ways/reach", 422, place=A, minutes=wrong)
        assert "不是分钟数" in refused["words"]["zh"]


async def test_what_is_no_place_on_the_network_is_refused_in_both_languages(reader) -> None:
    off = await ask(reader, "/api/ways", 422, from_="104.06,30.67", to=B)
    assert (off["where"], off["type"]) == ("from", "/problems/invalid")
    assert off["words"] == {
        "zh": "起点不在路网上：最近的道路在 1109 米外，超过 200 米",
        "en": "the start: it is off the network: the nearest road is 1109 m away, more than 200 m",
    }
    for far in ("14,0", "-75.94,-30.66", "104,89.99"):
        told = await ask(reader, "/api/ways", 422, from_=A, to=far)
        assert told["words"]["zh"] == "终点不在路网上：10 公里内没有道路"
    for wrong in ("1e999,30", "nan,30", "30.66", "", "１,２", "case/0", "worker/x", "4" * 60):
        told = await ask(reader, "/api/ways", 422, from_=wrong, to=B)
        assert (told["where"], told["detail"]) == ("from", f"“{wrong}” is no place")
    turned = await ask(reader, "/api/ways", 422, from_="30.66,104.06", to=B)
    assert turned["words"]["zh"] == "30.66, 104.06 不是经纬度；经度在前，单位为度"
    rocket = await ask(reader, "/api/ways", 422, from_=A, to=B, profile="rocket")
    assert "没有“rocket”这种出行方式" in rocket["words"]["zh"]


async def test_cases_and_workers_are_told_of_to_who_may_know_them(two_grids, served, signed_in) -> None:
    for uid in ("worker-0001", "worker-0009"):
        await observe(served, uid, [1.0], track=True)
    everywhere, here, beside = [await signed_in("operator", area) for area in (None, HERE, BESIDE)]
    auditor = await signed_in("auditor")  # who sees no place, case or worker: roads are public ground
    await ask(auditor, "/api/ways", from_=A, to=B)
    way = await ask(here, "/api/ways", from_="worker/1", to="case/1")
    assert 0 < way["seconds"] < 120
    refused = await ask(beside, "/api/ways", 404, from_="worker/1", to=A)
    assert refused["detail"] == "there is no worker 1 that you may see"
    assert refused["words"]["zh"] == "没有您可以查看的人员 1"
    await ask(beside, "/api/ways", 404, from_=A, to="case/1")
    await ask(auditor, "/api/ways/reach", 404, place="case/1")
    unknown = await ask(here, "/api/ways", 409, from_="worker/2", to="case/1")
    assert unknown["where"] == "from"
    assert "不知道人员 2 现在在哪里" in unknown["words"]["zh"]
    wide = await ask(everywhere, "/api/ways/nearest", to="case/1")
    first, second = wide["workers"]
    assert [one["worker_id"] for one in (first, second)] == [1, 3]
    assert first["name"]["zh"] == "周*"
    assert first["seconds"] < second["seconds"]
    assert (wide["unreached"], wide["goal"]["lon"]) == (0, 104.06)
    told = await ask(here, "/api/ways/nearest", to=A)
    assert [one["worker_id"] for one in told["workers"]] == [1]
    told = await ask(here, "/api/ways/nearest", to=A, limit_s=10)
    assert (told["workers"], told["unreached"]) == ([], 1)
    await ask(here, "/api/ways/nearest", 404, to="case/2")
    for role in ("planner", "auditor", "department"):
        await ask(await signed_in(role), "/api/ways/nearest", 403, to=A)
    streets = served.runtime.twin.streets
    version = streets.version
    await served.run_sql(_LOCKED)
    await until(lambda: streets.version > version)
    way = await ask(here, "/api/ways", from_="worker/1", to="case/1")
    assert [step["gate"] for step in way["steps"]] == [False, True, False]
    shut = await ask(here, "/api/ways", 409, from_="104.0602,30.66", to="case/1")
    assert shut["words"]["zh"] == "“步行”无路可达：被单行、锁闭的大门或封闭的道路阻断"
    version = streets.version
    await served.run_sql(f"{_ISLAND}; DELETE FROM gate")
    await until(lambda: streets.version > version)
    island = await ask(everywhere, "/api/ways", 409, from_=A, to="104.055,30.68")
    assert island["words"]["zh"] == "“步行”无路可达：终点在第 1 块孤立路网上（共 958 米）"
    assert island["detail"] == (
        "there is no way on foot: the goal lies on island 1 of the network (958 m of roads)"
    )
