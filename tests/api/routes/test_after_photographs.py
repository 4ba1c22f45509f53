"""Work is reported as done with a photograph that may be of it, and residents are shown what is released."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.photographs.pictures import exif, picture
from tests.api.routes.conftest import BESIDE, HERE
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE
from twin.crs import wgs84_to_gcj02

pytestmark = pytest.mark.postgis

LON, LAT = 104.06, 30.66


async def report(served, **fields: str) -> tuple[int, str]:
    """Report a case as a resident would; return its row, and its link."""
    key = await served.secret(("resident_channel", WHOLE_CODE), kind=CredentialKind.TOKEN)
    form = {"service_code": "06010", "lat": str(LAT), "long": str(LON), **fields}
    async with httpx.AsyncClient(base_url=served.url, verify=False) as app:
        answer = await app.post(
            "/open311/v2/requests.json", data=form, headers={"authorization": f"Bearer {key}"}
        )
    told = answer.json()[0]
    ((case,),) = await served.run_sql(
        "SELECT id FROM case_file WHERE number = %s", told["service_request_id"]
    )
    return int(case), f"/r/{told['token']}"


async def do(client: httpx.AsyncClient, case: int, move: str, **told: Any) -> httpx.Response:
    stand = (await client.get(f"/api/cases/{case}")).json()
    body = {"version": stand["version"], "move": move, **told}
    return await client.post(f"/api/cases/{case}/acts", json=body)


async def handled(served, client: httpx.AsyncClient) -> tuple[int, str]:
    """A case somebody works on."""
    case, link = await report(served)
    for move, told in (("file", {}), ("dispatch", {"worker_id": 1}), ("take", {})):
        answer = await do(client, case, move, **told)
        assert answer.status_code == 200, answer.text
    return case, link


async def add(
    client: httpx.AsyncClient, case: int, moment: str, body: bytes | None = None, **claims: Any
) -> Any:
    answer = await client.post(
        f"/api/cases/{case}/photographs",
        params={"moment": moment, "client_id": str(uuid.uuid4()), **claims},
        content=body or picture(),
        headers={"content-type": "image/jpeg"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_work_is_done_only_with_a_photograph_that_may_be_of_it(served, client):
    case, _ = await handled(served, client)
    refused = await do(client, case, "report_done", note="清完")
    assert (refused.status_code, refused.json()["where"]) == (409, "photographs")
    assert "此类案件须有处置后照片" in refused.json()["detail"]
    now = datetime.now(UTC).isoformat()
    await add(client, case, "before", taken_at=now, lon=LON, lat=LAT)
    assert (await do(client, case, "report_done", note="清完")).status_code == 409
    far = await add(client, case, "after", taken_at=now, lon=LON, lat=LAT + 0.01)
    assert (far["place_check"], far["time_check"]) == ("far", "match")
    assert far["distance_m"] == pytest.approx(1_112, abs=2)
    refused = await do(client, case, "report_done", note="清完")
    assert "不在案件地点 (1112 m)" in refused.json()["detail"]
    early = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    old = await add(client, case, "after", taken_at=early, lon=LON, lat=LAT)
    assert (old["place_check"], old["time_check"], old["flags"]) == ("match", "wrong", ["before_dispatch"])
    refused = await do(client, case, "report_done", note="清完")
    assert "早于派遣" in refused.json()["detail"]
    good = await add(client, case, "after", taken_at=now, lon=LON + 0.0001, lat=LAT)
    assert (good["place_check"], good["time_check"]) == ("match", "match")
    done = await do(client, case, "report_done", note="清完")
    assert (done.status_code, done.json()["stage"]) == (200, "feedback")


async def test_a_reason_does_instead_and_stands_in_the_journal(served, client):
    case, _ = await handled(served, client)
    assert (await do(client, case, "report_done", note="清完", reason="  ")).status_code == 409
    done = await do(client, case, "report_done", note="清完", reason="夜间无灯，无法拍摄")
    assert done.status_code == 200
    told = done.json()["events"][0]
    assert (told["event"], told["told"]["reason"]) == ("case.reported_done", "夜间无灯，无法拍摄")


async def test_work_that_was_sent_back_wants_another_photograph(served, client):
    case, _ = await handled(served, client)
    await add(client, case, "after")  # tells neither place nor time, and is taken
    assert (await do(client, case, "report_done", note="清完")).status_code == 200
    assert (await do(client, case, "send_check")).status_code == 200
    served.past_triggers("UPDATE case_file SET repaired_by = NULL WHERE id = %s", case)
    assert (await do(client, case, "fail", reason="没清干净")).status_code == 200
    assert (await do(client, case, "report_done", note="清完")).status_code == 409


async def test_what_a_file_claims_wrongly_is_told_and_kept(served, client):
    case, _ = await handled(served, client)
    future = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y:%m:%d %H:%M:%S")
    made = await add(
        client, case, "evidence", picture(exif=exif(at=future, offset="+00:00", lon=LON, lat=LAT))
    )
    assert (made["place_check"], made["time_check"], made["flags"]) == ("match", "wrong", ["in_the_future"])
    made = await add(client, case, "evidence", picture())
    assert (made["place_check"], made["time_check"]) == ("unknown", "unknown")
    lon, lat = (float(x[0]) for x in wgs84_to_gcj02(np.array([LON]), np.array([LAT])))
    made = await add(client, case, "evidence", lon=lon, lat=lat)
    assert (made["place_check"], made["flags"]) == ("perhaps_gcj02", ["far_away", "perhaps_gcj02", "no_time"])
    assert len((await client.get(f"/api/cases/{case}/photographs")).json()["photographs"]) == 3


@pytest.mark.usefixtures("two_grids")
async def test_a_resident_is_shown_what_was_released_and_nothing_else(served, client, signed_in):
    case, link = await handled(served, client)
    before, evidence = [await add(client, case, moment) for moment in ("before", "evidence")]
    async with httpx.AsyncClient(base_url=served.url, verify=False) as resident:
        assert "<img" not in (await resident.get(link)).text
        address = f"{link}/photographs/{before['id']}"
        hidden = await resident.get(address)
        assert hidden.status_code == 404
        path = f"/api/photographs/{before['id']}"
        worker = await signed_in("worker", HERE)
        assert (await worker.patch(path, json={"released": True})).status_code == 403
        elsewhere = await signed_in("operator", BESIDE)
        assert (await elsewhere.patch(path, json={"released": True})).status_code == 404
        wrong = await client.patch(f"/api/photographs/{evidence['id']}", json={"released": True})
        assert (wrong.status_code, wrong.json()["where"]) == (409, "moment")
        released = (await client.patch(path, json={"released": True})).json()
        assert released["released_at"] is not None
        again = (await client.patch(path, json={"released": True})).json()
        assert again["released_at"] == released["released_at"]
        page = await resident.get(link)
        assert f'<img src="{address}"' in page.text
        assert page.text.count("<img") == 1
        shown = await resident.get(address)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        assert shown.headers["cache-control"] == "no-store"
        assert shown.content == (await client.get(f"/api/photographs/{before['id']}/original")).content
        assert (await resident.get(f"{link}/photographs/{evidence['id']}")).status_code == 404
        assert (await resident.get(f"/r/other/photographs/{before['id']}")).status_code == 404
        await client.patch(path, json={"released": False})
        assert (await resident.get(address)).status_code == 404
    acts = [
        row[0] for row in served.sql("SELECT action FROM audit WHERE action LIKE 'photograph.%' ORDER BY seq")
    ]
    assert acts[-4:] == [
        "photograph.released",
        "photograph.released",
        "photograph.read",
        "photograph.withdrawn",
    ]
