"""Every route answers what lies in the caller's area, and nothing beside it."""

from __future__ import annotations

import httpx
import pytest

from api.access.door import COOKIE
from tests.api.routes.conftest import BESIDE, HERE, observe
from twin.access.scope import WHOLE_CODE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

LISTS = (
    "/api/alarms",
    "/api/cases",
    "/api/cases/points",
    "/api/journal",
    "/api/groups/flood/list",
    "/api/devices/1/neighbours?radius_m=5000",
    "/api/stats/online_devices/list",
    "/api/stats/open_alarms/list",
    "/api/stats/open_cases/list",
    "/api/stats/on_duty_workers/list",
    "/api/search?q=隔壁",
    "/api/components",
    "/api/search?q=-0009",
    "/api/trails?minutes=60",
)
BESIDE_MARKS = ("-0009", "隔壁", "BESIDE", "w-9", "赵", '"id":7')


async def test_no_list_names_what_lies_beside(served, client, signed_in) -> None:
    await observe(served, "worker-0001", [4.0] * 3, track=True)
    await observe(served, "worker-0009", [4.0] * 3, track=True)
    here = await signed_in("operator", HERE)
    for path in LISTS:
        whole, own = await client.get(path), await here.get(path)
        assert (whole.status_code, own.status_code) == (200, 200), path
        assert any(mark in whole.text for mark in BESIDE_MARKS), f"{path} proves nothing: {whole.text}"
        assert not any(mark in own.text for mark in BESIDE_MARKS), (path, own.text)


BESIDE_ONLY = [
    "/api/devices/6",
    "/api/devices/6/history",
    "/api/devices/6/neighbours",
    "/api/devices/6/events",
    "/api/devices/7",
    "/api/devices/7/events",
    "/api/workers/7",
    "/api/buildings/3",
    "/api/areas/5",
    "/api/components/2",
]


async def test_what_lies_beside_is_not_there(client, signed_in) -> None:
    here, beside = await signed_in("operator", HERE), await signed_in("operator", BESIDE)
    for path in BESIDE_ONLY:
        told = [(await asked.get(path)).status_code for asked in (client, beside, here)]
        assert told == [200, 200, 404], path
        number = path.split("/")[3]
        never = await here.get(path.replace(f"/{number}", "/999"))
        assert (await here.get(path)).text == never.text.replace("999", number), (
            "what is not seen is as if not there"
        )


async def test_a_worker_is_not_there_for_who_reads_places_only(signed_in) -> None:
    planner = await signed_in("planner", HERE)
    assert (await planner.get("/api/devices/1")).status_code == 200
    for path in ("/api/devices/5", "/api/workers/5"):
        assert (await planner.get(path)).status_code == 404
    assert "worker-" not in (await planner.get("/api/devices/1/neighbours?radius_m=5000")).text
    assert (await planner.get("/api/search?q=worker-0001")).json() == []
    assert (await planner.get("/api/trails")).status_code == 403


async def test_the_alarm_of_a_tracker_is_not_told_to_who_does_not_see_the_worker(signed_in) -> None:
    colleague = await signed_in("worker", BESIDE)
    alarms = (await colleague.get("/api/alarms")).json()
    assert (alarms["open"], [group["kind"] for group in alarms["groups"]]) == (1, ["water_level"])
    assert [event["journal"] for event in (await colleague.get("/api/journal")).json()] == [2]
    assert (await (await signed_in("operator", BESIDE)).get("/api/alarms")).json()["open"] == 2


async def test_counts_are_of_what_the_caller_sees(served, client, signed_in) -> None:
    here, beside = await signed_in("operator", HERE), await signed_in("operator", BESIDE)
    for uid in ("water-0001", "water-0002", "water-0009", "worker-0001"):
        await observe(served, uid, [2.0])

    async def counts(asked: httpx.AsyncClient) -> dict[str, tuple[float, float | None]]:
        stats = (await asked.get("/api/stats")).json()
        return {stat["key"]: (stat["value"], stat["of"]) for stat in stats}

    whole, own, other = await counts(client), await counts(here), await counts(beside)
    assert (whole["online_devices"], own["online_devices"], other["online_devices"]) == (
        (3, 5), (2, 3), (1, 1),
    )  # fmt: skip
    assert (whole["open_alarms"][0], own["open_alarms"][0], other["open_alarms"][0]) == (3, 1, 2)
    assert (whole["open_cases"][0], own["open_cases"][0], other["open_cases"][0]) == (2, 1, 1)
    assert (whole["on_duty_workers"], own["on_duty_workers"], other["on_duty_workers"]) == (
        (2, 3), (1, 2), (1, 1),
    )  # fmt: skip

    async def devices(asked: httpx.AsyncClient) -> list[tuple[str, int, int]]:
        groups = (await asked.get("/api/groups")).json()
        return [(group["name"], group["devices"], group["online"]) for group in groups]

    assert await devices(client) == [("video", 1, 0), ("flood", 4, 3)]
    assert await devices(here) == [("video", 1, 0), ("flood", 2, 2)]
    assert await devices(beside) == [("flood", 1, 1)]
    community = [(await asked.get("/api/areas/2")).json() for asked in (client, here, beside)]
    assert [(area["devices"], area["open_alarms"]) for area in community] == [(7, 3), (4, 1), (2, 2)]


