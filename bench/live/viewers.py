"""Look at the city from many websockets, in a process of its own, and keep what comes with its time.

Reads a JSON specification from the file named by its first argument, prints ``ready`` when all viewers
have what they asked for, then follows lines on standard input: ``stall`` opens one more viewer over the
whole city that stops reading at once; ``stop <t0> <t1> <t2>`` ends, and t0 to t1 and t1 to t2 are the two
windows that are evaluated. What came is only stamped and kept while the load runs, and decoded after,
so that the measuring takes as little of the machine as it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.live import mqtt
from bench.live.arrivals import Contact, evaluate
from bench.live.plan import Plan
from bench.live.websocket import BINARY, TEXT, LeanSocket, make_socket

_READY_TIMEOUT_S = 90.0
_STALLED_RECEIVE_BUFFER_BYTES = 65_536
"""A fixed small buffer, so that a stalled viewer is felt by the server within seconds."""


class GridtwinViewer(LeanSocket):
    """Speak the live protocol: subscribe after hello, answer pings, keep frames."""

    def __init__(self, host: str, port: int, bbox: list[float], zoom: float, token: str) -> None:
        super().__init__(host, port, "/live", keep=True, read_text=True, token=token)
        self.ready = asyncio.get_running_loop().create_future()
        self.subscribed: dict[str, Any] = {}
        self.alarms: list[tuple[str, float]] = []
        self._wish = {"op": "subscribe", "bbox": bbox, "zoom": zoom, "layers": ["devices"]}

    def on_message(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            if self.subscribed and not self.ready.done():
                self.ready.set_result(None)
            return
        message = orjson.loads(payload)
        kind = message.get("type")
        if kind == "ping":
            self.send(TEXT, orjson.dumps({"op": "pong", "t": message["t"]}))
        elif kind == "hello":
            self.send(TEXT, orjson.dumps(self._wish))
        elif kind == "subscribed":
            self.subscribed = message
        elif kind == "event" and message["kind"] == "alarm.raised":
            self.alarms.append((message["data"]["uid"], time.time()))
        elif kind == "error" and not self.ready.done():
            self.ready.set_exception(RuntimeError(f"the server refused: {message}"))


class MqttViewer(LeanSocket):
    """Subscribe to topics over MQTT in a websocket."""

    def __init__(
        self, host: str, port: int, topics: list[str], keep: bool, username: str, password: str, name: str
    ) -> None:
        # The first answers are looked at even where nothing is kept.
        super().__init__(host, port, "/mqtt", keep=True, subprotocol="mqtt")
        self.ready = asyncio.get_running_loop().create_future()
        self._keeps = keep
        self._topics = topics
        self._hello = mqtt.connect(name, username, password)
        self.opened.add_done_callback(self._introduce)

    def _introduce(self, opened: asyncio.Future[None]) -> None:
        if opened.exception() is None:
            self.send(BINARY, self._hello)

    def on_message(self, _opcode: int, payload: bytes) -> None:
        if self.ready.done():
            return
        for first, begin, _ in mqtt.packets(payload):
            if first == mqtt.CONNACK:
                if payload[begin + 1] != 0:
                    self.ready.set_exception(RuntimeError(f"the broker refused: {payload[begin + 1]}"))
                    return
                # A thousand topics in one SUBSCRIBE are a few kilobytes: one packet will do.
                self.send(BINARY, mqtt.subscribe(1, self._topics))
            elif first == mqtt.SUBACK and not self.ready.done():
                self.ready.set_result(None)
                self.keep = self._keeps
                if not self.keep:
                    self.kept.clear()


class BroadcastViewer(LeanSocket):
    """Take what a server broadcasts."""

    def __init__(self, host: str, port: int, keep: bool) -> None:
        super().__init__(host, port, "/", keep=keep)


def maker(specification: dict[str, Any]) -> Callable[[dict[str, Any], bool, str], LeanSocket]:
    """Give how to make one viewer of the contender: from its place, whether it keeps, and its name."""
    host, port = specification["host"], specification["port"]
    protocol = specification["protocol"]

    def make(place: dict[str, Any], keep: bool, name: str) -> LeanSocket:
        if protocol == "gridtwin":
            return GridtwinViewer(host, port, place["bbox"], place["zoom"], specification["token"])
        if protocol == "mqtt":
            account = specification["username"], specification["password"]
            return MqttViewer(host, port, place["topics"], keep, *account, name)
        return BroadcastViewer(host, port, keep)

    return make


async def look(specification: dict[str, Any]) -> None:
    """Open the viewers, follow orders, evaluate, write the result."""
    make = maker(specification)
    places = specification["viewers"]
    witnesses = set(specification["witnesses"])
    loop = asyncio.get_running_loop()
    viewers: list[LeanSocket] = []

    async def open_one(index: int, place: dict[str, Any], receive_buffer: int = 0) -> LeanSocket:
        made = make_socket(specification["host"], specification["port"], receive_buffer)
        keep = index in witnesses
        _, viewer = await loop.create_connection(
            lambda: make(place, keep, f"bench-viewer-{index}"), sock=made
        )
        await asyncio.wait_for(viewer.opened, _READY_TIMEOUT_S)
        return viewer

    for index, place in enumerate(places):
        viewers.append(await open_one(index, place))
    await asyncio.wait_for(asyncio.gather(*(viewer.ready for viewer in viewers)), _READY_TIMEOUT_S)
    modes = {str(getattr(viewer, "subscribed", {}).get("mode", "all")) for viewer in viewers}
    print(json.dumps({"ready": True, "modes": sorted(modes)}), flush=True)

    stalled: LeanSocket | None = None
    while True:
        order = (await asyncio.to_thread(sys.stdin.readline)).split()
        if order == ["stall"]:
            wall = next(place for place in places if place["wall"])
            stalled = await open_one(len(places), wall, _STALLED_RECEIVE_BUFFER_BYTES)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stalled.ready), 10)
            stalled.stall()
            print("stalled", flush=True)
            continue
        break
    cpu = os.times()
    windows = [float(part) for part in order[1:4]]
    contacts = [
        Contact(
            place["wall"],
            viewer.arrived_s,
            viewer.sizes,
            viewer.opcodes,
            viewer.kept,
            viewer.closed,
            getattr(viewer, "alarms", []),
        )
        for place, viewer in zip(places, viewers, strict=True)
    ]
    for viewer in (*viewers, *([stalled] if stalled else [])):
        viewer.close()
    await asyncio.sleep(0)
    plan = Plan.open(Path(specification["plan"]))
    begun = time.perf_counter()
    result = evaluate(specification, plan, contacts, windows)
    result["viewer_process_cpu_s"] = round(cpu.user + cpu.system, 2)
    result["evaluated_in_s"] = round(time.perf_counter() - begun, 1)
    Path(specification["result"]).write_text(json.dumps(result), encoding="utf-8")  # noqa: ASYNC240
    print("done", flush=True)


def main() -> None:
    specification = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(look(specification))


if __name__ == "__main__":
    main()
