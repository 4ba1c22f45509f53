"""Check that ages, losses and bytes are worked out right from what viewers kept."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.live.frames import BlockKind, encode_block, encode_frame_header
from bench.live import mqtt, payload
from bench.live.arrivals import Contact, evaluate, frame_changes
from bench.live.plan import Plan, make_plan

T0 = 1_800_000_000.0


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(60, 3, 8)


def _full(ids: list[int], values: list[float]) -> dict[str, Any]:
    n = len(ids)
    return {
        "id": np.array(ids, np.uint32),
        "lon_e7": np.zeros(n, np.int32),
        "lat_e7": np.zeros(n, np.int32),
        "height_m": np.zeros(n, np.float32),
        "value": np.array(values, np.float32),
        "device_kind": np.ones(n, np.uint16),
        "state": np.zeros(n, np.uint8),
        "flags": np.zeros(n, np.uint8),
    }


def _delta(ids: list[int], values: list[float]) -> dict[str, Any]:
    full = _full(ids, values)
    return {name: full[name] for name in ("id", "value", "state")}


def _frame(at_s: float, *blocks: bytes) -> bytes:
    return encode_frame_header(1, 0, 1, at_s) + b"".join(blocks)


def _contact(messages: list[tuple[float, bytes]], opcode: int = 2, *, wall: bool = True) -> Contact:
    return Contact(
        wall,
        array("d", [at for at, _ in messages]),
        array("L", [len(body) + 2 for _, body in messages]),
        array("B", [opcode] * len(messages)),
        [body for _, body in messages],
        None,
    )


def _log(path: Path, plan: Plan, published: dict[tuple[int, int], float]) -> Path:
    log = np.memmap(path, dtype=np.float64, mode="w+", shape=(plan.count, plan.readings))
    log[:] = np.nan
    for place, at_s in published.items():
        log[place] = at_s
    log.flush()
    return path


def test_frame_changes_reads_what_the_product_encodes() -> None:
    frame = _frame(
        T0,
        encode_block(BlockKind.LEFT, 5, 0, {"id": np.array([9], np.uint32)}),
        encode_block(BlockKind.SNAPSHOT, 5, 0, _full([7, 8, 11], [1.5, 2.5, 3.5])),
        encode_block(BlockKind.MOVED, 6, 0, _full([4], [4.5])),
        encode_block(BlockKind.DELTA, 7, 0, _delta([1, 2, 3, 5, 6], [5, 6, 7, 8, 9])),
    )
    ids, values, snapshots = frame_changes(frame)
    assert ids.tolist() == [7, 8, 11, 4, 1, 2, 3, 5, 6]
    assert values.tolist() == [1.5, 2.5, 3.5, 4.5, 5, 6, 7, 8, 9]
    assert snapshots
    assert not frame_changes(_frame(T0, encode_block(BlockKind.DELTA, 7, 0, _delta([1], [5]))))[2]


def test_gridtwin_ages_and_missing_states(plan: Plan, tmp_path: Path) -> None:
    """A viewer sees reading 0 after 50 ms and reading 2 after 80 ms, but not the last of device 1."""
    log = _log(tmp_path / "log", plan, {(0, 0): T0, (0, 2): T0 + 1, (1, 0): T0 + 1, (1, 1): T0 + 3})
    ids = tmp_path / "ids.npy"
    np.save(ids, np.arange(100, 160))

    def value(row: int, number: int) -> float:
        return float(plan.value(np.array([row]), np.array([number]))[0])

    contact = _contact(
        [
            (
                T0 - 1,
                _frame(T0 - 1, encode_block(BlockKind.SNAPSHOT, 1, 0, _full([100, 101], [np.nan, np.nan]))),
            ),
            (T0 + 0.05, _frame(T0 + 0.04, encode_block(BlockKind.DELTA, 1, 0, _delta([100], [value(0, 0)])))),
            (
                T0 + 1.08,
                _frame(
                    T0 + 1.05,
                    encode_block(BlockKind.DELTA, 1, 0, _delta([100, 101], [value(0, 2), value(1, 0)])),
                ),
            ),
            # A resend of what is held already is not a new change.
            (T0 + 2.0, _frame(T0 + 2.0, encode_block(BlockKind.SNAPSHOT, 1, 0, _full([100], [value(0, 2)])))),
        ]
    )
    specification = {
        "protocol": "gridtwin",
        "log": str(log),
        "ids": str(ids),
        "witnesses": [0],
        "viewers": [{"rooms": []}],
        "by_room": False,
    }
    result = evaluate(specification, plan, [contact], [T0 - 0.5, T0 + 0.5, T0 + 4])
    assert result["latency"]["all"]["count"] == 3
    assert result["latency"]["all"]["max_ms"] == pytest.approx(80, abs=0.1)
    assert result["latency"]["before_stall"]["p50_ms"] == pytest.approx(50, abs=0.1)
    assert result["latency"]["until_frame_made"]["max_ms"] == pytest.approx(50, abs=0.1)
    assert result["latency"]["from_frame_made"]["max_ms"] == pytest.approx(30, abs=0.1)
    assert result["held_by_walls"] == [2]
    assert result["stale_at_end"] == 1
    # Three messages within 4.5 s; the first one is before the window.
    bytes_inside = sum(contact.sizes[1:])
    assert result["traffic"]["walls"]["bytes_per_s_mean"] == pytest.approx(bytes_inside / 4.5, abs=0.1)


@pytest.mark.parametrize("cut", [1, 7, 50, 10_000])
def test_mqtt_stream_is_read_however_it_is_cut(plan: Plan, tmp_path: Path, cut: int) -> None:
    """The age is told by the websocket message that completes the packet; a lost message is missed."""
    writer = payload.Writer(plan, "batch")
    rows, numbers = np.arange(10), np.zeros(10, dtype=np.int64)
    published = {(int(row), 0): T0 for row in rows} | {(20, 0): T0}
    log = _log(tmp_path / "log", plan, published)
    [(topic, body, count)] = writer.messages(0, rows, numbers, T0)
    assert count == 10
    packet = b"\x30" + mqtt.length(len(topic) + len(body)) + topic + body
    stream = b"\x20\x02\x00\x00" + packet
    parts = [stream[begin : begin + cut] for begin in range(0, len(stream), cut)]
    arrivals = [(T0 + 0.001 * (n + 1), part) for n, part in enumerate(parts)]
    specification = {
        "protocol": "mqtt",
        "log": str(log),
        "witnesses": [0],
        "viewers": [{"rooms": []}],
        "by_room": False,
    }
    result = evaluate(specification, plan, [_contact(arrivals)], [T0 - 1, T0 + 50, T0 + 100])
    assert (result["readings_received"], result["readings_expected"]) == (10, 11)
    assert result["latency"]["all"]["p50_ms"] == pytest.approx(len(parts), abs=0.1)


def test_rooms_expect_only_their_own_devices(plan: Plan, tmp_path: Path) -> None:
    log = _log(tmp_path / "log", plan, {(row, 0): T0 for row in range(plan.count)})
    room = f"{int(plan.room[0]):x}"
    inside = np.flatnonzero(plan.room == plan.room[0])
    writer = payload.Writer(plan, "rooms")
    messages = list(writer.messages(0, inside, np.zeros(inside.size, dtype=np.int64), T0))
    assert [mqtt.text("rooms/" + room)] == [topic for topic, _, _ in messages]
    specification = {
        "protocol": "broadcast",
        "log": str(log),
        "witnesses": [0],
        "viewers": [{"rooms": [room]}],
        "by_room": True,
    }
    contact = _contact([(T0 + 0.002, body) for _, body, _ in messages], opcode=1)
    result = evaluate(specification, plan, [contact], [T0 - 1, T0 + 1, T0 + 2])
    assert result["readings_expected"] == result["readings_received"] == inside.size
