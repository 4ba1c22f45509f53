"""Mappings of foreign platforms: made, changed, put back and tried by people."""

from __future__ import annotations

import json
import time

import pytest

pytestmark = pytest.mark.postgis

MAPPINGS = "/api/sources/mappings"
MAPPING = {
    "items": "data.list",
    "device": "devId",
    "prefix": "water-",
    "time": "ts",
    "time_form": "seconds",
    "values": [{"property": "level", "path": "lvl", "unit": "cm"}],
}
NEW = {"name": "waterworks", "zh": "水务平台", "en": "Waterworks", "mapping": MAPPING}


def message(*items: dict) -> dict:
    return {"code": 0, "data": {"list": list(items)}}


def item(**more: object) -> dict:
    return {"devId": "0001", "ts": int(time.time()), "lvl": 31.5, **more}


async def test_a_mapping_is_made_changed_and_put_back_and_every_version_stays(served, signed_in):
    admin = await signed_in("system_admin")
    made = await admin.post(MAPPINGS, json=NEW)
    assert made.status_code == 201, made.text
    assert (made.json()["version"], made.json()["mapping"]) == (1, MAPPING)
    assert (await admin.post(MAPPINGS, json=NEW)).status_code == 409

    changed = {**MAPPING, "prefix": "WL-"}
    body = {"zh": "水务", "en": "Water", "mapping": changed, "version": 1}
    put = await admin.put(f"{MAPPINGS}/waterworks", json=body)
    assert (put.status_code, put.json()["version"]) == (200, 2)
    stale = await admin.put(f"{MAPPINGS}/waterworks", json=body)
    assert (stale.status_code, stale.json()["where"]) == (409, "version")
    assert "2" in stale.json()["detail"]

    back = await admin.post(f"{MAPPINGS}/waterworks/restore", json={"version": 1, "newest": 2})
    assert (back.status_code, back.json()["version"], back.json()["restored"]) == (200, 3, 1)
    assert (back.json()["mapping"], back.json()["title"]["zh"]) == (MAPPING, "水务平台")
    again = await admin.post(f"{MAPPINGS}/waterworks/restore", json={"version": 1, "newest": 2})
    assert again.status_code == 409

    newest = (await admin.get(f"{MAPPINGS}/waterworks")).json()
    assert [one["version"] for one in newest["versions"]] == [3, 2, 1]
    old = (await admin.get(f"{MAPPINGS}/waterworks?version=2")).json()
    assert (old["version"], old["mapping"]) == (2, changed)
    (listed,) = (await admin.get(MAPPINGS)).json()
    assert (listed["name"], listed["version"], listed["path"]) == (
        "waterworks",
        3,
        "/ingest/v1/mapped/waterworks",
    )
    acts = await served.run_sql(
        "SELECT action, detail ->> 'version', length(detail ->> 'sha256') FROM audit "
        "WHERE object = 'mapping/waterworks' ORDER BY seq"
    )
    assert acts == [("mapping.created", "1", 64), ("mapping.changed", "2", 64), ("mapping.restored", "3", 64)]


async def test_what_is_not_there_is_not_changed(signed_in):
    admin = await signed_in("system_admin")
    body = {"zh": "水", "en": "w", "mapping": MAPPING, "version": 1}
    assert (await admin.put(f"{MAPPINGS}/nothing", json=body)).status_code == 404
    assert (await admin.get(f"{MAPPINGS}/nothing")).status_code == 404
    assert (await admin.get(f"{MAPPINGS}/try")).headers["allow"] == "POST"
    assert (await admin.post(MAPPINGS, json={**NEW, "name": "fields"})).status_code == 422
    restore = {"version": 1, "newest": 2}
    assert (await admin.post(f"{MAPPINGS}/nothing/restore", json=restore)).status_code == 404


WRONG_MAPPINGS = [
    ({"device": "a..b"}, "mapping.device"),
    ({"values": [{"property": "level", "path": "a" * 201}]}, "mapping.values[0].path"),
    ({"values": [{"property": f"p{i}", "path": "a"} for i in range(33)]}, "mapping.values"),
    ({"values": [{"property": "level", "path": "a", "factor": 0}]}, "mapping.values[0]"),
    ({"devices": {str(i): "x" for i in range(10_001)}}, "mapping.devices"),
    ({"devices": {"a": "../x"}}, "mapping.devices[...]"),
    ({"code": "import os"}, "mapping"),
    ({"device": "a\x00b"}, "mapping"),
    ({"device": "a\ud800b"}, "mapping"),
]


async def test_a_wrong_mapping_is_refused_and_its_field_is_named(signed_in):
    admin = await signed_in("system_admin")
    for wrong, where in WRONG_MAPPINGS:
        body = json.dumps({**NEW, "mapping": {**MAPPING, **wrong}})
        answer = await admin.post(MAPPINGS, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["where"]) == (422, where), answer.text


async def test_a_trial_tells_what_would_be_observed_and_stores_nothing(served, signed_in):
    admin = await signed_in("system_admin")
    body = {"mapping": MAPPING, "payload": message(item(), item(devId="0002", lvl="40"))}
    told = (await admin.post(f"{MAPPINGS}/try", json=body)).json()
    assert (told["observed"], told["refused"], told["wrong"]) == (2, 0, [])
    first = told["observations"][0]
    assert (first["device"], first["property"], first["value"], first["unit"]) == (
        "water-0001",
        "level",
        31.5,
        "cm",
    )
    assert first["lon"] is None
    # As text too, and in metres: what the board would show is in the declared unit.
    metres = {**MAPPING, "values": [{"property": "level", "path": "lvl", "unit": "m"}]}
    body = {"mapping": metres, "payload": json.dumps(message(item(lvl=0.315)))}
    told = (await admin.post(f"{MAPPINGS}/try", json=body)).json()
    assert told["observations"][0]["value"] == pytest.approx(31.5)
    for table in ("observation", "quarantine", "feed_mapping"):
        assert await served.run_sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert not served.runtime.twin.quarantine.reasons


