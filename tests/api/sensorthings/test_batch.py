"""Several requests in one: each answered as if it had come alone, with what earlier ones made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.sensorthings.conftest import ROOT

pytestmark = pytest.mark.postgis

GRID = "510105001001001"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
SENSOR = {"name": "S", "description": "s", "encodingType": "text/html", "metadata": "x"}
STREAM = {
    "name": "T",
    "description": "t",
    "observationType": MEASUREMENT,
    "unitOfMeasurement": {"name": "metre", "symbol": "m", "definition": "ucum:m"},
    "Sensor": {"@iot.id": "$s"},
    "ObservedProperty": {"name": "P", "description": "p", "definition": "https://example.org/p"},
}
PLACE = {
    "name": "here",
    "description": "there",
    "encodingType": "application/geo+json",
    "location": {"type": "Point", "coordinates": [104.0604, 30.6604]},
}


def post(given: str, url: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"id": given, "method": "post", "url": url, "body": body, **more}


def get(given: str, url: str) -> dict[str, Any]:
    return {"id": given, "method": "get", "url": url}


async def test_what_one_makes_the_next_ones_use(served):
    thing = {"name": "batched", "description": "b", "Locations": [PLACE]}
    async with await served.signed_in("integrator", GRID) as http:

        async def batch(*requests: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
            answer = await http.post(f"{ROOT}/$batch", json={"requests": requests}, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()["responses"]

        told = await batch(
            post("s", "Sensors", SENSOR),
            post("t", "Things", thing),
            post("d", "$t/Datastreams", STREAM, dependsOn=["s"]),
            post("o", "$d/Observations", {"result": 4.5}),
            {"id": "p", "method": "PATCH", "url": "$t", "body": {"name": "renamed"}},
            get("n", "$t?$select=name"),
            get("c", "Things/$count?$filter=name eq 'renamed'"),
            get("e", "$t/Datastreams?$expand=Observations,Sensor"),
        )
        assert [one["status"] for one in told] == [201, 201, 201, 201, 200, 200, 200, 200], told
        by_id = {one["id"]: one for one in told}
        assert by_id["n"]["body"] == {"name": "renamed"}
        assert by_id["c"]["body"] == "1"
        (stream,) = by_id["e"]["body"]["value"]
        assert stream["Sensor"]["@iot.id"] == by_id["s"]["body"]["@iot.id"]
        assert [one["result"] for one in stream["Observations"]] == [4.5]
        assert by_id["t"]["headers"]["location"].endswith(f"{ROOT}/Things({by_id['t']['body']['@iot.id']})")

        failing = (get("a", "Nope"), get("b", "Things(1)?$select=name"), get("x", "$a/Things"))
        assert [one["status"] for one in await batch(*failing)] == [404]
        went_on = await batch(*failing, Prefer="continue-on-error")
        assert [one["status"] for one in went_on] == [404, 200, 424]
        # The third device lies elsewhere: in a batch, too, it is not there.
        foreign = [get("1", "Things(3)"), post("2", "Datastreams(3000)/Observations", {"result": 1.0})]
        assert [r["status"] for r in await batch(*foreign, Prefer="continue-on-error")] == [404, 404]
        deleted = await batch({"id": "1", "method": "delete", "url": f"Things({stream['@iot.id'] // 1000})"})
        assert deleted == [{"id": "1", "status": 200}]


WRONG = (
    [],
    {},
    {"requests": []},
    {"requests": [get("1", "Things")] * 101},
    {"requests": [get("1", "Things"), get("1", "Things")]},
    {"requests": [{"id": "1", "method": "get"}]},
    {"requests": [{"id": "1", "method": "trace", "url": "Things"}]},
    {"requests": [get("1", "../../api/cases")]},
    {"requests": [get("1", "%2e%2e/%2e%2e/api/cases")]},
    {"requests": [post("1", "$batch", {"requests": []})]},
    {"requests": [post("1", "%24batch", {"requests": []})]},
    {"requests": [post("1", "Things", {}, atomicityGroup="g")]},
    {"requests": [post("1", "Things", {}, dependsOn=["2"])]},
    {"requests": [post("1", "Things", {}, headers=[])]},
)


async def test_what_is_no_batch_is_refused(served):
    async with await served.signed_in("integrator", GRID) as http:
        for given in WRONG:
            answer = await http.post(f"{ROOT}/$batch", json=given)
            assert answer.status_code == 400, (given, answer.text)
            assert answer.json()["title"]
        told = await http.post(f"{ROOT}/$batch", json={"requests": [get("1", "/api/account")]})
        assert told.json()["responses"][0]["status"] == 404
    async with await served.signed_in("department", GRID) as http:
        answer = await http.post(f"{ROOT}/$batch", json={"requests": [get("1", "Things")]})
        assert answer.status_code == 403
