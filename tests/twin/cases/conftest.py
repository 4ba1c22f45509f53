"""A database of a small world for the tests of cases, and the engines of requests to it and of the server."""

from __future__ import annotations

import pytest

from twin.store.engine import create_async_engine
from twin.store.roles import APP, TWIN, role_url


@pytest.fixture(scope="module")
def world_database(new_world):
    return new_world()[0]


@pytest.fixture
async def engine(world_database):
    engine = create_async_engine(role_url(world_database.async_url, APP))
    yield engine
    await engine.dispose()


@pytest.fixture
async def server(world_database):
    """An engine of the server itself, which no scope holds back."""
    engine = create_async_engine(role_url(world_database.async_url, TWIN))
    yield engine
    await engine.dispose()
