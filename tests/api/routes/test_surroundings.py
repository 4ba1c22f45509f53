"""What lies around a case: who could go and why, what was there before, what sees it, whom it may hit."""

from __future__ import annotations

import pytest

from tests.api.routes.conftest import BESIDE, HERE, observe
from tests.waiting import until

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

PATH = "/api/cases/1/surroundings"
_CAMERAS = """
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, height_m, bearing_deg, bearing_source,
                    field_of_view_deg, range_m, sight, simulated, position_source)
    SELECT 1, uid, '\\x00', uid, 'camera', ST_SetSRID(ST_MakePoint(lon, 30.6600), 4326), 3, bearing, 'estimated', 90, 90,
           ST_Buffer(ST_SetSRID(ST_MakePoint(seen, 30.6600), 4326), 0.0001), true, 'measured'
    FROM (VALUES ('west-seeing', 104.0592, 90, 104.0600), ('west-hidden', 104.0594, 90, 104.0594),
                 ('east-away', 104.0601, 90, 104.0604), ('far-0001', 104.0660, 90, 104.0660))
        AS d (uid, lon, bearing, seen)
"""  # noqa: E501
_BEFORE = """
INSERT INTO case_file (number, title, category_code, source, stage, outcome, geom, opened_at, closed_at)
    SELECT number, number, code, 'sensor', 'rated', 'closed', ST_SetSRID(ST_MakePoint(lon, 30.6600), 4326),
           now() - days * interval '1 day', now() - days * interval '1 day' + interval '2 hours'
    FROM (VALUES ('near', '01001', 104.0610, 30), ('old', '01001', 104.0600, 400),
                 ('other', '06010', 104.0600, 30), ('far', '01001', 104.0640, 30))
        AS c (number, code, lon, days);
UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1;
INSERT INTO journal (seq, kind, subject, area_code, actor, data)
    SELECT 100, 'case.reported_done', 'case/' || id, '510105001001001', 'x',
           '{"told": {"note": "泵车 2 台"}, "version": 1}' FROM case_file WHERE number = 'near';
"""


async def test_what_lies_around_is_told_best_first(served, signed_in) -> None:
    served.sql(_CAMERAS)
    served.sql(_BEFORE)
    served.sql("INSERT INTO organisation (code, name, kind) VALUES ('water', '水务局', 'department')")
    served.sql("UPDATE worker SET skills = '[\"first_aid\"]' WHERE id = 1")
    served.sql(
        "INSERT INTO address (dataset_id, source_ref, content_hash, geom, text, entrance) "
        "VALUES (1, 'd/1', '\\x00', 'SRID=4326;POINT(104.0601 30.6600)', '入口', true)"
    )
    manager = await signed_in("manager")
    await observe(served, "worker-0001", [1.0], track=True)
    about = {"about": "01001", "area_code": HERE, "organisation_id": 2}
    assert (await manager.post("/api/responsibilities", json=about)).status_code == 201
    await served.runtime.twin.streets.wait_read(10.0)
    told = (await (await signed_in("operator", HERE)).get(PATH)).json()
    organisation, zhou, li = told["handlers"]
    assert (organisation["organisation_id"], organisation["responsible"]) == (2, True)
    assert organisation["rule"]["zh"] == "供水井盖异常·第一网格"
    assert zhou["name"]["zh"] == "周*"
    assert (zhou["on_duty"], zhou["own_grid"], zhou["skills"]) == (True, True, ["first_aid"])
    assert zhou["straight_m"] == pytest.approx(29, abs=4)
    # 19 m along the street and 22 m beside it at 4.5 km/h
    assert (zhou["way_s"], zhou["by"]) == (pytest.approx(33, abs=4), {"zh": "步行", "en": "on foot"})
    assert [one["zh"] for one in zhou["reasons"]] == ["步行 1 分", "本网格", "在办 0 件"]
    assert (li["eligible"], li["reasons"][-1]["zh"]) == ("no", "位置未知")
    assert (li["on_duty"], li["straight_m"], li["worker_id"]) == (False, None, 2)
    (similar,) = told["similar"]
    assert (similar["number"], similar["took_s"], similar["note"]) == ("near", 7200.0, "泵车 2 台")
    cameras = [(one["uid"], one["sees"], one["hidden_by"]) for one in told["cameras"]]
    assert cameras == [
        ("west-seeing", True, None),
        ("west-hidden", False, "building"),
        ("east-away", False, None),
    ]
    # A building of 10 levels and some 38 by 44 m around the place; no other within 100 m.
    impact = told["impact"]
    assert (impact["buildings"], impact["key_places"], impact["entrances"]) == (1, 0, 1)
    assert impact["households"] == pytest.approx(188, abs=3)


