"""What clients declare and observe, and who may."""

# ruff: noqa: E501

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.sensorthings.conftest import ROOT
from tests.api.sensorthings.declaring import (
    ANY,
    HERE,
    LOCATION,
    NOW,
    POINT,
    PROPERTY,
    SENSOR,
    STREAM,
    THING,
    TRUTH,
    UNIT,
    iso,
    make,
    read,
)
from twin.access.credentials import CredentialKind

pytestmark = pytest.mark.postgis


async def test_deep_insert_makes_a_device_that_is_on_the_wall(served, writer):
    at = iso(NOW - timedelta(minutes=5))
    observation = {"phenomenonTime": at, "result": 21.5}
    body = THING | {"Datastreams": [STREAM | {"Observations": [observation]}]}
    thing = await make(writer, "/Things", body)
    key = thing["@iot.id"]
    told = await read(
        writer, f"/Things({key})?$expand=Locations,Datastreams($expand=Sensor,ObservedProperty,Observations)"
    )
    assert told["name"] == "气象站"
    assert told["properties"] == {
        "uid": "station-1",
        "kind": "thing",
        "simulated": False,
        "height_m": 0,
        "owner": {"name": "me"},
    }
    assert told["Locations"][0]["location"] == POINT
    assert told["Locations"][0]["name"] == "屋顶"
    (stream,) = told["Datastreams"]
    assert stream["unitOfMeasurement"] == UNIT
    assert stream["Sensor"]["metadata"] == "https://x/y.pdf"
    assert stream["ObservedProperty"]["definition"] == "http://x/t"
    assert [(o["phenomenonTime"], o["result"]) for o in stream["Observations"]] == [(at, 21.5)]
    board = served.runtime.twin.board
    row = board.row_of_uid["station-1"]
    assert (board.value[row], board.scope_code[row]) == (21.5, int(HERE))
    kept = await served.run_sql(
        "SELECT unit_grid_id, responsibility_grid_id, scope_code FROM device WHERE id = %s", key
    )
    assert kept == [(3, 4, int(HERE))]
    acts = await served.run_sql("SELECT action, object FROM audit WHERE action LIKE 'device.%%' ORDER BY seq")
    assert acts == [("device.created", f"Things({key})")]


async def test_real_kind_takes_its_slot_and_its_rules(served, writer):
    level = STREAM | {
        "unitOfMeasurement": {"name": "cm", "symbol": "cm", "definition": "ucum:cm"},
        "ObservedProperty": {"@iot.id": 4000},
    }
    thing = await make(
        writer,
        "/Things",
        THING | {"properties": {"kind": "water_level", "uid": "level-9"}, "Datastreams": [level]},
    )
    streams = (await read(writer, f"/Things({thing['@iot.id']})/Datastreams"))["value"]
    assert [s["@iot.id"] % 1000 for s in streams] == [0, 1]
    assert streams[0]["name"] == "T"
    await make(writer, f"/Datastreams({streams[0]['@iot.id']})/Observations", {"result": 24.0})
    board = served.runtime.twin.board
    row = board.row_of_uid["level-9"]
    assert (board.value[row], board.state[row]) == (24.0, 4)
    assert await served.run_sql("SELECT state FROM alarm") == [(4,)]
    refused = await writer.post(
        f"{ROOT}/Datastreams({streams[0]['@iot.id']})/Observations", json={"result": 1e6}
    )
    assert refused.status_code == 400
    assert "out_of_range" in refused.json()["detail"]
    for wrong in ({"unitOfMeasurement": UNIT}, {"ObservedProperty": {"@iot.id": 4007}}):
        answer = await writer.post(f"{ROOT}/Things({thing['@iot.id']})/Datastreams", json=level | wrong)
        assert answer.status_code == 400, answer.text


