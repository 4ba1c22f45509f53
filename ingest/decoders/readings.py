"""Hold readings as columns, as they came: nothing is looked up yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twin.errors import InvalidError

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class RefusedReading:
    """One reading inside a message that could not be understood."""

    reason: str
    detail: str
    payload: bytes


@dataclass(slots=True)
class Readings:
    """Columns of n readings: who, when (Unix µs), what, how much, in which unit ("" for the declared), where.

    ``lon``/``lat`` are NaN where the message has none. ``refused`` are readings of the same messages that
    could not be understood; they are not in the columns.
    """

    uid: list[str] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    unit: list[str] = field(default_factory=list)
    lon: list[float] = field(default_factory=list)
    lat: list[float] = field(default_factory=list)
    refused: list[RefusedReading] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.uid)

    def cut(self, n: int, refused: int) -> None:
        """Forget what was appended beyond n readings and so many refused ones."""
        for column in self.columns():
            del column[n:]
        del self.refused[refused:]

    def columns(self) -> tuple[list[Any], ...]:
        """Return the columns, without what was refused."""
        return self.uid, self.time_us, self.name, self.value, self.unit, self.lon, self.lat


class DecodeError(InvalidError):
    """A message cannot be understood; ``reason`` is a code of the device schema."""

    def __init__(self, reason: str, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.reason = reason
