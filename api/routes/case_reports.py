"""Take what somebody noticed, was told or was asked for as a case, written down by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs
from api.errors import CONFLICT, TOO_MANY
from api.routes.answers import AreaRef, area_columns, area_ref
from api.routes.case_acts import CaseStandAnswer, case_stand
from twin.access.persons import Person
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.cases.categories import open_category
from twin.cases.reporting import Report, report_case, sources_of, title_of
from twin.errors import ConflictError, ForbiddenError, InvalidError
from twin.model.case import REPORTED_SOURCES

router = APIRouter(tags=["cases"])

Writer = Annotated[Caller, needs(does(Act.NOTE_CASE, DataClass.CASE))]

_TEXT: Final = "^[^\\x00]*$"


class ReporterRequest(BaseModel):
    """Who told it; kept sealed."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=100, pattern=_TEXT)
    phone: str | None = Field(None, max_length=60, pattern=_TEXT)


class CaseReportRequest(BaseModel):
    """What is reported, where (degrees, WGS 84), and how it came to be known.

    ``client_key`` is chosen by the sender once a report: sent again under it nothing new is made.
    """

    model_config = ConfigDict(extra="forbid")

    category_code: str = Field(pattern="^[0-9]{5}$")
    title: str | None = Field(None, min_length=1, max_length=200, pattern=_TEXT)
    description: str = Field(min_length=1, max_length=4_000, pattern=_TEXT)
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    address: str | None = Field(None, max_length=200, pattern=_TEXT)
    source: Literal["patrol", "camera", "hotline", "superior", "department", "resident"]
    priority: int = Field(3, ge=1, le=4)
    client_key: UUID
    reporter: ReporterRequest | None = None


class CaseReportedAnswer(CaseStandAnswer):
    """The case as it stands.

    ``also_in`` are the other responsibility grids that the place lies in, of which ``area`` has the lowest
    code. ``token`` is what the reporter asks after it with; null where nobody stands behind the source.
    """

    also_in: list[AreaRef]
    token: str | None


_MADE: Final = text("SELECT id, scope_code FROM case_file WHERE number = :number")
_POINT: Final = "ST_SetSRID(ST_MakePoint(CAST(:lon AS float8), CAST(:lat AS float8)), 4326)"
_ALSO_IN: Final = f"""
    SELECT {area_columns("a", "area")}
    FROM area AS a
    WHERE a.geom && {_POINT} AND ST_Intersects(a.geom, {_POINT}) AND a.valid_to IS NULL
      AND a.level = 'responsibility_grid' AND CAST(a.code AS bigint) <> :scope_code
    ORDER BY a.code"""


@router.post(
    "/api/cases",
    status_code=201,
    responses={
        200: {"model": CaseReportedAnswer, "description": "It had come before; nothing was made."},
        **CONFLICT,
        **TOO_MANY,
    },
)
async def report_by_hand(caller: Writer, body: CaseReportRequest, response: Response) -> CaseReportedAnswer:
    """Make a case of what was noticed or told; the same `client_key` again answers with the same case."""
    now = datetime.now(UTC)
    allowed = sources_of(caller.grants)
    if body.source not in allowed:
        raise ForbiddenError(
            f"you may not report what came by “{body.source}”",
            where="source",
            hint=f"what you may: {', '.join(allowed) or 'nothing'}",
        )
    if body.reporter is not None and body.source not in REPORTED_SOURCES:
        raise InvalidError(
            f"nobody stands behind the source “{body.source}”",
            where="reporter",
            hint="leave it out, or choose resident or hotline",
        )
    category = open_category(body.category_code, now.date())
    reporter = None
    if body.reporter is not None and (body.reporter.name or body.reporter.phone):
        reporter = Person(name=body.reporter.name or None, phone=body.reporter.phone or None)
    report = Report(
        title=body.title or title_of(category.zh, body.description),
        title_en=None if body.title else category.en,
        category_code=category.code,
        source=body.source,
        lon=body.lon,
        lat=body.lat,
        address=body.address,
        description=body.description,
        reporter=reporter,
        priority=body.priority,
    )
    async with caller.transaction() as connection:
        try:
            made = await report_case(
                connection,
                caller.running.sealer,
                report,
                account_id=caller.identity.account_id,
                client_key=str(body.client_key),
                now=now,
            )
        except ConflictError as error:
            raise ConflictError(error.what, where="client_key", hint=error.hint) from error
        case = (await connection.execute(_MADE, {"number": made.number})).one()
        if not made.again:
            detail = {"number": made.number, "source": body.source}
            await write(connection, caller.actor, Entry("case.reported", f"case/{case.id}", detail=detail))
    if made.again:
        response.status_code = 200
    beside = await caller.fetch(_ALSO_IN, lon=body.lon, lat=body.lat, scope_code=case.scope_code)
    stand = await case_stand(caller, case.id)
    return CaseReportedAnswer(
        **stand.model_dump(),
        also_in=[found for row in beside if (found := area_ref(row, "area")) is not None],
        token=made.token if body.source in REPORTED_SOURCES else None,
    )
