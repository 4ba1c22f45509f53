"""Read times as senders write them, as Unix microseconds."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from ingest.decoders.readings import DecodeError

LAST_MS = 253_402_300_799_000
"""The end of the year 9999."""


def from_milliseconds(time: float) -> int:
    """Return Unix µs of milliseconds since 1970 UTC.

    Raises
    ------
    DecodeError
        It is not a time that can be counted (``bad_time``).
    """
    if not (math.isfinite(time) and 0 < time <= LAST_MS):
        raise DecodeError("no_milliseconds", time=str(time))
    return round(time * 1000)


def from_seconds(time: float) -> int:
    """Return Unix µs of seconds since 1970 UTC; errors as for milliseconds."""
    if not (math.isfinite(time) and 0 < time <= LAST_MS / 1000):
        raise DecodeError("no_seconds", time=str(time))
    return round(time * 1_000_000)


def from_iso(text: str, zone: timezone | None = None) -> int:
    """Return Unix µs of a time in ISO 8601.

    Parameters
    ----------
    zone
        What a time without a zone is in; None where it must have one.

    Raises
    ------
    DecodeError
        It is no such time, or has no zone and needs one (``bad_time``).
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DecodeError("no_iso", time=text[:40]) from error
    if moment.tzinfo is None:
        if zone is None:
            raise DecodeError("no_zone", time=text[:40])
        moment = moment.replace(tzinfo=zone)
    try:
        return round(moment.timestamp() * 1e6)
    except (OverflowError, ValueError) as error:
        raise DecodeError("uncountable_time", time=text[:40]) from error


def parse_zone(text: str) -> timezone:
    """Return a zone written as ``+08:00``.

    Raises
    ------
    ValueError
        It is not written so, or is more than 14 hours from UTC.
    """
    sign, hours, minutes = text[:1], text[1:3], text[4:6]
    if len(text) != 6 or sign not in "+-" or text[3] != ":" or not (hours + minutes).isdecimal():
        raise ValueError(f"“{text[:20]}” is not a zone such as +08:00")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset > timedelta(hours=14) or int(minutes) > 59:
        raise ValueError(f"no zone is “{text[:20]}” from UTC")
    return timezone(-offset if sign == "-" else offset)
