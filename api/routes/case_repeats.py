"""Offer the open cases that a case may repeat."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND
from api.routes.answers import Names, RowId, case_title
from twin.access.roles import DataClass
from twin.cases.categories import name_of
from twin.cases.repeats import Repeat, find_repeats

router = APIRouter(tags=["cases"])

Reader = Annotated[Caller, needs(reads(DataClass.CASE))]


class RepeatAnswer(BaseModel):
    """An open case that may be the same: how like it is (0 to 1), and why.

    ``apart_s`` is between the two reports; ``words`` is how alike their words are, null where one has none.
    """

    id: int
    number: str
    title: Names
    category: str
    category_name: Names | None
    stage: str
    source: str
    priority: int
    repeats: int
    lon: float
    lat: float
    opened_at: datetime
    score: float
    sure: bool
    distance_m: float
    apart_s: float
    same_category: bool
    words: float | None
    reasons: Names


class RepeatsAnswer(BaseModel):
    """The open cases that a case may repeat, the likeliest first: `link` it to one, or to none."""

    candidates: list[RepeatAnswer]


@router.get("/api/cases/{id}/repeats", responses=NOT_FOUND)
async def list_repeats(caller: Reader, case_id: RowId) -> RepeatsAnswer:
    """Return the open cases that a case may repeat; none where it has ended or repeats one already.

    Only cases that the caller sees. What is sure, near and of the same area was linked by the system when the
    case was reported, unless a sensor reported it or somebody unlinked it.
    """
    async with caller.transaction() as connection:
        found = await find_repeats(connection, case_id)
    return RepeatsAnswer(candidates=[_answer(one) for one in found])


def _answer(one: Repeat) -> RepeatAnswer:
    row, like, name = one.row, one.likeness, name_of(one.row.category_code)
    zh, en = like.reasons()
    return RepeatAnswer(
        id=row.id,
        number=row.number,
        title=case_title(row.title, row.title_en),
        category=row.category_code,
        category_name=None if name is None else Names(zh=name.zh, en=name.en),
        stage=row.stage,
        source=row.source,
        priority=row.priority,
        repeats=row.repeats,
        lon=row.lon,
        lat=row.lat,
        opened_at=row.opened_at,
        score=round(like.score, 3),
        sure=one.sure,
        distance_m=round(like.distance_m, 1),
        apart_s=like.apart.total_seconds(),
        same_category=like.same_kind,
        words=None if like.words is None else round(like.words, 2),
        reasons=Names(zh=zh, en=en),
    )
