"""Fences and gatherings over HTTP: written, refused, tried on history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.api.routes.conftest import HERE

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

LANE = [
    [104.0590, 30.6590],
    [104.0610, 30.6590],
    [104.0610, 30.6610],
    [104.0590, 30.6610],
    [104.0590, 30.6590],
]
FAR = [[lon + 24.9, lat] for lon, lat in LANE]
FENCE = {"type": "fence", "when": "dwell", "polygons": [[LANE]], "dwell_s": 600, "radius_m": 30}
PARKING = {"zh": "违停", "en": "No parking", "state": "warning", "kinds": ["vehicle"], "condition": FENCE}
CROWD = {"type": "density", "of": ["vehicle"], "learn_days": 1, "fresh_s": 900}
GATHER = {
    "zh": "聚集",
    "en": "Crowd",
    "state": "alarm",
    "kinds": ["gathering"],
    "property": "excess",
    "condition": CROWD,
}

# Twelve cars that stand apart for nine days, but met for an hour six hours ago.
_PARKED = """
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, geom, height_m,
        position_source, simulated)
    SELECT 1, 'car-' || n, '\\x00', 'car-' || n, 'vehicle', '车',
           ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), 1, 'measured', true
    FROM generate_series(1, 12) AS n;
INSERT INTO observation (device_id, property, phenomenon_time, received_at, value, lon, lat)
    SELECT d.id, 0, at, at, 0, CASE WHEN met THEN 104.06 ELSE 104.1 + 0.01 * (d.id % 50) END, 30.66
    FROM device AS d, generate_series(now() - interval '9 days', now(), interval '10 minutes') AS at,
        LATERAL (SELECT at BETWEEN now() - interval '6 h' AND now() - interval '5 h' AS met) AS m
    WHERE d.kind = 'vehicle';
"""


@pytest.fixture
def parked(two_grids) -> None:
    with psycopg.connect(two_grids.url.replace("+psycopg", ""), autocommit=True) as connection:
        for back in range(11):
            connection.execute("SELECT ensure_observation_partition(current_date - %s::int)", [back])
        connection.execute(_PARKED)


def span(hours: float = 24) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": (now - timedelta(hours=hours)).isoformat(), "to": now.isoformat()}


async def test_fences_and_gatherings_are_tried_on_history_and_switched_on(parked, served, signed_in) -> None:
    manager = await signed_in("manager", "0" * 15)
    tried = (await manager.post("/api/rules/try", json={"rule": PARKING, **span()})).json()
    assert (tried["devices"], tried["fired"], tried["fired_devices"]) == (12, 12, 12)
    assert tried["verdict"]["code"] == "refused"  # all of them at once: that is no illegal parking
    one = tried["episodes"][0]
    assert (one["kind"], one["property"], one["unit"]) == ("vehicle", None, "s")
    assert one["worst"] >= 600
    tried = (await manager.post("/api/rules/try", json={"rule": GATHER, **span()})).json()
    assert tried["complete"], tried
    assert (tried["devices"], tried["fired"], tried["verdict"]["code"]) == (12, 1, "good")
    (one,) = tried["episodes"]
    assert (one["device_id"], one["kind"], one["property"], one["worst"]) == (-1, "gathering", "excess", 12)
    assert abs(one["lon"] - 104.06) < 0.001
    assert one["to"] is not None
    crowd = (await manager.post("/api/rules", json=GATHER)).json()
    assert "10" in crowd["words"]["zh"]
    switch = {"version": 1, "enabled": True}
    on = await manager.post(f"/api/rules/{crowd['id']}/switch", json=switch)
    assert (on.status_code, on.json()["enabled"]) == (200, True)


WRONG = [
    (PARKING | {"condition": FENCE | {"polygons": [[LANE[:-1]]]}}, "condition.polygons[0][0]"),
    (
        PARKING | {"condition": FENCE | {"polygons": [[FAR]]}},
        "condition.polygons",
    ),
    (PARKING | {"condition": FENCE | {"polygons": "here"}}, "condition.polygons"),
    (PARKING | {"condition": {"type": "fence", "when": "enter", "area": "1" * 15}}, "condition.area"),
    (PARKING | {"condition": {"type": "fence", "when": "enter", "area": 7}}, "condition.area"),
    (GATHER | {"condition": CROWD | {"of": ["bin"]}}, "condition.of"),
    (GATHER | {"kinds": ["vehicle"], "property": "speed"}, "kinds"),
    (GATHER | {"condition": CROWD | {"at_least": 2}}, "at_least"),
]


async def test_a_fence_is_taken_from_an_area_and_what_is_wrong_is_said_with_its_place(signed_in) -> None:
    manager = await signed_in("manager", "0" * 15)
    of_area = PARKING | {"area": HERE, "condition": {"type": "fence", "when": "enter", "area": HERE}}
    made = await manager.post("/api/rules", json=of_area)
    assert made.status_code == 201, made.text
    assert made.json()["condition"]["polygons"]
    assert made.json()["words"] == {"zh": "进入围栏", "en": "enters the fence"}
    kinds = {kind["name"]: kind["moves"] for kind in (await manager.get("/api/rules/form")).json()["kinds"]}
    assert (kinds["vehicle"], kinds["bin"]) == (True, False)
    for rule, where in WRONG:
        answer = await manager.post("/api/rules", json=rule)
        assert (answer.status_code, answer.json()["where"]) == (422, where), answer.text
