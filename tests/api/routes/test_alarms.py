import json
import time

import httpx
import pytest

from api.live.client import LiveClient
from api.routes.answers import property_names
from twin.catalog import load_catalog
from twin.live.fold import Transition
from twin.rules.alarms import record

pytestmark = pytest.mark.postgis


async def raise_alarm(served, uid: str, state: int, minutes: int = 5) -> None:
    """As the twin does."""
    twin = served.runtime.twin
    at_us = int((time.time() - minutes * 60) * 1e6)
    async with twin.engine.begin() as connection:
        await record(
            connection, twin.board, [[Transition(twin.board.row_of_uid[uid], 0, 0, state, 31.4, at_us)]]
        )


async def test_near_alarms_of_one_kind_are_one_group_and_far_ones_another(served, client) -> None:
    await raise_alarm(served, "water-0001", 3, 9)  # 14 m from the next
    await raise_alarm(served, "water-0002", 5, 5)
    await raise_alarm(served, "water-0003", 4, 1)  # 1.4 km away
    await raise_alarm(served, "camera-0001", 3, 1)  # near, but of another kind
    answer = (await client.get("/api/alarms")).json()
    groups = answer["groups"]
    assert [(g["kind"], g["state"], g["count"]) for g in groups] == [
        ("water_level", "critical", 2),
        ("water_level", "alarm", 1),
        ("camera", "warning", 1),
    ]
    assert answer["open"] == answer["unacknowledged"] == 4
    assert answer["load_per_10_min"] == pytest.approx(0.67)
    first = groups[0]
    assert first["title"] == {"zh": "液位计", "en": "Water level gauge"}
    assert groups[2]["title"] == {"zh": "摄像机·帧率", "en": "Camera·Frame rate"}
    assert first["area"]["name"] == {"zh": "第一网格", "en": None}
    assert [m["state"] for m in first["members"]] == ["critical", "warning"]
    assert first["since"] < groups[1]["since"]
    assert [g["family"] for g in groups] == ["water", "water", "camera"]


async def test_alarms_of_several_kinds_with_one_cause_are_called_by_it(served, client) -> None:
    await served.run_sql("UPDATE device SET kind = 'flood' WHERE uid = 'water-0002'")
    await served.runtime.twin.refresh_devices()
    await raise_alarm(served, "water-0001", 3)
    await raise_alarm(served, "water-0002", 5)
    (group,) = (await client.get("/api/alarms")).json()["groups"]
    assert (group["kind"], group["count"], group["title"]["zh"]) == ("flood", 2, "积水漏水")


async def test_the_alarm_of_what_moves_is_called_by_its_rule_and_lies_where_it_began(served, client) -> None:
    await raise_alarm(served, "water-0001", 3)
    (home,) = (await client.get("/api/alarms")).json()["groups"]
    await served.run_sql("UPDATE device SET kind = 'vehicle' WHERE uid = 'water-0001'")
    w, s, e, n = home["lon"] - 0.1, home["lat"] - 0.1, home["lon"] + 0.1, home["lat"] + 0.1
    fence = {
        "type": "fence",
        "when": "enter",
        "polygons": [[[[w, s], [e, s], [e, n], [w, n], [w, s]]]],
    }
    # Switched on: the alarms of a rule that is not are let go.
    ((rule,),) = await served.run_sql(
        "INSERT INTO alarm_rule (version, zh, en, state, kinds, condition, enabled, changed_by) "
        "VALUES (1, '小河街违停', 'Parked', 3, '{vehicle}', %s, true, 'x') RETURNING id",
        json.dumps(fence),
    )
    await served.run_sql("UPDATE alarm SET property = NULL, rule_id = %s, rule_version = 1", rule)
    await served.run_sql("UPDATE alarm_group SET geom = ST_Translate(geom, 0.001, 0)")
    await served.runtime.twin.refresh_devices()
    (group,) = (await client.get("/api/alarms")).json()["groups"]
    assert group["title"] == {"zh": "小河街违停", "en": "Parked"}
    assert group["members"][0]["property"] is None
    assert (home["rule"], group["rule"]) == (None, {"id": rule, "version": 1})
    assert (group["lon"], group["lat"]) == pytest.approx((home["lon"] + 0.001, home["lat"]))
    assert group["area"]["name"] == {"zh": "第一网格", "en": None}


async def test_an_acknowledgement_is_kept_counted_once_and_told_to_every_socket(served, client) -> None:
    await raise_alarm(served, "water-0001", 3)
    ticket = (await client.post("/api/live/ticket")).json()["ticket"]
    live = LiveClient(f"{served.live}?ticket={ticket}")
    await live.connect()
    await live.look((104.0, 30.6, 104.1, 30.7), 16.0)
    (member,) = (await client.get("/api/alarms")).json()["groups"][0]["members"]
    body = {"alarm_ids": [member["alarm_id"], 999_999]}
    await served.run_sql("UPDATE account SET display_name = '值班长 🙂 O''Neil'")
    served.runtime.door.forget_all()
    first = await client.post("/api/alarms/acknowledge", json=body)
    assert first.json() == {"acknowledged": 1, "already": 0, "unknown": 1}
    again = await client.post("/api/alarms/acknowledge", json=body)
    assert again.json() == {"acknowledged": 0, "already": 1, "unknown": 1}
    await live.until(lambda: live.events, timeout_s=3.0)
    assert live.events[0]["kind"] == "alarm.acknowledged"
    assert live.events[0]["data"]["by"] == "值班长 🙂 O'Neil"
    after = (await client.get("/api/alarms")).json()
    assert (after["open"], after["unacknowledged"], after["groups"][0]["acknowledged"]) == (1, 0, 1)
    events = (await client.get("/api/devices/1/events")).json()
    assert [event["kind"] for event in events] == ["alarm.acknowledged", "alarm.raised"]
    await live.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"alarm_ids": [1], "\xff": 1}', 400),
        (b"null", 422),
        (b'{"alarm_ids": []}', 422),
        (b'{"alarm_ids": [1.5]}', 422),
        (b'{"alarm_ids": [1e999]}', 422),
        (b'{"alarm_ids": [NaN]}', 422),
        (b'{"alarm_ids": [-1]}', 422),
        (b'{"alarm_ids": [99999999999999999999999]}', 422),
        (b'{"alarm_ids": [1], "by": "somebody else"}', 422),
        (b"{}", 422),
    ],
)
async def test_a_wrong_acknowledgement_is_refused(
    reader: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await reader.post(
        "/api/alarms/acknowledge", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "where", "hint"} == set(answer.json())


async def test_an_alarm_of_a_kind_named_after_its_property_says_so_once(served, client) -> None:
    await served.run_sql(
        "UPDATE device SET kind = 'gas', address = '陕西街 1 号', address_en = '1 Shaanxi Street'"
        " WHERE uid = 'water-0001'"
    )
    await raise_alarm(served, "water-0001", 4)
    (group,) = (await client.get("/api/alarms")).json()["groups"]
    assert group["title"] == {"zh": "燃气浓度", "en": "Combustible gas detector·Gas concentration"}
    assert group["place"] == {"zh": "陕西街 1 号", "en": "1 Shaanxi Street"}


def test_no_title_of_the_catalogue_says_a_word_twice() -> None:
    for kind in load_catalog().by_code.values():
        for observed in kind.properties:
            names = property_names(kind, observed)
            for title in (names.zh, names.en):
                first, *rest = title.lower().split("·")
                assert all(first not in part and part not in first for part in rest), title
