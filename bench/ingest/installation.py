"""Run database, broker and server as the product does, each of which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from api.child import Child
from bench.live.database import connect
from bench.machine import ROOT
from ingest.transports.accounts import ensure_publishers
from ingest.transports.admission import Admission
from ingest.transports.broker import Broker
from twin.errors import UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.engine import create_engine
from twin.store.migrations.runner import upgrade
from twin.store.sockets import free_tcp_port

READY_S = 60.0
"""Longest time a server may take to be ready."""


@dataclass(frozen=True, slots=True)
class Account:
    """A sender: its name, which it signs in with, its secret, and the devices it speaks for."""

    name: str
    secret: str
    devices: tuple[str, ...]


class Installation:
    """Database, broker and server in a folder; use it as a context manager, from the main thread.

    Parameters
    ----------
    folder
        An empty folder that the accounts of PostgreSQL and mosquitto can enter.
    module
        What is run as the server; the product's command line unless a test wants a careless one.
    settings
        Of the server, as variables of its environment.
    """

    def __init__(
        self, folder: Path, module: str = "api.cli", settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.cluster = PrivateCluster(folder, attach=False)
        self.broker = Broker(folder, 0)
        self.port = free_tcp_port()
        self._module = module
        self._settings = dict(settings or {})
        self._server: Child | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Installation:
        with contextlib.ExitStack() as stack:
            self.cluster.start()
            stack.callback(self.cluster.stop)
            upgrade(self.cluster.url)
            stack.enter_context(Admission(self.broker, self.cluster.url))
            stack.enter_context(self.broker)
            stack.callback(self.stop_server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def server_pid(self) -> int:
        """Process of the server.

        Raises
        ------
        UnavailableError
            It does not run.
        """
        if self._server is None or self._server.pid is None:
            raise UnavailableError("the server does not run", where=str(self.folder))
        return self._server.pid

    def install(self, devices: Sequence[tuple[str, str]]) -> None:
        """Put devices (uid, kind) into the database."""
        with connect(self.cluster.url) as connection:
            connection.execute(
                "INSERT INTO dataset (name, kind, declared_crs, simulated) "
                "VALUES ('bench', 'devices', 'EPSG:4326', true) ON CONFLICT DO NOTHING"
            )
            connection.execute(
                "INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, geom, simulated, "
                "    position_source) SELECT (SELECT max(id) FROM dataset), u, '', u, k, "
                "    ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), true, 'estimated' "
                "FROM unnest(%s::text[], %s::text[]) AS d (u, k)",
                [[uid for uid, _ in devices], [kind for _, kind in devices]],
            )

    def admit(
        self, senders: Mapping[str, Sequence[str]], kind: Literal["device", "gateway"]
    ) -> list[Account]:
        """Make accounts of gateways or devices by name; gives them with the devices they speak for."""
        engine = create_engine(self.cluster.url)
        try:
            with engine.begin() as connection:
                secrets = ensure_publishers(connection, list(senders), kind)
        finally:
            engine.dispose()
        return [Account(name, secrets[name], tuple(devices)) for name, devices in senders.items()]

    # -- the server

    def start_server(self) -> float:
        """Start the server and wait until it can be sent to; gives the seconds that took."""
        environment = {
            **os.environ,
            "GRIDTWIN_DATA_DIR": str(self.folder),
            "GRIDTWIN_DATABASE_URL": self.cluster.url,
            "GRIDTWIN_HOST": "127.0.0.1",
            "GRIDTWIN_PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }
        log = self.folder / "log" / "server.log"
        command = [sys.executable, "-P", "-m", self._module, "serve", "--attach"]
        self._server = Child("the server", command, environment, log)
        self._server.start()
        return self.wait_ready()

    def wait_ready(self, timeout_s: float = READY_S) -> float:
        """Wait until the server says that it can be sent to; gives the seconds that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < timeout_s:
            if self.status("/api/health/ready") == 200:
                return time.monotonic() - begun
            if self._server is not None and not self._server.alive:
                raise UnavailableError(f"the server ended: {self._server.last_words()}")
            time.sleep(0.02)
        raise UnavailableError(f"the server was not ready within {timeout_s:.0f} s", where=self.url)

    def status(self, path: str, timeout_s: float = 5.0) -> int:
        """Ask for a path and give the status; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout_s) as answer:  # nosec B310  # ours
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill_server(self) -> None:
        """Kill the server as a crash does."""
        os.kill(self.server_pid, signal.SIGKILL)
        self.stop_server()

    def stop_server(self) -> None:
        """End the server as an operator does."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(10.0)

    # -- the database

    def kill_database(self) -> None:
        """Kill PostgreSQL, all of its processes at one moment, as a crash of it does; the kernel lives on."""
        pid = self.cluster.pid
        if pid is None:
            raise UnavailableError("the database does not run", where=str(self.folder))
        root = psutil.Process(pid)
        everyone = [root, *root.children(recursive=True)]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none goes on writing after another is dead
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        psutil.wait_procs(everyone, 10)

    def start_database(self) -> float:
        """Start a killed or stopped database again; gives the seconds until it answers."""
        begun = time.monotonic()
        self.cluster.stop()
        self.cluster.start()
        return time.monotonic() - begun

    @contextlib.contextmanager
    def database_stopped(self) -> Iterator[None]:
        """Have no database for as long as this lasts."""
        self.cluster.stop()
        try:
            yield
        finally:
            self.cluster.start()
