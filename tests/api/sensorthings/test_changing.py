"""What clients change and close, and what stays of it."""

from __future__ import annotations

import pytest

from tests.api.sensorthings.conftest import ROOT
from tests.api.sensorthings.declaring import LOCATION, POINT, THING, UNIT, make, read

pytestmark = pytest.mark.postgis


async def test_changes(served, writer):
    thing = await make(writer, "/Things", THING)
    path = f"{ROOT}/Things({thing['@iot.id']})"
    told = (
        await writer.patch(path, json={"name": "new", "properties": thing["properties"] | {"more": 1}})
    ).json()
    assert (told["name"], told["description"]) == ("new", "a station")
    assert told["properties"] == thing["properties"] | {"more": 1}
    assert await served.run_sql("SELECT properties FROM device WHERE id = %s", thing["@iot.id"]) == [
        ({"owner": {"name": "me"}, "more": 1},)
    ]
    patch = [
        {"op": "test", "path": "/name", "value": "new"},
        {"op": "replace", "path": "/name", "value": "newer"},
        {"op": "add", "path": "/properties/list", "value": [1]},
        {"op": "add", "path": "/properties/list/-", "value": 2},
        {"op": "remove", "path": "/properties/owner"},
    ]
    kind = {"content-type": "application/json-patch+json"}
    told = (await writer.patch(path, json=patch, headers=kind)).json()
    assert (told["name"], told["properties"]["list"], "owner" in told["properties"]) == (
        "newer",
        [1, 2],
        False,
    )
    for wrong, status in (
        ([{"op": "test", "path": "/name", "value": "other"}], 409),
        ([{"op": "replace", "path": "/nope/x", "value": 1}], 400),
        ([{"op": "sing", "path": "/name"}], 400),
        ([{"op": "replace", "path": "/properties/uid", "value": "other-1"}], 400),
        ([{"op": "add", "path": "/properties/list/7", "value": 1}], 400),
        ({"op": "replace"}, 400),
        ([{"op": "remove", "path": "/name"}], 400),
        ([{"op": "replace", "path": "", "value": {}}], 400),
        ([{"op": "add", "path": "/properties/a~2b", "value": 1}], 400),
    ):
        assert (await writer.patch(path, json=wrong, headers=kind)).status_code == status, wrong
    assert (await writer.patch(path, json={"name": None})).status_code == 400
    told = (await writer.put(path, json={"name": "put", "description": "whole"})).json()
    assert (told["name"], "list" in told["properties"]) == ("put", False)
    assert (await writer.put(path, json={"name": "put"})).status_code == 400
    place = (await read(writer, f"/Things({thing['@iot.id']})/Locations"))["value"][0]["@iot.id"]
    there = {"type": "Point", "coordinates": [104.0601, 30.6601]}
    told = (await writer.patch(f"{ROOT}/Locations({place})", json={"location": there})).json()
    assert told["location"] == there
    assert len((await read(writer, f"/Things({thing['@iot.id']})/HistoricalLocations"))["value"]) == 2
    board = served.runtime.twin.board
    assert board.lon[board.row_of_uid["station-1"]] == 104.0601
    stream = (await read(writer, f"/Things({thing['@iot.id']})/Datastreams"))["value"][0]
    told = (
        await writer.patch(
            f"{ROOT}/Datastreams({stream['@iot.id']})", json={"name": "S", "properties": {"a": 1}}
        )
    ).json()
    assert (told["name"], told["properties"], told["unitOfMeasurement"]) == ("S", {"a": 1}, UNIT)
    made = await make(
        writer, f"/Datastreams({stream['@iot.id']})/Observations", {"result": 1, "parameters": {"p": 1}}
    )
    told = (await writer.patch(f"{ROOT}/Observations('{made['@iot.id']}')", json={"result": 2})).json()
    assert (told["result"], told["parameters"]) == (2, {"p": 1})


async def test_place_comes_later(served, writer):
    thing = await make(writer, "/Things", {"name": "n", "description": "d"})
    assert (await read(writer, f"/Things({thing['@iot.id']})?$expand=Locations,HistoricalLocations")) | {
        "Locations": [],
        "HistoricalLocations": [],
    } == await read(writer, f"/Things({thing['@iot.id']})?$expand=Locations,HistoricalLocations")
    await make(writer, f"/Things({thing['@iot.id']})/Locations", LOCATION)
    told = await read(writer, f"/Things({thing['@iot.id']})?$expand=Locations,HistoricalLocations")
    assert [p["location"] for p in told["Locations"]] == [POINT]
    assert (await writer.delete(f"{ROOT}/Locations({told['Locations'][0]['@iot.id']})")).status_code == 200
    assert (await read(writer, f"/Things({thing['@iot.id']})/Locations"))["value"] == []


async def test_deleting(served, writer):
    thing = await make(writer, "/Things", THING)
    key = thing["@iot.id"]
    stream = (await read(writer, f"/Things({key})?$expand=Datastreams/Sensor,Datastreams/ObservedProperty"))[
        "Datastreams"
    ][0]
    made = await make(writer, f"/Datastreams({stream['@iot.id']})/Observations", {"result": 1})
    gone = f"{ROOT}/Observations('{made['@iot.id']}')"
    assert (await writer.delete(gone)).status_code == 200
    assert (await writer.get(gone)).status_code == (await writer.delete(gone)).status_code == 404
    assert (await writer.delete(f"{ROOT}/Sensors({stream['Sensor']['@iot.id']})")).status_code == 200
    assert (await read(writer, f"/Things({key})/Datastreams"))["value"] == []
    assert (await writer.delete(f"{ROOT}/Things({key})")).status_code == 200
    assert (await writer.get(f"{ROOT}/Things({key})")).status_code == 404
    assert await served.run_sql("SELECT valid_to IS NOT NULL FROM device WHERE id = %s", key) == [(True,)]
    assert "station-1" not in served.runtime.twin.board.row_of_uid
    for path, status in (
        ("/Sensors(4)", 403),
        ("/ObservedProperties(4000)", 403),
        ("/Datastreams(1000)", 409),
        ("/Locations(1)", 409),
        ("/FeaturesOfInterest(1)", 409),
        ("/HistoricalLocations(1)", 403),
        ("/Things", 400),
        ("/Things(1)/name", 400),
    ):
        answer = await writer.delete(ROOT + path)
        assert answer.status_code == status, (path, answer.text)
    assert (await writer.delete(f"{ROOT}/Things(1)")).status_code == 200  # installed ones too are closed


async def test_evidence_of_installed_devices_stays(served, writer):
    from tests.api.routes.conftest import observe

    await observe(served, "water-0001", [10.0])
    seen = (await read(writer, "/Things(1)/Datastreams(1000)/Observations"))["value"][0]["@iot.id"]
    for answer in (
        await writer.patch(f"{ROOT}/Observations('{seen}')", json={"result": 2}),
        await writer.delete(f"{ROOT}/Observations('{seen}')"),
    ):
        assert answer.status_code == 403, answer.text
