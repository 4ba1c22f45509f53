"""Publish readings over MQTT with QoS 1 on a strict timetable, in a process of its own, and log when.

Reads a JSON specification from the file named by its first argument, prints ``ready`` when all
connections are accepted, waits for a line ``go <unix time> <seconds>`` and ends with one line of JSON.
The timetable does not wait for the broker: a broker that falls behind shows in the latency, not in a
lower rate (no coordinated omission). Only a connection with 60,000 unacknowledged messages waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import uvloop

from bench.live import mqtt, payload
from bench.live.plan import Plan
from bench.live.websocket import make_socket

_MOST_IN_FLIGHT = 60_000
_ACKNOWLEDGE_TIMEOUT_S = 60.0


class Gateway(asyncio.Protocol):
    """One MQTT connection that counts the readings the broker has acknowledged."""

    def __init__(self, client_id: str, username: str, password: str) -> None:
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acknowledged = 0
        self.in_flight: dict[int, int] = {}
        self.lost: str | None = None
        self._hello = mqtt.connect(client_id, username, password)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._next_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport, but are not of its class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = str(exc or "closed by the broker")
        if not self.accepted.done():
            self.accepted.set_exception(ConnectionError(self.lost))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        done = 0
        for first, begin, end in mqtt.packets(data):
            done = end
            if first & 0xF0 == mqtt.PUBACK:
                self.acknowledged += self.in_flight.pop(int.from_bytes(data[begin : begin + 2], "big"), 0)
            elif first == mqtt.CONNACK and not self.accepted.done():
                if data[begin + 1] == 0:
                    self.accepted.set_result(None)
                else:
                    self.accepted.set_exception(ConnectionError(f"the broker refused: {data[begin + 1]}"))
        self._rest = data[done:]

    def publish(self, topic: bytes, body: bytes, readings: int) -> int:
        """Send one message; give its bytes on the wire."""
        assert self._transport is not None
        self._next_id = self._next_id % 65_535 + 1
        while self._next_id in self.in_flight:
            self._next_id = self._next_id % 65_535 + 1
        self.in_flight[self._next_id] = readings
        packet = mqtt.publish(topic, self._next_id, body)
        self._transport.write(packet)
        return len(packet)

    def close(self) -> None:
        """Leave, saying so."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"\xe0\x00")
            self._transport.close()


