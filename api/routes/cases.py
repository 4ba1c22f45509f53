"""List the open cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.routes.answers import AreaRef, Names, area_columns, area_ref
from api.rows import Row
from twin.access.roles import DataClass

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]

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


class CaseAnswer(BaseModel):
    """One case."""

    id: int
    number: str
    title: Names
    category: str
    stage: str
    stage_zh: str
    source: str
    priority: int
    lon: float
    lat: float
    address: str | None
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    simulated: bool
    area: AreaRef | None


class CasesAnswer(BaseModel):
    """Cases, the one that is due first at the top, and how many are pressing."""

    cases: list[CaseAnswer]
    open: int
    due_soon: int
    overdue: int


_CASES: Final = f"""
    SELECT c.id, c.number, c.title, c.title_en, c.category_code AS category, c.stage, c.source, c.priority,
           ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat, c.address, c.opened_at, c.due_at, c.closed_at,
           c.simulated, {area_columns("a", "area")}
    FROM case_file AS c LEFT JOIN area AS a ON a.id = coalesce(c.responsibility_grid_id, c.unit_grid_id)
    WHERE (c.closed_at IS NULL) = :open
    ORDER BY c.due_at NULLS LAST, c.priority, c.id LIMIT :limit"""

_COUNTS: Final = f"""
    SELECT count(*) AS open,
           count(*) FILTER (WHERE due_at >= now()
                            AND due_at < now() + interval '{DUE_SOON_H} hours') AS due_soon,
           count(*) FILTER (WHERE due_at < now()) AS overdue
    FROM case_file WHERE closed_at IS NULL"""


@router.get("/api/cases")
async def list_cases(
    caller: Reader,
    is_open: Annotated[bool, Query(alias="open")] = True,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> CasesAnswer:
    """Return open (or closed) cases; `due_soon` is due within two hours."""
    rows = await caller.fetch(_CASES, open=is_open, limit=limit)
    counts = await caller.fetch_one(_COUNTS) or {}
    return CasesAnswer(cases=[_case(row) for row in rows], **counts)


def _case(row: Row) -> CaseAnswer:
    return CaseAnswer(
        **{key: row[key] for key in CaseAnswer.model_fields if key not in {"title", "stage_zh", "area"}},
        title=Names(zh=row["title"], en=row["title_en"]),
        stage_zh=STAGE_NAMES_ZH[row["stage"]],
        area=area_ref(row, "area"),
    )


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
