"""Make a case more urgent whose group of alarms got worse, on the record and once for each worsening."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.cases.acting import Act, act_as, hold
from twin.cases.clocks import raise_after_devices
from twin.cases.parties import SYSTEM, Told
from twin.catalog import Catalog
from twin.errors import ConflictError
from twin.rules.case_alarms import COUNTING, NOT_ASIDE, PRIORITY_OF, cases_of_kinds, urgency_of
from twin.states import STATE_NAMES_ZH, State
from twin.store.outage import is_outage

MOST_AT_ONCE: Final = 200

_log = logging.getLogger("gridtwin.cases")

# A group has no more devices than alarms, and none counts that is worse than its worst: what cannot have
# become more urgent is not counted. One that ended a while ago gets no worse.
_WORSE: Final = text(
    f"""
    SELECT g.id, g.case_id, coalesce(c.linked_to, c.id) AS first_case, counted.state, counted.devices
    FROM alarm_group AS g JOIN case_file AS c ON c.id = g.case_id
    CROSS JOIN LATERAL (
        SELECT max(alarm.worst_state) AS state, count(DISTINCT alarm.device_id) AS devices {COUNTING}
    ) AS counted
    WHERE g.case_priority > 1 AND (g.ended_at IS NULL OR g.ended_at > now() - interval '1 day')
      AND c.closed_at IS NULL AND {NOT_ASIDE}
      AND (CAST(:priorities AS int2[]))[g.worst_state]
          - (SELECT count(*) FROM unnest(CAST(:steps AS int4[])) AS step WHERE step <= g.alarms)
          < g.case_priority
      AND (CAST(:priorities AS int2[]))[counted.state]
          - (SELECT count(*) FROM unnest(CAST(:steps AS int4[])) AS step WHERE step <= counted.devices)
          < g.case_priority
    ORDER BY counted.state DESC, g.id LIMIT {MOST_AT_ONCE}
    """
)
_NOTE: Final = text(
    "UPDATE alarm_group SET case_priority = :priority WHERE id = :id AND case_id = :case_id "
    "AND case_priority > :priority"
)


async def raise_urgency(engine: AsyncEngine, catalog: Catalog, *, now: datetime) -> int:
    """Make the cases more urgent whose groups got worse since they were last; return of how many groups.

    The act is the system's, with the reason in words, and tells the journal. A case that is as urgent already
    is left alone, and what a person made of it stays until its group is worse than when it was noted last.
    A case that repeats another makes that one more urgent with itself. Whoever looks at the same group at the
    same moment, or after a server was killed, does it no second time.

    Parameters
    ----------
    engine
        Of the server's own hand.
    """
    steps = raise_after_devices()
    asked = cases_of_kinds(catalog) | {
        "steps": list(steps),
        "priorities": [PRIORITY_OF.get(State(code)) for code in range(1, len(State))],
    }
    async with engine.connect() as connection:
        worse = (await connection.execute(_WORSE, asked)).all()
    noted = 0
    for row in worse:
        try:
            async with engine.begin() as connection:
                noted += await _raise(connection, row, steps, now)
        except ConflictError:
            continue  # somebody acted on it at this moment: it is found again
        except Exception as error:
            if is_outage(error):
                raise
            _log.exception("case %d could not be made more urgent", row.case_id)
    return noted


async def _raise(connection: AsyncConnection, row: Row[Any], steps: tuple[int, ...], now: datetime) -> bool:
    """Note how bad a group is and act on its case, both or neither; say whether it was worse than noted."""
    # Cases are held before the group: observations wait for groups, and cases for people who act.
    cases = await hold(connection, row.first_case)
    case = cases.get(row.case_id)
    if case is None or case.outcome is not None or case.linked_to not in (None, row.first_case):
        return False  # it was linked, unlinked or ended meanwhile
    priority = urgency_of(State(row.state), row.devices, steps)
    noted = await connection.execute(_NOTE, {"id": row.id, "case_id": row.case_id, "priority": priority})
    if not noted.rowcount:
        return False
    told = Told(reason=_reason(row), priority=priority)
    for number in {row.case_id, row.first_case}:
        one = cases[number]
        if one.outcome is None and one.priority > priority:
            await act_as(connection, Act(one.id, one.version, "correct", told), lambda _row: SYSTEM, now=now)
    return True


def _reason(row: Row[Any]) -> str:
    state = State(row.state)
    return (
        f"告警加重：{row.devices} 台设备，最高为{STATE_NAMES_ZH[state]} · "
        f"alarms got worse: {row.devices} devices, the worst {state.name.lower()}"
    )
