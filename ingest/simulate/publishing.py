"""Give everything simulated that publishes an account of its own at the broker, like real devices."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from ingest.transports.accounts import ensure_publishers
from twin.store.closed_file import write_closed


def ensure_secrets(
    connection: Connection, path: Path, gateways: Sequence[str], devices: Sequence[str]
) -> dict[str, str]:
    """Return the secret of each gateway and device by name; accounts are made where there are none.

    Parameters
    ----------
    connection
        As the owner of the database.
    path
        Keeps the secrets; only its owner can read it. One that is missing or damaged is made anew.
    """
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(path.read_text(encoding="utf-8"))
        known = {str(name): str(secret) for name, secret in read.items()} if isinstance(read, dict) else {}
    secrets = ensure_publishers(connection, gateways, "gateway", known)
    secrets |= ensure_publishers(connection, devices, "device", known)
    if secrets != known:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_closed(path, json.dumps(secrets, indent=2) + "\n")
    return secrets
