"""Keep what a program prints in two files of bounded size."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 10 * 2**20
"""Size at which a log moves aside; the one before it is kept too, so twice this is on disk at most."""

_READ_BYTES = 65_536
_TAIL_BYTES = 16_384


class BoundedLog:
    """Write what a program prints to a file; beyond its size it moves to ``NAME.1`` and begins anew.

    The program writes into a pipe and a thread of ours into the file, so that no program has to know of it
    and not one byte too many gets to the disk. A disk that is full loses lines, never stops the program.

    Parameters
    ----------
    path
        The file; what a former run wrote stays before it.
    most_bytes
        Size of each of the two files at most.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._tail = b""
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def pipe(self) -> Iterator[int]:
        """Give the file descriptor that a program to be started prints to."""
        reading, writing = os.pipe()
        self._tail = b""
        self._thread = threading.Thread(
            target=self._take, args=(reading,), name=f"log {self.path.name}", daemon=True
        )
        self._thread.start()
        try:
            yield writing
        finally:
            os.close(writing)

    def last_lines(self, wait_s: float = 0.0) -> list[str]:
        """Give the newest lines that the program printed since it was started, without empty ones.

        Parameters
        ----------
        wait_s
            How long to wait for the rest, of a program that has ended.
        """
        if wait_s and self._thread is not None:
            self._thread.join(wait_s)
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def _take(self, reading: int) -> None:
        written = _File(self.path, self._most_bytes)
        try:
            while data := os.read(reading, _READ_BYTES):
                self._tail = (self._tail + data)[-_TAIL_BYTES:]
                with contextlib.suppress(OSError):  # a full disk
                    written.write(data)
        finally:
            os.close(reading)
            written.close()


class _File:
    """The file that is written now, opened when it is needed."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        if self._descriptor is not None and self._size + len(data) > self._most_bytes:
            self.close()
        if self._descriptor is None:
            self._open(len(data))
        assert self._descriptor is not None
        self._size += os.write(self._descriptor, data)

    def _open(self, coming: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size + coming > self._most_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
