"""Say what the clocks of a case show at a time, as somebody who looks at them needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twin.calendar import Limit, Unit
from twin.cases.clocks import Clocks
from twin.cases.states import CaseState


@dataclass(frozen=True, slots=True)
class Reading:
    """What one clock shows.

    From ``warns_at`` on little is left; None while it stands still.

    ``left_s`` is counted in what the clock counts: seconds of working time for working hours and days,
    negative once it is over. While ``runs`` it goes down by one each second; ``changes_at`` is when that
    turns by the calendar, None where it does not. ``certain`` says whether the holidays up to the end are
    announced.
    """

    limit: Limit
    due_at: datetime
    certain: bool
    left_s: float
    runs: bool
    changes_at: datetime | None
    warns_at: datetime | None


def read_clock(state: CaseState, clocks: Clocks, now: datetime, *, whole: bool = False) -> Reading | None:
    """Return what the clock of the present stage, or of the whole case, shows; None where there is none.

    Of a case that is parked or has ended it shows what it showed when it stopped.
    """
    limit = clocks.limit(state.category_code, state.priority, None if whole else state.stage)
    due_at = state.due_at if whole else state.stage_due_at
    if limit is None or due_at is None:
        return None
    stopped = state.closed_at or state.parked_at
    at = stopped or now
    runs, changes_at = True, None
    if stopped is not None:
        runs = False
    elif limit.unit is not Unit.HOURS:
        runs, changes_at = clocks.calendar.turn(now)
    left = clocks.used(limit.unit, at, due_at, ()) or -clocks.used(limit.unit, due_at, at, ())
    return Reading(
        limit,
        due_at,
        clocks.calendar.is_certain(state.stage_since or due_at, due_at),
        left / timedelta(seconds=1),
        runs,
        changes_at,
        clocks.warns_at(state, whole=whole),
    )
