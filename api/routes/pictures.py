"""Show how the stream of a camera does, and take a picture of it for somebody who may look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.cameras.desk import line_of
from api.errors import NOT_FOUND, PROBLEM_CONTENT, TOO_MANY
from api.routes.answers import DeviceId, device_names
from api.routes.devices import find_row
from api.rows import Row
from ingest.cameras.errors import Reason, StreamError
from twin import cameras
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import NotFoundError, SetupError
from twin.zones import timezone_of

router = APIRouter(tags=["cameras"], responses=NOT_FOUND)

Reader = Annotated[Caller, needs(reads(DataClass.PLACE))]
Looker = Annotated[Caller, needs(does(Act.LOOK_CAMERA, DataClass.PLACE))]

_CAMERA: Final = """
    SELECT d.id, d.uid, d.name, d.name_en, ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat,
           d.simulated OR d.readings_simulated AS made_up, s.device_id IS NOT NULL AS has_stream,
           s.state, s.reason, s.since, s.sign_posted, s.retention_days
    FROM device AS d LEFT JOIN camera_source AS s ON s.device_id = d.id
    WHERE d.id = :id AND d.kind = 'camera' AND d.valid_to IS NULL"""


class CameraAnswer(BaseModel):
    """How the stream of a camera does; its address is told to nobody.

    ``state`` is `ok`, `broken` (for ``reason``, since ``since``) or `unknown`; null where there is no stream.
    ``made_up`` says that pictures are drawn by the server and show nothing real.
    """

    id: int
    has_stream: bool
    made_up: bool
    may_look: bool
    state: str | None
    reason: str | None
    since: datetime | None
    checked_at: datetime | None
    sign_posted: bool | None
    retention_days: int | None


class LookRequest(BaseModel):
    """Why somebody looks; may be left out."""

    reason: str = Field(default="", max_length=500)


class PictureAnswer(BaseModel):
    """Where the picture can be fetched, by this session only, and until when; on record as ``act``."""

    url: str
    taken_at: datetime
    until: datetime
    simulated: bool


def may_look(caller: Caller, row: int) -> bool:
    """Say whether the caller may look at the camera of a row of the board."""
    where = caller.grants.within(caller.grants.where(Act.LOOK_CAMERA))
    return bool(caller.running.twin.board.in_scope(np.array([row]), where)[0])


async def _camera(caller: Caller, device_id: int) -> tuple[Row, int]:
    row = find_row(caller, device_id)
    found = await caller.fetch_one(_CAMERA, id=device_id)
    if found is None:
        raise NotFoundError(f"there is no camera {device_id}", where="id")
    return found, row


@router.get("/api/cameras/{id}")
async def get_camera(caller: Reader, device_id: DeviceId) -> CameraAnswer:
    """Return how the stream of a camera does; asked again and again, it is probed every few seconds.

    Asked by somebody who may look, its stream plays for half a minute, so that a look is quick.
    """
    found, row = await _camera(caller, device_id)
    watch, may = caller.running.cameras.watch, may_look(caller, row)
    watch.watch(device_id, may_look=may)
    known = watch.state(device_id)
    newest = known if known is not None and known.checked_at is not None else None
    return CameraAnswer(
        id=device_id,
        has_stream=found["has_stream"],
        made_up=found["made_up"] and not found["has_stream"],
        may_look=may,
        state=newest.state if newest else found["state"],
        reason=newest.reason if newest else found["reason"],
        since=newest.since if newest else found["since"],
        checked_at=newest.checked_at if newest else None,
        sign_posted=found["sign_posted"],
        retention_days=found["retention_days"],
    )


@router.post("/api/cameras/{id}/pictures", responses=TOO_MANY)
async def look_at_camera(
    caller: Looker, device_id: DeviceId, asked: Annotated[LookRequest, Body(default_factory=LookRequest)]
) -> PictureAnswer:
    """Take a picture of a camera now. Each look is on the record; where that cannot be written there is none.

    503 with ``where`` = `stream/REASON` where the stream is broken; that is on the record too.
    """
    running = caller.running
    async with running.cameras.place(caller.identity.account_id):
        found, _ = await _camera(caller, device_id)
        async with caller.transaction() as connection:
            looked = await cameras.look(
                connection, caller.actor, device_id, asked.reason.strip(), {"uid": found["uid"]}
            )
        taken_at = datetime.now(UTC)
        line, plain_line = _line(caller, found, taken_at)
        try:
            address = _address(caller, looked)
            jpeg = await running.cameras.take(device_id, address, line, plain_line)
        except StreamError as error:
            async with caller.transaction() as connection:
                entry = Entry(
                    "camera.looked", f"camera/{device_id}", "failed", detail={"stream": error.reason}
                )
                await write(connection, caller.actor, entry)
            raise
    token, until_s = running.cameras.shown.put(device_id, jpeg, caller.identity.credential_id)
    return PictureAnswer(
        url=f"/api/pictures/{token}",
        taken_at=taken_at,
        until=datetime.fromtimestamp(until_s, UTC),
        simulated=address is None,
    )


def _address(caller: Caller, looked: cameras.Look) -> str | None:
    try:
        return looked.address(caller.running.sealer)
    except SetupError:
        raise StreamError(Reason.OTHER_KEY) from None


def _line(caller: Caller, found: Row, at: datetime) -> tuple[str, str]:
    names = device_names(
        caller.running.twin.catalog, "camera", found["uid"], found["name"], found["name_en"], own=False
    )
    zone = ZoneInfo(timezone_of(found["lon"], found["lat"]))
    return line_of(names.zh or found["uid"], found["uid"], caller.identity.name, at.astimezone(zone))


_GONE: Final[dict[int | str, dict[str, Any]]] = {
    410: {**PROBLEM_CONTENT, "description": "The time of the picture is over."}
}
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "content-disposition": 'inline; filename="camera.jpg"',
}


@router.get(
    "/api/pictures/{token}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "JPEG, never kept."}, **_GONE},
)
async def get_camera_picture(caller: Looker, token: Annotated[str, Path(max_length=200)]) -> Response:
    """Return a picture that was taken in the last minute, to the session that looked."""
    kept = caller.running.cameras.shown.get(token, caller.identity.credential_id)
    # Whoever may no longer look there since does not.
    if not may_look(caller, find_row(caller, kept.device_id)):
        raise NotFoundError("there is no such picture · 没有这张画面", where="token")
    return Response(kept.jpeg, media_type="image/jpeg", headers=_HEADERS)
