"""Talk to a started product as a device and as a person at the command line would."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import gmqtt
from gmqtt.storage import PersistentStorage

from ingest.transports.broker import read_address

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningCity:
    """A started product: where it is, and the folder it lives in."""

    name: str
    url: str
    data_dir: Path
    started_s: float

    def command(self, *arguments: str) -> str:
        """Run the command line on this city and give what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments, "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(self, uid: str, name: str, value: float) -> float:
        """Publish one reading of a device, observed now; returns the time when the broker had it."""
        payload = json.dumps({"t": int(time.time() * 1000), "p": name, "v": value}).encode()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(self._publish(f"gt/v1/devices/{uid}/observations", payload))
            except BaseException as error:
                failed.append(error)

        # A thread of its own: the browser's driver already runs an event loop in this one.
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert not failed, failed
        assert not thread.is_alive(), "the broker did not take the reading"
        return time.monotonic()

    async def _publish(self, topic: str, payload: bytes) -> None:
        broker = read_address(self.data_dir)
        unacknowledged = PersistentStorage()
        client = gmqtt.Client(f"test-{time.time_ns()}", persistent_storage=unacknowledged)
        client.set_auth_credentials(broker.username, broker.password)
        await client.connect(broker.host, broker.port)
        client.publish(topic, payload, qos=1)
        await unacknowledged.wait_empty()
        await client.disconnect()
