"""Send over HTTP and MQTT at a given rate, and write down what was acknowledged, until told to stop.

A process of its own, so that it goes on while others are killed. Reads a JSON specification from the file
named by its first argument; prints ``ready``; a line ``stop`` ends it, with one line of JSON. What is not
acknowledged is sent again until it is, as a device does.

The journal has a line a message: number of the sender, time of its readings in ms, and which of the sender's
devices they are of (the first of `PER_MESSAGE`). Each message is of other devices, so that none of them sends
more than a device may.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

import orjson

from bench.ingest.http import Poster
from bench.live import mqtt
from bench.live.publisher import Gateway
from ingest.transports.topics import observations_of

PER_MESSAGE = 10
"""Readings in one message, each of another device."""

_PAUSE_S = 0.05
_MOST_IN_FLIGHT = 5_000


class Sender:
    """What the senders over HTTP and over MQTT have in common: their messages and the journal."""

    def __init__(self, number: int, account: dict[str, Any], journal: IO[str]) -> None:
        self.number = number
        self.name: str = account["name"]
        self.secret: str = account["secret"]
        self._devices: list[str] = account["devices"]
        self._journal = journal
        self._t_ms = 0
        self.sent = self.acknowledged = 0
        self.statuses: Counter[int] = Counter()

    def message(self) -> tuple[int, bytes]:
        """Make the next message: its time, later than any before it, and its bytes."""
        self._t_ms = max(self._t_ms + 1, time.time_ns() // 1_000_000)
        self.sent += 1
        first = self._first(self._t_ms)
        devices = self._devices[first : first + PER_MESSAGE]
        values = [(self.sent + i) % 1000 / 10 for i in range(len(devices))]
        return self._t_ms, orjson.dumps({"d": devices, "t": self._t_ms, "p": "level", "v": values})

    def _first(self, t_ms: int) -> int:
        return t_ms % (len(self._devices) // PER_MESSAGE) * PER_MESSAGE

    def note(self, t_ms: int) -> None:
        """Write down that a message was acknowledged."""
        self.acknowledged += 1
        self._journal.write(f"{self.number} {t_ms} {self._first(t_ms)}\n")


async def send_http(sender: Sender, port: int, rate: float, stopping: asyncio.Event) -> None:
    """Post message after message, each until it is answered with 2xx."""
    poster = Poster(port, sender.name, sender.secret)
    path = f"/ingest/v1/gateways/{sender.name}/observations"
    next_s = time.monotonic()
    while not stopping.is_set():
        t_ms, body = sender.message()
        while True:
            status, headers, _ = await poster.post(path, body)
            sender.statuses[status] += 1
            if status == 503 and "retry-after" not in headers:
                sender.statuses[-503] += 1
            if 200 <= status < 300:
                sender.note(t_ms)
                break
            if stopping.is_set():
                return  # never acknowledged: it may be stored or not
            await asyncio.sleep(_PAUSE_S)
        next_s = max(next_s + 1 / rate, time.monotonic() - 0.1)
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
    await poster.close()


class JournalGateway(Gateway):
    """A connection that writes down what the broker has taken over."""

    def __init__(self, sender: Sender) -> None:
        super().__init__(sender.name, sender.name, sender.secret)
        self.sender = sender

    def data_received(self, data: bytes) -> None:
        data, self._rest = self._rest + data, b""
        done = 0
        for first, begin, end in mqtt.packets(data):
            done = end
            if first & 0xF0 == mqtt.PUBACK:
                t_ms = self.in_flight.pop(int.from_bytes(data[begin : begin + 2], "big"), None)
                if t_ms is not None:
                    self.sender.note(t_ms)
            elif first == mqtt.CONNACK and not self.accepted.done():
                self.accepted.set_result(None)
        self._rest = data[done:]


async def send_mqtt(sender: Sender, host: str, port: int, rate: float, stopping: asyncio.Event) -> None:
    """Publish by the timetable, and wait at the end until the broker has taken over everything."""
    make = functools.partial(JournalGateway, sender)
    _, gateway = await asyncio.get_running_loop().create_connection(make, host, port)
    await gateway.accepted
    topic = mqtt.text(observations_of("gateways", sender.name))
    next_s = time.monotonic()
    while not stopping.is_set():
        if len(gateway.in_flight) < _MOST_IN_FLIGHT:
            t_ms, body = sender.message()
            gateway.publish(topic, body, t_ms)
        next_s = max(next_s + 1 / rate, time.monotonic() - 0.1)
        await asyncio.sleep(max(0.0, next_s - time.monotonic()))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while gateway.in_flight:  # noqa: ASYNC110 (a protocol tells nobody)
                await asyncio.sleep(0.01)
    gateway.close()


async def serve(specification: dict[str, Any]) -> None:
    """Send until told to stop."""
    stopping = asyncio.Event()
    with Path(specification["journal"]).open("w", encoding="ascii", buffering=1) as journal:  # noqa: ASYNC230
        over_http = [Sender(i, one, journal) for i, one in enumerate(specification["http"])]
        first = len(over_http)
        over_mqtt = [Sender(first + i, one, journal) for i, one in enumerate(specification["mqtt"])]
        broker = specification["broker"]
        work = [
            asyncio.create_task(send_http(one, specification["port"], specification["http_rate"], stopping))
            for one in over_http
        ] + [
            asyncio.create_task(
                send_mqtt(one, broker["host"], broker["port"], specification["mqtt_rate"], stopping)
            )
            for one in over_mqtt
        ]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        stopping.set()
        await asyncio.gather(*work)
    statuses: Counter[int] = sum((one.statuses for one in over_http), Counter())
    print(
        json.dumps(
            {
                "http": {
                    "sent": sum(one.sent for one in over_http),
                    "acknowledged": sum(one.acknowledged for one in over_http),
                },
                "mqtt": {
                    "sent": sum(one.sent for one in over_mqtt),
                    "acknowledged": sum(one.acknowledged for one in over_mqtt),
                },
                "statuses": {str(status): n for status, n in sorted(statuses.items())},
            }
        ),
        flush=True,
    )


def main() -> None:
    specification = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(specification))


if __name__ == "__main__":
    main()
