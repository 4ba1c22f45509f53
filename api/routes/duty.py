"""Let workers begin and end their own duty, and those who lead them end it."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import OWN_WORKER, does, needs
from api.errors import NOT_FOUND, PROBLEM_CONTENT
from api.routes.answers import DeviceId, GivenMoment
from api.runtime import Running
from twin import duty
from twin.access.roles import Act
from twin.duty import DutyRow, EndedBy
from twin.errors import InvalidError, NotFoundError

router = APIRouter(tags=["duty"], responses=NOT_FOUND)

PAST_DAYS: Final = 30


class DutyAnswer(BaseModel):
    """Whether the caller is on duty, and the duties of the past 30 days, the newest first."""

    on_duty: bool
    current: DutyRow | None
    past: list[DutyRow]
    longest_s: float
    """A duty ends by itself after this time."""


class BeginRequest(BaseModel):
    """What begins a duty. Repeated with the same ``client_id`` it is the same duty."""

    model_config = ConfigDict(extra="forbid")

    client_id: UUID
    consent: bool
    """The place of the own tracker may be known until this duty ends."""
    planned_end_at: GivenMoment | None = None


class EndRequest(BaseModel):
    """Which duty to end."""

    model_config = ConfigDict(extra="forbid")

    client_id: UUID


class EndForRequest(BaseModel):
    """Why the duty of somebody else is ended; the reason goes on the record, and the worker can read it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")


@router.get("/api/duty")
async def get_duty(running: Running, caller: Annotated[Caller, needs(OWN_WORKER)]) -> DutyAnswer:
    """Return the own duty and those of the past 30 days."""
    async with caller.transaction() as connection:
        rows = await duty.list_duties(connection, _own(caller), PAST_DAYS)
    lasting = next((row for row in rows if row.ended_by is None), None)
    return DutyAnswer(
        on_duty=lasting is not None,
        current=lasting,
        past=[row for row in rows if row.ended_by is not None],
        longest_s=running.settings.longest_duty.total_seconds(),
    )


@router.post(
    "/api/duty/begin",
    responses={409: {**PROBLEM_CONTENT, "description": "Another duty of the worker lasts."}},
)
async def begin_duty(
    running: Running, caller: Annotated[Caller, needs(OWN_WORKER)], body: BeginRequest
) -> DutyRow:
    """Begin the own duty; from now on the place of the own tracker is taken, until it ends."""
    if not body.consent:
        raise InvalidError(
            "a duty begins only with the consent that the place of the tracker is known meanwhile",
            where="consent",
            hint="ask the worker, and send “consent”: true",
        )
    async with caller.transaction() as connection:
        return await duty.begin(
            connection,
            caller.actor,
            _own(caller),
            body.client_id,
            running.settings.longest_duty,
            body.planned_end_at,
        )


@router.post("/api/duty/end")
async def end_duty(caller: Annotated[Caller, needs(OWN_WORKER)], body: EndRequest) -> DutyRow:
    """End the own duty; one that is over already is answered as it ended."""
    async with caller.transaction() as connection:
        return await duty.end(connection, caller.actor, _own(caller), EndedBy.WORKER, body.client_id)


# The database shows workers where they may be read; here they must lie where their duty may be ended too.
_WHO: Final = text(
    "SELECT id FROM worker WHERE device_id = :id AND scope_code <@ (SELECT gt_scope('may_duty_end'))"
)


@router.post("/api/workers/{id}/duty/end")
async def end_duty_of_worker(
    caller: Annotated[Caller, needs(does(Act.END_DUTY))], device_id: DeviceId, body: EndForRequest
) -> DutyRow:
    """End the duty of the worker who carries the tracker of this number, for a reason."""
    reason = body.reason.strip()
    if not reason:
        raise InvalidError("a duty is ended for a reason", where="reason", hint="say why")
    async with caller.transaction() as connection:
        worker_id = (await connection.execute(_WHO, {"id": device_id})).scalar_one_or_none()
        if worker_id is None:
            raise NotFoundError(f"there is no worker with tracker {device_id}", where="id")
        return await duty.end(connection, caller.actor, worker_id, EndedBy.STAFF, reason=reason)


def _own(caller: Caller) -> int:
    worker_id = caller.grants.worker_id
    assert worker_id is not None  # the permission asked for it
    return worker_id
