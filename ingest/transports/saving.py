"""Let the broker write what it holds to its disk every few seconds, and seldom while that takes long.

mosquitto writes all it holds into a new file, waits for the disk and takes no message meanwhile: some
milliseconds for nothing, a second for a million messages. Its own interval is one for both, so each save is
asked for here.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

EVERY_S: Final = 2.0
"""Between two saves where they are quick: what a killed broker loses is what it took since the last."""

STANDSTILL: Final = 0.05
"""Share of the time in which the broker may stand still."""

LONGEST_S: Final = 60.0
"""After which a save is asked for again, where none came of the last: a full disk."""

_LOOK_S: Final = 0.01


class Saving:
    """Saves what a broker holds again and again, from its making until `stop` or the end of the process.

    Parameters
    ----------
    process
        A mosquitto that answers: one that is only starting is ended by the signal.
    file
        Where it writes.
    """

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._process, self._file = process, file
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker saving", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more saves."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        wait_s = EVERY_S
        while not self._stopped.wait(wait_s) and self._process.poll() is None:
            wait_s = max(EVERY_S, self._save() / STANDSTILL)

    def _save(self) -> float:
        """Ask for a save and return how long it took, seconds."""
        before, begun = self._written(), time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        while self._written() == before and self._process.poll() is None:
            if time.monotonic() - begun > LONGEST_S or self._stopped.wait(_LOOK_S):
                return 0.0
        return time.monotonic() - begun

    def _written(self) -> int:
        # mosquitto writes another file and gives it this name when it is whole.
        try:
            return self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
