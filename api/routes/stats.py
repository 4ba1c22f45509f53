"""Give the wall its numbers, and for each number the rows it was counted from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from api.errors import NOT_FOUND
from api.runtime import Running
from api.statistics import STATISTICS
from twin.errors import NotFoundError

router = APIRouter(tags=["statistics"])


class StatAnswer(BaseModel):
    """One number with its trend, oldest first, and where the rows behind it are."""

    key: str
    zh: str
    en: str
    value: float | None
    unit: str
    of: float | None
    trend: list[float | None]
    note_zh: str
    note_en: str
    list: str


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
async def list_stats(running: Running) -> list[StatAnswer]:
    """Return the numbers of the wall; a number that nothing stands behind is left out."""
    answers = []
    for statistic in STATISTICS:
        measured = await statistic.measure(running)
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
                list=f"/api/stats/{statistic.key}/list",
            )
        )
    return answers


@router.get("/api/stats/{key}/list", responses=NOT_FOUND)
async def list_behind_stat(
    running: Running,
    key: Annotated[str, Path(max_length=40)],
    limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
) -> ListAnswer:
    """Return the rows that a number was counted from."""
    for statistic in STATISTICS:
        if statistic.key == key:
            columns, rows, total = await statistic.rows(running, limit)
            return ListAnswer(
                columns=[ColumnAnswer(key=k, zh=zh, en=en) for k, zh, en in columns], rows=rows, total=total
            )
    raise NotFoundError(
        f"there is no number “{key}”",
        where="key",
        hint=", ".join(statistic.key for statistic in STATISTICS),
    )
