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
