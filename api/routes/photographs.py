"""Take photographs of cases, list them and show them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StrictBool, computed_field
from sqlalchemy import text
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.access.reading import REMEMBERED_S
from api.errors import CONFLICT, NO_ROOM, NOT_FOUND, PROBLEM_CONTENT
from api.photographs import keeping
from api.photographs.claims import (
    CaseFacts,
    Flag,
    PlaceCheck,
    TimeCheck,
    check_of,
    claim_of_file,
    claim_of_sender,
    judge,
)
from api.photographs.receiving import declared_kind
from api.photographs.terms import KINDS, require_kind
from api.routes.answers import GivenMoment, RowId
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import ConflictError, FileFormatError, ForbiddenError, NotFoundError
from twin.model.photograph import Moment
from twin.zones import timezone_of

router = APIRouter(tags=["photographs"], responses=NOT_FOUND)

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]
Releaser = Annotated[Caller, needs(does(Act.FILE_CASE))]
Writer = Annotated[Caller, needs(does(Act.NOTE_CASE, or_own=True))]


class Size(StrEnum):
    """A photograph has at most 2,560 pixels on its longer side, its thumbnail 320."""

    ORIGINAL = "original"
    THUMBNAIL = "thumbnail"


class PhotographAnswer(BaseModel):
    """A photograph of a case: what was claimed of it, and what of that does not fit (``flags``)."""

    id: int
    case_id: int
    moment: Moment
    added_at: datetime
    taken_at: datetime | None
    distance_m: float | None
    flags: list[Flag]
    width_px: int
    height_px: int
    bytes: int
    simulated: bool
    released_at: datetime | None
    """Since when whoever reported the case is shown it by their link; null: they are not."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def place_check(self) -> PlaceCheck:
        """Whether the claimed place is that of the case; `far` by ``distance_m``."""
        return check_of(self.flags)[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def time_check(self) -> TimeCheck:
        """Whether the claimed time fits the case."""
        return check_of(self.flags)[1]


class PhotographsAnswer(BaseModel):
    """The photographs of a case in the order in which they came, and whether the caller may add one."""

    photographs: list[PhotographAnswer]
    may_add: bool


_LIST: Final = text(f"SELECT {keeping.FACTS} FROM photograph AS p WHERE p.case_id = :id ORDER BY p.id")
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "the picture as it is, at most 15 MiB",
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in KINDS},
    }
}


@router.get("/api/cases/{id}/photographs")
async def list_photographs(caller: Reader, case_id: RowId) -> PhotographsAnswer:
    """Return the photographs of a case, the first that came at the top."""
    async with caller.transaction() as connection:
        case = await keeping.get_case(connection, case_id)
        rows = (await connection.execute(_LIST, {"id": case_id})).mappings().all()
    return PhotographsAnswer(photographs=[PhotographAnswer(**row) for row in rows], may_add=case["may_add"])


@router.post(
    "/api/cases/{id}/photographs",
    status_code=200,
    openapi_extra=_BODY,
    responses={
        201: {"model": PhotographAnswer, "description": "It was added; 200: it had come before."},
        409: {**PROBLEM_CONTENT, "description": "Another photograph came under this `client_id`."},
        408: {**PROBLEM_CONTENT, "description": "The body did not arrive in time."},
        **NO_ROOM,
    },
)
async def add_photograph(
    caller: Writer,
    request: Request,
    response: Response,
    case_id: RowId,
    moment: Moment,
    client_id: Annotated[UUID, Query(description="chosen by the sender, once a photograph")],
    taken_at: Annotated[GivenMoment | None, Query(description="by the sender's clock")] = None,
    lon: Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)] = None,
    lat: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)] = None,
) -> PhotographAnswer:
    """Add a photograph to a case; sending it again under the same `client_id` adds nothing.

    Time and place are claims, as are those inside the file; `flags` says which do not fit the case.
    """
    kind = declared_kind(request.headers.get("content-type", ""))
    of_sender = claim_of_sender(taken_at, lon, lat)
    with caller.running.reception.place(caller.identity.account_id):
        async with caller.transaction() as connection:
            case = await keeping.get_case(connection, case_id)
        keeping.require_may_add(case)
        sent = keeping.Sent(case_id, client_id, moment, kind, await _body(request))
        async with caller.transaction() as connection:
            kept = await keeping.find_sent(connection, sent)
        if kept is None:
            keeping.require_room(case)
            require_kind(sent.body, kind)
            developed = await caller.running.darkroom.develop(sent.body, kind)
            place = case["lon"], case["lat"]
            of_file = claim_of_file(developed.facts, ZoneInfo(timezone_of(*place)))
            facts = CaseFacts(place, case["opened_at"], case["dispatched_at"], case["closed_at"])
            verdict = judge(of_file, of_sender, facts, moment=moment, now=datetime.now(UTC))
            async with caller.transaction() as connection:
                kept = await keeping.add(
                    connection, sent, developed, of_file, of_sender, verdict, by=caller.identity
                )
                if kept is not None:
                    response.status_code = 201
                    detail = {"photograph": kept["id"], "moment": moment, "sha256": sent.sha256.hex()}
                    entry = Entry("photograph.added", f"case/{case_id}", detail=detail)
                    await write(connection, caller.actor, entry)
                else:  # the same one came twice at once, and the other was faster
                    kept = await keeping.find_sent(connection, sent)
    if kept is None:
        raise NotFoundError(f"there is no case {case_id}", where="id")
    return PhotographAnswer(**kept)


