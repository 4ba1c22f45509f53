"""Give tests one server that tells partners, on a city with cases, and partners that end with each test."""

from __future__ import annotations

import asyncio
import itertools

import httpx
import pytest
import pytest_asyncio

from tests.api.conftest import fill_city, serving
from twin.exchange import retrying

_numbers = itertools.count(1)
HERE = "510105001001001"


class Exchanging:
    """A server, the manager of its city, who acts, and its system administrator, who says who is told."""

    def __init__(self, served, manager, admin) -> None:
        self.served, self.manager, self.admin, self.sql = served, manager, admin, served.sql

    def case(self, source: str = "sensor", category: str = "01001") -> int:
        """Put a case into the first grid."""
        rows = self.sql(
            "INSERT INTO case_file (number, title, category_code, source, geom, stage_since) "
            "VALUES (%s, '老王家门口 13812341234', %s, %s, "
            "ST_GeomFromEWKT('SRID=4326;POINT(104.06003 30.66004)'), now()) RETURNING id",
            f"T-{next(_numbers)}", category, source,
        )  # fmt: skip
        return rows[0][0]

    async def act(self, case_id: int, version: int, move: str, **told: object) -> dict:
        answer = await self.manager.post(
            f"/api/cases/{case_id}/acts", json={"version": version, "move": move, **told}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def add(self, address: str, **settings: object) -> dict:
        asked = {"kind": "webhook", "name": f"partner-{next(_numbers)}", "address": address, **settings}
        answer = await self.admin.post("/api/partners", json=asked)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, partner: dict) -> dict:
        listed = (await self.admin.get("/api/partners")).json()
        return next(one for one in listed if one["id"] == partner["id"])

    def nobody(self) -> httpx.AsyncClient:
        """Return a client that is not signed in."""
        return httpx.AsyncClient(verify=False)

    async def until_told(self) -> None:
        """Wait until nothing waits for any partner."""
        for _ in range(200):
            if not any(one["waiting"] for one in (await self.admin.get("/api/partners")).json()):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("partners were not told in time")

    async def post(self, partner: dict, what: str, body: dict | None = None):
        return await self.admin.post(f"/api/partners/{partner['id']}/{what}", json=body)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def whole(database, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GRIDTWIN_PARTNER_RANGES", "127.0.0.0/8")
        patched.setattr(retrying, "FIRST_S", 0.05)
        fresh = database.fresh()
        fill_city(fresh)
        async with (
            serving(fresh, tmp_path_factory.mktemp("exchange")) as served,
            await served.signed_in("manager") as manager,
            await served.signed_in("system_admin") as admin,
        ):
            yield Exchanging(served, manager, admin)


@pytest_asyncio.fixture(loop_scope="module")
async def exchange(whole):
    yield whole
    # Not in this loop's thread: the server, which runs in it, may hold a partner's row for a moment.
    await whole.served.run_sql("DELETE FROM partner")
