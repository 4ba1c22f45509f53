"""Show workers their own track, and who looked at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import OWN_WORKER, needs
from api.routes.answers import GivenMoment, Names
from api.routes.trails import LEAST_GAP_S, MOST_POINTS, parts_between_gaps
from twin.access.roles import ROLE_BY_NAME
from twin.errors import InvalidError

router = APIRouter(tags=["account"])

LONGEST_DAYS: Final = 31

# What the tracker observed while this worker was on duty and carried it: it may have been another's before.
# At most one fix a moment; of more than fit, every second, third, ... one.
_TRACK: Final = text(
    """
    WITH fixes AS (
        SELECT DISTINCT ON (o.phenomenon_time) o.phenomenon_time AS at, o.lon, o.lat
        FROM worker AS w
        JOIN duty AS d ON d.worker_id = w.id AND d.starts_at < :until
            AND (d.ends_at IS NULL OR d.ends_at > :since)
        JOIN observation AS o ON o.device_id = w.device_id AND o.lon IS NOT NULL
            AND o.phenomenon_time >= :since AND o.phenomenon_time < :until
            AND o.phenomenon_time >= greatest(d.starts_at, w.device_since)
            AND (d.ends_at IS NULL OR o.phenomenon_time < d.ends_at)
        WHERE w.id = :worker_id
        ORDER BY o.phenomenon_time
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY at) - 1 AS n, count(*) OVER () AS total FROM fixes
    )
    SELECT lon, lat, extract(epoch FROM at)::float8 AS at_s, total FROM numbered
    WHERE n % ((total - 1) / CAST(:most AS int8) + 1) = 0 ORDER BY at
    """
)
_LOOKS: Final = text("SELECT at, actor, roles, reason, minutes FROM own_looks(:since, :most)")


class Walk(BaseModel):
    """A GeoJSON feature: one part of the track without a gap, a single fix as a point.

    ``properties.times`` holds the Unix seconds of each position.
    """

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: dict[str, list[float]]


class TrackAnswer(BaseModel):
    """The own track as a GeoJSON feature collection, oldest first; where nothing was observed is a gap."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Walk]
    fixes: int
    """How many there are; where they are too many for one answer, not all are in ``features``."""


@router.get("/api/account/track")
async def get_own_track(
    caller: Annotated[Caller, needs(OWN_WORKER)],
    since: Annotated[
        GivenMoment | None, Query(alias="from", description="default: a day before `to`")
    ] = None,
    until: Annotated[GivenMoment | None, Query(alias="to", description="default: now")] = None,
) -> TrackAnswer:
    """Return where the own tracker was while on duty, the last day where no times are given.

    To read the own track is not a look at it, and not put on the record.
    """
    until = until or datetime.now(UTC)
    try:
        since = since or until - timedelta(days=1)
        fits = timedelta(0) < until - since <= timedelta(days=LONGEST_DAYS)
    except OverflowError:
        fits = False
    if not fits:
        raise InvalidError(
            f"“from” must lie before “to”, and not more than {LONGEST_DAYS} days before",
            where="query.from",
            hint="older fixes are deleted anyway",
        )
    asked = {"worker_id": caller.grants.worker_id, "since": since, "until": until, "most": MOST_POINTS}
    async with caller.transaction() as connection:
        rows = (await connection.execute(_TRACK, asked)).all()
    if not rows:
        return TrackAnswer(features=[], fixes=0)
    total = int(rows[0].total)
    every = (total - 1) // MOST_POINTS + 1
    gap_s = max(LEAST_GAP_S, 3.0 * _interval_s(caller) * every)
    times = [row.at_s for row in rows]
    path = [(round(row.lon, 6), round(row.lat, 6)) for row in rows]
    return TrackAnswer(
        features=[_walk(path[b:e], times[b:e]) for b, e in parts_between_gaps(times, gap_s)], fixes=total
    )


def _walk(path: list[tuple[float, float]], times: list[float]) -> Walk:
    line = len(path) > 1  # GeoJSON knows no line of one position
    geometry = {"type": "LineString" if line else "Point", "coordinates": path if line else path[0]}
    return Walk(geometry=geometry, properties={"times": times})


def _interval_s(caller: Caller) -> float:
    """Return how often the own tracker should report."""
    board = caller.running.twin.board
    row = board.row_of_id.get(caller.grants.tracker_id or 0)
    return 0.0 if row is None else float(board.expected_s[row])


class Look(BaseModel):
    """One look at the own track: when, by whom, in which roles, why where that was asked, and how far back.

    The same look, repeated within ten minutes, is told once.
    """

    at: datetime
    account: str
    roles: list[Names]
    reason: str
    minutes: float | None


@router.get("/api/account/looks")
async def list_own_looks(
    caller: Annotated[Caller, needs(OWN_WORKER)],
    days: Annotated[int, Query(ge=1, le=185)] = 30,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> list[Look]:
    """Return who looked at the own track, the newest first, from the record of acts."""
    asked = {"since": datetime.now(UTC) - timedelta(days=days), "most": limit}
    async with caller.transaction() as connection:
        rows = (await connection.execute(_LOOKS, asked)).all()
    return [
        Look(at=row.at, account=row.actor, roles=_titles(row.roles), reason=row.reason, minutes=row.minutes)
        for row in rows
    ]


def _titles(names: str) -> list[Names]:
    known = (ROLE_BY_NAME.get(name) for name in names.split())
    return [Names(zh=role.zh, en=role.en) for role in known if role is not None]
