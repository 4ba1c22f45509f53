"""Install the pinned tipg into an environment of its own, and run it on a database."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.live.child import Child
from twin.errors import SetupError, UnavailableError
from twin.store.sockets import free_tcp_port

TIPG = "tipg==1.6.1"
UVICORN = "uvicorn==0.54.0"
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningTipg:
    """Where it answers, and its process."""

    port: int
    pid: int


def install_tipg(folder: Path, progress: Callable[[str], None]) -> Path:
    """Install the pinned peer into an environment of its own, once; give its Python."""
    python = folder / "bin" / "python"
    mark = folder / ".installed"
    wanted = hashlib.sha256(f"{TIPG} {UVICORN}".encode()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="ascii") == wanted:
        return python
    progress(f"tiles: installing {TIPG} (once)")
    venv.EnvBuilder(with_pip=True, clear=True).create(folder)
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        TIPG,
        UVICORN,
        "uvloop",
        "httptools",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise SetupError(
            f"{TIPG} could not be installed: {lines[-1] if lines else 'pip said nothing'}",
            hint="the benchmark needs the Python package index once",
        )
    mark.write_text(wanted, encoding="ascii")
    return python


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
