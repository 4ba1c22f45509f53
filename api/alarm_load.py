"""Measure how much alarms ask of whoever watches: groups of ten minutes by operator, and floods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel
from sqlalchemy import text

from api.access.caller import Caller
from twin.access.roles import ROLES, Act, DataClass

ACCEPTABLE: Final = 1.0
"""Groups in ten minutes that one operator can look at (EEMUA 191)."""

FLOOD_BEGINS: Final = 10
"""More groups than this within ten minutes are a flood (ISA-18.2)."""

FLOOD_ENDS: Final = 5
"""It is over when fewer came within ten minutes."""

WINDOW_MIN: Final = 10
SIGNED_IN_MIN: Final = 15
_LOOK_BACK_MIN: Final = 360

_ROLES: Final = [role.name for role in ROLES if Act.ACKNOWLEDGE_ALARM in role.acts]

# By the database's clock; `gridtwin_auth` sees accounts and nothing else.
_OPERATORS: Final = text(
    """
    SELECT count(DISTINCT c.account_id) FROM credential AS c
    JOIN membership AS m ON m.account_id = c.account_id AND m.valid_to IS NULL AND m.role = ANY(:roles)
    JOIN account AS a ON a.id = c.account_id AND a.disabled_at IS NULL
    WHERE c.kind = 'session' AND c.revoked_at IS NULL AND c.expires_at > now()
      AND c.seen_at > now() - make_interval(mins => :minutes)
      AND int8range(m.low, m.high, '[]') && CAST(CAST(:within AS text) AS int8multirange)
    """
)
_OPENED: Final = """
    SELECT CAST(floor(extract(epoch FROM now() - opened_at) / 60) AS integer) AS minutes_ago, count(*) AS n
    FROM alarm_group WHERE opened_at > now() - make_interval(mins => :minutes) GROUP BY 1"""
_RAISED: Final = """
    SELECT count(*) AS n FROM alarm JOIN device ON device.id = alarm.device_id
    WHERE alarm.raised_at > now() - make_interval(mins => :minutes)"""


class AlarmLoad(BaseModel):
    """What the last ten minutes asked of whoever watches, of what the caller sees.

    ``per_operator`` is groups by operators, who are at least one; `acceptable` is 1. In a `flood`
    `flood_since` is when it began, to the minute.
    """

    groups: int
    alarms: int
    operators: int
    per_operator: float
    acceptable: float = ACCEPTABLE
    flood: bool
    flood_since: datetime | None


async def measure(caller: Caller, now: datetime) -> AlarmLoad:
    """Measure the load of the caller's area; ``now`` is only for telling when a flood began."""
    opened = await caller.fetch(_OPENED, minutes=_LOOK_BACK_MIN)
    raised = await caller.fetch_one(_RAISED, minutes=WINDOW_MIN) or {}
    within = caller.scope(DataClass.ALARM).multirange
    async with caller.running.accounts.connect() as connection:
        values = {"roles": _ROLES, "minutes": SIGNED_IN_MIN, "within": within}
        operators = int((await connection.execute(_OPERATORS, values)).scalar_one())
    by_minute = {row["minutes_ago"]: row["n"] for row in opened}
    groups = sum(by_minute.get(minute, 0) for minute in range(WINDOW_MIN))
    since = flood_began(by_minute)
    return AlarmLoad(
        groups=groups,
        alarms=raised.get("n", 0),
        operators=operators,
        per_operator=round(groups / max(1, operators), 2),
        flood=since is not None,
        flood_since=None if since is None else now - timedelta(minutes=since),
    )


def flood_began(by_minute: Mapping[int, int]) -> int | None:
    """Return how many minutes ago the flood began that goes on now; None without one.

    Parameters
    ----------
    by_minute
        Groups that opened so many whole minutes ago.
    """
    began: int | None = None
    for minute in range(max(by_minute, default=0), -1, -1):
        count = sum(by_minute.get(earlier, 0) for earlier in range(minute, minute + WINDOW_MIN))
        if began is None and count > FLOOD_BEGINS:
            began = minute
        elif began is not None and count < FLOOD_ENDS:
            began = None
    return began