async def test_step_by_step_with_links(served, writer):
    sensor = await make(writer, "/Sensors", SENSOR)
    phenomenon = await make(writer, "/ObservedProperties", PROPERTY)
    place = await make(writer, "/Locations", LOCATION)
    assert (await read(writer, f"/Locations({place['@iot.id']})/Things"))["value"] == []
    thing = await make(
        writer, "/Things", {"name": "n", "description": "d", "Locations": [{"@iot.id": place["@iot.id"]}]}
    )
    assert (await read(writer, f"/Things({thing['@iot.id']})/Locations"))["value"][0]["@iot.id"] == place[
        "@iot.id"
    ]
    linked = STREAM | {
        "Sensor": {"@iot.id": sensor["@iot.id"]},
        "ObservedProperty": {"@iot.id": phenomenon["@iot.id"]},
    }
    first = await make(writer, f"/Things({thing['@iot.id']})/Datastreams", linked)
    second = await make(
        writer, "/Datastreams", linked | {"Thing": {"@iot.id": thing["@iot.id"]}, "observationType": ANY}
    )
    assert (first["@iot.id"] % 1000, second["@iot.id"] % 1000) == (0, 4)
    assert len((await read(writer, f"/Sensors({sensor['@iot.id']})/Datastreams"))["value"]) == 2
    await writer.delete(f"{ROOT}/Datastreams({second['@iot.id']})")
    third = await make(writer, "/Datastreams", linked | {"Thing": {"@iot.id": thing["@iot.id"]}})
    assert third["@iot.id"] % 1000 == 5  # the number of a closed one is not given again
    for wrong in (
        {k: v for k, v in linked.items() if k != "Sensor"},
        linked | {"Sensor": {"@iot.id": 99}, "Thing": {"@iot.id": thing["@iot.id"]}},
        linked | {"Thing": {"@iot.id": 12345}},
        linked | {"Thing": {"@iot.id": 5}},  # a tracker of a worker
        linked | {"Thing": {"@iot.id": thing["@iot.id"]}, "nonsense": 5},
        linked | {"Thing": {"@iot.id": thing["@iot.id"]}, "name": "  "},
        linked | {"Thing": {"@iot.id": thing["@iot.id"]}, "unitOfMeasurement": "cm"},
    ):
        answer = await writer.post(f"{ROOT}/Datastreams", json=wrong)
        assert answer.status_code == 400, answer.text


async def test_results_that_are_no_numbers_and_all_the_rest(served, writer):
    thing = await make(
        writer,
        "/Things",
        THING
        | {
            "Datastreams": [
                STREAM,
                STREAM | {"observationType": ANY, "name": "any"},
                STREAM | {"observationType": TRUTH, "name": "yes"},
            ]
        },
    )
    streams = (await read(writer, f"/Things({thing['@iot.id']})/Datastreams"))["value"]
    number, free, yes = (s["@iot.id"] for s in streams)
    begin = NOW - timedelta(hours=1)
    for i, result in enumerate(["text", {"a": [1, None]}, [1, 2], True, None, 5]):
        at = iso(begin + timedelta(seconds=i))
        made = await make(
            writer, f"/Datastreams({free})/Observations", {"phenomenonTime": at, "result": result}
        )
        assert made["result"] == result
    made = await make(writer, f"/Datastreams({yes})/Observations", {"result": True})
    assert made["result"] is True
    full = {
        "phenomenonTime": f"{iso(begin)}/{iso(begin + timedelta(minutes=1))}",
        "resultTime": iso(begin + timedelta(minutes=2)),
        "validTime": f"{iso(begin)}/{iso(NOW)}",
        "resultQuality": [{"nameOfMeasure": "x"}],
        "parameters": {"depth": 5},
        "result": 7.25,
        "FeatureOfInterest": {
            "name": "湖",
            "description": "lake",
            "encodingType": "application/geo+json",
            "feature": {
                "type": "Polygon",
                "coordinates": [[[104.06, 30.66], [104.061, 30.66], [104.061, 30.661], [104.06, 30.66]]],
            },
        },
    }
    made = await make(writer, "/Observations", full | {"Datastream": {"@iot.id": number}})
    for name in ("phenomenonTime", "resultTime", "validTime", "resultQuality", "parameters", "result"):
        assert made[name] == full[name]
    feature = await read(writer, f"/Observations('{made['@iot.id']}')/FeatureOfInterest")
    assert feature["name"] == "湖"
    seen = (await read(writer, f"/FeaturesOfInterest({feature['@iot.id']})/Observations"))["value"]
    assert [o["@iot.id"] for o in seen] == [made["@iot.id"]]
    assert [o["result"] for o in (await read(writer, "/Observations?$filter=result eq 'text'"))["value"]] == [
        "text"
    ]
    assert len((await read(writer, "/Observations?$filter=result/a eq null and result gt 6"))["value"]) == 1
    assert len((await read(writer, "/Observations?$filter=parameters/depth eq 5"))["value"]) == 1
    for wrong in ("text", None, {"a": 1}):
        answer = await writer.post(f"{ROOT}/Datastreams({number})/Observations", json={"result": wrong})
        assert answer.status_code == 400, answer.text


