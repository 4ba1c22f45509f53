"""A real device speaks to the broker of a test: what it does is seen, and it is cut off and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import gmqtt
import pytest

from ingest.conformance.bench import Bench, Sender
from ingest.conformance.by_mqtt import listen
from ingest.conformance.watch import Watch
from ingest.transports.topics import observations_of, status_of
from tests.ingest.conformance.vendors import CATALOG, UID, failed

pytestmark = pytest.mark.broker

INTERVAL_S, REPORTS_S = 1.0, 0.5
STATUS = status_of("devices", UID)


class Device:
    """A device of a vendor, with gmqtt; connects again by itself."""

    def __init__(
        self, *, will: bool = True, qos: int = 1, topic: str | None = None, password: str = ""
    ) -> None:
        self.will, self.qos, self.password = will, qos, password
        self.topic = topic or observations_of("devices", UID)
        self.told: dict[str, str] = {}
        self.knows = asyncio.Event()

    def hear(self, line: str) -> None:
        """Take the account from what the test tells a person."""
        name, _, value = line.partition(" ")
        self.told[name] = value.strip()
        if name == "topics":  # the last line
            self.knows.set()

    async def run(self) -> None:
        await self.knows.wait()
        host, _, port = self.told["broker"].partition(":")
        while True:
            will = gmqtt.Message(STATUS, "offline", qos=1, retain=True) if self.will else None
            client = gmqtt.Client(UID, will_message=will)
            client.set_config({"reconnect_retries": -2, "reconnect_delay": 0})
            client.set_auth_credentials(UID, self.password or self.told["password"])
            gone = asyncio.Event()
            client.on_disconnect = lambda *_, gone=gone: gone.set()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(5.0):
                    await client.connect(host, int(port))
                client.publish(STATUS, "online", qos=1, retain=True)
                while not gone.is_set():
                    said = {"t": time.time_ns() // 1_000_000, "p": "level", "v": 20.0}
                    client.publish(self.topic, json.dumps(said), qos=self.qos)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(REPORTS_S):
                            await gone.wait()
            await asyncio.sleep(0.3)


async def watched(device: Device) -> tuple[Watch, dict[str, str], list[str]]:
    sender = Sender("device", UID)
    watch = Watch(Bench(CATALOG, sender, {UID: CATALOG.by_name["water_level"]}, INTERVAL_S), "mqtt")
    running = asyncio.create_task(device.run())
    try:
        await listen(watch, sender, host="127.0.0.1", port=0, listen_s=8.0, with_break=True, say=device.hear)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    findings = watch.findings(time.time_ns() // 1000)
    return watch, {f.rule.key: f.outcome for f in findings}, failed(findings)


async def test_a_good_device_passes_and_wrong_ones_fail_side_by_side():
    """Each at a broker of its own, at the same time: the test waits once."""
    (
        (watch, outcomes, wrong), (_, _, willless), (_, _, unsafe), (_, _, lost), (stranger, _, _),
    ) = await asyncio.gather(
        watched(Device()), watched(Device(will=False)), watched(Device(qos=0)),
        watched(Device(topic="gt/v1/devices/another-1/observations")), watched(Device(password="wrong")),
    )  # fmt: skip
    assert watch.notes == []
    assert stranger.messages == 0
    assert "用户名或密码" in stranger.notes[0].zh
    assert wrong == []
    assert {key for key, outcome in outcomes.items() if outcome == "not_seen"} == {"place", "repeat"}
    assert willless == ["will"]
    assert unsafe == ["qos"]
    assert "topic" in lost
