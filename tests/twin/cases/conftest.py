"""A database of a small world for the tests of cases, and the engine of requests to it."""

from __future__ import annotations

import pytest

from twin.store.engine import create_async_engine
from twin.store.roles import APP, role_url


@pytest.fixture(scope="module")
def world_database(new_world):
    return new_world()[0]


@pytest.fixture
async def engine(world_database):
    engine = create_async_engine(role_url(world_database.async_url, APP))
    yield engine
    await engine.dispose()