async def test_same_moment_again(served, writer):
    thing = await make(writer, "/Things", THING)
    stream = (await read(writer, f"/Things({thing['@iot.id']})/Datastreams"))["value"][0]["@iot.id"]
    one = {"phenomenonTime": iso(NOW), "result": 1}
    first = await make(writer, f"/Datastreams({stream})/Observations", one)
    assert (await make(writer, f"/Datastreams({stream})/Observations", one))["@iot.id"] == first["@iot.id"]
    answer = await writer.post(f"{ROOT}/Datastreams({stream})/Observations", json=one | {"result": 2})
    assert answer.status_code == 409
    old = one | {"phenomenonTime": iso(NOW - timedelta(days=60))}
    answer = await writer.post(f"{ROOT}/Datastreams({stream})/Observations", json=old)
    assert answer.status_code == 400
    assert "too_old" in answer.json()["detail"]


async def test_tables_of_observations(served, writer):
    thing = await make(writer, "/Things", THING)
    stream = (await read(writer, f"/Things({thing['@iot.id']})/Datastreams"))["value"][0]["@iot.id"]
    rows = [[iso(NOW - timedelta(seconds=i)), i] for i in range(50)]
    table = {
        "Datastream": {"@iot.id": stream},
        "components": ["phenomenonTime", "result"],
        "dataArray@iot.count": 50,
        "dataArray": [*rows, [iso(NOW), 99], ["nonsense", 1], [iso(NOW)]],
    }
    answer = await writer.post(
        f"{ROOT}/CreateObservations", json=[table, table | {"Datastream": {"@iot.id": 77}}]
    )
    assert answer.status_code == 201
    told = answer.json()
    assert [link == "error" for link in told] == [False] * 50 + [True] * 56
    assert (await writer.get(told[0])).json()["result"] == 0
    assert (await read(writer, f"/Datastreams({stream})/Observations?$count=true&$top=0"))["@iot.count"] == 50


async def test_who_may_what(served, signed_in):
    other = "510105001001002"
    await served.run_sql(
        "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, parent_id, geom, label_point, "
        "made_by, area_m2) SELECT 1, 'b', '', %s, 'responsibility_grid', 'b', 2, ST_Multi(box), ST_Centroid(box), "
        "'drawn', 1 FROM ST_MakeEnvelope(104.0660, 30.6550, 104.0690, 30.6650, 4326) AS box",
        other,
    )
    mine = await signed_in("integrator", HERE)
    theirs = await signed_in("integrator", other)
    watcher = await signed_in("operator")
    thing = await make(mine, "/Things", THING)
    key = thing["@iot.id"]
    stream = (await read(mine, f"/Things({key})/Datastreams"))["value"][0]["@iot.id"]
    for path in (f"/Things({key})", f"/Datastreams({stream})", f"/Datastreams({stream})/Observations"):
        assert (await theirs.get(ROOT + path)).status_code == 404
        assert (await watcher.get(ROOT + path)).status_code == 200
    assert len((await read(watcher, "/Sensors?$filter=id ge 100000000"))["value"]) == 1
    assert (await read(theirs, "/Sensors?$filter=id ge 100000000"))["value"] == []
    for http, statuses in ((theirs, {404, 400}), (watcher, {403})):
        for method, path, body in (
            ("POST", f"/Things({key})/Datastreams", STREAM),
            ("POST", f"/Datastreams({stream})/Observations", {"result": 1}),
            ("POST", "/Observations", {"result": 1, "Datastream": {"@iot.id": stream}}),
            ("PATCH", f"/Things({key})", {"name": "x"}),
            ("PUT", f"/Things({key})", {"name": "x", "description": "x"}),
            ("DELETE", f"/Things({key})", None),
        ):
            answer = await http.request(method, ROOT + path, json=body)
            assert answer.status_code in statuses, (method, path, answer.text)
    # Not where others manage, and not away to them.
    assert (await theirs.post(ROOT + "/Things", json=THING | {"properties": {}})).status_code == 403
    away = {"type": "Point", "coordinates": [104.0670, 30.6600]}
    place = (await read(mine, f"/Things({key})/Locations"))["value"][0]["@iot.id"]
    assert (await mine.patch(f"{ROOT}/Locations({place})", json={"location": away})).status_code == 403
    nowhere = await make(mine, "/Things", {"name": "n", "description": "d"})
    assert (await theirs.get(f"{ROOT}/Things({nowhere['@iot.id']})")).status_code == 404
    taken = await theirs.post(
        ROOT + "/Things", json={"name": "n", "description": "d", "properties": {"uid": "station-1"}}
    )
    assert taken.status_code == 409


