"""Run the pinned tipg on a database."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.live.child import Child
from twin.errors import UnavailableError
from twin.store.sockets import free_tcp_port

PACKAGES = ("tipg==1.6.1", "uvicorn==0.54.0", "uvloop", "httptools")
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningTipg:
    """Where it answers, and its process."""

    port: int
    pid: int


@contextlib.contextmanager
def tipg_server(python: Path, dsn: str, folder: Path) -> Iterator[RunningTipg]:
    """Run tipg with one worker and the buffer our tiles have."""
    port = free_tcp_port()
    settings = {
        "DATABASE_URL": dsn,
        "TIPG_TILE_BUFFER": "64",
        "TIPG_MAX_FEATURES_PER_TILE": "100000",
        "TIPG_DB_TABLES": '["public.building"]',
        "DB_MAX_CONN_SIZE": "4",
        "PYTHONPATH": "",
    }
    command = [str(python), "-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    with Child("tipg", command, folder, env=settings) as server:
        deadline = time.monotonic() + START_TIMEOUT_S
        url = f"http://127.0.0.1:{port}/collections/public.building"
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # nosec B310  # of this machine
                if answer.status == 200:
                    break
            if not server.alive or time.monotonic() > deadline:
                raise UnavailableError("tipg did not start", where=str(server.log), hint=f"asked {url}")
            time.sleep(0.2)
        yield RunningTipg(port, server.pid)
