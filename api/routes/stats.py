"""Give the wall its numbers, and for each number the rows it was counted from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.counting import counting
from api.errors import NOT_FOUND
from api.statistics import STATISTICS
from twin.access.roles import DataClass
from twin.errors import ForbiddenError, NotFoundError

router = APIRouter(tags=["statistics"])

_BUSINESS = (DataClass.PLACE, DataClass.ALARM, DataClass.CASE, DataClass.WORKER)


class StatAnswer(BaseModel):
    """One number with its trend, oldest first, and where the rows behind it are.

    All are of what the caller sees. Who is told counts only is not told small ones: these are null, and the
    number itself is ``withheld`` then; `list` is null as well.
    """

    key: str
    zh: str
    en: str
    value: float | None
    unit: str
    of: float | None
    trend: list[float | None]
    note_zh: str
    note_en: str
    list: str | None
    withheld: bool


class ColumnAnswer(BaseModel):
    """A column of a list."""

    key: str
    zh: str
    en: str


class ListAnswer(BaseModel):
    """The rows behind a number; `total` may be more than were sent."""

    columns: list[ColumnAnswer]
    rows: list[dict[str, Any]]
    total: int


@router.get("/api/stats")
async def list_stats(
    caller: Annotated[Caller, needs(reads(*_BUSINESS, counts=True))],
) -> list[StatAnswer]:
    """Return the numbers of the wall; one that nothing stands behind, or is not the caller's, is left out."""
    answers = []
    for statistic in STATISTICS:
        counted = counting(caller, statistic.data)
        if counted is None:
            continue
        measured = await statistic.measure(counted)
        if measured is None:
            continue
        answers.append(
            StatAnswer(
                key=statistic.key,
                zh=statistic.zh,
                en=statistic.en,
                value=measured.value,
                unit=statistic.unit,
                of=measured.of,
                trend=measured.trend,
                note_zh=statistic.note_zh,
                note_en=statistic.note_en,
                list=f"/api/stats/{statistic.key}/list" if counted.exact else None,
                withheld=measured.withheld,
            )
        )
    return answers


@router.get("/api/stats/{key}/list", responses=NOT_FOUND)
async def list_behind_stat(
    caller: Annotated[Caller, needs(reads(*_BUSINESS))],
    key: Annotated[str, Path(max_length=40)],
    limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
) -> ListAnswer:
    """Return the rows that a number was counted from, of those that the caller sees."""
    for statistic in STATISTICS:
        if statistic.key == key:
            if not caller.scope(statistic.data):
                raise ForbiddenError("the roles of this account tell no rows behind this number", where="key")
            columns, rows, total = await statistic.rows(caller, limit)
            return ListAnswer(
                columns=[ColumnAnswer(key=k, zh=zh, en=en) for k, zh, en in columns], rows=rows, total=total
            )
    raise NotFoundError(
        f"there is no number “{key}”",
        where="key",
        hint=", ".join(statistic.key for statistic in STATISTICS),
    )
