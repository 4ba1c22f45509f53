"""Write readings as devices send them (the public ingest protocol), and read them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.live import mqtt
from bench.live.plan import Plan

ROOM_TOPICS = "rooms/"
"""Prefix of the peer's topics where each H3 room is one."""

_Rows = NDArray[np.int64]


class Writer:
    """Write the messages of one gateway's turn.

    Parameters
    ----------
    mode
        ``batch``: all readings of the turn in one message on the gateway's topic; ``single``: a message
        a reading on the device's topic; ``rooms``: a message an H3 room, for the peer that makes rooms
        topics.
    """

    def __init__(self, plan: Plan, mode: str) -> None:
        self._plan = plan
        self._mode = mode
        self._uid = plan.uid.tolist()
        self._property = plan.property_name.tolist()
        self._decimals = plan.decimals.tolist()
        self._room = [f"{room:x}" for room in plan.room.tolist()]
        count = int(plan.gateway.max()) + 1
        self._gateway_topic = [mqtt.text(gateway_topic(number)) for number in range(count)]

    def messages(
        self, gateway: int, rows: _Rows, numbers: _Rows, time_s: float
    ) -> Iterator[tuple[bytes, bytes, int]]:
        """Give topic (encoded), body and count of readings of each message of a turn."""
        values = self._plan.value(rows, numbers).tolist()
        at_ms = round(time_s * 1e3)
        readings = [
            (row, self._reading(row, value, at_ms)) for row, value in zip(rows.tolist(), values, strict=True)
        ]
        if self._mode == "batch":
            yield self._gateway_topic[gateway], _batch([reading for _, reading in readings]), len(readings)
        elif self._mode == "single":
            for row, reading in readings:
                yield mqtt.text(device_topic(self._uid[row])), orjson.dumps(reading), 1
        else:
            by_room: dict[str, list[dict[str, Any]]] = {}
            for row, reading in readings:
                by_room.setdefault(self._room[row], []).append(reading)
            for room, members in by_room.items():
                yield mqtt.text(ROOM_TOPICS + room), _batch(members), len(members)

    def _reading(self, row: int, value: float, at_ms: int) -> dict[str, Any]:
        return {
            "uid": self._uid[row],
            "property": self._property[row],
            "time": at_ms,
            "value": round(value, self._decimals[row]),
        }


def gateway_topic(gateway: int) -> str:
    """Name the topic a gateway publishes to."""
    return f"gridtwin/v1/gateway/bench-gw-{gateway:04d}/observations"


def device_topic(uid: str) -> str:
    """Name the topic a single device publishes to."""
    return f"gridtwin/v1/device/{uid}/observations"


ALL_TOPICS = "gridtwin/v1/#"


def _batch(readings: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"observations": readings})


def read_back(body: bytes | memoryview) -> list[tuple[str, float]]:
    """Give uid and value of each reading of a message, as a browser's handler would."""
    message = orjson.loads(body)
    readings = message.get("observations", [message])
    return [(reading["uid"], float(reading["value"])) for reading in readings]


READING_MARK = b'"uid"'
"""Occurs once a reading: counts them without parsing."""
