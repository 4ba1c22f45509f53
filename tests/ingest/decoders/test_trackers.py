"""Messages of tracking apps, as their own servers' tests and manuals record them."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import FORMATS
from ingest.decoders.envelope import Envelope
from ingest.decoders.readings import DecodeError, Readings

NOW_US = 1_784_220_128_000_000

# Facts recorded from traccar's OwnTracks and OsmAnd tests (9e5c458) and the OwnTracks booklet (8a5a150).
OWNTRACKS = [
    (
        '{"_type":"location","acc":15,"alt":440,"batt":46,"conn":"w","lat":46.0681247,"lon":11.1512805,"t":"u",'
        '"tid":"5t","tst":1551874878,"vac":2,"vel":0}',
        (1551874878, 11.1512805, 46.0681247, {"fix": 1, "speed": 0, "accuracy": 15, "battery": 46}),
    ),
    (
        '{"lon":2.29513,"lat":48.85833,"tst":1497349316,"_type":"location","tid":"JJ"}',
        (1497349316, 2.29513, 48.85833, {"fix": 1}),
    ),
    (
        '{"cog":271,"lon":2.29513,"acc":5,"vel":61,"vac":21,"lat":48.85833,"tst":1497349316,"alt":167,'
        '"_type":"location","tid":"JJ","t":"u","batt":67}',
        (1497349316, 2.29513, 48.85833, {"fix": 1, "speed": 61 / 3.6, "accuracy": 5, "battery": 67}),
    ),
    (
        '{"lat":48.85,"lon":2.295,"_type":"location","tid":"JJ","tst":1497476456}',
        (1497476456, 2.295, 48.85, {"fix": 1}),
    ),
    (
        '{"lon":-122,"acc":5,"created_at":1736161415,"lat":37,"topic":"owntracks/ckrey/22A67880-15C3","t":"u","m":1,'
        '"tst":1736161169,"conn":"w","alt":0,"_type":"location","tid":"AC"}',
        (1736161169, -122, 37, {"fix": 1, "accuracy": 5}),
    ),
    (
        '{"topic":"owntracks/qtripp/865284041968706","lat":47.420051,"lon":13.654704,"vel":0,"cog":113,'
        '"tst":1736519167,"mcc":232,"mnc":1,"lac":"4F4D","cid":"673A","_type":"location","acc":10,"alt":1113,"t":"I",'
        '"don":105,"tid":"CS"}',
        (1736519167, 13.654704, 47.420051, {"fix": 1, "speed": 0, "accuracy": 10}),
    ),
    (
        '{"_type":"transition","wtst":1497349000,"lat":48.85,"lon":2.29,"tst":1497349316,"acc":10,"tid":"JJ",'
        '"event":"enter","desc":"Home","t":"c"}',
        (1497349316, 2.29, 48.85, {"fix": 1, "accuracy": 10}),
    ),
]
KN = 1852 / 3600
QUERIES = [
    ("id=902064&lat=42.06288&lon=-88.23412&timestamp=2016-01-27T18%3A55%3A47Z&hdop=6.0&altitude=224.0&speed=0.0",
     (1453920947, -88.23412, 42.06288, {"fix": 1, "speed": 0})),
    ("id=902064&lat=42.06288&lon=-88.23412&timestamp=1442068686579&hdop=6.0&altitude=224.0&speed=0.0",
     (1442068686.579, -88.23412, 42.06288, {"fix": 1, "speed": 0})),
    ("lat=49.60688&lon=6.15788&timestamp=2014-06-04+09%3A10%3A11&altitude=384.7&speed=0.0&id=353861053849681",
     (1401844211, 6.15788, 49.60688, {"fix": 1, "speed": 0})),
    ("id=123456&timestamp=1377177267&lat=60.0&lon=30.0&speed=0.0&bearing=0.0&altitude=0&hdop=0.0",
     (1377177267, 30, 60, {"fix": 1, "speed": 0})),
    ("id=123456&timestamp=1377177267&lat=60.0&lon=30.0", (1377177267, 30, 60, {"fix": 1})),
    ("lat=60.0&lon=30.0&speed=0.0&heading=0.0&vacc=0&hacc=0&altitude=0&deviceid=123456",
     (NOW_US / 1e6, 30, 60, {"fix": 1, "speed": 0})),
    ("id=861001000719969&lat=41.666667&lon=-0.883333&altitude=350.059479&speed=0.000000&batt=87",
     (NOW_US / 1e6, -0.883333, 41.666667, {"fix": 1, "speed": 0, "battery": 87})),
    ("id=123456&timestamp=1377177267&location=60.0,30.0", (1377177267, 30, 60, {"fix": 1})),
    ("id=123456789012345&timestamp=1504763810&lat=40.7232948571&lon=-74.0061408571&bearing=7.19889788244&speed=40"
     "&ignition=true&rpm=933&fuel=24",
     (1504763810, -74.0061408571, 40.7232948571, {"fix": 1, "speed": 40 * KN})),
    ("id=123456&timestamp=1377177267&cell=257,02,16,2224&cell=257,02,16,2223,-90&wifi=00-14-22-01-23-45,-80",
     (1377177267, math.nan, math.nan, {"fix": 0})),
]  # fmt: skip
JSONS = [
    (
        '{"location":{"timestamp":"2025-06-15T13:45:12.862Z","coords":{"latitude":37.4219983,"longitude":-122.084,'
        '"accuracy":5,"speed":0,"heading":-1,"altitude":5},"is_moving":false,"odometer":0,"event":"motionchange",'
        '"battery":{"level":1,"is_charging":false},"activity":{"type":"still"},"extras":{}},"device_id":"48241179"}',
        (1749995112.862, -122.084, 37.4219983, {"fix": 1, "speed": 0, "accuracy": 5, "battery": 100}),
    ),
    (
        '{"location":{"extras":{},"mock":true,"coords":{"speed_accuracy":-1,"speed":-1,"longitude":-122.406417,'
        '"ellipsoidal_altitude":0,"floor":null,"heading_accuracy":-1,"latitude":37.785834000000001,"accuracy":5,'
        '"altitude_accuracy":-1,"altitude":0,"heading":-1},"is_moving":false,"age":188,"odometer":0,"uuid":"2FB04C65",'
        '"event":"motionchange","battery":{"level":-1,"is_charging":false},"activity":{"type":"unknown",'
        '"confidence":100},"timestamp":"2025-05-09T04:11:30.579Z"},"device_id":"658765"}',
        (1746763890.579, -122.406417, 37.785834, {"fix": 2, "accuracy": 5}),
    ),
    (
        '{"location":{"event":"motionchange","is_moving":false,"uuid":"0e9a2473","timestamp":'
        '"2021-07-21T08:06:34.444Z","odometer":0,"coords":{"latitude":-6.1148096,"longitude":106.6837015,'
        '"accuracy":3.8,"speed":18.67,"speed_accuracy":0.26,"heading":63,"heading_accuracy":0.28,"altitude":35.7,'
        '"altitude_accuracy":3.8},"activity":{"type":"still","confidence":100},"battery":{"is_charging":false,'
        '"level":0.79},"extras":{}},"device_id":"8737767034"}',
        (1626854794.444, 106.6837015, -6.1148096, {"fix": 1, "speed": 18.67, "accuracy": 3.8, "battery": 79}),
    ),
]


def decoded(
    form: str, payload: bytes = b"", query: str = "", kind: str = "", uid: str | None = "wg-1"
) -> Readings:
    into = Readings()
    parameters = dict(parse_qsl(query))
    FORMATS[form](Envelope(payload, uid, parameters, kind, received_us=NOW_US), into)
    return into


def check(got: Readings, expected: tuple) -> None:
    time_s, lon, lat, values = expected
    assert dict(zip(got.name, got.value, strict=True)) == pytest.approx(values)
    assert got.time_us == [pytest.approx(time_s * 1e6, abs=1)] * len(values)
    assert got.lon == [pytest.approx(lon, nan_ok=True)] * len(values)
    assert got.lat == [pytest.approx(lat, nan_ok=True)] * len(values)


@pytest.mark.parametrize(("payload", "expected"), OWNTRACKS)
def test_owntracks(payload, expected):
    check(decoded("owntracks", payload.encode()), expected)


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_osmand_query_and_form(query, expected):
    check(decoded("osmand", query=query), expected)
    check(decoded("osmand", query.encode(), kind="application/x-www-form-urlencoded"), expected)


@pytest.mark.parametrize(("payload", "expected"), JSONS)
def test_traccar_json(payload, expected):
    check(decoded("osmand", payload.encode(), kind="application/json"), expected)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b'{"_type":"lwt","tst":1497349316}',
        b'{"_type":"waypoints","waypoints":[{"_type":"waypoint","desc":"x","tst":1}]}',
        b'{"_type":"status","iOS":{"version":"17"}}',
        b'{"_type":"steps","tst":1,"steps":100,"from":0,"to":1}',
        b'{"_type":"transition","tst":1497349316,"event":"leave","wtst":1}',
    ],
)
def test_owntracks_without_a_place_is_taken_and_says_nothing(payload):
    assert len(decoded("owntracks", payload)) == 0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "malformed"),
        (b"[]", "wrong_type"),
        (b"{}", "malformed"),
        (b'{"_type":"encrypted","data":"x"}', "malformed"),
        (b'{"_type":"location","lat":1,"tst":1}', "missing_field"),
        (b'{"_type":"location","lat":1,"lon":1}', "missing_field"),
        (b'{"_type":"location","lat":91,"lon":1,"tst":1}', "bad_position"),
        (b"x" * 70_000, "too_large"),
        (b'{"_type":"location","lat":1,"lon":1,"tst":-5}', "bad_time"),
        (b'{"_type":"location","lat":1e999,"lon":1,"tst":1}', "malformed"),
        (b'{"_type":"location","lat":"1","lon":1,"tst":1}', "wrong_type"),
        (b"[" * 60_000, "wrong_type"),
        (b"\xff", "malformed"),
    ],
)
def test_owntracks_that_cannot_be_used(payload, reason):
    with pytest.raises(DecodeError) as caught:
        decoded("owntracks", payload)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("id=1&lat=60", "bad_position"),
        ("id=1&lat=nan&lon=1", "not_finite"),
        ("id=1&lat=x&lon=1", "wrong_type"),
        ("id=1&lat=1&lon=181", "bad_position"),
        ("id=1&lat=1&lon=1&timestamp=never", "bad_time"),
        ("id=1&lat=1&lon=1&timestamp=1e300", "bad_time"),
        ("id=1&location=5", "bad_position"),
    ],
)
def test_osmand_that_cannot_be_used(query, reason):
    with pytest.raises(DecodeError) as caught:
        decoded("osmand", query=query)
    assert caught.value.reason == reason


def test_gateway_names_its_trackers():
    assert decoded("osmand", query="id=wg-7&lat=1&lon=1", uid=None).uid == ["wg-7"]
    payload = OWNTRACKS[-2][0].encode()
    assert set(decoded("owntracks", payload, uid=None).uid) == {"865284041968706"}
    assert set(decoded("owntracks", payload, query="d=wg-8", uid=None).uid) == {"wg-8"}
    for form, content in (("osmand", b"lat=1&lon=1"), ("owntracks", OWNTRACKS[1][0].encode())):
        with pytest.raises(DecodeError):
            decoded(form, content, uid=None)


@given(
    st.binary(max_size=200),
    st.sampled_from(["owntracks", "osmand"]),
    st.sampled_from(["", "application/json"]),
)
def test_any_bytes_are_read_or_refused(payload, form, kind):
    try:
        got = decoded(form, payload, kind=kind)
    except DecodeError:
        return
    assert all(map(math.isfinite, got.value))
