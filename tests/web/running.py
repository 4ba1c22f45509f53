"""Talk to a started product as a device and as a person at the command line would."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import gmqtt
import httpx
import psutil
import pytest
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.door import COOKIE
from bench.accounts import make_tokens
from ingest.transports.broker import BrokerAddress, read_address
from ingest.transports.topics import observations_of
from twin.access import accounts, credentials
from twin.access.credentials import CredentialKind
from twin.access.passwords import Passwords
from twin.access.record import COMMAND_LINE
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_async_engine
from twin.store.postmaster import find_postmaster

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
_numbers = itertools.count(1)

SENSOR = "TEST-YW-0417"
"""A water level sensor in the middle of the city, beside the simulated ones."""

PATIENCE_MS = 120_000
"""Software drawing takes seconds a frame; the limits of time are for that, not for the data."""

POINTS = 1.0 if os.environ.get("GRIDTWIN_SCREENSHOTS") else 0.5
"""Pages are laid out in full and drawn with a quarter of their points; pictures for the manual have all."""

SHOWN = """() => typeof window.__gridtwin === 'object' && window.__gridtwin.size().devices > 100
    && window.__gridtwin.idle()"""
"""A wall holds its devices and has drawn its map."""


def in_city(name: str) -> list[pytest.MarkDecorator]:
    """Mark the tests of a file as those of the whole product in a browser, which runs for one city."""
    return [
        pytest.mark.browser,
        pytest.mark.alone,
        pytest.mark.postgis,
        pytest.mark.broker,
        pytest.mark.parametrize("city", [name], indirect=True),
    ]


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

    def open_page(
        self, browser: Browser, width: int, height: int, role: str | None = "operator", **context: Any
    ) -> Page:
        """Open an empty page of this size, somebody of this role signed in; the caller closes its context.

        What the page asks for, and what it says is wrong, is kept on it as ``asked`` and ``said``.
        """
        context.setdefault("device_scale_factor", POINTS)
        opened = browser.new_context(viewport={"width": width, "height": height}, **context)
        opened.set_default_timeout(PATIENCE_MS)
        if role is not None:
            self.sign_in(opened, self.make_person(role))
        page = opened.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("websocket", lambda socket: page.asked.append(socket.url))
        page.on(
            "console", lambda message: page.said.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: page.said.append(str(error)))
        return page

    def sign_in(self, context: BrowserContext, name: str) -> None:
        """Let a browser hold a session of an account."""
        context.add_cookies([{"name": COOKIE, "value": self.session(name), "url": self.url}])

    def session(self, name: str) -> str:
        """Open a session of an account; return its secret."""

        async def issue(connection: AsyncConnection) -> str:
            account_id = await accounts.get_id(connection, name)
            return (await credentials.issue(connection, account_id, CredentialKind.SESSION))[0]

        return self._do(issue)

    def make_person(
        self,
        role: str,
        password: str | None = None,
        *,
        must_change: bool = False,
        organisation_id: int | None = None,
    ) -> str:
        """Make a person of a role, and of an organisation; return the name of the account."""
        name = f"test-{next(_numbers)}"

        async def make(connection: AsyncConnection) -> None:
            made = await accounts.create(
                connection, COMMAND_LINE, name, "演示", organisation_id=organisation_id
            )
            await accounts.grant(connection, COMMAND_LINE, made, role)
            if password is not None:
                await accounts.set_password(
                    connection, COMMAND_LINE, made, password, Passwords(), must_change=must_change
                )

        self._do(make)
        return name

    def newest(self, table: str, where: str = "true") -> int:
        """Return the highest number of a table of the model, of rows that are so."""

        async def find(connection: AsyncConnection) -> int:
            found = await connection.execute(text(f"SELECT max(id) FROM {table} WHERE {where}"))
            return int(found.scalar_one())

        return self._do(find)

    def run_sql(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement as the owner of the database; return its rows."""

        async def run(connection: AsyncConnection) -> list[Any]:
            done = await connection.execute(text(statement), values)
            return [tuple(row) for row in done.all()] if done.returns_rows else []

        return self._do(run)

    def install_levels(self, east: dict[str, float]) -> None:
        """Install water level sensors, each so many degrees east of the middle of the city."""
        lon, lat = self.get("/api/scene")["center"]
        rows = [f"{uid},water_level,{lon + by},{lat},测试液位计" for uid, by in east.items()]
        csv = self.data_dir.parent / f"levels-{next(iter(east))}.csv"
        csv.write_text("\n".join(["uid,kind,lon,lat,name", *rows, ""]), encoding="utf-8")
        self.command("import", "devices", str(csv))

    def group_of(self, uid: str) -> dict[str, Any] | None:
        """Return the group of open alarms that a device is in; None without one."""
        groups = self.get("/api/alarms")["groups"]
        return next((group for group in groups if any(m["uid"] == uid for m in group["members"])), None)

    def age_sessions(self, name: str, seconds: float) -> None:
        """Let the sessions of an account be without a person for so much longer, as its clock sees it."""

        async def age(connection: AsyncConnection) -> None:
            account_id = await accounts.get_id(connection, name)
            await connection.execute(
                text(
                    "UPDATE credential SET seen_at = seen_at - CAST(:by AS interval) WHERE account_id = :id"
                ),
                {"by": timedelta(seconds=seconds), "id": account_id},
            )
            # The server remembers for some seconds; it is told as of any change to an account.
            await credentials.announce(connection, account_id)

        self._do(age)

    def _do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do something in the database as its owner, in one transaction."""

        async def run() -> T:
            engine = create_async_engine(self._database_url, pool_size=1)
            try:
                async with engine.begin() as connection:
                    return await work(connection)
            finally:
                await engine.dispose()

        return in_thread(lambda: asyncio.run(run()))

    @contextlib.contextmanager
    def hanging_database(self) -> Iterator[None]:
        """Let all processes of the database stand still for as long as this lasts."""
        found = find_postmaster(self.data_dir / "pg")
        assert found is not None
        root = psutil.Process(found.pid)
        processes = [root, *root.children(recursive=True)]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

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


def found(look: Callable[[], T | None], seconds: float = 30) -> T:
    """Look again and again until there is something; fail when there is nothing in this time."""
    end = time.monotonic() + seconds
    while not (it := look()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)
    return it


def in_thread(work: Callable[[], T]) -> T:
    """Do something in a thread of its own: the browser's driver already runs an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(30)
