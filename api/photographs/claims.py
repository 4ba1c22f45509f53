"""Check what a photograph claims of its time and place against its case."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeGuard
from zoneinfo import ZoneInfo

from twin.distance import distance_m
from twin.errors import InvalidError

FAR_M: Final = 200.0
"""A photograph farther than this from its case is marked: a block, and the error of a phone among walls."""

EARLY: Final = timedelta(hours=24)
"""A photograph older than its case by more than this is marked; what is reported was seen before."""

AHEAD: Final = timedelta(minutes=5)
"""How far the clock of a phone may be ahead."""

APART: Final = timedelta(minutes=10)
"""By how much the times that file and sender tell may differ."""

_TIME_FORM: Final = "%Y:%m:%d %H:%M:%S"
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)

Flag = Literal["no_place", "far_away", "no_time", "in_the_future", "long_before_case", "claims_differ"]
"""What may be wrong with the claims of a photograph; without any, its time and place fit the case."""


@dataclass(frozen=True, slots=True)
class Claim:
    """When and where (lon, lat in degrees) somebody says that a photograph was taken; None: not said."""

    at: datetime | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Distance in metres to the case of whoever claims to be farthest, None without a claim; and flags."""

    distance_m: float | None
    flags: tuple[Flag, ...]


def claim_of_file(facts: Mapping[str, Any], zone: ZoneInfo) -> Claim:
    """Read the claim of a file from what the process apart found; what is not plausible is no claim.

    Parameters
    ----------
    facts
        ``local_time``, ``offset``, ``lon``, ``lat`` as the file has them.
    zone
        Where the case is: for times that are told without their offset.
    """
    at = _moment(facts.get("local_time"), facts.get("offset"), zone)
    lon, lat = facts.get("lon"), facts.get("lat")
    # Some phones write zeros where they do not know.
    if not _is_degrees(lon, 180.0) or not _is_degrees(lat, 90.0) or (lon == 0 and lat == 0):
        return Claim(at)
    return Claim(at, (float(lon), float(lat)))


def claim_of_sender(at: datetime | None, lon: float | None, lat: float | None) -> Claim:
    """Read what the sender says of time and place.

    Raises
    ------
    InvalidError
        The time has no offset, or only one of the two coordinates is given.
    """
    if at is not None and at.tzinfo is None:
        raise InvalidError("the time has no offset", where="taken_at", hint="end it with Z or +08:00")
    if (lon is None) != (lat is None):
        raise InvalidError("a place is lon and lat", where="lon, lat", hint="send both or neither")
    place = None if lon is None or lat is None else (lon, lat)
    return Claim(None if at is None else at.astimezone(UTC), place)


def judge(
    of_file: Claim, of_sender: Claim, *, place: tuple[float, float], opened_at: datetime, now: datetime
) -> Verdict:
    """Hold the claims of file and sender against the place (lon, lat) and the opening of the case."""
    claims = of_file, of_sender
    places = [claim.place for claim in claims if claim.place is not None]
    times = [claim.at for claim in claims if claim.at is not None]
    farthest = max((distance_m(claimed, place) for claimed in places), default=None)
    found: dict[Flag, bool] = {
        "no_place": not places,
        "far_away": farthest is not None and farthest > FAR_M,
        "no_time": not times,
        "in_the_future": any(at > now + AHEAD for at in times),
        "long_before_case": any(at < opened_at - EARLY for at in times),
        "claims_differ": (len(times) == 2 and abs(times[0] - times[1]) > APART)
        or (len(places) == 2 and distance_m(*places) > FAR_M),
    }
    return Verdict(farthest, tuple(flag for flag, is_so in found.items() if is_so))


def _is_degrees(value: object, most: float) -> TypeGuard[float]:
    return isinstance(value, float | int) and math.isfinite(value) and abs(value) <= most


def _moment(local_time: object, offset: object, zone: ZoneInfo) -> datetime | None:
    told = isinstance(offset, str) and offset
    form = _TIME_FORM + "%z" if told else _TIME_FORM
    try:
        at = datetime.strptime(f"{local_time}{offset if told else ''}", form)  # noqa: DTZ007 (see below)
        at = (at if told else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at >= _FIRST else None
