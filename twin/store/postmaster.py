"""Find the PostgreSQL server that works in a folder, and end one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from twin.errors import ConflictError

_FAST_STOP_S = 30.0


@dataclass(frozen=True)
class Postmaster:
    """What a server says of itself in ``postmaster.pid``."""

    pid: int
    socket_dir: Path
    port: int
    ready: bool


def find_postmaster(pg_dir: Path) -> Postmaster | None:
    """Give the server whose pid file is there and complete, whether it lives or not; None without one."""
    try:
        lines = (pg_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return Postmaster(int(lines[0]), Path(lines[4].strip()), int(lines[3]), lines[7].strip() == "ready")
    except (OSError, IndexError, ValueError):
        return None


def running_pid(pg_dir: Path) -> int | None:
    """Give the process that the pid file names, if it really works in this folder."""
    try:
        pid = int((pg_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")[0])
    except (OSError, ValueError):
        return None
    return pid if _works_in(pid, pg_dir) else None


def clear_remains(pg_dir: Path) -> None:
    """Deal with what a killed predecessor left: a server that still runs, or a stale pid file.

    The caller holds the folder's lock, so nobody else owns a server that still runs here. A pid file whose
    number now belongs to a stranger would make PostgreSQL refuse to start; it is removed only when no
    process at all works in the cluster's folder.

    Raises
    ------
    ConflictError
        The server that still runs does not stop.
    """
    pid = running_pid(pg_dir)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + _FAST_STOP_S
        while _works_in(pid, pg_dir) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _works_in(pid, pg_dir):
            raise ConflictError(
                f"an older PostgreSQL (process {pid}) still runs on this data folder and does not stop",
                where=str(pg_dir),
                hint=f"stop it with: kill -QUIT {pid}",
            )
    pid_file = pg_dir / "postmaster.pid"
    if pid_file.exists() and Path("/proc/self/cwd").exists():
        deadline = time.monotonic() + 10
        while (left := _workers_in(pg_dir)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not left:
            pid_file.unlink(missing_ok=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server: fast, then at once, then by force."""
    for number, patience_s in ((signal.SIGINT, _FAST_STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)


def _works_in(pid: int, folder: Path) -> bool:
    """Whether a process lives and has this folder as its working folder, as PostgreSQL does."""
    if not Path("/proc/self").exists():  # no /proc on this system: only ask whether it lives
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    try:
        return (Path("/proc") / str(pid) / "cwd").readlink() == folder.resolve()
    except OSError:  # gone, or another user's: PostgreSQL would be ours
        return False


def _workers_in(folder: Path) -> list[int]:
    return [
        int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(int(p.name), folder)
    ]
