"""Tell what speaks for a case: which sensors say so and what they saw, who else reported it, photographs."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import Names, RowId, case_title, finite, property_names, state_name
from api.routes.devices import HISTORY
from api.routes.shelving import MAY_SHELVE, ShelvingAnswer, shelved_groups
from api.rows import Row
from twin.access.roles import DataClass
from twin.errors import NotFoundError
from twin.states import State

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]

MOST_MEMBERS: Final = 1_000
MOST_SERIES: Final = 8
"""Kinds of alarms, the worst first, whose worst sensor is told as a curve."""
POINTS: Final = 60
BEFORE: Final = timedelta(hours=2)
AFTER: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(days=2)
"""A curve goes from `BEFORE` the first alarm to `AFTER` the last was cleared, and is no longer than this."""


class EvidenceAlarm(BaseModel):
    """What sensors of one kind say of one property; ``property`` is null where it is about them as a whole.

    ``state`` is their worst now, normal once all returned; ``offline`` of them are silent now. ``low`` to
    ``high`` are the values of those that have not returned; ``series`` are times (Unix seconds) and values
    of the worst.
    """

    kind: str
    names: Names
    property: str | None
    unit: str
    state: str
    count: int
    first_at: datetime
    last_at: datetime
    offline: int
    low: float | None
    high: float | None
    series: list[tuple[float, float]]


class EvidenceMember(BaseModel):
    """One sensor's alarm; ``value`` is null where it is about the sensor as a whole."""

    device_id: int
    uid: str
    lon: float
    lat: float
    state: str
    value: float | None
    raised_at: datetime


class RepeatAnswer(BaseModel):
    """A case that repeats this one."""

    id: int
    number: str
    source: str
    title: Names
    opened_at: datetime


class EvidenceGroup(BaseModel):
    """The group of alarms that raised the case: how many it had, how many are open, who saw them.

    ``acknowledged`` are those of the open ones that somebody acknowledged.
    """

    group_id: int
    alarms: int
    open: int
    acknowledged: int
    acknowledged_by: list[str]
    may_acknowledge: bool
    """Whether the caller may acknowledge and shelve it."""
    shelving: ShelvingAnswer | None


class EvidenceAnswer(BaseModel):
    """What speaks for a case, as far as the caller sees it; the worst first, repeats as they came.

    ``group`` is null where no sensors raised the case, or the caller sees none of their alarms.
    """

    group: EvidenceGroup | None
    alarms: list[EvidenceAlarm]
    members: list[EvidenceMember]
    repeats: list[RepeatAnswer]
    photographs: int


_CASE: Final = """
    SELECT id, (SELECT count(*) FROM photograph AS p WHERE p.case_id = c.id) AS photographs
    FROM case_file AS c WHERE id = :id"""

_MEMBERS: Final = """
    SELECT m.device_id, d.uid, d.kind, m.property, ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat, m.state,
           m.worst_state, m.value, m.raised_at, m.cleared_at
    FROM alarm_group AS g JOIN alarm AS m ON m.group_id = g.id JOIN device AS d ON d.id = m.device_id
    WHERE g.case_id = :id
    ORDER BY m.cleared_at IS NOT NULL, m.state DESC, m.worst_state DESC, m.raised_at, m.id LIMIT 5000"""

_GROUP: Final = f"""
    SELECT g.id AS group_id, count(*) AS alarms,
           count(*) FILTER (WHERE m.cleared_at IS NULL) AS open,
           count(*) FILTER (WHERE m.cleared_at IS NULL AND m.acknowledged_at IS NOT NULL) AS acknowledged,
           array_remove(array_agg(DISTINCT m.acknowledged_by), NULL) AS acknowledged_by,
           g.scope_code <@ {MAY_SHELVE} AS may_acknowledge
    FROM alarm_group AS g JOIN alarm AS m ON m.group_id = g.id JOIN device AS d ON d.id = m.device_id
    WHERE g.case_id = :id GROUP BY g.id"""

_REPEATS: Final = """
    SELECT id, number, source, title, title_en, opened_at FROM case_file WHERE linked_to = :id
    ORDER BY opened_at, id LIMIT 200"""


