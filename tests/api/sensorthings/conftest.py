"""Give tests of the standard interface a small city with observations, and a way to ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.api.conftest import Served
from tests.api.routes.conftest import observe
from twin.access.credentials import CredentialKind

Ask = Callable[[str], Awaitable[Any]]
ROOT = "/sta/v1.1"

SOME = {
    "water-0001": [10.0, 11.0, 12.5],
    "water-0002": [3.0],
    "camera-0001": [25.0, 24.0],
}


@pytest.fixture
async def observed(served: Served) -> Served:
    """The server, with some observations."""
    for uid, values in SOME.items():
        await observe(served, uid, values)
    return served


@pytest.fixture
async def reader(observed: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with await observed.signed_in("department") as http:
        yield http


@pytest.fixture
def ask(reader: httpx.AsyncClient) -> Ask:
    """Ask for a path below the root and return its JSON."""

    async def asked(path: str) -> Any:
        answer = await reader.get(ROOT + path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    return asked


async def program(served: Served, role: str, area: str) -> tuple[str, str]:
    """Make the account of a program; return its name and token."""
    token = await served.secret((role, area), kind=CredentialKind.TOKEN)
    rows = await served.run_sql(
        "SELECT a.name FROM account AS a JOIN credential AS c ON c.account_id = a.id WHERE c.kind = 'token' "
        "ORDER BY c.created_at DESC LIMIT 1"
    )
    return rows[0][0], token


@pytest.fixture
async def writer(served):
    async with await served.signed_in("integrator") as http:
        yield http
