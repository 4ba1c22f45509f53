"""Who is told counts only is told no small ones, and no rows."""

from __future__ import annotations

import pytest

from api.access.caller import Caller
from api.counting import Counting, counting
from tests.alarming import raise_sql
from tests.api.routes.conftest import HERE
from twin.access.credentials import CredentialKind, find_identity
from twin.access.roles import SMALLEST_COUNT, DataClass
from twin.access.scope import WHOLE_CODE

pytestmark = pytest.mark.postgis

_ALARMS = raise_sql("id = 1", properties="generate_series(%s::int4, %s::int4)", value="1", ago="0 minutes")
_CASES = """
INSERT INTO case_file (number, title, category_code, source, geom, opened_at)
SELECT 'A-' || n, '积水', '01001', CASE WHEN n <= %s THEN 'sensor' ELSE 'patrol' END,
       ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), now() - interval '1 hour'
FROM generate_series(1, %s::int4) AS n"""


async def stat(client, key: str) -> dict[str, object]:
    return {stat["key"]: stat for stat in (await client.get("/api/stats")).json()}[key]


async def test_a_count_of_alarms_is_withheld_until_it_is_large_enough(served, client, signed_in) -> None:
    planner = await signed_in("planner", HERE)
    none = await stat(planner, "open_alarms")
    assert (none["value"], none["withheld"], none["list"]) == (0, False, None)
    await served.run_sql(_ALARMS, 1, SMALLEST_COUNT - 1)
    few = await stat(planner, "open_alarms")
    assert (few["value"], few["withheld"], few["trend"][-1]) == (None, True, None)
    area = (await planner.get("/api/areas/4")).json()
    assert (area["open_alarms"], area["withheld"]) == (None, True)
    timeline = (await planner.get("/api/timeline")).json()
    assert timeline["withheld"] is True
    assert not any(timeline["alarms"]["alarm"])
    exact = await stat(client, "open_alarms")
    assert (exact["value"], exact["withheld"]) == (SMALLEST_COUNT - 1, False)
    await served.run_sql(_ALARMS, SMALLEST_COUNT, SMALLEST_COUNT)
    enough = await stat(planner, "open_alarms")
    assert (enough["value"], enough["withheld"], enough["trend"][-1]) == (5, False, 5)
    assert (await planner.get("/api/areas/4")).json()["open_alarms"] == 5


@pytest.mark.parametrize(
    ("sensor", "cases", "share"),
    [(2, 4, None), (2, 12, None), (10, 12, None), (6, 12, 50.0), (12, 12, 100.0), (0, 12, 0.0)],
)
async def test_a_share_is_withheld_where_it_would_tell_a_small_count(
    served, signed_in, sensor, cases, share
) -> None:
    await served.run_sql(_CASES, sensor, cases)
    told = await stat(await signed_in("planner"), "sensor_first")
    assert (told["value"], told["withheld"]) == (share, share is None)
    exact = await stat(await signed_in("department"), "sensor_first")
    assert exact["value"] == pytest.approx(100 * sensor / cases, abs=0.06)


ROWS = [
    "/api/alarms",
    "/api/cases",
    "/api/cases/points",
    "/api/journal",
    "/api/devices/1/events",
    "/api/stats/open_alarms/list",
    "/api/stats/open_cases/list",
    "/api/stats/sensor_first/list",
]


async def test_rows_are_forbidden_to_who_is_told_counts(signed_in) -> None:
    planner = await signed_in("planner")
    for path in ROWS:
        assert (await planner.get(path)).status_code == 403, path


async def test_counts_of_others_areas_are_not_told(served, signed_in) -> None:
    await served.run_sql(_ALARMS, 1, 6)
    await served.run_sql("UPDATE alarm SET scope_code = 510105001002001")
    assert (await stat(await signed_in("planner", HERE), "open_alarms"))["value"] == 0


def test_what_is_told() -> None:
    exact, rounded = Counting(None, exact=True), Counting(None, exact=False)
    assert [exact.told(n) for n in (0, 1, 4, 5)] == [0, 1, 4, 5]
    assert [rounded.told(n) for n in (0, 1, 4, 5)] == [0, None, None, 5]
    assert (exact.share(1, 3), exact.share(0, 0)) == (33.3, None)


async def test_who_reads_rows_somewhere_counts_only_these(served) -> None:
    secret = await served.secret(("planner", WHOLE_CODE), ("operator", HERE))
    async with served.runtime.accounts.begin() as connection:
        identity = await find_identity(connection, secret, CredentialKind.SESSION)
    counted = counting(Caller(identity, "", served.runtime), DataClass.ALARM)
    assert counted.exact
    assert not counted.caller.scope(DataClass.ALARM).whole
    assert counting(Caller(identity, "", served.runtime), DataClass.AUDIT) is None
