"""What is installed and observed, as the standard tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.api.routes.conftest import observe
from tests.api.sensorthings.conftest import ROOT

pytestmark = pytest.mark.postgis

OVER = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)


async def test_root_lists_the_sets_and_what_is_kept(ask):
    root = await ask("")
    assert [one["name"] for one in root["value"]] == [
        "Things",
        "Locations",
        "HistoricalLocations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "Observations",
        "FeaturesOfInterest",
    ]
    assert (
        "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel" in root["serverSettings"]["conformance"]
    )


async def test_things_are_devices_and_never_workers(ask):
    told = await ask("/Things?$count=true")
    assert told["@iot.count"] == 4
    assert {thing["properties"]["kind"] for thing in told["value"]} == {"water_level", "camera"}
    thing = told["value"][0]
    assert (thing["@iot.id"], thing["name"], thing["description"]) == (1, "液位计一号", "液位计")
    assert thing["properties"]["uid"] == "water-0001"
    assert thing["properties"]["simulated"] is True
    link = thing["@iot.selfLink"]
    assert link.startswith("http://127.0.0.1:")
    assert link.endswith(f"{ROOT}/Things(1)")
    assert thing["Datastreams@iot.navigationLink"] == link + "/Datastreams"


async def test_everything_hangs_together(ask):
    told = await ask(
        "/Things(1)?$expand=Locations,HistoricalLocations($expand=Locations),Datastreams($expand=Thing,Sensor,"
        "ObservedProperty,Observations($expand=FeatureOfInterest,Datastream))"
    )
    assert told["Locations"][0]["location"] == {"type": "Point", "coordinates": [104.06, 30.66]}
    assert told["Locations"][0]["encodingType"] == "application/geo+json"
    assert told["HistoricalLocations"][0]["Locations"] == told["Locations"]
    level, battery = told["Datastreams"]
    assert level["unitOfMeasurement"] == {"name": "cm", "symbol": "cm", "definition": "ucum:cm"}
    assert level["observationType"].endswith("/OM_Measurement")
    assert level["observedArea"]["coordinates"] == [104.06, 30.66]
    assert level["Thing"]["@iot.id"] == 1
    assert level["Sensor"]["name"] == "液位计"
    assert level["ObservedProperty"]["definition"] == "urn:gridtwin:property:water_level:level"
    assert [o["result"] for o in level["Observations"]] == [10.0, 11.0, 12.5]
    first, last = level["Observations"][0], level["Observations"][-1]
    assert level["phenomenonTime"] == f"{first['phenomenonTime']}/{last['phenomenonTime']}"
    assert first["FeatureOfInterest"]["feature"]["coordinates"] == [104.06, 30.66]
    assert first["Datastream"]["@iot.id"] == level["@iot.id"]
    assert (battery["name"], battery["Observations"]) == ("液位计一号 电量", [])
    assert "phenomenonTime" not in battery


PARTS = [
    (
        "/Things(1)/name",
        b'{"name":"\xe6\xb6\xb2\xe4\xbd\x8d\xe8\xae\xa1\xe4\xb8\x80\xe5\x8f\xb7"}',
        "json",
    ),
    ("/Things(1)/name/$value", "液位计一号".encode(), "plain"),
    ("/Things(1)/id/$value", b"1", "plain"),
    ("/Things/$count", b"4", "plain"),
    ("/Datastreams(1000)/unitOfMeasurement/$value", b'{"name": "cm"', "json"),
    ("/Datastreams(1000)/Thing/Locations(1)/name/$value", "液位计一号".encode(), "plain"),
]


async def test_parts_of_entities(reader):
    for path, content, kind in PARTS:
        answer = await reader.get(ROOT + path)
        assert answer.status_code == 200, path
        assert answer.content.startswith(content), path
        assert kind in answer.headers["content-type"]
        assert answer.headers["cache-control"] == "no-store"


async def test_addresses_and_absent_values(ask, reader):
    assert (await ask("/Things(1)/$ref"))["@iot.selfLink"].endswith("/Things(1)")
    refs = await ask("/Things(1)/Datastreams/$ref")
    assert [ref["@iot.selfLink"].rpartition("/")[2] for ref in refs["value"]] == [
        "Datastreams(1000)",
        "Datastreams(1001)",
    ]
    assert (await reader.get(ROOT + "/Datastreams(1001)/phenomenonTime")).status_code == 204


ABSENT = [
    "/Things(5)",  # a worker's tracker
    "/Things(99)",
    "/Things('a')",
    "/Things(99999999999999999)",
    "/Things(99)/Datastreams",
    "/Things(1)/Datastreams(2000)",
    "/Things(1)/Datastreams(2000)/Observations",
    "/Observations(1)",
    "/Observations('1000-5')",
    "/Observations('999999999999-999999999999999999')",
    "/Nothing",
    "/Things(1)/Nothing",
    "/Things/Datastreams",
    "/Things(1)/name/more",
    "/Things(1)(2)",
    "/Things(1)/Thing",
    "/Locations(-77)",
]


async def test_what_is_not_there(reader):
    for path in ABSENT:
        assert (await reader.get(ROOT + path)).status_code == 404, path


async def test_pages_of_the_newest_go_back_over_hours_and_days(served, reader):
    """A page is looked for among what came lately first: none may be left out where that is not enough."""
    for step_s in (17.0, 700.0, 9_000.0, 180_000.0):
        await observe(served, "water-0001", [5.0] * 3, step_s)
    told, link = [], ROOT + "/Observations?$orderby=phenomenonTime desc&$top=2"
    while link:
        page = (await reader.get(link)).json()
        told += [one["@iot.id"] for one in page["value"]]
        link = page.get("@iot.nextLink")
    everything = (await reader.get(ROOT + "/Observations?$orderby=phenomenonTime")).json()["value"]
    assert told == [one["@iot.id"] for one in everything][::-1]
    assert len(told) == len(set(told)) >= 12
    skipped = (await reader.get(ROOT + "/Observations?$orderby=phenomenonTime desc&$skip=5&$top=3")).json()
    assert [one["@iot.id"] for one in skipped["value"]] == told[5:8]


@pytest.mark.parametrize(
    "query", ["", "$orderby=phenomenonTime desc", "$orderby=result", "$orderby=result desc,id"]
)
async def test_pages_hold_every_observation_once(ask, query):
    seen, path = [], f"/Observations?$top=2&{query}"
    while path:
        page = await ask(path)
        seen += [(o["@iot.id"], o["result"]) for o in page["value"]]
        path = page.get("@iot.nextLink", "").partition(ROOT)[2]
    assert len(seen) == len(set(seen)) == 6
    if "result" in query:
        results = [result for _, result in seen]
        assert results == sorted(results, reverse="desc" in query)


async def test_expanded_links_go_on_too(ask):
    told = await ask(
        "/Datastreams(1000)?$expand=Observations($top=2;$count=true;$select=result;$orderby=result desc)"
    )
    assert told["Observations"] == [{"result": 12.5}, {"result": 11.0}]
    assert told["Observations@iot.count"] == 3
    rest = await ask(told["Observations@iot.nextLink"].partition(ROOT)[2])
    assert [o["result"] for o in rest["value"]] == [10.0]


async def test_select_expand_and_skip(ask):
    told = await ask("/Things?$select=name,Datastreams&$skip=1&$top=1&$orderby=id")
    assert told["value"] == [
        {
            "name": "water-0002",
            "Datastreams@iot.navigationLink": told["value"][0]["Datastreams@iot.navigationLink"],
        }
    ]
    assert (await ask("/Things?$select=@iot.id&$top=1"))["value"][0]["@iot.id"] == 1
    told = await ask(
        "/Datastreams?$expand=Thing/Locations,Thing/Datastreams($top=1),ObservedProperty($select=name)&$top=1"
    )
    stream = told["value"][0]
    assert len(stream["Thing"]["Locations"]) == len(stream["Thing"]["Datastreams"]) == 1
    assert stream["ObservedProperty"] == {"name": "液位"}
    assert (await ask("/Things?$top=0&$count=true")) == {"@iot.count": 4, "value": []}


async def test_data_array(ask):
    told = await ask("/Observations?$resultFormat=dataArray&$select=result,id&$expand=Datastream")
    water = told["value"][0]
    assert water["components"] == ["result", "id"]
    assert [row[0] for row in water["dataArray"]] == [10.0, 11.0, 12.5]
    assert water["dataArray@iot.count"] == 3
    assert water["Datastream@iot.navigationLink"].endswith("/Datastreams(1000)")


async def test_moves_are_history(observed, ask):
    before = await ask("/Things(1)/Locations")
    await observed.run_sql("UPDATE device SET name = 'renamed' WHERE id = 1")
    assert len((await ask("/Things(1)/HistoricalLocations"))["value"]) == 1
    await observed.run_sql("UPDATE device SET geom = 'SRID=4326;POINT(104.0604 30.6604)' WHERE id = 1")
    moves = (await ask("/Things(1)/HistoricalLocations?$expand=Locations,Thing&$orderby=time"))["value"]
    assert [move["Locations"][0]["location"]["coordinates"] for move in moves] == [
        before["value"][0]["location"]["coordinates"],
        [104.0604, 30.6604],
    ]
    assert moves[0]["time"] < moves[1]["time"]
    assert {move["Thing"]["@iot.id"] for move in moves} == {1}
    past = moves[0]["Locations"][0]["@iot.id"]
    assert (await ask(f"/Locations({past})/Things"))["value"] == []
    assert len((await ask(f"/Locations({past})/HistoricalLocations"))["value"]) == 1


async def test_yes_or_no_is_told_as_such(observed, ask):
    await observed.run_sql(
        "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom) "
        "VALUES (1, 'd', '', 'door-0001', 'door', 'SRID=4326;POINT(104.0603 30.6603)')"
    )
    await observed.runtime.twin.refresh_devices()
    from tests.api.routes.conftest import observe

    await observe(observed, "door-0001", [0.0, 1.0])
    told = (await ask("/Things?$filter=properties/uid eq 'door-0001'&$expand=Datastreams/Observations"))[
        "value"
    ][0]
    assert told["Datastreams"][0]["observationType"].endswith("/OM_TruthObservation")
    assert [o["result"] for o in told["Datastreams"][0]["Observations"]] == [False, True]
    assert len((await ask("/Observations?$filter=result eq true"))["value"]) == 1


WRONG = [
    "$filter=",
    "$filter=name",
    "$filter=name eq",
    "$filter=name eq 'a' and",
    "$filter=name eq 5",
    "$filter=nope eq 5",
    "$filter=Datastreams eq 5",
    "$filter=name eq 'a",
    "$filter=name eq 'a' 5",
    "$filter=id eq 'a'",
    "$filter=nofunction(name)",
    "$filter=length(name, name) eq 1",
    "$filter=length(id) eq 1",
    "$filter=name gt null",
    "$filter=1e999 gt 1",
    "$filter=" + "9" * 5000 + " gt 1",
    "$filter=" + "(" * 40 + "id eq 1" + ")" * 40,
    "$filter=" + "not " * 40 + "id eq 1",
    "$filter=" + "-" * 40 + "1 eq 1",
    "$filter=" + "length(" * 40 + "name" + ")" * 40 + " eq 1",
    "$filter=id eq 1" + " or id eq 1" * 1000,
    "$filter=name eq '%00'",
    "$filter=Locations/location eq 5",
    "$filter=st_within(Locations/location, geography'POINT(500 0)')",
    "$filter=st_within(Locations/location, geography'NOTHING')",
    "$filter=st_within(Locations/location, geography'POLYGON((0 0,1 1,1 0,0 1,0 0))')",
    "$filter=st_relate(Locations/location, geography'POINT(0 0)', 'x') eq true",
    "$filter=Datastreams/Observations/phenomenonTime gt '2020-01-01'",
    "$filter=Datastreams/Observations/phenomenonTime gt 2020-13-01T00:00:00Z",
    "$filter=id eq 1&$filter=id eq 2",
    "$orderby=nope",
    "$orderby=Datastreams/name",
    "$orderby=Locations/location",
    "$orderby=name sideways",
    "$top=-1",
    "$top=x",
    "$skip=99999999999",
    "$count=yes",
    "$select=nope",
    "$expand=nope",
    "$expand=Datastreams(",
    "$expand=Datastreams($top)",
    "$expand=Datastreams/Thing/Datastreams/Thing/Datastreams/Thing/Datastreams",
    "$expand=Datastreams($expand=Thing($expand=Datastreams($expand=Thing($expand=Datastreams($expand=Thing($expand=Datastreams))))))",
    "$expand=" + ",".join(["Datastreams"] * 40),
    "$resultFormat=csv",
    "$resultFormat=dataArray",
    "$skiptoken=x",
    "$nope=1",
    "$filter=id mul 1e308 mul 1e308 mul 1e308 gt 1",
]


async def test_what_cannot_be_understood_is_400_and_says_why(reader):
    for query in WRONG:
        answer = await reader.get(f"{ROOT}/Things?{query}")
        assert answer.status_code == 400, (query, answer.text)
        assert answer.json()["detail"], query
        assert answer.json()["where"], query


@pytest.fixture
async def counted(observed):
    """Three observations of water-0001 and one of camera-0001 of a day that is over, and counted."""
    await observed.run_sql(f"SELECT ensure_observation_partition('{OVER.date()}')")
    for uid, minutes in (("water-0001", (1, 2, 3)), ("camera-0001", (4,))):
        for minute in minutes:
            at = f"'{(OVER + timedelta(minutes=minute)).isoformat()}'"
            await observed.run_sql(
                "INSERT INTO observation (device_id, property, phenomenon_time, received_at, value) "
                f"SELECT id, 0, {at}, {at}, 5 FROM device WHERE uid = '{uid}'"
            )
    await observed.run_sql(f"SELECT watch_observations('{OVER.date()}')")
    await observed.run_sql(f"SELECT count_observations('{OVER.date()}')")
    # The server counts too: what came while it already watched stands in rows of its own.
    await observed.run_sql(f"SELECT fold_observation_counts('{OVER.date()}')")
    return observed


async def test_days_that_are_over_are_counted_by_their_numbers(counted, reader, ask):
    async def count(path: str, query: str = "") -> int:
        return int((await reader.get(f"{ROOT}{path}/$count{query}")).text)

    things = (await ask("/Things?$filter=properties/uid eq 'water-0001'"))["value"]
    stream = things[0]["@iot.id"] * 1000
    by_row = "?$filter=result ge -1e9"  # asks each observation
    assert await count("/Observations") == await count("/Observations", by_row) == 10
    path = f"/Datastreams({stream})/Observations"
    assert await count(path) == await count(path, by_row) == 6
    of_water = "?$filter=Datastream/Thing/properties/uid eq 'water-0001'"
    assert await count("/Observations", of_water) == 6
    either = "?$filter=Datastream/Thing/properties/uid eq 'water-0001' or result eq 5"
    assert await count("/Observations", either) == 7
    told = await ask("/Datastreams?$expand=Observations($count=true;$top=1)&$top=1000")
    numbers = {one["@iot.id"]: one["Observations@iot.count"] for one in told["value"]}
    assert (numbers[stream], sum(numbers.values())) == (6, 10)
    # What is asked for a row where there is a number would be wrong once the number is.
    await counted.run_sql("UPDATE observation_count SET count = count + 100")
    assert await count(path) == 106
    assert await count(path, by_row) == 6
    told = await ask(f"/Datastreams({stream})?$expand=Observations($count=true;$top=1)")
    assert told["Observations@iot.count"] == 106
    await counted.run_sql("UPDATE device SET valid_to = now() WHERE uid = 'water-0001'")
    assert await count("/Observations") == await count("/Observations", by_row) + 100


async def test_the_oldest_observations_come_first_page_by_page(counted, reader):
    told, link = [], ROOT + "/Observations?$orderby=phenomenonTime&$top=3"
    while link:
        page = (await reader.get(link)).json()
        told += [one["phenomenonTime"] for one in page["value"]]
        link = page.get("@iot.nextLink")
    assert len(told) == 10
    assert told == sorted(told)
    assert told[0].startswith(OVER.date().isoformat())


async def test_what_takes_too_long_says_what_where_and_what_to_do(observed, reader, monkeypatch):
    monkeypatch.setattr("api.access.caller.TIMEOUT_S", 0.3)
    owner = await psycopg.AsyncConnection.connect(observed.database.url.replace("+psycopg", ""))
    async with owner:
        await owner.execute("LOCK TABLE observation")
        for query, where, words in (
            ("/Observations?$filter=result gt 5", "$filter", "phenomenonTime ge"),
            ("/Observations?$orderby=result", "$orderby", "phenomenonTime ge"),
            ("/Observations/$count", "$count", "Datastreams(1)/Observations"),
            ("/Things?$expand=Datastreams($expand=Observations)", "$expand", "expand less"),
        ):
            answer = await reader.get(ROOT + query)
            told = answer.json()
            assert (answer.status_code, told["type"], told["where"]) == (400, "/problems/too-long", where)
            assert words in told["hint"]
        assert (await reader.get(ROOT + "/Observations")).status_code == 503  # small: the database is busy
