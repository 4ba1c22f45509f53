"""Tell about one worker; who they are is masked until it is revealed for a reason."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND, TOO_MANY
from api.routes.answers import DeviceId, Names, RevealRequest
from api.routes.devices import DeviceAnswer, device_answer, find_row, read_device
from twin.access import persons
from twin.access.masking import mask_name
from twin.access.roles import Act, DataClass
from twin.errors import NotFoundError
from twin.live.sight import WORKERS

router = APIRouter(tags=["workers"], responses=NOT_FOUND)


class WorkerAnswer(DeviceAnswer):
    """A worker: the tracker they carry, and who they are; ``masked`` says whether the name is.

    The phone is masked always.
    """

    worker_id: int | None
    role: str | None
    on_duty: bool | None
    organisation: Names | None
    phone: str | None
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
                  o.name_en AS organisation_en, p.phone_masked AS phone
           FROM worker AS w LEFT JOIN organisation AS o ON o.id = w.organisation_id
           LEFT JOIN person AS p ON p.id = w.person_id
           WHERE w.device_id = :id""",
        id=device_id,
    )
    answer = device_answer(caller, found, row)
    masked = device_id != caller.grants.tracker_id
    if person is None:
        return WorkerAnswer(
            **answer, worker_id=None, role=None, on_duty=None, organisation=None, phone=None, masked=masked
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
        phone=person["phone"],
        masked=masked,
    )


class RevealAnswer(BaseModel):
    """Who a worker is, and how to reach them."""

    worker_id: int
    name: Names
    phone: str | None


# The database shows workers where they may be read; here they must lie where they may be revealed too.
_REVEAL: Final = text(
    """
    SELECT id, name, name_en, person_id FROM worker
    WHERE device_id = :id AND scope_code <@ (SELECT gt_scope('may_person_reveal'))
    """
)


@router.post("/api/workers/{id}/reveal", responses=TOO_MANY)
async def reveal_worker(
    caller: Annotated[Caller, needs(does(Act.REVEAL_PERSON))], device_id: DeviceId, body: RevealRequest
) -> RevealAnswer:
    """Return name and phone of the worker who carries this tracker, and put that on the record."""
    _require_tracker(caller, device_id, find_row(caller, device_id))
    async with caller.transaction() as connection:
        worker = (await connection.execute(_REVEAL, {"id": device_id})).first()
        if worker is None:
            raise NotFoundError(f"there is no worker with tracker {device_id}", where="id")
        revealed = await persons.reveal(
            connection,
            caller.running.sealer,
            caller.actor,
            worker.person_id,
            about=f"worker/{worker.id}",
            items=("name", "name_en", *(("phone",) if worker.person_id else ())),
            reason=body.reason,
        )
    person = revealed.told()
    return RevealAnswer(
        worker_id=worker.id, name=Names(zh=worker.name, en=worker.name_en), phone=person.phone
    )


def _require_tracker(caller: Caller, device_id: int, row: int) -> None:
    if int(caller.running.twin.board.layer[row]) != WORKERS:
        raise NotFoundError(
            f"device {device_id} is no worker's tracker", where="id", hint="ask /api/devices/{id}"
        )
