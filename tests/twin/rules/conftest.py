"""A twin on a database of a few devices, whose rules a test switches on."""

from __future__ import annotations

import pytest

from twin.store.engine import create_async_engine
from twin.twin import Twin

DEVICES = {"level-1": "water_level", "level-2": "water_level", "door-1": "door", "car-1": "vehicle"}


@pytest.fixture(scope="module")
def installed(database, install_devices):
    fresh = database.fresh()
    install_devices(fresh, DEVICES)
    return fresh


@pytest.fixture
async def city(installed, now_us):
    """A twin, its database with what is `installed` there, and an engine."""
    fresh = installed.copy()
    engine = create_async_engine(fresh.async_url)
    twin = await Twin.open(engine)
    yield twin, fresh, engine
    await twin.close()
    await engine.dispose()
