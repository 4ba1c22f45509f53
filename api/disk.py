"""Say how full the disk of the data folder is, and keep what can wait from filling it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twin.errors import FullError

FILLING_SHARE: Final = 0.8
LOW_SHARE: Final = 0.9
"""From here on photographs are not taken: observations go first."""

_LEAST_FREE_BYTES: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class Usage:
    """How full it is: ``ok``, ``filling`` from 80 % on, ``low`` from 90 % on or below 512 MiB."""

    state: str
    free_bytes: int
    share: float


class Disk:
    """The disk that a folder lies on.

    Parameters
    ----------
    folder
        The data folder; its parent is asked where it is not there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def usage(self) -> Usage:
        """Ask how full it is; what only root may use counts as used.

        Raises
        ------
        OSError
            The folder cannot be reached.
        """
        folder = self._folder
        found = shutil.disk_usage(folder if folder.exists() else folder.parent)
        share = found.used / max(1, found.used + found.free)
        if share >= LOW_SHARE or found.free < _LEAST_FREE_BYTES:
            return Usage("low", found.free, share)
        return Usage("filling" if share >= FILLING_SHARE else "ok", found.free, share)

    def require_room(self) -> None:
        """Refuse what can be sent later while a tenth of the disk or less is free.

        Raises
        ------
        FullError
            It is that full.
        """
        usage = self.usage()
        if usage.share >= LOW_SHARE:
            raise FullError(
                f"the disk is {usage.share * 100:.0f} % full · 磁盘已用 {usage.share * 100:.0f}%",
                where="photographs",
                hint="send it again when there is room · 请待管理员清理磁盘后重试",
            )
