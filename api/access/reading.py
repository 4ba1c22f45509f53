"""Remember which readings are on the record already, so that a map that is left open does not fill it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

REMEMBERED_S: Final = 600.0
"""The same reading by the same session is on the record once in this time; the record says so."""

_MOST: Final = 10_000


class RecentReads:
    """Readings that were put on the record lately, in this process."""

    def __init__(self) -> None:
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def is_known(self, read: Hashable) -> bool:
        """Say whether a reading is on the record and still covered by that."""
        return self._until.get(read, 0.0) > time.monotonic()

    def remember(self, read: Hashable) -> None:
        """Note a reading whose record is committed; one that is covered already is not prolonged."""
        if self.is_known(read):
            return
        self._until[read] = time.monotonic() + REMEMBERED_S
        self._until.move_to_end(read)
        while len(self._until) > _MOST:
            self._until.popitem(last=False)
