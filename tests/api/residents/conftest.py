"""A served town for the pages of residents, with an app that reports."""

from __future__ import annotations

import httpx
import pytest

from tests.api.conftest import Served, serving
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE


@pytest.fixture(scope="module")
def town_database(database):
    from tests.api.conftest import fill_city

    fresh = database.fresh()
    fill_city(fresh)
    return fresh


@pytest.fixture
async def town(town_database, tmp_path):
    async with serving(town_database, tmp_path) as running:
        yield running


class Reporter:
    """An app that reports, and the browser of whoever it hands the link to: no cookie, no script."""

    def __init__(self, served: Served, key: str, http: httpx.AsyncClient) -> None:
        self.served, self.http = served, http
        self._key = {"authorization": f"Bearer {key}"}

    async def report(self, **fields: str) -> tuple[int, str]:
        """Return the number of the case's row, and its link."""
        form = {"service_code": "06010", "lat": "30.66", "long": "104.06", **fields}
        answer = await self.http.post("/open311/v2/requests.json", data=form, headers=self._key)
        assert answer.status_code == 201, answer.text
        told = answer.json()[0]
        ((case,),) = await self.served.run_sql(
            "SELECT id FROM case_file WHERE number = %s", told["service_request_id"]
        )
        assert told["link"] == f"{self.served.url}/r/{told['token']}"
        return int(case), f"/r/{told['token']}"


@pytest.fixture
async def reporter(town):
    key = await town.secret(("resident_channel", WHOLE_CODE), kind=CredentialKind.TOKEN)
    async with httpx.AsyncClient(base_url=town.url, timeout=20.0, verify=False) as http:
        yield Reporter(town, key, http)
