"""JSON of foreign platforms, read by a table."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import mapped
from ingest.decoders.envelope import Envelope
from ingest.decoders.mapping import read_mapping
from ingest.decoders.readings import DecodeError, Readings
from twin.crs import wgs84_to_gcj02
from twin.errors import InvalidError

MAPPING = {
    "items": "data.list",
    "device": "devId",
    "prefix": "YW-",
    "time": "ts",
    "time_form": "seconds",
    "values": [
        {"property": "level", "path": "value.lvl[0]", "unit": "cm"},
        {"property": "battery", "path": "bat", "factor": 100},
    ],
}


def read(content: object, mapping: dict | None = None, uid: str | None = None) -> Readings:
    into = Readings()
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    mapped.decode(Envelope(payload, uid, mapping=read_mapping(mapping or MAPPING)), into)
    return into


def test_fields_lie_where_the_table_says():
    got = read({"data": {"list": [{"devId": 417, "ts": 1784220128, "value": {"lvl": [31.4]}, "bat": "0.5"}]}})
    assert got.uid == ["YW-417"] * 2
    assert got.time_us == [1784220128000000] * 2
    assert list(zip(got.name, got.value, got.unit, strict=True)) == [
        ("level", 31.4, "cm"),
        ("battery", 50.0, ""),
    ]
    assert all(map(math.isnan, got.lon))


def test_one_item_without_a_list_and_numbers_that_no_prefix_makes():
    mapping = {
        "device": "id",
        "devices": {"井盖/1": "MH-0001"},
        "time": "at",
        "time_form": "iso",
        "zone": "+08:00",
        "values": [{"property": "open", "path": "state"}],
    }
    got = read({"id": "井盖/1", "at": "2026-07-16 16:42:08", "state": "开"}, mapping)
    assert (got.uid, got.value, got.time_us) == (["MH-0001"], [1.0], [1784191328000000])


def test_what_is_wrong_with_one_item_is_refused_with_it():
    good = {"devId": 1, "ts": 1784220128, "value": {"lvl": [1]}}
    items = [
        good,
        {**good, "devId": None},
        {**good, "ts": "gestern"},
        {"devId": 2, "ts": 1},
        {**good, "value": {"lvl": ["x"]}},
        7,
    ]
    got = read({"data": {"list": items}})
    assert got.uid == ["YW-1"]
    assert [wrong.reason for wrong in got.refused] == [
        "missing_field", "bad_time", "missing_field", "wrong_type", "missing_field",
    ]  # fmt: skip
    assert [wrong.where for wrong in got.refused][1] == "reading 2"


def test_place_is_brought_to_wgs84():
    mapping = {**MAPPING, "items": None, "place": {"lon": "x", "lat": "y", "system": "gcj02"}}
    x, y = wgs84_to_gcj02(*(np.array([v]) for v in (104.0668, 30.6572)))
    got = read({"devId": 1, "ts": 1784220128, "bat": 1, "x": float(x[0]), "y": float(y[0])}, mapping)
    assert got.lon[0] == pytest.approx(104.0668, abs=1e-7)
    assert got.lat[0] == pytest.approx(30.6572, abs=1e-7)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"data": {}}', "missing_field"),
        (b'{"data": {"list": []}}', "empty"),
        (b'{"data": {"list": [' + b"1," * 5_000 + b"1]}}", "too_large"),
        (b" " * 300_000, "too_large"),
    ],
)
def test_what_cannot_be_used_is_refused_whole(payload, reason):
    with pytest.raises(DecodeError) as caught:
        read(payload)
    assert caught.value.reason == reason


def test_the_same_bytes_are_not_read_often():
    values = [{"property": f"p{i}", "path": "bat"} for i in range(32)]
    items = [{"devId": 1, "ts": 1784220128, "bat": 1}] * 626
    assert len(read({"data": {"list": items[1:]}}, {**MAPPING, "values": values})) == 20_000
    with pytest.raises(DecodeError, match="at most 625"):
        read({"data": {"list": items}}, {**MAPPING, "values": values})


def test_device_speaks_for_itself_only():
    items = [{"devId": n, "ts": 1784220128, "bat": 1} for n in (1, 2)]
    got = read({"data": {"list": items}}, uid="YW-1")
    assert got.uid == ["YW-1"]
    assert [wrong.reason for wrong in got.refused] == ["wrong_device"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "a..b"}, {"device": "a[b]"}, {"time_form": "days"}, {"zone": "+8"},
        {"zone": "+99:00"}, {"values": []}, {"code": "import os"},
        {"values": [{"property": "level", "path": "a"}, {"property": "level", "path": "b"}]},
        {"prefix": "ü"}, {"place": {"lon": "x"}},
    ],
)  # fmt: skip
def test_wrong_table_is_refused(wrong):
    with pytest.raises(InvalidError):
        read_mapping({**MAPPING, **wrong})


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "list", "devId", "ts", "value", "lvl", "bat"]), inner, max_size=4
        )
    ),
    max_leaves=25,
)


@given(json_like)
def test_anything_is_read_or_refused(content):
    try:
        got = read(content)
    except DecodeError:
        return
    assert len({len(column) for column in got.columns()}) == 1
    assert len(got) or got.refused


def test_counts_of_phones_by_cell_are_read_and_whatever_else_a_platform_tells_is_not():
    """Made after how platforms of networks write (docs/ingest.md): how many phones each cell held."""
    told = {
        "code": "200",
        "message": "success",
        "data": {
            "statTime": "2026-07-16 18:35:00",
            "interval": 5,
            "gridList": [
                {"gridId": "8a411c92d6c7fff", "time": "2026-07-16 18:35:00", "userNum": "137", "inNum": 61},
                {"gridId": "8a411c92d68ffff", "time": "2026-07-16 18:35:00", "userNum": "3", "inNum": 1},
                {"gridId": "8a411c92d6d7fff", "time": "2026-07-16 18:35:00", "userNum": None},
            ],
        },
    }
    mapping = {
        "items": "data.gridList",
        "device": "gridId",
        "prefix": "cell-",
        "time": "time",
        "time_form": "iso",
        "zone": "+08:00",
        "values": [{"property": "people", "path": "userNum", "unit": "1"}],
    }
    got = read(told, mapping)
    assert list(zip(got.uid, got.name, got.value, strict=True)) == [
        ("cell-8a411c92d6c7fff", "people", 137.0),
        ("cell-8a411c92d68ffff", "people", 3.0),
    ]
    assert set(got.time_us) == {1784198100000000}
    assert all(map(math.isnan, got.lon))