class Publisher:
    """Deal readings out to gateways by the timetable."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self.spec = specification
        self.plan = Plan.open(Path(specification["plan"]))
        self.log = np.memmap(
            specification["log"],
            dtype=np.float64,
            mode="r+",
            shape=(self.plan.count, self.plan.readings),
        )
        self.by_room = specification["mode"] == "rooms"
        self.per_message = 1 if specification["mode"] == "single" else int(specification["per_message"])
        members = np.split(np.arange(self.plan.count), np.flatnonzero(np.diff(self.plan.gateway)) + 1)
        self.members = [np.asarray(rows, dtype=np.int64) for rows in members]
        self.per_message = min(self.per_message, *(rows.size for rows in self.members))
        self.cursor = [0] * len(self.members)
        # Carried on over several runs on one log: a value is never used twice.
        self.number = np.full(self.plan.count, int(specification.get("first_number", 0)), dtype=np.int64)
        self.gateways: list[Gateway] = []
        self.sent = self.messages = self.bytes = 0
        self.latest_s = 0.0
        self.writer = payload.Writer(self.plan, specification["mode"])
        self.alarm_uids: list[str] = specification.get("alarm_uids", [])
        self.alarm_times: dict[str, float] = {}
        self.calm_after_s = float(specification.get("calm_after_s", math.inf))
        self.calm = 0

    async def connect(self) -> None:
        """Open one connection a gateway, in groups so that the broker's queue of callers does not fill."""
        loop = asyncio.get_running_loop()
        for index, (username, password) in enumerate(self.spec["sign_ins"]):
            made = make_socket(self.spec["host"], self.spec["port"])
            _, gateway = await loop.create_connection(
                functools.partial(Gateway, payload.gateway_name(index), username, password),
                sock=made,
            )
            self.gateways.append(gateway)
            if index % 50 == 49:
                await asyncio.gather(*(gateway.accepted for gateway in self.gateways))
        await asyncio.gather(*(gateway.accepted for gateway in self.gateways))

    def raise_alarm(self, reading: dict[str, Any]) -> None:
        """Publish one reading beyond its limit, in a message of its own, and log when."""
        uid = self.alarm_uids[len(self.alarm_times)]
        now_s = round(time.time(), 3)
        self.alarm_times[uid] = now_s
        self._send_one(uid, reading, now_s)

    def end_alarms(self, now_s: float) -> None:
        """Publish a reading within its limits for each alarm that has lasted long enough."""
        while self.calm < len(self.alarm_times):
            uid = self.alarm_uids[self.calm]
            if now_s - self.alarm_times[uid] < self.calm_after_s:
                return
            self.calm += 1
            self._send_one(uid, {**self.spec["alarm"], "v": 0.0}, now_s)

    def _send_one(self, uid: str, reading: dict[str, Any], now_s: float) -> None:
        body = orjson.dumps({**reading, "t": round(now_s * 1e3), "d": uid})
        self.bytes += self.gateways[0].publish(mqtt.text(payload.gateway_topic(0)), body, 1)
        self.sent += 1
        self.messages += 1

    async def publish(self, start_s: float, seconds: float) -> None:
        """Publish from `start_s` on, `rate` readings a second, for `seconds`."""
        step_s = self.per_message / float(self.spec["rate"])
        total = int(seconds / step_s)
        number = 0
        alarm_every_s = seconds / (len(self.alarm_uids) + 1)
        while number < total:
            now_s = time.time()
            if len(self.alarm_times) < min(len(self.alarm_uids), int((now_s - start_s) / alarm_every_s)):
                self.raise_alarm(self.spec["alarm"])
            self.end_alarms(now_s)
            due = min(total, int((now_s - start_s) / step_s) + 1)
            if number >= due:
                await asyncio.sleep(max(0.0005, start_s + number * step_s - now_s))
                continue
            # At most 5 ms of work at a time, so that acknowledgements are read in between.
            until = time.perf_counter() + 0.005
            while number < due and time.perf_counter() < until:
                self.latest_s = max(self.latest_s, time.time() - (start_s + number * step_s))
                gateway = number % len(self.members)
                while len(self.gateways[gateway].in_flight) > _MOST_IN_FLIGHT:  # noqa: ASYNC110 (rare)
                    await asyncio.sleep(0.001)
                self._send(gateway)
                number += 1
            await asyncio.sleep(0)

    def _send(self, gateway: int) -> None:
        members, cursor = self.members[gateway], self.cursor[gateway]
        rows = members[np.arange(cursor, cursor + self.per_message) % members.size]
        self.cursor[gateway] = (cursor + self.per_message) % members.size
        numbers = self.number[rows]
        self.number[rows] += 1
        connection = self.gateways[gateway]
        now_s = round(time.time(), 3)
        self.log[rows, numbers] = now_s
        for topic, body, readings in self.writer.messages(gateway, rows, numbers, now_s):
            self.bytes += connection.publish(topic, body, readings)
            self.sent += readings
            self.messages += 1

    async def finish(self) -> dict[str, Any]:
        """Wait for the last acknowledgements and give the account."""
        deadline = time.monotonic() + _ACKNOWLEDGE_TIMEOUT_S
        while any(gateway.in_flight for gateway in self.gateways) and time.monotonic() < deadline:
            if all(gateway.lost for gateway in self.gateways):
                break
            await asyncio.sleep(0.01)
        acknowledged = sum(gateway.acknowledged for gateway in self.gateways)
        for gateway in self.gateways:
            gateway.close()
        self.log.flush()
        if self.alarm_uids:
            Path(self.spec["alarm_log"]).write_text(  # noqa: ASYNC240 (the load is over)
                json.dumps(self.alarm_times), encoding="utf-8"
            )
        await asyncio.sleep(0.05)
        times = os.times()
        return {
            "readings": self.sent,
            "alarms": len(self.alarm_times),
            "acknowledged": acknowledged,
            "messages": self.messages,
            "bytes": self.bytes,
            "worst_lateness_ms": round(self.latest_s * 1e3, 1),
            "connections_lost": [g.lost for g in self.gateways if g.lost and g.in_flight][:3],
            "cpu_s": round(times.user + times.system, 2),
        }


async def serve(specification: dict[str, Any]) -> None:
    """Follow the orders on standard input."""
    publisher = Publisher(specification)
    await publisher.connect()
    print("ready", flush=True)
    order = (await asyncio.to_thread(sys.stdin.readline)).split()
    if len(order) == 3 and order[0] == "go":
        await publisher.publish(float(order[1]), float(order[2]))
    print(json.dumps(await publisher.finish()), flush=True)


def main() -> None:
    specification = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(specification))


if __name__ == "__main__":
    main()
