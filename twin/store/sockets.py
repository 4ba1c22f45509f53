"""Find a folder for a unix socket, and free TCP ports."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path

from twin.errors import SetupError
from twin.store.account import Account

_LONGEST_SOCKET_BYTES = 107  # sockaddr_un.sun_path on Linux, without its final zero
_SOCKET_NAME_BYTES = len("/.s.PGSQL.65535.lock")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+@-]+")


def socket_folder(preferred: Path, account: Account) -> Path:
    """Make a folder that only `account` can enter and whose sockets' names are short enough.

    The preferred folder is taken when its name is short and plain (PostgreSQL splits the setting at
    commas); otherwise one in the temporary folder, named by a hash of the preferred one.

    Raises
    ------
    SetupError
        The temporary folder's place is taken by something that is not ours.
    """
    text = os.fsencode(preferred)
    fits = len(text) + _SOCKET_NAME_BYTES <= _LONGEST_SOCKET_BYTES and _PLAIN_PATH.fullmatch(str(preferred))
    if fits:
        folder = preferred
    else:
        digest = hashlib.sha256(text).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"gridtwin-{account.uid}-{digest}"
        if len(os.fsencode(folder)) + _SOCKET_NAME_BYTES > _LONGEST_SOCKET_BYTES:
            folder = Path("/tmp") / folder.name  # noqa: S108 (checked below)  # nosec B108
    folder.mkdir(mode=0o700, exist_ok=True)
    account.own(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid:
        raise SetupError("the folder for the database's socket belongs to somebody else", where=str(folder))
    folder.chmod(0o700)
    return folder


def free_tcp_port(host: str = "127.0.0.1") -> int:
    """Give a TCP port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_port_free(host: str, port: int) -> bool:
    """Whether a server could listen on this TCP port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
