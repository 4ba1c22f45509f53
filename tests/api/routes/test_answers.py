"""What routes answer on the small city, and how they refuse what is wrong."""

import asyncio
import time

import httpx
import numpy as np
import psycopg
import pytest

from twin.twin import ObservationBatch

pytestmark = pytest.mark.postgis


async def observe(served, uid: str, values: list[float], step_s: float = 60.0, lon=None, lat=None) -> None:
    board = served.runtime.twin.board
    n = len(values)
    now_us = int(time.time() * 1e6)
    result = await served.runtime.twin.observe(
        ObservationBatch(
            row=np.full(n, board.row_of_uid[uid], np.int32),
            slot=np.zeros(n, np.uint8),
            phenomenon_us=now_us - (np.arange(n)[::-1] * step_s * 1e6).astype(np.int64),
            value=np.array(values, float),
            lon=np.full(n, np.nan) if lon is None else np.array(lon, float),
            lat=np.full(n, np.nan) if lat is None else np.array(lat, float),
            received_us=np.full(n, now_us),
        )
    )
    assert result.stored == n


async def test_a_device_tells_its_present_place_and_limits(served, client) -> None:
    await observe(served, "water-0001", [2.0, 3.5])
    answer = (await client.get("/api/devices/1")).json()
    assert answer["name"] == {"zh": "液位计一号", "en": answer["name"]["en"]}
    assert answer["value"] == 3.5
    assert answer["state"] == "normal"
    level = answer["properties"][0]
    assert (level["name"], level["unit"], level["value"]) == ("level", "cm", 3.5)
    assert [limit["state"] for limit in level["limits"]] == ["warning", "alarm", "critical"]
    assert answer["properties"][1]["value"] is None
    assert answer["building"] == {"id": 1, "name": {"zh": "城市之心", "en": None}}
    assert answer["area"]["community"]["name"]["zh"] == "陕西街社区"
    assert answer["area"]["unit_grid"]["code"] == "510105001001001"
    assert answer["area"]["responsibility_grid"]["name"]["zh"] == "第一网格"
    assert answer["simulated"] is True
    assert answer["last_seen"] is not None


async def test_history_keeps_the_extremes_when_it_is_thinned(served, client) -> None:
    values = [1.0] * 200
    values[77], values[120] = 40.0, 0.25
    await observe(served, "water-0001", values, step_s=10.0)
    answer = (await client.get("/api/devices/1/history?hours=1&points=10")).json()
    assert len(answer["t"]) <= 11
    assert max(answer["max"]) == 40.0
    assert min(answer["min"]) == 0.25
    assert answer["v"][-1] == 1.0
    assert answer["t"] == sorted(answer["t"])
    # Half an hour before the first one, and nothing missing after it.
    assert len(answer["gaps"]) == 1
    assert answer["gaps"][0][1] - answer["gaps"][0][0] > 1_000


async def test_neighbours_are_of_the_same_kind_first_then_by_distance(reader) -> None:
    answer = (await reader.get("/api/devices/1/neighbours?radius_m=2000")).json()
    assert [n["uid"] for n in answer] == ["water-0002", "water-0003", "worker-0001", "camera-0001"]
    assert answer[0]["distance_m"] == pytest.approx(14.7, abs=0.3)
    near = (await reader.get("/api/devices/1/neighbours?radius_m=100")).json()
    assert "water-0003" not in [n["uid"] for n in near]


async def test_a_worker_has_a_name_a_role_and_a_trail(served, client) -> None:
    lon = [104.0602, 104.0604, 104.0606]
    await observe(served, "worker-0001", [4.0, 4.1, 4.2], 10.0, lon, [30.6602] * 3)
    worker = (await client.get("/api/workers/5")).json()
    assert (worker["name"], worker["masked"]) == ({"zh": "周*", "en": None}, True)
    assert (worker["role"], worker["on_duty"]) == ("grid_worker", True)
    assert worker["organisation"]["zh"] == "西御河街道办"
    (trail,) = (await client.get("/api/trails?minutes=5")).json()
    assert trail["id"] == 5
    assert [p[0] for p in trail["path"]] == lon
    assert trail["timestamps"] == sorted(trail["timestamps"])
    assert (await client.get("/api/workers/1")).status_code == 404