_ROUND_ABOUT = """
INSERT INTO road (dataset_id, source_ref, content_hash, geom, road_class, foot, bike_forward, bike_backward,
                  car_forward, car_backward, width_m)
    SELECT 1, 'way/1' || n, '\\x00', ST_GeomFromText(line, 4326), 'service', true, true, true, true, true, 4
    FROM (VALUES (1, 'LINESTRING(104.07 30.66, 104.07 30.662)'), (2, 'LINESTRING(104.07 30.662, 104.06 30.662)'))
        AS r (n, line);
UPDATE worker SET travels_by = 'ebike' WHERE id = 3;
"""  # noqa: E501


async def test_who_is_there_sooner_on_the_streets_goes_first(served, signed_in) -> None:
    streets = served.runtime.twin.streets

    async def changed(sql: str) -> None:
        version = streets.version
        await served.run_sql(sql)
        await until(lambda: streets.version > version)

    await changed(_ROUND_ABOUT)
    await observe(served, "worker-0001", [1.0], at=(104.065, 30.66))
    await observe(served, "worker-0009", [1.0], at=(104.06, 30.662))
    operator = await signed_in("operator")

    async def told() -> tuple:
        handlers = (await operator.get(PATH)).json()["handlers"]
        return {one["worker_id"]: one for one in handlers}, [one["worker_id"] for one in handlers][:2]

    by_id, order = await told()
    assert order == [1, 3]
    assert [by_id[i]["straight_m"] for i in (1, 3)] == [pytest.approx(479, abs=2), pytest.approx(222, abs=2)]
    assert by_id[1]["way_s"] == pytest.approx(479 / 4.5 * 3.6, abs=3)
    # to the street's end, north, and back west
    assert by_id[3]["way_s"] == pytest.approx((958 + 222 + 958) / 17 * 3.6, abs=5)
    assert by_id[3]["by"]["zh"] == "电动自行车"
    await changed("UPDATE road SET valid_to = now() WHERE source_ref = 'way/11'")
    by_id, order = await told()
    assert order == [1, 3]
    assert (by_id[3]["way_s"], by_id[3]["straight_m"]) == (None, pytest.approx(222, abs=2))
    assert by_id[3]["eligible"] == "no"
    assert {"zh": "一小时内无路可达", "en": "no way within an hour"} in by_id[3]["reasons"]


async def test_it_tells_nothing_of_what_the_caller_does_not_see(served, signed_in) -> None:
    department = await signed_in("department", HERE)
    told = (await department.get(PATH)).json()
    assert told["handlers"] == []
    assert told["impact"]["buildings"] == 1
    assert (await (await signed_in("operator", BESIDE)).get(PATH)).status_code == 404
    assert (await (await signed_in("planner", HERE)).get(PATH)).status_code == 403
    # The worker of the grid beside is on duty and near: who sees only this grid is not told of them.
    told_of = {}
    for area in (HERE, None):
        answer = (await (await signed_in("operator", area)).get(PATH)).json()
        told_of[area] = {one["worker_id"] for one in answer["handlers"]}
    assert told_of[None] - told_of[HERE] == {3}
