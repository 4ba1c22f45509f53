"""Choose the settings that the private PostgreSQL is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_SMALL_SHM_BYTES = 64 * 2**20


def server_settings(
    major: int, further: Mapping[str, str], *, socket_dir: Path, port: int, tcp: bool
) -> dict[str, str]:
    """Give all settings by name.

    Parameters
    ----------
    major
        Version of PostgreSQL.
    further
        Settings of the caller; those that a commit's durability and our way in depend on win over them.
    socket_dir, port
        Where it listens.
    tcp
        Whether on 127.0.0.1 too.
    """
    settings = {
        "jit": "off",
        "log_checkpoints": "off",
        "max_connections": "120",
        "max_locks_per_transaction": "256",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # After a checkpoint every page of the observation index is logged whole once; the older
        # method (pglz) costs 46 µs an observation then, lz4 13 (measured at 20,000/s).
        "wal_compression": "lz4" if major >= 15 else "on",
        **further,
        # Its own collector cannot bound what it keeps of one day; `BoundedLog` can.
        "logging_collector": "off",
        "log_destination": "stderr",
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(port),
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # A batch is acknowledged to its sender after it is committed: commit must mean "on disk".
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
    }
    if _shared_memory_is_small():
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _shared_memory_is_small() -> bool:
    try:
        numbers = os.statvfs("/dev/shm")  # noqa: S108 (asked for its size, not written)  # nosec B108
    except OSError:
        return True
    return numbers.f_blocks * numbers.f_frsize < _SMALL_SHM_BYTES or not os.access("/dev/shm", os.W_OK)  # noqa: S108  # nosec B108