async def test_heat_is_of_what_the_caller_sees(served, client, signed_in) -> None:
    await observe(served, "water-0001", [10.0])
    await observe(served, "water-0009", [12.0])
    for asked, values in (
        (client, [12.0, 10.0]),
        (await signed_in("operator", HERE), [10.0]),
        (await signed_in("operator", BESIDE), [12.0]),
    ):
        cells = (await asked.get("/api/heat?property=level&resolution=11")).json()
        assert [cell["value"] for cell in cells] == values


async def test_the_past_is_the_past_of_what_the_caller_sees(served, client, signed_in) -> None:
    here, beside = await signed_in("operator", HERE), await signed_in("operator", BESIDE)
    planner = await signed_in("planner")
    sampler = served.runtime.sampler
    await observe(served, "water-0001", [2.0, 2.1])
    sampler._samples.append((0.0, sampler._look()))
    await observe(served, "water-0009", [2.0, 2.1, 2.2])
    await observe(served, "worker-0009", [4.0], track=True)
    sampler._samples.append((0.0, sampler._look()))

    async def came(asked: httpx.AsyncClient) -> int:
        return sum(n or 0 for n in (await asked.get("/api/timeline?step_min=1")).json()["observations"])

    assert [await came(asked) for asked in (client, here, beside, planner)] == [6, 2, 4, 5]

    async def trend(asked: httpx.AsyncClient, key: str) -> list[float]:
        stats = {stat["key"]: stat for stat in (await asked.get("/api/stats")).json()}
        return stats[key]["trend"]

    assert (await trend(client, "online_devices"))[-3:] == [1, 2, 2]
    assert (await trend(here, "online_devices"))[-3:] == [1, 1, 1]
    assert (await trend(beside, "online_devices"))[-3:] == [0, 1, 1]
    assert (await trend(client, "on_duty_workers"))[-2:] == [0, 1]
    assert (await trend(here, "on_duty_workers"))[-2:] == [0, 0]


async def test_a_department_reads_cases_and_no_alarms(signed_in) -> None:
    department = await signed_in("department", HERE)
    assert [case["number"] for case in (await department.get("/api/cases")).json()["cases"]] == ["HERE-1"]
    assert (await department.get("/api/alarms")).status_code == 403
    assert (await department.get("/api/stats/open_alarms/list")).status_code == 403
    assert "open_alarms" not in {stat["key"] for stat in (await department.get("/api/stats")).json()}
    timeline = (await department.get("/api/timeline")).json()
    assert set(timeline["alarms"]["alarm"]) == {None}
    assert timeline["withheld"] is False
    area = (await department.get("/api/areas/4")).json()
    assert (area["open_alarms"], area["withheld"]) == (None, False)


async def test_an_account_without_roles_opens_nothing_of_the_twin(served) -> None:
    secret = await served.secret()
    async with httpx.AsyncClient(base_url=served.url, cookies={COOKIE: secret}) as nobody:
        for path in ("/api/scene", "/api/devices/1", "/api/alarms", "/api/stats", "/api/heat", "/api/trails"):
            assert (await nobody.get(path)).status_code == 403, path
        assert (await nobody.get("/api/catalog")).status_code == 200


async def test_health_tells_everybody_words_and_figures_to_who_runs_it(served, client, signed_in) -> None:
    async with httpx.AsyncClient(base_url=served.url) as anybody:
        answer = (await anybody.get("/api/health")).json()
        assert set(answer) == {"status", "parts", "demo", "provider"}
        assert answer["demo"] is served.runtime.settings.simulator
        assert answer["provider"] is False
        assert {tuple(part) for part in answer["parts"].values()} == {("state",)}
        assert (await anybody.get("/api/health/detail")).status_code == 401
    assert (await client.get("/api/health/detail")).status_code == 403
    detail = (await (await signed_in("system_admin")).get("/api/health/detail")).json()
    assert detail["parts"]["board"]["devices"] == 5
    assert detail["version"]


async def test_areas_to_choose_from_are_the_own_and_what_lies_above(client, signed_in) -> None:
    async def codes(asker: httpx.AsyncClient) -> set[str]:
        return {area["code"] for area in (await asker.get("/api/areas?q=5101")).json()}

    whole, here, beside = [
        await codes(asker)
        for asker in (client, await signed_in("manager", HERE), await signed_in("manager", BESIDE))
    ]
    assert {HERE, BESIDE} <= whole
    assert HERE in here
    assert BESIDE not in here
    assert HERE not in beside
    assert here & beside, "what lies above both"


async def test_the_scene_is_where_the_caller_is(client, signed_in) -> None:
    whole = (await client.get("/api/scene")).json()
    beside = (await (await signed_in("operator", BESIDE)).get("/api/scene")).json()
    assert whole["bounds"] == pytest.approx([104.0598, 30.6598, 104.0667, 30.6612])
    assert beside["bounds"] == pytest.approx([104.0665, 30.6598, 104.0667, 30.6600])
    assert beside["breadcrumb"][0]["name"]["zh"] == "测试市"
    assert WHOLE_CODE not in str(beside)
