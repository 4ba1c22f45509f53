"""What is kept of a foreign message says nowhere where somebody is."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.decoders.unplaced import without_places
from tests.ingest.decoders.test_mapped import json_like

PLACES = [
    {"lon": 104.0668, "lat": 30.6572},
    {"gpsLng": "104.0668", "GPS_LAT": "30.6572"},
    {"经度": 104.0668, "纬度": 30.6572},
    {"location": {"type": "Point", "coordinates": [104.0668, 30.6572]}},
    {"where": [104.0668, 30.6572]},
    {"text": "在 104.0668, 30.6572 附近"},
    {"raw": "id=7&lat=30.6572&lon=104.0668"},
    {"x": 104.0668, "y": 30.6572},
]


def test_places_are_taken_out_and_nothing_else():
    for place in PLACES:
        item = {"devId": 417, "platformId": "P-7", "lvl": [31.4, 2.5], "relation": "n", "latency": 3, **place}
        kept = without_places(json.dumps({"data": [item]}).encode())
        assert b"104.06" not in kept, place
        assert b"30.65" not in kept, place
        (got,) = json.loads(kept)["data"]
        assert {name: got[name] for name in ("devId", "platformId", "lvl", "relation", "latency")} == {
            name: item[name] for name in ("devId", "platformId", "lvl", "relation", "latency")
        }
        assert got.keys() == item.keys()


def test_what_holds_no_place_stays_as_it_came():
    payload = b'{ "devId" : 417, "lvl": 31.40 }'
    assert without_places(payload) == payload
    for wrong in (b"", b"\xff", b"[" * 100_000, b"lat=1"):
        assert without_places(wrong) is None


@given(json_like, st.sampled_from(["lon", "userLat", "坐标"]))
def test_no_number_stays_under_the_name_of_a_place(content, name):
    cleaned = without_places(json.dumps({name: content}).encode())
    assume(cleaned is not None)  # json writes infinity and numbers of any length
    kept = json.loads(cleaned)

    def numbers(here: object) -> bool:
        if isinstance(here, dict):
            return any(numbers(inner) for inner in here.values())
        if isinstance(here, list):
            return any(numbers(inner) for inner in here)
        return here is not None and not isinstance(here, bool)

    assert not numbers(kept[name])
