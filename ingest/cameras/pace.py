"""Tell whether a camera sends what it sees now, or first what it saw before.

Many begin with their last key picture and send what followed it at once, faster than it was filmed.
"""

from __future__ import annotations

from typing import Final

_CLOCK_HZ: Final = 90_000
_SPAN_S: Final = 0.1
_FASTER: Final = 1.5
"""Who catches up films so many times as fast as the clock, over the span; a live one once."""

_QUIET_S: Final = 0.15
"""Who catches up makes no pause of this length."""

_LONGEST_S: Final = 1.0
"""For longer nobody is believed to catch up: the clock of the pictures may be wrong."""


class Pace:
    """Compares when pictures were taken with when they came."""

    def __init__(self) -> None:
        self._real = False
        self._first_s: float | None = None
        self._begun_s = self._newest_s = 0.0
        self._begun_at = self._newest_at = 0

    def note(self, taken_at: int | None, now_s: float) -> None:
        """Note the time of the newest whole picture by the camera's clock, and what time it is here."""
        if taken_at is None or (self._first_s is not None and taken_at == self._newest_at):
            return
        if self._first_s is None:
            self._first_s = self._begun_s = now_s
            self._begun_at = taken_at
        self._newest_s, self._newest_at = now_s, taken_at
        took_s = now_s - self._begun_s
        if took_s >= _SPAN_S:
            filmed_s = ((taken_at - self._begun_at) & 0xFFFFFFFF) / _CLOCK_HZ
            self._real = self._real or filmed_s < _FASTER * took_s
            self._begun_s, self._begun_at = now_s, taken_at

    def is_real(self, now_s: float) -> bool:
        """Say whether the newest picture is of now."""
        if self._real or self._first_s is None:
            return self._real
        return now_s - self._newest_s > _QUIET_S or now_s - self._first_s > _LONGEST_S