async def test_a_worker_who_went_off_duty_is_near_nothing_and_left_no_trail(served, client) -> None:
    async def shown() -> tuple[bool, int]:
        near = (await client.get("/api/devices/1/neighbours?radius_m=5000")).json()
        trails = (await client.get("/api/trails?minutes=5")).json()
        return "worker-0001" in [n["uid"] for n in near], len(trails)

    await observe(served, "worker-0001", [4.0, 4.1], 10.0, [104.0602, 104.0604], [30.6602] * 2)
    assert await shown() == (True, 1)
    await served.run_sql("UPDATE duty SET ends_at = now()")
    async with asyncio.timeout(5.0):
        while await shown() != (False, 0):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await served.run_sql(
        "INSERT INTO duty (worker_id, starts_at, consent_at) SELECT worker_id, now(), now() FROM duty"
    )
    await asyncio.sleep(0.5)
    assert await shown() == (False, 0), "nobody is shown before they are seen again"
    await observe(served, "worker-0001", [4.2], 10.0, [104.0606], [30.6602])
    assert await shown() == (True, 1)


async def test_scene_opens_where_the_buildings_are(reader) -> None:
    scene = (await reader.get("/api/scene")).json()
    assert scene["name"] == "测试市"
    assert scene["timezone"] == "Asia/Shanghai"
    assert scene["attribution"] == "© OpenStreetMap"
    assert scene["simulated"] is True
    west, south, east, north = scene["bounds"]
    assert west < scene["center"][0] < east
    assert south < scene["center"][1] < north
    assert scene["live"] == {"path": "/live", "protocol": 1}


async def test_search_finds_by_name_number_and_address_and_takes_signs_as_they_are(reader) -> None:
    async def types(q: str) -> list[tuple[str, int]]:
        answer = await reader.get("/api/search", params={"q": q})
        assert answer.status_code == 200, answer.text
        return [(hit["type"], hit["id"]) for hit in answer.json()]

    assert ("device", 4) in await types('"东"')
    assert ("device", 1) in await types("water-0001")
    assert (await types("water-0002"))[0] == ("device", 2)
    assert ("building", 1) in await types("人民南路一段 1")
    assert ("area", 2) in await types("陕西街")
    assert ("service_point", 1) in await types("药房")
    assert await types("%") == []
    assert await types("_") == []
    assert await types("'; DROP TABLE device; --") == []
    assert await types("🙂") == []


async def test_stats_count_real_rows_and_each_opens_its_list(served, client) -> None:
    await observe(served, "water-0001", [2.0])
    stats = {stat["key"]: stat for stat in (await client.get("/api/stats")).json()}
    assert (stats["online_devices"]["value"], stats["online_devices"]["of"]) == (1, 4)
    assert (stats["on_duty_workers"]["value"], stats["on_duty_workers"]["of"]) == (1, 2)
    assert stats["open_alarms"]["value"] == 0
    assert "sensor_first" not in stats, "no cases, no share"
    for stat in stats.values():
        listed = (await client.get(stat["list"])).json()
        assert listed["total"] >= len(listed["rows"])
        assert listed["columns"]
    await served.run_sql(
        """INSERT INTO case_file (number, title, category_code, source, stage, priority, geom, opened_at,
                                  due_at, version, simulated)
           SELECT 'A-' || n, '积水', '01001', s, 'handling', 2, ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326),
                  now() - interval '1 day', now() + n * interval '1 hour', 1, true
           FROM (VALUES (1, 'sensor'), (-2, 'resident'), (9, 'sensor')) AS c (n, s)"""
    )
    stats = {stat["key"]: stat for stat in (await client.get("/api/stats")).json()}
    assert stats["sensor_first"]["value"] == pytest.approx(66.7)
    assert stats["open_cases"]["value"] == 3
    cases = (await client.get("/api/cases")).json()
    assert [case["number"] for case in cases["cases"]] == ["A--2", "A-1", "A-9"]
    assert cases["cases"][0]["category_name"] == {"zh": "供水井盖异常", "en": "Water manhole cover: fault"}
    assert (cases["open"], cases["due_soon"], cases["overdue"]) == (3, 1, 1)
    assert len((await client.get("/api/cases/points")).json()) == 3


