"""What a client declares: bodies of a station with one stream, and the way to send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from tests.api.sensorthings.conftest import ROOT

HERE = "510105001001001"
POINT = {"type": "Point", "coordinates": [104.0603, 30.6603]}
LOCATION = {"name": "屋顶", "description": "roof", "encodingType": "application/geo+json", "location": POINT}
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
TRUTH = MEASUREMENT.replace("Measurement", "TruthObservation")
ANY = MEASUREMENT.replace("OM_Measurement", "OM_Observation")
UNIT = {"name": "degree Celsius", "symbol": "°C", "definition": "ucum:Cel"}
SENSOR = {
    "name": "DHT22",
    "description": "d",
    "encodingType": "application/pdf",
    "metadata": "https://x/y.pdf",
}
PROPERTY = {"name": "Temperature", "definition": "http://x/t", "description": "air"}
STREAM = {
    "name": "T",
    "description": "temperature",
    "observationType": MEASUREMENT,
    "unitOfMeasurement": UNIT,
    "Sensor": SENSOR,
    "ObservedProperty": PROPERTY,
}
THING = {
    "name": "气象站",
    "description": "a station",
    "properties": {"owner": {"name": "me"}, "uid": "station-1"},
    "Locations": [LOCATION],
    "Datastreams": [STREAM],
}


async def make(http: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await http.post(ROOT + path, json=body)
    assert answer.status_code == 201, (path, answer.text)
    made = answer.json()
    assert answer.headers["location"] == made["@iot.selfLink"]
    return made


async def read(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(ROOT + path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


NOW = datetime.now(UTC).replace(microsecond=0)
