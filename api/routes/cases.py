"""List cases; who reported one is masked until it is revealed for a reason."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.access.caller import Caller
from api.access.permissions import does, needs, reads
from api.errors import NOT_FOUND, TOO_MANY
from api.routes.answers import (
    AreaRef,
    Names,
    RevealRequest,
    RowId,
    area_columns,
    area_ref,
    case_title,
    shown_address,
)
from api.rows import Row
from twin.access import persons
from twin.access.roles import Act, DataClass
from twin.cases.categories import name_of
from twin.errors import NotFoundError

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]
Revealer = Annotated[Caller, needs(does(Act.REVEAL_PERSON))]

STAGE_NAMES_ZH: Final = {
    "collected": "信息收集",
    "filed": "案卷建立",
    "dispatched": "任务派遣",
    "handling": "任务处理",
    "feedback": "处理反馈",
    "checking": "核查结案",
    "rated": "综合评价",
}
DUE_SOON_H: Final = 2
MOST_OF_A_PHONE: Final = 200
"""Newest cases that one phone is told to have reported."""


class ReporterAnswer(BaseModel):
    """Who reported a case, masked; null where it was not told."""

    name: str | None
    phone: str | None
    identity_number: str | None
    address: str | None
    email: str | None


class CaseAnswer(BaseModel):
    """One case; ``reporter`` is null where nobody is behind it, or who it was is erased.

    ``category_name`` is null where no table has its code.

    ``stage_since`` and ``stage_due_at`` are of the stage it stands in, ``due_at`` is of the whole case. While
    it is parked, since ``parked_at``, its clocks stand still.
    """

    id: int
    number: str
    title: Names
    category: str
    category_name: Names | None
    stage: str
    stage_zh: str
    source: str
    priority: int
    lon: float
    lat: float
    address: str | None
    opened_at: datetime
    stage_since: datetime | None
    stage_due_at: datetime | None
    due_at: datetime | None
    parked_at: datetime | None
    closed_at: datetime | None
    simulated: bool
    area: AreaRef | None
    reporter: ReporterAnswer | None


class CasesAnswer(BaseModel):
    """Cases, the one that is due first at the top, and how many are pressing."""

    cases: list[CaseAnswer]
    open: int
    due_soon: int
    overdue: int


def _cases(which: str, order: str, most: str) -> str:
    """Return the question for cases: chosen first, so that areas and persons are asked for those only."""
    return f"""
    SELECT c.id, c.number, c.title, c.title_en, c.category_code AS category, c.stage, c.source, c.priority,
           ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat, c.address, c.opened_at, c.stage_since,
           c.stage_due_at, c.due_at, c.parked_at, c.closed_at,
           c.simulated, {area_columns("a", "area")}, p.id AS reporter_id,
           {", ".join(f"p.{item}_masked AS reporter_{item}" for item in persons.ITEMS)}
    FROM (SELECT * FROM case_file AS c WHERE {which} ORDER BY {order} LIMIT {most}) AS c
    LEFT JOIN area AS a ON a.id = coalesce(c.responsibility_grid_id, c.unit_grid_id)
    LEFT JOIN person AS p ON p.id = c.reporter_id
    ORDER BY {order}"""


_DUE: Final = "coalesce(c.stage_due_at, c.due_at)"
"""When something must have happened; what is parked waits behind the others."""

_LISTED: Final = _cases(
    "(c.closed_at IS NULL) = :open", f"c.parked_at IS NOT NULL, {_DUE} NULLS LAST, c.priority, c.id", ":limit"
)
_FOUND: Final = _cases("c.id = ANY(:ids)", "c.opened_at DESC, c.id DESC", str(MOST_OF_A_PHONE))

_COUNTS: Final = f"""
    SELECT count(*) AS open,
           count(*) FILTER (WHERE {_DUE} >= now() AND c.parked_at IS NULL
                            AND {_DUE} < now() + interval '{DUE_SOON_H} hours') AS due_soon,
           count(*) FILTER (WHERE {_DUE} < now() AND c.parked_at IS NULL) AS overdue
    FROM case_file AS c WHERE c.closed_at IS NULL"""


@router.get("/api/cases")
async def list_cases(
    caller: Reader,
    is_open: Annotated[bool, Query(alias="open")] = True,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> CasesAnswer:
    """Return open (or closed) cases; `due_soon` is due within two hours."""
    rows = await caller.fetch(_LISTED, open=is_open, limit=limit)
    counts = await caller.fetch_one(_COUNTS) or {}
    return CasesAnswer(cases=[_case(row) for row in rows], **counts)


def _case(row: Row) -> CaseAnswer:
    made = {"title", "category_name", "stage_zh", "address", "area", "reporter"}
    kind = name_of(row["category"])
    reporter = None
    if row["reporter_id"] is not None:
        reporter = ReporterAnswer(**{item: row[f"reporter_{item}"] for item in persons.ITEMS})
    return CaseAnswer(
        **{key: row[key] for key in CaseAnswer.model_fields if key not in made},
        title=case_title(row["title"], row["title_en"]),
        category_name=None if kind is None else Names(zh=kind.zh, en=kind.en),
        stage_zh=STAGE_NAMES_ZH[row["stage"]],
        address=shown_address(row["address"]),
        area=area_ref(row, "area"),
        reporter=reporter,
    )


class PhoneRequest(BaseModel):
    """A whole phone number."""

    model_config = ConfigDict(extra="forbid")

    phone: str = Field(min_length=1, max_length=40, pattern="^[^\\x00]*$")


# In a body: an address is kept in the history of browsers and in the logs of proxies.
@router.post("/api/reporters/cases", responses=TOO_MANY)
async def find_cases_by_phone(caller: Revealer, body: PhoneRequest) -> list[CaseAnswer]:
    """Return the cases that this phone reported, the newest first; that it was asked is on the record.

    Only the whole number finds them, and only where the caller may reveal persons.
    """
    async with caller.transaction() as connection:
        found = await persons.find_cases(connection, caller.running.sealer, caller.actor, body.phone)
    return [_case(row) for row in await caller.fetch(_FOUND, ids=found.told())]


class CaseRevealAnswer(ReporterAnswer):
    """Who reported a case, in clear, and the whole address of the case."""

    case_id: int
    case_address: str | None


# The database shows cases where they may be read; here they must lie where persons may be revealed too.
_REVEAL: Final = text(
    f"""
    SELECT c.id, c.address AS case_address, c.reporter_id,
           {", ".join(f"p.{item}_masked AS {item}" for item in persons.ITEMS)}
    FROM case_file AS c LEFT JOIN person AS p ON p.id = c.reporter_id
    WHERE c.id = :id AND c.scope_code <@ (SELECT gt_scope('may_person_reveal'))
    """
)


@router.post("/api/cases/{id}/reveal", responses={**NOT_FOUND, **TOO_MANY})
async def reveal_reporter(caller: Revealer, case_id: RowId, body: RevealRequest) -> CaseRevealAnswer:
    """Return who reported a case, and the room in its address, and put that on the record."""
    async with caller.transaction() as connection:
        case = (await connection.execute(_REVEAL, {"id": case_id})).mappings().first()
        if case is None:
            raise NotFoundError(f"there is no case {case_id} whose persons you may reveal", where="id")
        items = [item for item in persons.ITEMS if case[item] is not None]
        if case["case_address"] != shown_address(case["case_address"]):
            items.append("case_address")
        if not items:
            raise NotFoundError(f"nobody is kept who reported case {case_id}", where="id")
        revealed = await persons.reveal(
            connection,
            caller.running.sealer,
            caller.actor,
            case["reporter_id"],
            about=f"case/{case_id}",
            items=items,
            reason=body.reason,
        )
    person = revealed.told()
    return CaseRevealAnswer(case_id=case_id, case_address=case["case_address"], **dataclasses.asdict(person))


class CaseReportAnswer(BaseModel):
    """What was said when a case was filed, personal numbers masked; ``media_url`` is never fetched by us."""

    description: str | None
    media_url: str | None
    attributes: dict[str, str | list[str]]
    filed_at: datetime


@router.get("/api/cases/{id}/report", responses=NOT_FOUND)
async def get_case_report(caller: Reader, case_id: RowId) -> CaseReportAnswer:
    """Return the words of whoever filed a case; 404 where it was not filed by a report."""
    row = await caller.fetch_one(
        "SELECT description, media_url, attributes, filed_at FROM case_report WHERE case_id = :id", id=case_id
    )
    if row is None:
        raise NotFoundError(f"there is no report of a case {case_id}", where="id")
    return CaseReportAnswer(**row)


class CasePoint(BaseModel):
    """Where an open case is."""

    id: int
    number: str
    stage: str
    lon: float
    lat: float


@router.get("/api/cases/points")
async def list_case_points(
    caller: Reader, limit: Annotated[int, Query(ge=1, le=5_000)] = 2_000
) -> list[CasePoint]:
    """Return the places of the open cases, for the map."""
    rows = await caller.fetch(
        """SELECT id, number, stage, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM case_file
           WHERE closed_at IS NULL ORDER BY id DESC LIMIT :limit""",
        limit=limit,
    )
    return [CasePoint(**row) for row in rows]
