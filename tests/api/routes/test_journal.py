"""Prove that the journal is told newest first, with the thing that each event is about."""

from __future__ import annotations


async def test_the_newest_events_come_first_with_their_device(client, served) -> None:
    assert (await client.get("/api/journal")).json() == []
    [(device_id,)] = served.sql("SELECT id FROM device WHERE uid = 'water-0001'")
    served.sql(
        """INSERT INTO journal (seq, at, kind, subject, area_code, actor, data) VALUES
           (1, now(), 'alarm.raised', 'device/' || %s::int4, '510105001001001', 'system',
            jsonb_build_object('device_id', %s::int4, 'state', 'alarm', 'value', 21.5)),
           (2, now(), 'dataset.imported', 'dataset/1', NULL, 'system', '{}')""",
        device_id,
        device_id,
    )
    newest, raised = (await client.get("/api/journal")).json()
    assert (newest["journal"], newest["kind"], newest["device"]) == (2, "dataset.imported", None)
    assert raised["zh"] == "告警产生"
    assert raised["state"] == "alarm"
    assert raised["data"]["value"] == 21.5
    assert raised["device"]["id"] == device_id
    assert raised["device"]["name"]["zh"] == "液位计一号"
    assert raised["device"]["layer"] == 0
    assert [e["journal"] for e in (await client.get("/api/journal", params={"limit": 1})).json()] == [2]


async def test_a_limit_beyond_the_bounds_is_refused(reader) -> None:
    assert (await reader.get("/api/journal", params={"limit": 0})).status_code == 422
    assert (await reader.get("/api/journal", params={"limit": 201})).status_code == 422


async def test_an_event_reads_the_same_of_the_city_and_of_its_device(client, served) -> None:
    [(device_id,)] = served.sql("SELECT id FROM device WHERE uid = 'water-0001'")
    served.sql(
        """INSERT INTO journal (seq, at, kind, subject, area_code, actor, data) VALUES
           (1, now(), 'alarm.cleared', 'device/' || %s::int4, NULL, 'system',
            jsonb_build_object('device_id', %s::int4, 'state', 'normal'))""",
        device_id,
        device_id,
    )
    (of_city,) = (await client.get("/api/journal")).json()
    (of_device,) = (await client.get(f"/api/devices/{device_id}/events")).json()
    assert of_device == {k: v for k, v in of_city.items() if k not in {"area_code", "device"}}
    assert (of_device["zh"], of_device["en"]) == ("告警解除", "Alarm cleared")
