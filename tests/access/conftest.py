from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from twin.access.passwords import Passwords
from twin.access.sealing import Sealer
from twin.store.engine import create_async_engine
from twin.store.roles import AUTH, role_url


@pytest.fixture
def fresh(database):
    return database.fresh()


@pytest.fixture
async def auth(fresh) -> AsyncIterator[object]:
    """The accounts of an empty installation, as the role that sees them."""
    engine = create_async_engine(role_url(fresh.url, AUTH))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords()


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer(b"k" * 32)
