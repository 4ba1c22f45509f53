"""Hold a folder for one process, in a way that a crash releases."""

from __future__ import annotations

import fcntl
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from twin.errors import SetupError


@dataclass(frozen=True)
class LockOwner:
    """Who holds a folder."""

    pid: int
    command: str


class FolderLock:
    """A lock file: the kernel's lock decides, the text in it only tells people who holds it.

    Parameters
    ----------
    path
        The lock file; made when it does not exist, never removed (removing would race).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another process holds it."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SetupError(
                f"the lock file cannot be opened ({error.strerror})", where=str(self.path)
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        command = " ".join(["gridtwin", *sys.argv[1:3]])
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{command}\n".encode("utf-8", "replace"), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock free; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def owner(self) -> LockOwner:
        """Tell who wrote the lock file last."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            return LockOwner(int(lines[0]), lines[1])
        except (OSError, IndexError, ValueError):
            return LockOwner(0, "unknown")
