"""Tell about one worker; who they are is masked until it is revealed for a reason."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import DeviceId, Names
from api.routes.devices import DeviceAnswer, device_answer, find_row, read_device
from twin.access.masking import mask_name
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import InvalidError, NotFoundError
from twin.live.board import WORKERS

router = APIRouter(tags=["workers"], responses=NOT_FOUND)


class WorkerAnswer(DeviceAnswer):
    """A worker: the tracker they carry, and who they are; ``masked`` says whether the name is."""

    worker_id: int | None
    role: str | None
    on_duty: bool | None
    organisation: Names | None
    masked: bool


# A worker sees the own row without reading the class of workers, so that reading places is enough to ask:
# of the others the database shows nothing.
@router.get("/api/workers/{id}")
async def get_worker(
    caller: Annotated[Caller, needs(reads(DataClass.WORKER, DataClass.PLACE))], device_id: DeviceId
) -> WorkerAnswer:
    """Return the worker who carries the tracker of this number."""
    found, row = await read_device(caller, device_id)
    _require_tracker(caller, device_id, row)
    person = await caller.fetch_one(
        """SELECT w.id, w.name, w.name_en, w.role, w.on_duty, o.name AS organisation,
                  o.name_en AS organisation_en
           FROM worker AS w LEFT JOIN organisation AS o ON o.id = w.organisation_id
           WHERE w.device_id = :id""",
        id=device_id,
    )
    answer = device_answer(caller, found, row)
    masked = device_id != caller.grants.tracker_id
    if person is None:
        return WorkerAnswer(
            **answer, worker_id=None, role=None, on_duty=None, organisation=None, masked=masked
        )
    names = Names(zh=person["name"], en=person["name_en"])
    answer["name"] = Names(zh=mask_name(names.zh), en=mask_name(names.en)) if masked else names
    organisation = None
    if person["organisation"]:
        organisation = Names(zh=person["organisation"], en=person["organisation_en"])
    return WorkerAnswer(
        **answer,
        worker_id=person["id"],
        role=person["role"],
        on_duty=person["on_duty"],
        organisation=organisation,
        masked=masked,
    )


class RevealRequest(BaseModel):
    """Why somebody must be known; the reason goes on the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")


class RevealAnswer(BaseModel):
    """Who a worker is."""

    worker_id: int
    name: Names


# The database shows workers where they may be read; here they must lie where they may be revealed too.
_REVEAL: Final = text(
    """
    SELECT id, name, name_en FROM worker
    WHERE device_id = :id AND scope_code <@ (SELECT gt_scope('may_person_reveal'))
    """
)


@router.post("/api/workers/{id}/reveal")
async def reveal_worker(
    caller: Annotated[Caller, needs(does(Act.REVEAL_PERSON))], device_id: DeviceId, body: RevealRequest
) -> RevealAnswer:
    """Return the name of the worker who carries the tracker of this number, and put that on the record."""
    reason = body.reason.strip()
    if not reason:
        raise InvalidError("a person is revealed for a reason", where="reason", hint="say what it is for")
    _require_tracker(caller, device_id, find_row(caller, device_id))
    async with caller.transaction() as connection:
        person = (await connection.execute(_REVEAL, {"id": device_id})).first()
        if person is None:
            raise NotFoundError(f"there is no worker with tracker {device_id}", where="id")
        entry = Entry(
            "person.revealed", f"worker/{person.id}", reason=reason, detail={"fields": ["name", "name_en"]}
        )
        await write(connection, caller.actor, entry)
    return RevealAnswer(worker_id=person.id, name=Names(zh=person.name, en=person.name_en))


def _require_tracker(caller: Caller, device_id: int, row: int) -> None:
    if int(caller.running.twin.board.layer[row]) != WORKERS:
        raise NotFoundError(
            f"device {device_id} is no worker's tracker", where="id", hint="ask /api/devices/{id}"
        )
