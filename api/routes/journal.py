"""Tell what happened lately: wherever the caller sees, and to one device."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import DeviceId, Names, device_names
from api.routes.devices import find_row
from api.rows import Row
from twin.access.roles import DataClass
from twin.cases.moves import EVENT_WORDS
from twin.dispatch.assignments import EVENT_WORDS as ASSIGNMENT_WORDS

router = APIRouter()

Reader = Annotated[Caller, needs(reads(DataClass.ALARM, DataClass.CASE))]

EVENT_NAMES: Final = {
    "alarm.raised": ("告警产生", "Alarm raised"),
    "alarm.changed": ("告警变化", "Alarm changed"),
    "alarm.cleared": ("告警解除", "Alarm cleared"),
    "alarm.acknowledged": ("告警已确认", "Alarm acknowledged"),
    "alarm.shelved": ("告警已搁置", "Alarm shelved"),
    "alarm.unshelved": ("告警搁置结束", "Alarm no longer shelved"),
    "alarm.no_case": ("告警未能立案", "No case could be raised of alarms"),
    "alarm.maintenance_set": ("设置维护时段", "Maintenance window set"),
    "alarm.maintenance_ended": ("维护时段结束", "Maintenance window ended"),
    "rule.created": ("规则建立", "Rule made"),
    "rule.changed": ("规则修改", "Rule changed"),
    "rule.switched_on": ("规则启用", "Rule switched on"),
    "rule.switched_off": ("规则停用", "Rule switched off"),
    "rule.failed": ("规则出错停用", "Rule failed and switched off"),
    "road.closed": ("道路封闭", "Road closed"),
    "road.reopened": ("道路恢复通行", "Road opened again"),
    **EVENT_WORDS,
    **ASSIGNMENT_WORDS,
}


def event_words(kind: str) -> tuple[str, str]:
    """Return what a kind of event is called in Chinese and English."""
    return EVENT_NAMES.get(kind, (kind, kind))


class EventAnswer(BaseModel):
    """A row of the journal in words."""

    journal: int
    at: datetime
    kind: str
    zh: str
    en: str
    state: str | None
    data: dict[str, Any]


class ThingAnswer(BaseModel):
    """The device or worker that an event is about; `layer` 1 is a worker."""

    id: int
    uid: str
    kind: str
    layer: int
    name: Names
    simulated: bool


class CityEventAnswer(EventAnswer):
    """A row of the journal with where it was and what it is about."""

    area_code: str | None
    device: ThingAnswer | None


# `seq` is the primary key: its index is read from the end until enough are found. An event of a device that
# the caller does not see is not seen either: the alarm of a tracker would tell where its worker is.
_NEWEST: Final = """
    SELECT j.seq, j.at, j.kind AS event, j.area_code, j.data,
           d.id, d.uid, d.kind, d.name, d.name_en, d.simulated
    FROM journal AS j
    LEFT JOIN device AS d ON j.subject = 'device/' || d.id AND d.id = (j.data ->> 'device_id')::int4
    WHERE d.id IS NOT NULL OR j.subject NOT LIKE 'device/%'
    ORDER BY j.seq DESC LIMIT :limit"""

_OF_SUBJECT: Final = """
    SELECT seq, at, kind AS event, data FROM journal WHERE subject = :subject
    ORDER BY seq DESC LIMIT :limit"""


@router.get("/api/journal", tags=["alarms"])
async def list_journal(
    caller: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 30
) -> list[CityEventAnswer]:
    """Return the newest events of the journal that the caller sees, the newest first."""
    catalog = caller.running.twin.catalog
    answers = []
    for row in await caller.fetch(_NEWEST, limit=limit):
        device = None
        if row["id"] is not None:
            kind = catalog.by_name.get(row["kind"])
            device = ThingAnswer(
                id=row["id"],
                uid=row["uid"],
                kind=row["kind"],
                layer=kind.layer if kind else 0,
                name=device_names(
                    catalog,
                    row["kind"],
                    row["uid"],
                    row["name"],
                    row["name_en"],
                    own=row["id"] == caller.grants.tracker_id,
                ),
                simulated=row["simulated"],
            )
        answers.append(CityEventAnswer(**_event(row), area_code=row["area_code"], device=device))
    return answers


@router.get("/api/devices/{id}/events", tags=["devices"], responses=NOT_FOUND)
async def list_device_events(
    caller: Reader, device_id: DeviceId, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[EventAnswer]:
    """Return what the journal says about a device, the newest first."""
    find_row(caller, device_id)
    found = await caller.fetch(_OF_SUBJECT, subject=f"device/{device_id}", limit=limit)
    return [EventAnswer(**_event(row)) for row in found]


def _event(row: Row) -> dict[str, Any]:
    """Return the fields of an `EventAnswer`."""
    zh, en = event_words(row["event"])
    return {
        "journal": row["seq"],
        "at": row["at"],
        "kind": row["event"],
        "zh": zh,
        "en": en,
        "state": row["data"].get("state"),
        "data": row["data"],
    }