def reading(name: str, path: str, unit: str = "") -> dict:
    return {"values": [{"property": name, "path": path, "unit": unit}]}


WRONG = {
    "device": (message(item(devId=None)), {}, "devId", "null", "missing_field"),
    "stranger": (message(item(devId="x")), {}, "devId", "water-x", "unknown_device"),
    "time": (message(item()), {"time_form": "milliseconds"}, "ts", None, "too_old"),
    "words": (message(item(ts="gestern")), {}, "ts", '"gestern"', "bad_time"),
    "number": (message(item(lvl={"cm": 3})), {}, "lvl", "{cm}", "wrong_type"),
    "range": (message(item(lvl=99_999)), {}, "lvl", "99999", "out_of_range"),
    "property": (message(item()), reading("depth", "lvl"), "lvl", "31.5", "unknown_property"),
    "unit": (message(item()), reading("level", "lvl", "kg"), "lvl", "31.5", "wrong_unit"),
    "value": (message(item()), reading("level", "v.lvl"), "v.lvl", "{devId, ts, lvl}", "missing_field"),
    "list": (message(item()), {"items": "data.rows"}, "data.rows", "“data” = {list}", "missing_field"),
    "place": (message(item(x=104, y=30)), {"place": {"lon": "x", "lat": "y"}}, "x", None, "does_not_move"),
    "json": ("{'a': 1}", {}, "", None, "malformed"),
    "mapping": (message(item()), {"zone": "+8"}, "mapping.zone", "", "mapping"),
}  # fmt: skip


async def test_a_trial_tells_path_finding_and_advice_in_both_languages(signed_in):
    admin = await signed_in("system_admin")
    for case, (payload, change, path, found, reason) in WRONG.items():
        body = {"mapping": {**MAPPING, **change}, "payload": payload}
        answer = await admin.post(f"{MAPPINGS}/try", json=body)
        told = answer.json()
        assert (answer.status_code, told["observed"], told["refused"]) == (200, 0, 1), (case, told)
        (wrong,) = told["wrong"]
        assert (wrong["path"], wrong["reason"]) == (path, reason), case
        assert found is None or wrong["found"] == found, case
        for words in (wrong["what"], wrong["hint"]):
            assert any("\u4e00" <= sign <= "\u9fff" for sign in words["zh"]), words
            assert words["en"], case
            assert not any("\u4e00" <= sign <= "\u9fff" for sign in words["en"]), words


async def test_hostile_messages_are_refused_clearly(signed_in):
    admin = await signed_in("system_admin")

    async def tried(payload: object, **change: object) -> dict:
        body = {"mapping": {**MAPPING, **change}, "payload": payload}
        answer = await admin.post(f"{MAPPINGS}/try", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for payload, reason in (
        (" " * 300_000, "too_large"),
        (json.dumps({"data": {"list": [1] * 5_001}}), "too_large"),
        ("[" * 100_000, "malformed"),
        ('{"data": {"list": [{"devId": ' + "9" * 5_000 + "}]}}", "malformed"),
    ):
        told = await tried(payload)
        assert [wrong["reason"] for wrong in told["wrong"]] == [reason], told
    told = await tried({"data": {"list": [item(lvl="x")] * 4_000}})
    assert (told["refused"], len(told["wrong"])) == (4_000, 100)
    deep = "data" + "[0]" * 60
    assert (await tried(message(item()), items=deep))["wrong"][0]["path"] == deep

    fields = await admin.post(f"{MAPPINGS}/fields", json={"payload": "[" * 100_000})
    assert (fields.status_code, fields.json()["where"]) == (422, "body.payload")
    fields = await admin.post(f"{MAPPINGS}/fields", json={"payload": " " * 300_000})
    assert fields.status_code == 422
    half = {"content": json.dumps({"payload": "\ud800"}), "headers": {"content-type": "application/json"}}
    assert (await admin.post(f"{MAPPINGS}/fields", **half)).status_code == 422


async def test_fields_of_a_message_are_offered(signed_in):
    admin = await signed_in("system_admin")
    told = (await admin.post(f"{MAPPINGS}/fields", json={"payload": message(item(), item(on=True))})).json()
    assert told["lists"] == [{"path": "data.list", "length": 2}]
    of_items = {one["path"]: one for one in told["fields"] if one["items"] == "data.list"}
    assert of_items["ts"]["time_form"] == "seconds"
    assert (of_items["on"]["types"], of_items["on"]["count"]) == (["yes_no"], 1)


async def test_who_may(served, signed_in):
    body = {"mapping": MAPPING, "payload": message(item())}
    for role, seen in (("manager", 403), ("integrator", 403), ("auditor", 403), ("system_admin", 200)):
        client = await signed_in(role)
        assert (await client.get(MAPPINGS)).status_code == seen, role
        assert (await client.post(f"{MAPPINGS}/try", json=body)).status_code == seen, role
        assert (await client.post(f"{MAPPINGS}/fields", json=body["payload"])).status_code in (seen, 422), (
            role
        )
        assert (await client.post(MAPPINGS, json=NEW)).status_code == (201 if seen == 200 else 403), role

    # Nobody who asks the server changes a version that is there.
    rights = await served.run_sql(
        "SELECT r, p FROM unnest(ARRAY['gridtwin_app', 'gridtwin_twin']) r, "
        "unnest(ARRAY['UPDATE', 'DELETE']) p WHERE has_table_privilege(r, 'feed_mapping', p)"
    )
    assert rights == []
