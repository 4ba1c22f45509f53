"""A twin on a database of a few devices whose rules a test switches on, and a world that is alarmed."""

from __future__ import annotations

import asyncio

import pytest

from tests.twin.rules.alarmed import AlarmedWorld
from twin.live.installed import Installed
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


@pytest.fixture
async def world(new_world):
    """The made-up world, where nothing is alarmed, put aside or in maintenance."""
    world = AlarmedWorld(new_world()[0])
    world.rows("DELETE FROM maintenance_window")
    world.rows("UPDATE shelving SET ended_at = now(), ended_by = 'x'")
    world.rows("UPDATE alarm SET cleared_at = now()")
    world.rows("UPDATE alarm_group SET open_alarms = 0, ended_at = now(), no_case = 'failed'")
    await Installed(world.board, world.engine, lambda _: None).refresh(asyncio.Lock())
    yield world
    await world.engine.dispose()
