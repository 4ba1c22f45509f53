"""Hold coded pictures as they came from a camera: the newest key picture and those that build on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Codec = Literal["h264", "hevc", "mjpeg"]

MOST_UNIT_BYTES: Final = 8 << 20
MOST_BYTES: Final = 12 << 20
MOST_UNITS: Final = 150
"""Of one film: six seconds of 25 a second. Decoding takes 2 to 5 ms a unit (1920 x 1080 to 2560 x 1440)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One coded picture (access unit); a ``key`` one needs no other."""

    key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Footage:
    """What a decoder needs for one picture: a key picture first; the last unit is the picture asked for."""

    codec: Codec
    units: tuple[bytes, ...]


@dataclass(slots=True)
class Film:
    """Keeps the units since the newest key picture, as long as they are few enough to be decoded quickly."""

    codec: Codec
    units: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, unit: Unit) -> None:
        """Take a unit; a key one begins anew, and what grows too long is dropped."""
        if unit.key:
            self.units, self.size = [], 0
        elif not self.units:
            return
        self.units.append(unit.data)
        self.size += len(unit.data)
        if len(self.units) > MOST_UNITS or self.size > MOST_BYTES:
            self.units, self.size = [], 0

    @property
    def footage(self) -> Footage | None:
        """What there is; None where no key picture came."""
        return Footage(self.codec, tuple(self.units)) if self.units else None
