"""Tell about one worker."""

from __future__ import annotations

from fastapi import APIRouter

from api.errors import NOT_FOUND
from api.routes.answers import DeviceId, Names
from api.routes.devices import DeviceAnswer, device_answer, read_device
from api.rows import fetch_one
from api.runtime import Running
from twin.errors import NotFoundError

router = APIRouter(tags=["workers"], responses=NOT_FOUND)


class WorkerAnswer(DeviceAnswer):
    """A worker: the tracker they carry, and who they are."""

    worker_id: int | None
    role: str | None
    on_duty: bool | None
    organisation: Names | None


@router.get("/api/workers/{id}")
async def get_worker(running: Running, device_id: DeviceId) -> WorkerAnswer:
    """Return the worker who carries the tracker of this number."""
    found, row = await read_device(running, device_id)
    if int(running.twin.board.layer[row]) != 1:
        raise NotFoundError(
            f"device {device_id} is no worker's tracker", where="id", hint="ask /api/devices/{id}"
        )
    person = await fetch_one(
        running.engine,
        """SELECT w.id, w.name, w.name_en, w.role, w.on_duty, o.name AS organisation,
                  o.name_en AS organisation_en
           FROM worker AS w LEFT JOIN organisation AS o ON o.id = w.organisation_id
           WHERE w.device_id = :id""",
        id=device_id,
    )
    answer = device_answer(running, found, row)
    if person is None:
        return WorkerAnswer(**answer, worker_id=None, role=None, on_duty=None, organisation=None)
    answer["name"] = Names(zh=person["name"], en=person["name_en"])
    organisation = None
    if person["organisation"]:
        organisation = Names(zh=person["organisation"], en=person["organisation_en"])
    return WorkerAnswer(
        **answer,
        worker_id=person["id"],
        role=person["role"],
        on_duty=person["on_duty"],
        organisation=organisation,
    )
