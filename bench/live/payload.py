"""Write readings as devices send them (docs/device-schema.md), and read them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.live import mqtt
from bench.live.plan import Plan
from ingest.transports.topics import observations_of

ROOM_TOPICS = "rooms/"
"""Prefix of the peer's topics where each H3 room is one."""

_Rows = NDArray[np.int64]


class Writer:
    """Write the messages of one gateway's turn.

    Parameters
    ----------
    mode
        ``batch``: all readings of the turn in one message; ``single``: a message a reading, both on the
        gateway's topic; ``rooms``: a message an H3 room, for the peer that makes rooms topics.
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
        at_ms = round(time_s * 1e3)
        values = [
            round(value, self._decimals[row])
            for row, value in zip(rows.tolist(), self._plan.value(rows, numbers).tolist(), strict=True)
        ]
        chosen = rows.tolist()
        if self._mode == "batch":
            yield self._gateway_topic[gateway], self._columns(at_ms, chosen, values), len(chosen)
        elif self._mode == "single":
            for row, value in zip(chosen, values, strict=True):
                reading = {"t": at_ms, "d": self._uid[row], "p": self._property[row], "v": value}
                yield self._gateway_topic[gateway], orjson.dumps(reading), 1
        else:
            by_room: dict[str, tuple[list[int], list[float]]] = {}
            for row, value in zip(chosen, values, strict=True):
                members = by_room.setdefault(self._room[row], ([], []))
                members[0].append(row)
                members[1].append(value)
            for room, (members_rows, members_values) in by_room.items():
                body = self._columns(at_ms, members_rows, members_values)
                yield mqtt.text(ROOM_TOPICS + room), body, len(members_rows)

    def _columns(self, at_ms: int, rows: list[int], values: list[float]) -> bytes:
        """Write readings of one moment as columns, the cheapest form of the schema."""
        return orjson.dumps(
            {
                "t": at_ms,
                "d": [self._uid[row] for row in rows],
                "p": [self._property[row] for row in rows],
                "v": values,
            }
        )


def gateway_name(gateway: int) -> str:
    """Name a gateway: its account at the broker, its client id, its part of the topic."""
    return f"bench-gw-{gateway:04d}"


def gateway_topic(gateway: int) -> str:
    """Name the only topic a gateway may publish to."""
    return observations_of("gateways", gateway_name(gateway))


ALL_TOPICS = "gt/v1/#"


def read_back(body: bytes | memoryview) -> list[tuple[str, float]]:
    """Give uid and value of each reading of a message, as a browser's handler would."""
    message: dict[str, Any] = orjson.loads(body)
    if isinstance(message["v"], list):
        return list(zip(message["d"], message["v"], strict=True))
    return [(message["d"], message["v"])]


READING_MARK = b'"bench-'
"""Occurs once a reading: counts them without parsing."""