async def test_programs_and_publishers_sign_in_by_basic(served, tokens):
    token = await served.secret(("integrator", HERE), kind=CredentialKind.TOKEN)
    (name,) = (await served.run_sql("SELECT name FROM account ORDER BY created_at DESC LIMIT 1"))[0]
    secret = tokens["device"]
    async with contextlib.AsyncExitStack() as clients:

        async def client(**given: Any) -> httpx.AsyncClient:
            return await clients.enter_async_context(
                httpx.AsyncClient(base_url=served.url, timeout=20.0, **given)
            )

        program = await client(auth=(name, token))
        assert len((await read(program, "/Things"))["value"]) > 0
        await make(program, "/Things", THING)
        for auth in ((name, "no"), ("other", token), ("", token), (name, "")):
            assert (await (await client(auth=auth)).get(ROOT)).status_code == 401, auth
        # Elsewhere a program sends a bearer token: nothing new opens there.
        assert (await program.get("/api/catalog")).status_code == 401
        session = await served.secret(("integrator", HERE))
        assert (await (await client(auth=(name, session))).get(ROOT)).status_code == 401
        device = await client(auth=(secret.user_name, secret.secret))
        answer = await device.post(f"{ROOT}/Datastreams(1000)/Observations", json={"result": 12})
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"].endswith(f"('{answer.json()['@iot.id']}')")
        assert (
            await device.post(f"{ROOT}/Datastreams(2000)/Observations", json={"result": 12})
        ).status_code == 403
        assert (await device.post(f"{ROOT}/Things", json=THING)).status_code == 403
        assert (await device.get(f"{ROOT}/Things")).status_code == 401
        assert (await device.delete(f"{ROOT}/Things(1)")).status_code == 401


BODIES = [b"", b"{", b"[]", b"null", b'"x"', b"1", b'{"name": 5}', b'{"name": "a\\u0000", "description": ""}', b"\xff",
          b'{"name": "a", "description": "b", "properties": []}', b'{"name": "a", "description": "b", "Locations": 5}',
          b'{"name": "a", "description": "b", "Locations": [{"@iot.id": [1]}]}', b"[" * 5000,
          b'{"name": "a", "description": "b", "Locations": [{"name": "l", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": ["a", 1]}}]}',
          b'{"name": "a", "description": "b", "Locations": [{"name": "l", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [1000, 1]}}]}',
          b'{"name": "a", "description": "b", "Locations": [{"name": "l", "description": "", "encodingType": "text/plain", "location": {"type": "Point", "coordinates": [1, 1]}}]}',
          b'{"name": "a", "description": "b", "scope_code": 5}', b'{"name": "\\ud800", "description": "b"}']  # fmt: skip


async def test_what_cannot_be_taken_is_said(served, writer):
    for body in BODIES:
        for path in (
            "/Things",
            "/Datastreams(1000)/Observations",
            "/CreateObservations",
            "/Sensors",
            "/Locations",
        ):
            answer = await writer.post(ROOT + path, content=body)
            assert answer.status_code == 400 or (path == "/CreateObservations" and body == b"[]"), (
                path,
                body,
                answer.text,
            )
    for path in ("/HistoricalLocations", "/Things(1)", "/Things(1)/name", "/Things(1)/HistoricalLocations"):
        answer = await writer.post(ROOT + path, json={"time": iso(NOW)})
        assert answer.status_code == 400, (path, answer.text)
