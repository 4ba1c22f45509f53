"""Hold readings as columns, as they came: nothing is looked up yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twin.errors import InvalidError
from twin.faults import Fault, Value

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class RefusedReading:
    """One reading inside a message that could not be understood: what is wrong, and where in it."""

    fault: Fault
    payload: bytes
    where: str = ""

    @property
    def reason(self) -> str:
        """The code of the device schema it is counted under."""
        return self.fault.reason


@dataclass(slots=True)
class Readings:
    """Columns of n readings: who, when (Unix µs), what, how much, in which unit ("" for the declared), where.

    ``lon``/``lat`` are NaN where the message has none. ``index`` is the place in the message, from 0: of the
    entry in columns, else of the reading in the list (several properties of one moment share it).
    ``refused`` are readings of the same messages that could not be understood; they are not in the columns.
    """

    uid: list[str] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    unit: list[str] = field(default_factory=list)
    lon: list[float] = field(default_factory=list)
    lat: list[float] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
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
        return self.uid, self.time_us, self.name, self.value, self.unit, self.lon, self.lat, self.index


class DecodeError(InvalidError):
    """A message cannot be understood.

    Parameters
    ----------
    code
        Of `data/faults.toml`.
    values
        What stands in the braces there.
    """

    def __init__(self, code: str, **values: Value) -> None:
        self.fault = Fault(code, values)
        hint = self.fault.hint
        super().__init__(self.fault.words.en, hint="" if hint is None else hint.en)

    @property
    def reason(self) -> str:
        """The code of the device schema it is counted under."""
        return self.fault.reason


def place_of(who: object, index: int) -> str:
    """Say which reading of which device is meant; a device that is not named by text is left out."""
    reading = f"reading {index}"
    return f"device {who[:64]}, {reading}" if isinstance(who, str) and who else reading
