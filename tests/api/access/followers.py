"""Follow what changes as each role at each area, and say what should not have been told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.access import oracle
from tests.access.world import MOMENT, World
from tests.api.access.asker import CODE, PERSONS, may_come_out, places
from tests.api.access.mqtt_wire import Told
from twin.live.fold import Observations

FOLLOWED = ("Things", "Locations", "Datastreams", "Sensors", "Observations", "FeaturesOfInterest")


def ends(world: World, role: str) -> list[tuple[str, str]]:
    """The whole, and of each level the first and the last area: those between are asked by HTTP."""
    chosen = places(world, role)
    return [place for i, place in enumerate(chosen) if i in (0, len(chosen) - 1) or i % 3 == 1]


def bring(served, world: World) -> None:
    """Say that every device observed, and that everything that can be followed was changed."""
    twin, followers = served.runtime.twin, served.runtime.followers
    row_of_id = twin.board.row_of_id
    devices = [k for k in world.rows["device"] if k in row_of_id]
    observed = [k for k in world.rows["observation"] if k in row_of_id]
    rows = np.array([row_of_id[k] for k in observed], np.int32)
    n, at_us = len(rows), (MOMENT - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    nowhere, times = np.full(n, np.nan), np.full(n, at_us)
    twin.stored_listener(
        Observations(rows, np.zeros(n, np.int64), times, np.ones(n), nowhere, nowhere, times)
    )
    followers.changed((name, k) for name in ("Things", "Locations", "FeaturesOfInterest") for k in devices)
    followers.changed(("Datastreams", k * 1000) for k in devices)
    followers.changed(("Sensors", k) for k in world.rows["sensor"])
    followers.changed(("FeaturesOfInterest", k) for k in world.rows["feature_of_interest"])


def amiss(world: World, role: str, area: str, level: str, told: Told) -> list[str]:
    """Return what a follower was told and should not have been, or was not told."""
    if "place" not in oracle.READS[role].split():
        return [] if told.code == 5 and not told.messages else [f"let in with {told.code}"]
    kinds = world.kinds["device"]
    seen = {
        table: oracle.visible(world, table, role, area, level)
        for table in ("device", "sensor", "feature_of_interest", "observation", "declared_place")
    }
    own = {k for k in seen["device"] if kinds[k] != "worker"}
    wanted = {
        "v1.1/Things": own,
        "v1.1/Locations": own,
        "v1.1/Datastreams": {k * 1000 for k in own},
        "v1.1/Sensors": seen["sensor"],
        "v1.1/Observations": seen["observation"] & own,
        "v1.1/FeaturesOfInterest": own | seen["feature_of_interest"],
    }
    found: dict[str, set[object]] = {topic: set() for topic in wanted}
    wrong = []
    for topic, payload in told.messages:
        entity = json.loads(payload)
        if topic in found:
            key = entity["@iot.id"]
            is_text = isinstance(key, str)
            found[topic].add(int(key.partition("-")[0]) // 1000 if is_text else key)
        elif int(topic.partition("(")[2].partition(")")[0]) not in own:
            wrong.append(f"{topic} is told")
        words = payload.decode()
        for code in set(CODE.findall(words)):
            if not may_come_out(world, code, area, level):
                wrong.append(f"{topic} tells of {code}")
        wrong += [f"{topic} tells of the person {person}" for person in PERSONS.findall(words)]
    for topic, ids in wanted.items():
        if found[topic] != ids:
            wrong.append(f"{topic} tells of {len(found[topic])} instead of {len(ids)}")
    return wrong