async def _body(request: Request) -> bytes:
    """Read the body; how long it may be and take, the edge sees to."""
    try:
        return b"".join([chunk async for chunk in request.stream()])
    except ClientDisconnect:
        raise FileFormatError(
            "the body ended before it was whole", where="body", hint="send it again"
        ) from None


class ReleaseRequest(BaseModel):
    """Whether whoever reported the case is to be shown a photograph by their link."""

    model_config = ConfigDict(extra="forbid")

    released: StrictBool


_FIND: Final = text(f"SELECT {keeping.FACTS} FROM photograph AS p WHERE p.id = :id")
_RELEASE: Final = text(
    "UPDATE photograph SET released_at = CASE WHEN :released THEN coalesce(released_at, now()) END "
    "WHERE id = :id RETURNING id"
)


@router.patch("/api/photographs/{id}", responses=CONFLICT)
async def release_photograph(
    caller: Releaser, photograph_id: RowId, body: ReleaseRequest
) -> PhotographAnswer:
    """Show a photograph of before or after the work to whoever reported the case, or show it no more.

    Look whether it shows persons, plates or doors first. Where the caller may file cases; on the record.
    """
    async with caller.transaction() as connection:
        found = (await connection.execute(_FIND, {"id": photograph_id})).mappings().first()
        if found is None:
            raise NotFoundError(f"there is no photograph {photograph_id}", where="id")
        if found["moment"] not in ("before", "after"):
            raise ConflictError(
                "only photographs of before and after the work are shown to residents", where="moment"
            )
        values = {"id": photograph_id, "released": body.released}
        if (await connection.execute(_RELEASE, values)).first() is None:
            raise ForbiddenError("this account may not release photographs of this case", where="id")
        row = (await connection.execute(_FIND, {"id": photograph_id})).mappings().one()
        action = "photograph.released" if body.released else "photograph.withdrawn"
        entry = Entry(action, f"case/{row['case_id']}", detail={"photograph": row["id"]})
        await write(connection, caller.actor, entry)
    return PhotographAnswer(**row)


_SHOWN: Final = """
    SELECT p.id, p.case_id, c.number, p.moment, p.{column} AS picture
    FROM photograph AS p JOIN case_file AS c ON c.id = p.case_id WHERE p.id = :id"""
_PICTURES: Final = {
    Size.ORIGINAL: text(_SHOWN.format(column="picture")),
    Size.THUMBNAIL: text(_SHOWN.format(column="thumbnail")),
}
_NOT_IN_A_NAME: Final = re.compile(r"[^0-9A-Za-z_-]+")
_HEADERS: Final = {
    # Asked again each time, so that whoever may no longer see it does not.
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
}


@router.get(
    "/api/photographs/{id}/{size}",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "JPEG without metadata."},
        304: {"description": "The caller has it."},
    },
)
async def get_picture(caller: Reader, request: Request, photograph_id: RowId, size: Size) -> Response:
    """Return a photograph, or its thumbnail, with an ETag.

    That a photograph was looked at in full is on the record, once in ten minutes a case and session; where
    that fails, nothing is answered. Thumbnails come with the case and are not.
    """
    async with caller.transaction() as connection:
        row = (await connection.execute(_PICTURES[size], {"id": photograph_id})).first()
        if row is None:
            raise NotFoundError(f"there is no photograph {photograph_id}", where="id")
        read = caller.identity.credential_id, "photographs", row.case_id
        recorded = size is Size.ORIGINAL and not caller.running.reads.is_known(read)
        if recorded:
            detail = {"photograph": row.id, "for_s": REMEMBERED_S}
            entry = Entry("photograph.read", f"case/{row.case_id}", detail=detail)
            await write(connection, caller.actor, entry)
    if recorded:
        caller.running.reads.remember(read)
    etag = f'"{hashlib.sha256(row.picture).hexdigest()[:32]}"'
    name = _NOT_IN_A_NAME.sub("-", f"{row.number}-{row.moment}-{row.id}") + ".jpg"
    headers = {**_HEADERS, "etag": etag, "content-disposition": f'inline; filename="{name}"'}
    asked = request.headers.get("if-none-match", "")
    if etag in asked or asked.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(row.picture, media_type="image/jpeg", headers=headers)
