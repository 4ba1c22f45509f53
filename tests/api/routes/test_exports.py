"""Exports hold what their taker may take out, marked and on the record, and are never cut."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from api.access.door import COOKIE
from api.exports.cells import unguarded
from api.exports.table import View
from api.exports.tables import TABLES
from tests.api.routes.conftest import BESIDE, HERE, observe

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

LOCATED = ("devices", "buildings", "areas", "components", "alarms", "cases")
EVERY = [f"{table}.{form}" for table in LOCATED for form in ("csv", "geojson")] + ["workers.csv"]
BESIDE_MARKS = ("-0009", "隔壁", "BESIDE", "w-9", "第二网格", BESIDE)


def read(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True))


async def test_devices_come_with_their_present_state(served, client) -> None:
    await observe(served, "water-0001", [2.0, 2.25])
    answer = await client.get("/api/exports/devices.csv")
    rows = {row["设备编号"]: row for row in read(answer)}
    assert set(rows) == {"water-0001", "water-0002", "water-0003", "camera-0001", "water-0009"}
    first = rows["water-0001"]
    assert (first["名称"], first["类型"], first["当前状态"]) == ("液位计一号", "液位计", "正常")
    assert (first["观测项"], first["单位"], first["当前值"], first["模拟"]) == ("液位", "cm", "2.25", "true")
    assert (first["区划代码"], first["所在区域"], first["上级区域"]) == (HERE, "第一网格", "陕西街社区")
    assert (first["经度"], first["纬度"], rows["water-0002"]["当前状态"]) == ("104.06", "30.66", "未知")
    english = {
        row["Device number"]: row for row in read(await client.get("/api/exports/devices.csv?lang=en"))
    }
    assert english["water-0001"]["Kind"] == "Water level gauge"
    assert english["water-0001"]["Present state"] == "Normal"


async def test_the_mark_says_who_when_where_how_and_how_many(served, client) -> None:
    answer = await client.get("/api/exports/devices.csv", params={"kind": "water_level", "area": HERE})
    rows = read(answer)
    (mark,) = {row["导出"] for row in rows}
    number, by, at, scope, chosen, count = mark.split(";")
    ((seq, actor, when, object_, detail),) = served.sql(
        "SELECT seq, actor, at, object, detail FROM audit WHERE action = 'data.exported'"
    )
    assert (number, by, object_) == (f"GT-{seq}", f"by={actor}", "export/devices")
    assert (scope, chosen) == (f"scope={HERE}", f"filter=area={HERE}&kind=water_level")
    assert (len(rows), count, detail["rows"]) == (2, "rows=2", 2)
    assert detail["filter"] == {"area": HERE, "kind": "water_level"}
    assert abs(datetime.fromisoformat(at.removeprefix("at=")) - when) < timedelta(seconds=5)
    name = answer.headers["content-disposition"]
    assert name.startswith(f'attachment; filename="gridtwin-devices-GT-{seq}-')
    assert name.endswith(f'Z-{actor}-2.csv"')
    assert answer.headers["cache-control"] == "no-store"


async def test_geojson_is_a_feature_collection_with_the_mark_as_foreign_member(client) -> None:
    answer = await client.get("/api/exports/buildings.geojson?lang=en")
    assert answer.headers["content-type"] == "application/geo+json"
    made = answer.json()
    assert made["type"] == "FeatureCollection"
    assert (made["export"]["rows"], made["export"]["scope"], made["export"]["filter"]) == (3, "whole", {})
    assert made["columns"]["height_m"] == "Height (m)"
    assert len(made["features"]) == 3
    feature = made["features"][0]
    assert feature["properties"]["name"] == "城市之心"
    assert feature["properties"]["simulated"] is False
    assert feature["geometry"]["type"] == "MultiPolygon"
    (ring,) = feature["geometry"]["coordinates"][0]
    turns = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in itertools.pairwise(ring))
    assert turns < 0, "outer rings run counterclockwise"


async def test_a_nasty_name_is_text_in_csv_and_whole_in_geojson(served, client) -> None:
    nasty = "＝cmd|' /C calc'!A0\r\n\"=1+1\",x"
    served.sql("UPDATE device SET name = %s WHERE uid = 'water-0001'", nasty)
    served.sql("UPDATE case_file SET title = '=HYPERLINK(\"http://x\")' WHERE number = 'HERE-1'")
    rows = {row["设备编号"]: row for row in read(await client.get("/api/exports/devices.csv"))}
    assert rows["water-0001"]["名称"] == "'" + nasty
    assert unguarded(rows["water-0001"]["名称"]) == nasty
    case = next(r for r in read(await client.get("/api/exports/cases.csv")) if r["案件编号"] == "HERE-1")
    assert case["标题"] == '\'=HYPERLINK("http://x")'
    features = (await client.get("/api/exports/devices.geojson")).json()["features"]
    assert nasty in {feature["properties"]["name"] for feature in features}


async def test_no_export_holds_what_lies_beside(client, signed_in) -> None:
    here = await signed_in("manager", HERE)
    for file in EVERY:
        whole, own = await client.get(f"/api/exports/{file}"), await here.get(f"/api/exports/{file}")
        assert (whole.status_code, own.status_code) == (200, 200), file
        assert any(mark in whole.text for mark in BESIDE_MARKS), f"{file} proves nothing: {whole.text}"
        assert not any(mark in own.text for mark in BESIDE_MARKS), (file, own.text)
    areas = {row["区划代码"] for row in read(await here.get("/api/exports/areas.csv"))}
    assert areas == {HERE}, "what lies above is not taken out"


async def test_nobody_exports_where_they_only_read(served) -> None:
    secret = await served.secret(("manager", HERE), ("operator", BESIDE))
    async with httpx.AsyncClient(base_url=served.url, cookies={COOKIE: secret}) as both:
        assert "water-0009" in (await both.get("/api/alarms")).text
        for file in EVERY:
            answer = await both.get(f"/api/exports/{file}")
            assert answer.status_code == 200
            assert not any(mark in answer.text for mark in BESIDE_MARKS), file
        refused = await both.get("/api/exports/devices.csv", params={"area": BESIDE})
        assert (refused.status_code, refused.json()["where"]) == (403, "area")


async def test_a_planner_takes_out_places_and_no_rows_about_people(served, signed_in) -> None:
    planner = await signed_in("planner")
    offered = (await planner.get("/api/exports")).json()
    assert [table["name"] for table in offered["tables"]] == [
        "devices",
        "readings",
        "buildings",
        "areas",
        "components",
    ]
    assert offered["most_rows"] == served.runtime.exports.most_rows
    for file in ("alarms.csv", "cases.geojson", "workers.csv"):
        assert (await planner.get(f"/api/exports/{file}")).status_code == 403, file
    for file in ("devices.csv", "buildings.csv", "areas.geojson"):
        answer = await planner.get(f"/api/exports/{file}")
        assert answer.status_code == 200
        assert "worker-" not in answer.text
    assert (await planner.get("/api/exports/readings.csv?device=5")).status_code == 404
    for role in ("operator", "wall", "auditor"):
        other = await signed_in(role)
        assert (await other.get("/api/exports")).status_code == 403
        assert (await other.get("/api/exports/devices.csv")).status_code == 403


async def test_workers_come_without_names_and_places(client) -> None:
    answer = await client.get("/api/exports/workers.csv")
    rows = {row["编号"]: row for row in read(answer)}
    assert (rows["w-1"]["姓名（已隐去）"], rows["w-1"]["岗位"], rows["w-1"]["在岗"]) == (
        "周*",
        "网格员",
        "true",
    )
    assert "周小明" not in answer.text
    assert "Zhou Xiaoming" not in (await client.get("/api/exports/workers.csv?lang=en")).text
    assert "worker-0001" not in answer.text
    assert "104." not in answer.text
    assert (await client.get("/api/exports/workers.geojson")).status_code == 422


async def test_cases_come_without_who_reported_them(served, client) -> None:
    wrote = "积水，电话 13812345678", "人民南路 1 号 3 栋 1501 室"
    served.sql("UPDATE case_file SET title = %s, address = %s WHERE number = 'HERE-1'", *wrote)
    case = next(r for r in read(await client.get("/api/exports/cases.csv")) if r["案件编号"] == "HERE-1")
    assert (case["标题"], case["地点"]) == ("积水，电话 138****5678", "人民南路 1 号 3 栋")


async def test_cases_say_where_they_stand_who_has_them_and_how_they_ended(served, client) -> None:
    served.past_triggers(
        "UPDATE case_file SET stage = 'rated', outcome = 'closed', closed_at = now(), rating = 4, "
        "repeats = 1, worker_id = 1, organisation_id = 1 WHERE number = 'HERE-1'"
    )
    served.past_triggers("UPDATE case_file SET linked_to = 1 WHERE number = 'BESIDE-1'")
    served.sql(
        "UPDATE alarm_group SET case_id = 1, no_case = NULL "
        "WHERE id = (SELECT group_id FROM alarm ORDER BY id LIMIT 1)"
    )
    rows = {r["案件编号"]: r for r in read(await client.get("/api/exports/cases.csv"))}
    here, beside = rows["HERE-1"], rows["BESIDE-1"]
    assert (here["阶段"], here["结果"], here["评价（1–5）"]) == ("综合评价", "已结案", "4")
    assert (here["处理单位"], here["处理人员（已隐去）"]) == ("西御河街道办", "周*")
    assert (here["传感器数"], here["重复次数"], here["并入案件编号"]) == ("1", "1", "")
    assert (beside["结果"], beside["并入案件编号"], beside["传感器数"]) == ("", "HERE-1", "0")
    features = (await client.get("/api/exports/cases.geojson")).json()["features"]
    assert {f["properties"]["outcome"] for f in features} == {"已结案", None}


async def test_readings_of_one_device_over_a_time(served, client, signed_in) -> None:
    await observe(served, "water-0009", [1.0, 1.5, 2.0], step_s=60.0)
    await observe(served, "worker-0009", [4.0])
    rows = read(await client.get("/api/exports/readings.csv?device=6&lang=en"))
    assert [row["Value"] for row in rows] == ["1.0", "1.5", "2.0"]
    assert {row["Unit"] for row in rows} == {"cm"}
    since = rows[1]["Observed at (UTC)"]
    later = read(await client.get("/api/exports/readings.csv", params={"device": 6, "from": since}))
    assert len(later) == 2
    here = await signed_in("manager", HERE)
    never, beside, tracker = [
        await asked.get(f"/api/exports/readings.csv?device={number}")
        for asked, number in ((client, 999), (here, 6), (client, 7))
    ]
    assert {answer.status_code for answer in (never, beside, tracker)} == {404}
    assert beside.text == never.text.replace("999", "6")
    long = {"device": 6, "from": (datetime.now(UTC) - timedelta(days=40)).isoformat()}
    assert (await client.get("/api/exports/readings.csv", params=long)).json()["where"] == "from"


async def test_filters(client) -> None:
    async def count(path: str, **query: str) -> int:
        return len(read(await client.get(f"/api/exports/{path}.csv", params=query)))

    assert await count("devices", group="video") == 1
    assert await count("devices", kind="camera", group="flood") == 0
    assert await count("areas", level="responsibility_grid") == 2
    assert await count("buildings", kind="office") == 1
    assert (
        await count("alarms"),
        await count("alarms", open="true"),
        await count("alarms", open="false"),
    ) == ((2, 2, 0))
    now = datetime.now(UTC)
    assert await count("alarms", **{"from": (now - timedelta(minutes=4)).isoformat()}) == 0
    assert await count("cases", to=(now - timedelta(hours=1)).isoformat()) == 2
    for query in (
        {"kind": "nonsense"},
        {"group": "nonsense"},
        {"area": "5101"},
        {"from": "2026-01-01T00:00:00"},
    ):
        path = "alarms" if "from" in query else "devices"
        assert (await client.get(f"/api/exports/{path}.csv", params=query)).status_code == 422, query
    later = {"from": now.isoformat(), "to": (now - timedelta(days=1)).isoformat()}
    assert (await client.get("/api/exports/cases.csv", params=later)).json()["where"] == "from"
    assert (await client.get("/api/exports/devices.csv?area=" + "9" * 15)).status_code == 404


async def test_too_many_rows_are_refused_and_told(served, client) -> None:
    served.runtime.exports.most_rows = 4
    answer = await client.get("/api/exports/devices.csv")
    assert (answer.status_code, answer.json()["where"]) == (422, "rows")
    assert answer.json()["detail"] == "this export would have 5 rows, one file has at most 4"
    assert served.sql("SELECT 1 FROM audit WHERE action = 'data.exported'") == []
    assert len(read(await client.get("/api/exports/devices.csv", params={"area": HERE}))) == 3


async def test_without_the_record_nothing_comes_out(served, client) -> None:
    served.sql("ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (action <> 'data.exported')")
    answer = await client.get("/api/exports/devices.csv")
    assert answer.status_code == 500
    assert "water-0001" not in answer.text
    served.sql("ALTER TABLE audit DROP CONSTRAINT full_disk")
    assert len(read(await client.get("/api/exports/devices.csv"))) == 5, "its place is free again"


async def test_a_change_after_the_count_does_not_change_the_file(served, client, monkeypatch) -> None:
    """Rows, count and record are of one moment, although the rows are read later."""
    monkeypatch.setattr("api.exports.taking.AT_ONCE", 1)
    async with client.stream("GET", "/api/exports/devices.csv") as answer:
        await served.run_sql("UPDATE device SET valid_to = now() WHERE uid = 'water-0009'")
        body = b"".join([part async for part in answer.aiter_bytes()])
    assert body.count(b"rows=5") == 5


CONNECTIONS = "FROM pg_stat_activity WHERE application_name = 'gridtwin exports'"


async def becomes(served, statement: str, wanted: list[tuple[object, ...]]) -> bool:
    for _ in range(200):
        if await served.run_sql(statement) == wanted:
            return True
        await asyncio.sleep(0.05)
    return False


async def fill(served, count: int) -> None:
    await served.run_sql(
        """INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, geom, height_m)
           SELECT 1, 'more/' || n, '\\x00', 'more-' || n, 'water_level', repeat('长', 400),
                  ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), 1 FROM generate_series(1, %s) AS n""",
        count,
    )


async def test_few_exports_at_once_and_the_record_is_free_meanwhile(served, client, signed_in) -> None:
    await fill(served, 12_000)  # more than the sockets hold, so that one who does not read holds it
    async with client.stream("GET", "/api/exports/devices.csv") as first:
        again = await client.get("/api/exports/areas.csv")
        assert (again.status_code, again.json()["where"]) == (429, "exports")
        assert again.headers["retry-after"]
        others = [await signed_in("manager") for _ in range(3)]
        async with (
            others[0].stream("GET", "/api/exports/devices.csv") as second,
            others[1].stream("GET", "/api/exports/devices.csv") as third,
        ):
            assert {first.status_code, second.status_code, third.status_code} == {200}
            assert (await others[2].get("/api/exports/areas.csv")).status_code == 429
            stand_still = [("idle", None)] * 3  # no transaction, no snapshot
            assert await becomes(served, f"SELECT state, backend_xmin {CONNECTIONS}", stand_still)
            auditor = await signed_in("auditor")
            assert (await auditor.get("/api/record")).status_code == 200
    # Those who went away are noticed, and what they held in the database is gone.
    assert await becomes(served, f"SELECT pid {CONNECTIONS}", [])
    assert (await client.get("/api/exports/areas.csv")).status_code == 200


async def test_a_file_that_breaks_off_is_not_whole_to_its_receiver(served, client, monkeypatch) -> None:
    await fill(served, 12_000)
    monkeypatch.setattr("api.exports.download.LONGEST_S", 0.4)
    async with client.stream("GET", "/api/exports/devices.csv") as answer:
        assert answer.status_code == 200
        await asyncio.sleep(1.0)
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_too_many_in_a_minute_are_refused(client) -> None:
    codes = [(await client.get("/api/exports/areas.csv")).status_code for _ in range(32)]
    assert codes[:30] == [200] * 30
    assert codes[-1] == 429


class Asked(dict):
    """A row that notes which of its columns the cells are made of."""

    def __init__(self, asked: set[str]) -> None:
        super().__init__(kind="water_level", uid="water-1", property=0, state=0, worst_state=4, value=1.0)
        self.asked = asked

    def __getitem__(self, key: str) -> object:
        self.asked.add(key)
        return self.get(key)


async def test_what_is_selected_is_what_comes_out(served) -> None:
    """A column that is added to a table of the database stays in the system."""
    board, catalog = served.runtime.twin.board, served.runtime.twin.catalog
    parameters = ("kinds", "kind", "level", "class", "state", "open", "begin", "end", "device")
    async with served.runtime.engine.connect() as connection:
        for table in TABLES:
            values = {name: None for name in parameters if f":{name} " in table.query}
            found = await connection.execute(text(table.sql(shapes=True)), values)
            asked = {"shape"}
            for lang in ("zh", "en"):
                assert len(table.cells(Asked(asked), View(lang, catalog, board))) == len(table.columns)
            assert set(found.keys()) == asked, table.name
