"""What residents report once more is linked to the first report, and offered where that is unsure."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api import case_repeats
from tests.waiting import until
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE

pytestmark = pytest.mark.postgis

PLACE = {"lat": "30.6600", "long": "104.0600"}


async def reported(served, app: httpx.AsyncClient, **fields: str) -> int:
    form = {"service_code": "06010", **PLACE, **fields}
    answer = await app.post("/open311/v2/requests.json", data=form)
    assert answer.status_code == 201, answer.text
    number = answer.json()[0]["service_request_id"]
    ((case,),) = await served.run_sql("SELECT id FROM case_file WHERE number = %s", number)
    return int(case)


async def test_a_sure_repeat_is_linked_and_a_likely_one_offered(served, client):
    key = await served.secret(("resident_channel", WHOLE_CODE), kind=CredentialKind.TOKEN)
    async with httpx.AsyncClient(base_url=served.url, headers={"authorization": f"Bearer {key}"}) as app:
        first = await reported(served, app, description="3 栋楼下的垃圾三天没有人收")
        again = await reported(served, app, description="3栋楼下垃圾没人收", lat="30.66003")
        likely = await reported(
            served, app, description="绿化带里有废弃家具", service_code="06035", lat="30.6602"
        )
        other = await reported(served, app, description="路灯不亮", service_code="06028", **NOISE)

    def linked() -> bool:
        return served.sql("SELECT linked_to FROM case_file WHERE id = %s", again) == [(first,)]

    await until(linked)
    await asyncio.sleep(0)
    stand = (await client.get(f"/api/cases/{again}")).json()
    assert stand["events"][0]["actor"] == "system"
    assert "相距 3 米" in stand["events"][0]["told"]["reason"]
    assert (await client.get(f"/api/cases/{again}/repeats")).json() == {"candidates": []}
    (offered,) = (await client.get(f"/api/cases/{likely}/repeats")).json()["candidates"]
    assert (offered["id"], offered["sure"], offered["same_category"]) == (first, False, False)
    assert 22 < offered["distance_m"] < 23
    assert offered["reasons"]["zh"].startswith("相近类别，相距 22 米")
    assert offered["repeats"] == 1
    assert (await client.get(f"/api/cases/{other}/repeats")).json() == {"candidates": []}
    done = await client.post(
        f"/api/cases/{likely}/acts", json={"version": 1, "move": "link", "linked_to": first}
    )
    assert done.status_code == 200, done.text
    assert served.sql("SELECT repeats, priority FROM case_file WHERE id = %s", first) == [(2, 2)]


NOISE = {"attribute[noise_source]": "construction"}


async def test_a_case_that_cannot_be_compared_holds_up_no_other(served, client, monkeypatch):
    looked: list[int] = []

    async def broken(_connection: object, case_id: int, **_values: object) -> None:
        looked.append(case_id)
        if case_id == looked[0]:
            raise ValueError("broken")

    monkeypatch.setattr(case_repeats, "link_if_sure", broken)
    key = await served.secret(("resident_channel", WHOLE_CODE), kind=CredentialKind.TOKEN)
    async with httpx.AsyncClient(base_url=served.url, headers={"authorization": f"Bearer {key}"}) as app:
        cases = [await reported(served, app, description=f"垃圾 {n}") for n in range(2)]
    await until(lambda: set(cases) <= set(looked))
