"""Check what a photograph claims of its time and place against its case."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeGuard
from zoneinfo import ZoneInfo

import numpy as np

from twin.crs import gcj02_to_wgs84
from twin.distance import distance_m
from twin.errors import InvalidError
from twin.model.photograph import Moment

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

Flag = Literal[
    "no_place",
    "far_away",
    "perhaps_gcj02",
    "no_time",
    "in_the_future",
    "long_before_case",
    "before_dispatch",
    "after_closing",
    "claims_differ",
]
"""What may be wrong with the claims of a photograph; without any, its time and place fit the case."""

PlaceCheck = Literal["match", "far", "perhaps_gcj02", "unknown"]
TimeCheck = Literal["match", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """When and where (lon, lat in degrees) somebody says that a photograph was taken; None: not said."""

    at: datetime | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What claims are held against: where a case lies (lon, lat), when it was opened, given out, closed."""

    place: tuple[float, float]
    opened_at: datetime
    dispatched_at: datetime | None = None
    closed_at: datetime | None = None


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


def judge(of_file: Claim, of_sender: Claim, case: CaseFacts, *, moment: Moment, now: datetime) -> Verdict:
    """Hold the claims of file and sender against the case.

    What is said to be after the work must not be older than the last time that somebody was sent.
    """
    place = case.place
    claims = of_file, of_sender
    places = [claim.place for claim in claims if claim.place is not None]
    times = [claim.at for claim in claims if claim.at is not None]
    farthest = max((distance_m(claimed, place) for claimed in places), default=None)
    found: dict[Flag, bool] = {
        "no_place": not places,
        "far_away": farthest is not None and farthest > FAR_M,
        "perhaps_gcj02": any(_is_shifted(claimed, place) for claimed in places),
        "no_time": not times,
        "in_the_future": any(at > now + AHEAD for at in times),
        "long_before_case": any(at < case.opened_at - EARLY for at in times),
        "before_dispatch": moment == "after"
        and any(case.dispatched_at is None or at < case.dispatched_at - AHEAD for at in times),
        "after_closing": case.closed_at is not None and any(at > case.closed_at + AHEAD for at in times),
        "claims_differ": (len(times) == 2 and abs(times[0] - times[1]) > APART)
        or (len(places) == 2 and distance_m(*places) > FAR_M),
    }
    return Verdict(farthest, tuple(flag for flag, is_so in found.items() if is_so))


def check_of(flags: Collection[str]) -> tuple[PlaceCheck, TimeCheck]:
    """Return in a word each what the flags say of place and time."""
    place: PlaceCheck = (
        "unknown"
        if "no_place" in flags
        else "perhaps_gcj02"
        if "perhaps_gcj02" in flags
        else "far"
        if "far_away" in flags
        else "match"
    )
    wrong = {"in_the_future", "long_before_case", "before_dispatch", "after_closing"}
    time: TimeCheck = "unknown" if "no_time" in flags else "wrong" if wrong & set(flags) else "match"
    return place, time


def _is_shifted(claimed: tuple[float, float], place: tuple[float, float]) -> bool:
    """Say whether a claim that lies too far would fit, were it in the shifted frame of Chinese maps."""
    if distance_m(claimed, place) <= FAR_M:
        return False
    lon, lat = gcj02_to_wgs84(*(np.array([degrees]) for degrees in claimed))
    return distance_m((float(lon[0]), float(lat[0])), place) <= FAR_M


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
