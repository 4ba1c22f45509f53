"""Messages of the device schema, as recorded, good and bad."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.observations import MAX_BYTES, MAX_READINGS, decode_device, decode_gateway
from ingest.decoders.readings import DecodeError, Readings
from ingest.decoders.status import decode_status

T = 1_784_220_128_000
US = T * 1000


def plain(readings: Readings) -> list[tuple]:
    """The columns as rows; a place only where there is one."""
    return [
        (u, t, n, v, unit) if math.isnan(x) else (u, t, n, v, unit, x, y)
        for u, t, n, v, unit, x, y, _ in zip(*readings.columns(), strict=True)
    ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"t":1784220128000,"p":"level","v":31.4,"u":"cm"}', [("YW-1", US, "level", 31.4, "cm")]),
        (b'{"t":"2026-07-16T16:42:08Z","p":"level","v":3}', [("YW-1", US, "level", 3.0, "")]),
        (
            b'{"t":"2026-07-17T00:42:08.000250+08:00","p":"level","v":3}',
            [("YW-1", US + 250, "level", 3.0, "")],
        ),
        (
            b'{"t":1784220128000,"v":{"speed":1.3,"battery":82},"u":{"speed":"km/h"},"lon":104.06,"lat":30.65}',
            [
                ("YW-1", US, "speed", 1.3, "km/h", 104.06, 30.65),
                ("YW-1", US, "battery", 82, "", 104.06, 30.65),
            ],
        ),
        (
            b'[{"t":1784220128000,"p":"a","v":1},{"t":1784220129000,"p":"a","v":2,"d":"YW-1"}]',
            [("YW-1", US, "a", 1, ""), ("YW-1", US + 1_000_000, "a", 2, "")],
        ),
        (
            b'{"t":[1784220128000,"2026-07-16T16:42:08Z"],"p":["a","b"],"v":[1,2],"u":"cm"}',
            [("YW-1", US, "a", 1, "cm"), ("YW-1", US, "b", 2, "cm")],
        ),
        (b'{"t":1784220128000,"p":"a","v":1,"firmware":"2.1","unknown":[{}]}', [("YW-1", US, "a", 1, "")]),
    ],
)
def test_device_message_is_understood(payload: bytes, expected: list[tuple]) -> None:
    readings = decode_device("YW-1", payload)
    assert plain(readings) == expected
    assert readings.refused == []


def test_gateway_columns_are_understood() -> None:
    message = {
        "t": T,
        "p": "speed",
        "d": ["a-01", "b-01"],
        "v": [1.2, 0],
        "lon": [104.1, None],
        "lat": [30.1, None],
    }
    assert plain(decode_gateway(json.dumps(message).encode())) == [
        ("a-01", US, "speed", 1.2, "", 104.1, 30.1),
        ("b-01", US, "speed", 0, ""),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"hello", "malformed"),
        (b'{"t":1784220128000,"p":"a","v":1', "malformed"),
        (b'{"t":1784220128000,"p":"a","v":NaN}', "malformed"),
        (b'{"t":1784220128000,"p":"a","v":Infinity}', "malformed"),
        (b'{"t":1784220128000,"p":"a","v":1e999}', "malformed"),
        (b'{"t":1784220128000,"p":"\xff","v":1}', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"t":1,"v":' + b"[" * 100_000, "malformed"),
        (b'{"z":' * 30_000 + b"1" + b"}" * 30_000, "malformed"),
        (b" " * (MAX_BYTES + 1), "too_large"),
        (json.dumps({"t": T, "p": "a", "v": [1] * (MAX_READINGS + 1)}).encode(), "too_large"),
        (b"[]", "empty"),
        (b'{"t":1784220128000,"p":"a","v":[]}', "empty"),
        (b"null", "wrong_type"),
        (b"17", "wrong_type"),
        (b'{"t":1784220128000,"p":"a","v":"31.4"}', "wrong_type"),
        (b'{"t":1784220128000,"p":"a","v":true}', "wrong_type"),
        (b'{"t":1784220128000,"p":"a","v":null}', "wrong_type"),
        (b'{"t":1784220128.5,"p":"a","v":1}', "wrong_type"),
        (b'{"t":1784220128000,"v":{}}', "wrong_type"),
        (b'{"t":[1784220128000],"p":"a","v":1}', "wrong_type"),
        (b'{"p":"a","v":1}', "missing_field"),
        (b'{"t":1784220128000,"p":"a"}', "missing_field"),
        (b'{"t":1784220128000,"v":1}', "missing_field"),
        (b'{"t":1784220128000,"p":["a","b"],"v":[1,2,3]}', "wrong_length"),
        (b'{"t":0,"p":"a","v":1}', "bad_time"),
        (b'{"t":-5,"p":"a","v":1}', "bad_time"),
        (b'{"t":99999999999999999999,"p":"a","v":1}', "bad_time"),
        (b'{"t":"yesterday","p":"a","v":1}', "bad_time"),
        (b'{"t":"2026-07-16T16:42:08","p":"a","v":1}', "bad_time"),
        (b'{"t":[1784220128000,99999999999999999999],"p":"a","v":[1,2]}', "bad_time"),
        (b'{"t":1784220128000,"p":"a","v":1,"lon":104}', "bad_position"),
        (b'{"t":1784220128000,"p":"a","v":1,"d":"YW-2"}', "wrong_device"),
        (b'{"t":1784220128000,"p":"a","v":[1,2],"d":["YW-1","YW-2"]}', "wrong_device"),
    ],
)
def test_bad_message_is_refused_with_its_reason_and_leaves_nothing(payload: bytes, reason: str) -> None:
    before = decode_device("YW-0", b'{"t":1784220128000,"p":"a","v":1}')
    with pytest.raises(DecodeError) as caught:
        decode_device("YW-1", payload, before)
    assert caught.value.reason == reason
    assert len(caught.value.what) < 400
    assert {len(column) for column in before.columns()} == {1}
    assert before.refused == []


def test_one_bad_reading_does_not_hold_up_the_others() -> None:
    listed = decode_device(
        "YW-1", b'[{"t":1784220128000,"p":"a","v":1},{"t":1,"p":"a","v":"x"},{"t":1,"p":"a"}]'
    )
    assert plain(listed) == [("YW-1", US, "a", 1, "")]
    assert [(r.reason, r.payload) for r in listed.refused] == [
        ("wrong_type", b'{"t":1,"p":"a","v":"x"}'),
        ("missing_field", b'{"t":1,"p":"a"}'),
    ]
    columns = decode_gateway(b'{"t":1784220128000,"p":"a","d":["x-1","x-2","x-3"],"v":[1,null,3]}')
    assert [r[0] for r in plain(columns)] == ["x-1", "x-3"]
    assert [json.loads(r.payload)["d"] for r in columns.refused] == ["x-2"]
    times = decode_gateway(b'[{"t":0,"p":"a","d":"x-1","v":1},{"t":1784220128000,"p":"a","d":"x-2","v":1}]')
    assert ([r[0] for r in plain(times)], times.refused[0].reason) == (["x-2"], "bad_time")


def test_every_reading_knows_its_place_in_the_message() -> None:
    columns = decode_gateway(b'{"t":1784220128000,"p":"a","d":["x-1","x-2","x-3"],"v":[1,null,3]}')
    assert columns.index == [0, 2]
    assert columns.refused[0].where == "device x-2, reading 1"
    listed = decode_device(
        "YW-1",
        b'[{"t":1784220128000,"v":{"a":1,"b":2}},{"t":1,"p":"a","v":"x"},{"t":1784220128000,"p":"a","v":1}]',
    )
    assert listed.index == [0, 0, 2]
    assert [r.where for r in listed.refused] == ["device YW-1, reading 1"]
    named = decode_gateway(b'[{"t":"2026-01-01","p":"a","v":1,"d":"x-1"},{"t":1,"p":"a","v":"x","d":"x-2"}]')
    assert [r.where for r in named.refused] == ["device x-1, reading 0", "device x-2, reading 1"]
    zone = decode_gateway(b'[{"t":"2026-01-01T00:00:00","p":"a","v":1,"d":"x-1"}]').refused[0]
    assert (zone.reason, zone.fault.hint) == ("bad_time", ("末尾写 Z 或 +08:00", "end it with Z or +08:00"))


def test_gateway_must_name_the_device() -> None:
    with pytest.raises(DecodeError, match="names each device"):
        decode_gateway(b'{"t":1784220128000,"p":"a","v":1}')


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_the_decoder(payload: bytes) -> None:
    for decode in (
        lambda: decode_device("YW-1", payload),
        lambda: decode_gateway(payload),
        lambda: decode_status(payload),
    ):
        with contextlib.suppress(DecodeError):
            decode()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda x: (
        st.lists(x, max_size=4) | st.dictionaries(st.sampled_from("tvpdu") | st.just("lon"), x, max_size=5)
    ),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("t", "v", "p", "d", "u", "lon", "lat"), JSON)))
def test_no_shape_of_json_breaks_the_decoder(message: dict) -> None:
    payload = json.dumps(message).encode()
    try:
        readings = decode_gateway(payload)
    except DecodeError:
        return
    assert len({len(column) for column in readings.columns()}) == 1
    assert all(type(t) is int and 0 < t < 2**62 for t in readings.time_us)
    assert all(type(v) is float and math.isfinite(v) for v in readings.value)


@pytest.mark.parametrize(
    ("payload", "online"),
    [
        (b"online", True),
        (b"offline", False),
        (b'{"status":"online","t":1}', True),
        (b'{"status":"offline"}', False),
    ],
)
def test_status_is_understood(payload: bytes, online: bool) -> None:
    assert decode_status(payload) is online


@pytest.mark.parametrize(
    "payload", [b"", b"on", b"true", b'{"status":"away"}', b"[" * 1000, b"x" * 2000, b"\xff"]
)
def test_other_status_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_status(payload)
