"""Tell what happened lately: in the whole city, and to one device."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.errors import NOT_FOUND
from api.routes.answers import DeviceId, Names, device_names
from api.rows import Row, fetch
from api.runtime import Running
from twin.errors import NotFoundError

router = APIRouter()

EVENT_NAMES: Final = {
    "alarm.raised": ("告警产生", "Alarm raised"),
    "alarm.changed": ("告警变化", "Alarm changed"),
    "alarm.cleared": ("告警解除", "Alarm cleared"),
    "alarm.acknowledged": ("告警已确认", "Alarm acknowledged"),
}


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


# `seq` is the primary key, so the newest rows are one short read of its index.
_NEWEST: Final = """
    SELECT j.seq, j.at, j.kind AS event, j.area_code, j.data,
           d.id, d.uid, d.kind, d.name, d.name_en, d.simulated
    FROM (SELECT * FROM journal ORDER BY seq DESC LIMIT :limit) AS j
    LEFT JOIN device AS d ON j.subject = 'device/' || d.id AND d.id = (j.data ->> 'device_id')::int4
    ORDER BY j.seq DESC"""

_OF_SUBJECT: Final = """
    SELECT seq, at, kind AS event, data FROM journal WHERE subject = :subject
    ORDER BY seq DESC LIMIT :limit"""


@router.get("/api/journal", tags=["alarms"])
async def list_journal(
    running: Running, limit: Annotated[int, Query(ge=1, le=200)] = 30
) -> list[CityEventAnswer]:
    """Return the newest events of the journal, the newest first."""
    catalog = running.twin.catalog
    answers = []
    for row in await fetch(running.engine, _NEWEST, limit=limit):
        device = None
        if row["id"] is not None:
            kind = catalog.by_name.get(row["kind"])
            device = ThingAnswer(
                id=row["id"],
                uid=row["uid"],
                kind=row["kind"],
                layer=kind.layer if kind else 0,
                name=device_names(catalog, row["kind"], row["uid"], row["name"], row["name_en"]),
                simulated=row["simulated"],
            )
        answers.append(CityEventAnswer(**_event(row), area_code=row["area_code"], device=device))
    return answers


@router.get("/api/devices/{id}/events", tags=["devices"], responses=NOT_FOUND)
async def list_device_events(
    running: Running, device_id: DeviceId, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[EventAnswer]:
    """Return what the journal says about a device, the newest first."""
    if device_id not in running.twin.board.row_of_id:
        raise NotFoundError(f"there is no device {device_id}", where="id")
    found = await fetch(running.engine, _OF_SUBJECT, subject=f"device/{device_id}", limit=limit)
    return [EventAnswer(**_event(row)) for row in found]


def _event(row: Row) -> dict[str, Any]:
    """Return the fields of an `EventAnswer`."""
    zh, en = EVENT_NAMES.get(row["event"], (row["event"], row["event"]))
    return {
        "journal": row["seq"],
        "at": row["at"],
        "kind": row["event"],
        "zh": zh,
        "en": en,
        "state": row["data"].get("state"),
        "data": row["data"],
    }
