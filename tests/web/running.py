"""Talk to a started product as a device and as a person at the command line would."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import gmqtt
import httpx
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage
from playwright.sync_api import Browser, Page

from bench.accounts import make_cookie, make_tokens
from ingest.transports.broker import BrokerAddress, read_address
from ingest.transports.topics import observations_of
from twin.access.credentials import CredentialKind
from twin.store.cluster import PrivateCluster

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


@dataclass(frozen=True)
class RunningCity:
    """A started product: where it is, and the folder it lives in."""

    name: str
    url: str
    data_dir: Path
    started_s: float
    _sign_ins: dict[str, tuple[str, str]] = field(default_factory=dict)

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

    def get(self, path: str, **parameters: str) -> Any:
        """Ask the server as a program that sees everything."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = httpx.get(f"{self.url}{path}", params=parameters, headers=headers)
        return answer.raise_for_status().json()

    def open_page(self, browser: Browser, width: int, height: int) -> Page:
        """Open an empty page of this size, an operator signed in; the caller closes its context."""
        context = browser.new_context(viewport={"width": width, "height": height})
        context.add_cookies(
            [in_thread(lambda: make_cookie(self._database_url, self.url, CredentialKind.SESSION))]
        )
        return context.new_page()

    @cached_property
    def _token(self) -> str:
        return in_thread(lambda: make_tokens(self._database_url, 1))[0]

    @property
    def _database_url(self) -> str:
        return PrivateCluster.running_url(self.data_dir)

    def publish(self, uid: str, name: str, value: float) -> float:
        """Publish one reading of a device, observed now; returns the time when the broker had it."""
        if uid not in self._sign_ins:
            made = json.loads(self.command("device", "token", uid, "--json"))
            self._sign_ins[uid] = made["user_name"], made["password"]
        payload = json.dumps({"t": int(time.time() * 1000), "p": name, "v": value}).encode()
        in_thread(lambda: asyncio.run(self._publish(uid, payload)))
        return time.monotonic()

    async def _publish(self, uid: str, payload: bytes) -> None:
        user_name, secret = self._sign_ins[uid]
        broker = read_address(self.data_dir)
        unacknowledged = PersistentStorage()
        client = gmqtt.Client(user_name, persistent_storage=unacknowledged)
        client.set_config({"reconnect_retries": 0})
        client.set_auth_credentials(user_name, secret)
        await _connect(client, broker)
        client.publish(observations_of("devices", uid), payload, qos=1)
        await unacknowledged.wait_empty()
        await client.disconnect()


async def _connect(client: gmqtt.Client, broker: BrokerAddress) -> None:
    """Connect as soon as the broker knows the account, which it is told of when that is made."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await client.connect(broker.host, broker.port)
            except MQTTConnectError:
                await asyncio.sleep(0.1)


def in_thread(work: Callable[[], T]) -> T:
    """Do something in a thread of its own: the browser's driver already runs an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(30)
