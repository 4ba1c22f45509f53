"""Tell how the day went: observations stored and alarms raised, by step."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.counting import counting
from twin.access.roles import DataClass
from twin.states import State
from twin.zones import timezone_of

router = APIRouter(tags=["statistics"])


class AlarmSeries(BaseModel):
    """Alarms raised in each step, by the worst state that they reached."""

    warning: list[int | None]
    alarm: list[int | None]
    critical: list[int | None]


class TimelineAnswer(BaseModel):
    """Counts of what the caller sees, in steps.

    Null where a step has not begun, where its count is not known, where the caller may not count alarms, and
    with ``withheld`` where there are so few that whoever is told counts only is not told these.
    """

    from_: datetime = Field(alias="from")
    to: datetime
    step_s: int
    observations: list[int | None]
    alarms: AlarmSeries
    withheld: bool


_ALARMS: Final = """
    SELECT floor((extract(epoch FROM raised_at) - :begin) / :step)::int4 AS step, worst_state, count(*) AS n
    FROM alarm JOIN device ON device.id = alarm.device_id
    WHERE raised_at >= to_timestamp(:begin) AND raised_at < to_timestamp(:end)
    GROUP BY 1, 2"""


async def local_zone(caller: Caller) -> ZoneInfo:
    """Return the time zone the city lives by."""
    place = await caller.fetch_one(
        """SELECT ST_X(p) AS lon, ST_Y(p) AS lat
           FROM (SELECT ST_Centroid(ST_Extent(geom)) AS p FROM building WHERE valid_to IS NULL) AS b""",
    )
    if place is None or place["lon"] is None:
        return ZoneInfo("UTC")
    return ZoneInfo(timezone_of(place["lon"], place["lat"]))


@router.get("/api/timeline")
async def get_timeline(
    caller: Annotated[Caller, needs(reads(DataClass.PLACE, DataClass.ALARM, DataClass.CASE, counts=True))],
    hours: Annotated[int, Query(ge=1, le=48)] = 24,
    step_min: Annotated[int, Query(ge=1, le=240)] = 10,
) -> TimelineAnswer:
    """Return the day from 00:00 local time; with more than 24 hours it begins on the day before."""
    midnight = datetime.now(await local_zone(caller)).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = (midnight - timedelta(days=1 if hours > 24 else 0)).astimezone(UTC)
    step_s = step_min * 60
    steps = -(-hours * 3600 // step_s)
    end = begin + timedelta(seconds=steps * step_s)
    now = time.time()
    begun = [begin.timestamp() + i * step_s <= now for i in range(steps)]
    alarms = counting(caller, DataClass.ALARM)
    raised: dict[tuple[int, int], int | None] = {}
    if alarms is not None:
        found = await alarms.caller.fetch(
            _ALARMS, begin=begin.timestamp(), end=end.timestamp(), step=float(step_s)
        )
        raised = {(row["step"], row["worst_state"]): alarms.told(row["n"]) for row in found}

    def series(state: State) -> list[int | None]:
        if alarms is None:
            return [None] * steps
        return [raised.get((i, int(state)), 0) if begun[i] else None for i in range(steps)]

    sampler = caller.running.sampler
    sampler.count()
    return TimelineAnswer(
        **{"from": begin},
        to=end,
        step_s=step_s,
        observations=[
            sampler.observations(
                begin.timestamp() + i * step_s, begin.timestamp() + (i + 1) * step_s, caller.grants
            )
            for i in range(steps)
        ],
        alarms=AlarmSeries(
            warning=series(State.WARNING), alarm=series(State.ALARM), critical=series(State.CRITICAL)
        ),
        withheld=None in raised.values(),
    )
