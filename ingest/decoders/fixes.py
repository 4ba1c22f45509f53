"""Turn one position fix of a tracker into readings of the kinds that move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from ingest.decoders.readings import DecodeError, Readings


class FixKind(IntEnum):
    """Value of the property ``fix``: whether a place was found, or an app made it up."""

    NONE = 0
    FIXED = 1
    MOCKED = 2


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a tracker was.

    Parameters
    ----------
    uid
        Its number in the world.
    time_us
        When, Unix µs.
    lon, lat
        Degrees WGS 84; NaN where it sent none.
    speed_mps, accuracy_m, battery_percent
        None where it does not know.
    mocked
        Another app gave it the place.
    """

    uid: str
    time_us: int
    lon: float
    lat: float
    speed_mps: float | None = None
    accuracy_m: float | None = None
    battery_percent: float | None = None
    mocked: bool = False


def take(fix: Fix, into: Readings) -> None:
    """Append a fix to columns: ``fix`` always, ``speed``, ``accuracy`` and ``battery`` where they are known.

    Raises
    ------
    DecodeError
        The place is none on earth (``bad_position``), or a number is not finite.
    """
    placed = not (math.isnan(fix.lon) and math.isnan(fix.lat))
    if placed and not (abs(fix.lon) <= 180.0 and abs(fix.lat) <= 90.0):
        raise DecodeError("no_place_on_earth")
    kind = FixKind.NONE if not placed else FixKind.MOCKED if fix.mocked else FixKind.FIXED
    values = {
        "fix": float(kind),
        "speed": fix.speed_mps,
        "accuracy": fix.accuracy_m,
        "battery": fix.battery_percent,
    }
    for name, value in values.items():
        if value is None:
            continue
        if not math.isfinite(value):
            raise DecodeError("not_a_number", name=name, found=str(value))
        into.uid.append(fix.uid)
        into.time_us.append(fix.time_us)
        into.name.append(name)
        into.value.append(value)
        into.unit.append("")
        into.lon.append(fix.lon)
        into.lat.append(fix.lat)
        into.index.append(0)