async def test_heat_is_where_the_abnormal_is(served, client) -> None:
    assert (await client.get("/api/heat")).json() == []
    board = served.runtime.twin.board
    board.states[board.row_of_uid["water-0001"], 0] = 5
    board.times_us[board.row_of_uid["water-0001"], 0] = 1
    board.show(np.array([board.row_of_uid["water-0001"]], np.int32))
    (cell,) = (await client.get("/api/heat?resolution=10")).json()
    assert (cell["value"], cell["count"], cell["weight"]) == (1.0, 1, 1.0)
    await observe(served, "water-0002", [12.0])
    (cell,) = (await client.get("/api/heat?property=level&resolution=9")).json()
    assert cell["value"] == 12.0


async def test_the_timeline_counts_the_day(served, client) -> None:
    await observe(served, "water-0001", [2.0, 2.1, 2.2])
    answer = (await client.get("/api/timeline")).json()
    assert answer["step_s"] == 600
    assert len(answer["observations"]) == 144
    assert sum(n or 0 for n in answer["observations"]) == 3
    assert len(answer["alarms"]["warning"]) == 144


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/0",
        "/api/devices/2147483648",
        "/api/devices/NaN",
        "/api/devices/1e999",
        "/api/devices/1/history?hours=nan",
        "/api/devices/1/history?hours=inf",
        "/api/devices/1/history?hours=1e999",
        "/api/devices/1/history?hours=-1",
        "/api/devices/1/history?points=999999999",
        "/api/devices/1/neighbours?radius_m=nan",
        "/api/devices/1/neighbours?limit=0",
        "/api/trails?minutes=1e999",
        "/api/trails?minutes=NaN",
        "/api/heat?resolution=15",
        "/api/timeline?hours=0",
        "/api/timeline?step_min=0",
        "/api/cases?limit=-1",
        "/api/alarms?state=closed",
        "/api/search",
        "/api/search?q=",
        "/api/search?q=%20",
        "/api/search?q=%00",
        "/api/search?q=" + "x" * 10_000,
        "/api/stats/online_devices/list?limit=1e9",
        "/api/areas/9223372036854775808",
    ],
)
async def test_a_wrong_value_is_a_problem_that_says_where(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["where"]
    assert problem["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/999",
        "/api/workers/999",
        "/api/buildings/999",
        "/api/areas/999",
        "/api/stats/nothing/list",
        "/api/devices/1/history?property=nothing",
        "/api/heat?property=nothing",
        "/api/nothing",
        "/docs/../../etc/passwd",
        "/docs/secret.md",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../../etc/passwd",
    ],
)
async def test_what_is_not_there_is_a_problem(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "root:" not in answer.text


async def test_a_real_device_whose_readings_are_made_up_says_so(fresh_city, serve, tmp_path) -> None:
    with psycopg.connect(fresh_city.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE device SET simulated = false, readings_simulated = uid = 'camera-0001'")
    async with (
        serve(fresh_city, tmp_path) as served,
        await served.signed_in("manager") as client,
    ):
        told = {}
        for uid in ("camera-0001", "water-0001"):
            [(device_id,)] = await served.run_sql("SELECT id FROM device WHERE uid = %s", uid)
            answer = (await client.get(f"/api/devices/{device_id}")).json()
            flags = int(served.runtime.twin.board.flags[served.runtime.twin.board.row_of_id[device_id]])
            told[uid] = (answer["simulated"], answer["readings_simulated"], bool(flags & 8), bool(flags & 1))
        assert told == {"camera-0001": (False, True, True, False), "water-0001": (False, False, False, False)}
        assert (await client.get("/api/scene")).json()["simulated"] is True