@router.get("/api/cases/{id}/evidence", responses=NOT_FOUND)
async def get_case_evidence(caller: Reader, case_id: RowId) -> EvidenceAnswer:
    """Return which sensors speak for a case and what they saw, the cases that repeat it, and photographs."""
    case = await caller.fetch_one(_CASE, id=case_id)
    if case is None:
        raise NotFoundError(f"there is no case {case_id} that you may see", where="id")
    rows = await caller.fetch(_MEMBERS, id=case_id)
    grouped: dict[tuple[str, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["kind"], row["property"]].append(row)
    alarms = [
        await _alarm(caller, kind, slot, members, with_series=number < MOST_SERIES)
        for number, ((kind, slot), members) in enumerate(grouped.items())
    ]
    repeats = await caller.fetch(_REPEATS, id=case_id)
    return EvidenceAnswer(
        group=await _group(caller, case_id),
        alarms=alarms,
        members=[
            EvidenceMember(
                **{key: row[key] for key in ("device_id", "uid", "lon", "lat", "raised_at")},
                state=state_name(_state(row)),
                value=_observed(row),
            )
            for row in rows[:MOST_MEMBERS]
        ],
        repeats=[
            RepeatAnswer(
                **{key: row[key] for key in ("id", "number", "source", "opened_at")},
                title=case_title(row["title"], row["title_en"]),
            )
            for row in repeats
        ],
        photographs=case["photographs"],
    )


async def _group(caller: Caller, case_id: int) -> EvidenceGroup | None:
    row = await caller.fetch_one(_GROUP, id=case_id)
    if row is None:
        return None
    aside = await shelved_groups(caller, [row["group_id"]])
    return EvidenceGroup(**row, shelving=aside.get(row["group_id"]))


def _observed(row: Row) -> float | None:
    """Return the value that raised an alarm; of one about a device as a whole it is none of its readings."""
    return finite(row["value"]) if row["property"] is not None else None


def _state(row: Row) -> int:
    """Return the state of an alarm now; of one that is over that the sensor is back in order."""
    return int(State.NORMAL) if row["cleared_at"] is not None else int(row["state"])


async def _alarm(
    caller: Caller, kind_name: str, slot: int | None, members: list[Row], *, with_series: bool
) -> EvidenceAlarm:
    """Gather the alarms of one kind and property, the worst of them first."""
    kind = caller.running.twin.catalog.by_name.get(kind_name)
    observed = None
    if kind is not None and slot is not None and slot < len(kind.properties):
        observed = kind.properties[slot]
    if kind is None:
        names = Names(zh=kind_name, en=kind_name)
    else:
        names = Names(zh=kind.zh, en=kind.en) if observed is None else property_names(kind, observed)
    raised = [row["raised_at"] for row in members]
    still = [row for row in members if row["cleared_at"] is None]
    values = [value for row in still if (value := _observed(row)) is not None]
    return EvidenceAlarm(
        kind=kind_name,
        names=names,
        property=None if slot is None else observed.name if observed else str(slot),
        unit=observed.unit if observed else "",
        state=state_name(max((row["state"] for row in still), default=State.NORMAL)),
        count=len({row["device_id"] for row in members}),
        first_at=min(raised),
        last_at=max(raised),
        offline=_offline(caller, {row["device_id"] for row in members}),
        low=min(values, default=None),
        high=max(values, default=None),
        series=await _series(caller, slot, members) if with_series and slot is not None else [],
    )


def _offline(caller: Caller, device_ids: set[int]) -> int:
    board = caller.running.twin.board
    rows = (board.row_of_id.get(device_id) for device_id in device_ids)
    return sum(row is not None and int(board.state[row]) == State.OFFLINE for row in rows)


async def _series(caller: Caller, slot: int, members: list[Row]) -> list[tuple[float, float]]:
    """Return what the worst sensor of some saw, thinned by the database to `POINTS` steps."""
    worst = members[0]
    first = min(row["raised_at"] for row in members)
    cleared = [row["cleared_at"] for row in members]
    now = datetime.now(UTC)
    last = now if None in cleared else min(now, max(cleared) + AFTER)
    begin, end = first - BEFORE, min(last, first - BEFORE + LONGEST)
    steps = await caller.fetch(
        HISTORY,
        id=worst["device_id"],
        slot=slot,
        begin=begin.timestamp(),
        end=end.timestamp(),
        points=POINTS,
    )
    return [
        (float(step["at"]), value) for step in steps[:POINTS] if (value := finite(step["last"])) is not None
    ]
