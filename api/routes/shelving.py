"""Put groups of alarms and devices aside for a while, and say where alarms are expected."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.routes.answers import Names, RowId
from api.routes.polygon import PolygonBody
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.rules import maintenance, shelving
from twin.rules.maintenance import Window, end_window, set_window
from twin.rules.shelving import ToShelve, bring_back, shelve

router = APIRouter(tags=["alarms"])

Reader = Annotated[Caller, needs(reads(DataClass.ALARM))]
Operator = Annotated[Caller, needs(does(Act.ACKNOWLEDGE_ALARM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_RULES))]

_Reason = Annotated[str, Field(max_length=2 * shelving.REASON_LETTERS)]
_Number = Annotated[int, Field(ge=1, le=2**53 - 1)]


class ShelvingAnswer(BaseModel):
    """A group or a device that is put aside: why, by whom, until when."""

    id: int
    group_id: int | None
    device_id: int | None
    reason: str
    shelved_by: str
    begins_at: datetime
    until_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class ShelveRequest(BaseModel):
    """What to put aside, one of the two, why, and until when: at most 8 hours ahead."""

    model_config = ConfigDict(extra="forbid")

    group_id: _Number | None = None
    device_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    reason: _Reason
    until: AwareDatetime

    @model_validator(mode="after")
    def _one(self) -> ShelveRequest:
        if (self.group_id is None) == (self.device_id is None):
            raise ValueError("name a group or a device, one of the two")
        return self


_SHELVED: Final = """
    SELECT id, group_id, device_id, reason, shelved_by, begins_at, until_at, ended_at, ended_by
    FROM shelving WHERE ended_at IS NULL AND until_at > now()"""
_LIST: Final = f"{_SHELVED} ORDER BY until_at, id LIMIT 500"
_OF_GROUPS: Final = f"{_SHELVED} AND group_id = ANY(:groups)"
MAY_SHELVE: Final = "(SELECT gt_scope('may_alarm_acknowledge'))"
"""Where the caller may acknowledge and shelve: a scope that holds the code of the group or device."""


@router.get("/api/alarms/shelved")
async def list_shelved(caller: Reader) -> list[ShelvingAnswer]:
    """Return what is put aside now, what comes back first at the head."""
    return [ShelvingAnswer(**row) for row in await caller.fetch(_LIST)]


@router.post("/api/alarms/shelve", status_code=201, responses={**NOT_FOUND, **CONFLICT})
async def shelve_alarms(caller: Operator, body: ShelveRequest) -> ShelvingAnswer:
    """Put a group or a device aside; it comes back by itself. Alarms are recorded meanwhile as ever."""
    what = ToShelve(body.group_id, body.device_id, body.reason, body.until)
    async with caller.transaction() as connection:
        row = await shelve(connection, what, by=caller.shown_name, now=datetime.now(UTC))
        detail = {"group": body.group_id, "device": body.device_id, "until": body.until.isoformat()}
        entry = Entry("alarm.shelved", f"shelving/{row.id}", reason=row.reason, detail=detail)
        await write(connection, caller.actor, entry)
    return _shelved(row)


@router.post("/api/alarms/shelved/{id}/end", responses=NOT_FOUND)
async def end_shelving(caller: Operator, shelving_id: RowId) -> ShelvingAnswer:
    """Bring back before its time what was put aside."""
    async with caller.transaction() as connection:
        row = await bring_back(connection, shelving_id, by=caller.shown_name)
        await write(connection, caller.actor, Entry("alarm.unshelved", f"shelving/{row.id}"))
    return _shelved(row)


async def shelved_groups(caller: Caller, group_ids: list[int]) -> dict[int, ShelvingAnswer]:
    """Return which of some groups are put aside now, by their number."""
    found = await caller.fetch(_OF_GROUPS, groups=group_ids)
    return {row["group_id"]: ShelvingAnswer(**row) for row in found}


def _shelved(row: Any) -> ShelvingAnswer:
    return ShelvingAnswer(**{name: getattr(row, name) for name in ShelvingAnswer.model_fields})


class WindowAnswer(BaseModel):
    """A time in which alarms of a place are expected; `area_code` null is everywhere.

    ``alarms`` came within it, of what the caller sees; ``open_alarms`` of them are open.
    """

    id: int
    area_code: str | None
    area_name: Names | None
    alarms: int
    open_alarms: int
    may_end: bool
    """Whether the caller may end it."""
    polygon: dict[str, Any] | None
    kind: str | None
    reason: str
    made_by: str
    made_at: datetime
    begins_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class WindowRequest(BaseModel):
    """Where, of which kind (null: all), from when until when alarms are expected, and why."""

    model_config = ConfigDict(extra="forbid")

    area_code: Annotated[str, Field(pattern="^[0-9]{15}$")] | None = None
    polygon: PolygonBody | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    reason: _Reason


_WINDOW: Final = text(maintenance.READ)


@router.get("/api/maintenance")
async def list_maintenance(caller: Reader) -> list[WindowAnswer]:
    """Return the windows that hold now or are to come, where the caller sees alarms."""
    return [_window(row) for row in await caller.fetch(maintenance.LIST)]


@router.post("/api/maintenance", status_code=201)
async def set_maintenance(caller: Manager, body: WindowRequest) -> WindowAnswer:
    """Say that alarms are expected somewhere for a while: they are recorded, marked, and raise no case."""
    window = Window(
        body.area_code,
        None if body.polygon is None else body.polygon.model_dump(),
        body.kind,
        body.begins_at,
        body.ends_at,
        body.reason,
    )
    async with caller.transaction() as connection:
        catalog = caller.running.twin.catalog
        row = await set_window(connection, window, catalog, by=caller.shown_name, now=datetime.now(UTC))
        detail = {"area": body.area_code, "kind": body.kind, "ends_at": body.ends_at.isoformat()}
        entry = Entry("maintenance.set", f"maintenance/{row.id}", reason=row.reason, detail=detail)
        await write(connection, caller.actor, entry)
        return await _told(connection, row.id)


@router.post("/api/maintenance/{id}/end", responses=NOT_FOUND)
async def end_maintenance(caller: Manager, window_id: RowId) -> WindowAnswer:
    """End a window before its time; alarms that are still open raise their cases from now on."""
    async with caller.transaction() as connection:
        row = await end_window(connection, window_id, by=caller.shown_name)
        await write(connection, caller.actor, Entry("maintenance.ended", f"maintenance/{row.id}"))
        return await _told(connection, row.id)


async def _told(connection: AsyncConnection, window_id: int) -> WindowAnswer:
    row = (await connection.execute(_WINDOW, {"id": window_id})).one()
    return _window(row._mapping)


def _window(row: Any) -> WindowAnswer:
    told = {name: row[name] for name in WindowAnswer.model_fields if name != "area_name"}
    named = row["area_name"] is not None
    return WindowAnswer(
        **told | {"polygon": row["polygon"] and json.loads(row["polygon"])},
        area_name=Names(zh=row["area_name"], en=row["area_name_en"]) if named else None,
    )
