"""Drive frost-sta-client, as its users do, against a running server: URL, user name and token as arguments.

Run by `test_clients` in an environment of its own, which has that client and not the product.
"""

# ruff: noqa: E501, T201, PT017

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import frost_sta_client as fsc
import geojson
import jsonpatch
from requests.exceptions import HTTPError

URL, USER, TOKEN = sys.argv[1:4]
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
NOW = datetime.now(UTC).replace(microsecond=0)
POINT = geojson.geometry.Point((104.0603, 30.6603))

service = fsc.SensorThingsService(URL, auth_handler=fsc.AuthHandler(username=USER, password=TOKEN))


def fails(status: int, act, *arguments) -> None:
    try:
        act(*arguments)
    except HTTPError as error:
        assert error.response.status_code == status, error.response.text
    else:
        raise AssertionError(f"{act} did not fail")


# A whole Thing at once.
unit = fsc.UnitOfMeasurement(name="degree Celsius", symbol="°C", definition="ucum:Cel")
sensor = fsc.Sensor(
    name="DHT22", description="sensor", encoding_type="text/html", metadata="https://example.org/dht22"
)
phenomenon = fsc.ObservedProperty(
    name="Temperature", description="of air", definition="https://example.org/t"
)
stream = fsc.Datastream(
    name="T", description="temperature", observation_type=MEASUREMENT, unit_of_measurement=unit,
    sensor=sensor, observed_property=phenomenon, properties={"a": 1},
)  # fmt: skip
place = fsc.Location(
    name="roof", description="of a house", location=POINT, encoding_type="application/geo+json"
)
thing = fsc.Thing(
    name="station", description="on a roof", properties={"uid": "frost-1", "owner": "me"}, locations=[place],
    datastreams=[stream],
)  # fmt: skip
service.create(thing)
assert isinstance(thing.id, int)

found = service.things().find(thing.id)
assert (found.name, found.properties["owner"]) == ("station", "me")
streams = found.get_datastreams().query().list()
assert [s.name for s in streams.entities] == ["T"]
stream = found.get_datastreams().query().expand("Sensor,ObservedProperty").list().entities[0]
assert stream.unit_of_measurement == unit
assert stream.sensor.name == "DHT22"
assert stream.observed_property.definition == "https://example.org/t"
assert found.get_locations().query().list().entities[0].location == POINT

# One after the other, linked.
other = fsc.Sensor(name="own", description="sensor", encoding_type="text/html", metadata="x")
service.create(other)
pressure = fsc.ObservedProperty(name="Pressure", description="of air", definition="https://example.org/p")
service.create(pressure)
second = fsc.Datastream(
    name="P", description="pressure", observation_type=MEASUREMENT,
    unit_of_measurement=fsc.UnitOfMeasurement("hectopascal", "hPa", "ucum:hPa"),
    thing=fsc.Thing(id=thing.id), sensor=fsc.Sensor(id=other.id), observed_property=fsc.ObservedProperty(id=pressure.id),
)  # fmt: skip
service.create(second)
seconds = service.datastreams().query().filter(f"id eq {second.id}").expand("Sensor").list()
assert seconds.entities[0].sensor.id == other.id
assert service.sensors().query().filter(f"Datastreams/Thing/id eq {thing.id}").list().entities

# Observations, alone and as a table, paged through and filtered.
first = fsc.Observation(
    phenomenon_time=NOW, result=21.5, datastream=fsc.Datastream(id=stream.id), parameters={"p": 1}
)
service.create(first)
assert isinstance(first.id, str)
assert service.observations().find(first.id).result == 21.5
table = fsc.model.ext.data_array_value.DataArrayValue()
table.datastream = fsc.Datastream(id=stream.id)
names = fsc.model.ext.data_array_value.DataArrayValue.Property
table.components = {names.PHENOMENON_TIME, names.RESULT}
for i in range(1, 250):
    table.add_observation(fsc.Observation(phenomenon_time=NOW - timedelta(seconds=i), result=float(i)))
document = fsc.model.ext.data_array_document.DataArrayDocument()
document.add_data_array_value(table)
links = service.observations().create(document)
assert len(links) == 249
assert all("/Observations('" in link.self_link for link in links)

mine = service.datastreams().find(stream.id).get_observations().query()
everything = mine.top(60).orderby("phenomenonTime", "DESC").list()
results = [o.result for o in everything]
assert results == [21.5, *map(float, range(1, 250))], results[:5]
counted = mine.filter("result gt 100 and result le 110").count().list()
assert (counted.count, {o.result for o in counted}) == (10, set(map(float, range(101, 111))))
latest = service.things().query().filter("properties/uid eq 'frost-1'").expand(
    "Datastreams($expand=Observations($top=1;$orderby=phenomenonTime desc),ObservedProperty),Locations"
).list().entities[0]  # fmt: skip
by_name = {s.name: s for s in latest.datastreams.entities}
assert by_name["T"].observations.entities[0].result == 21.5
assert by_name["P"].observed_property.name == "Pressure"
near = (
    service.locations()
    .query()
    .filter("geo.distance(location, geography'POINT(104.0603 30.6603)') lt 0.00001")
    .list()
)
assert "roof" in {location.name for location in near.entities}

# Changing and taking away.
found.name = "renamed"
found.properties["owner"] = "you"
service.update(found)
assert service.things().find(thing.id).properties["owner"] == "you"
service.patch(found, jsonpatch.JsonPatch([{"op": "replace", "path": "/description", "value": "patched"}]))
service.patch(found, [{"op": "add", "path": "/properties/more", "value": {"deep": [1]}}])
again = service.things().find(thing.id)
assert (again.name, again.description, again.properties["more"]) == ("renamed", "patched", {"deep": [1]})
service.delete(service.observations().find(first.id))
fails(404, service.observations().find, first.id)
service.delete(service.datastreams().find(second.id))
fails(404, service.datastreams().find, second.id)
service.delete(again)
fails(404, service.things().find, thing.id)
fails(400, service.things().query().filter("nope eq 1").list)
nobody = fsc.SensorThingsService(URL)
fails(401, nobody.things().query().list)
print("frost-sta-client: all done")
