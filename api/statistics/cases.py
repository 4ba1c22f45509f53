"""Count cases, and the part of them that sensors found or that were closed in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from api.access.caller import Caller
from api.counting import Counting
from api.routes.answers import case_title
from api.statistics.number import Columns, Listed, Measured, Statistic, last_of, without_total
from twin.access.roles import DataClass

_CASE_COLUMNS: Final[Columns] = (
    ("number", "编号", "Number"),
    ("title", "标题", "Title"),
    ("source", "来源", "Source"),
    ("stage", "阶段", "Stage"),
    ("opened_at", "立案", "Opened"),
    ("due_at", "时限", "Due"),
    ("closed_at", "结案", "Closed"),
)
_LATELY: Final = "opened_at > now() - interval '30 days'"
_CLOSED_LATELY: Final = "closed_at > now() - interval '30 days' AND due_at IS NOT NULL"


def _case_rows(condition: str) -> Callable[[Caller, int], Awaitable[Listed]]:
    async def rows(caller: Caller, limit: int) -> Listed:
        found = await caller.fetch(
            f"""
            SELECT id, number, title AS zh, title_en AS en, source, stage, opened_at, due_at, closed_at,
                   ST_X(geom) AS lon, ST_Y(geom) AS lat, simulated, count(*) OVER () AS total
            FROM case_file WHERE {condition} ORDER BY opened_at DESC, id DESC LIMIT :limit""",
            limit=limit,
        )
        total = without_total(found)
        for row in found:
            row["title"] = case_title(row.pop("zh"), row.pop("en")).model_dump()
        return _CASE_COLUMNS, found, total

    return rows


def _share(good: str, condition: str, moment_column: str) -> Callable[[Counting], Awaitable[Measured | None]]:
    """Return the measure of a share in percent over 30 days, with its trend by three-day span."""

    async def measure(counting: Counting) -> Measured | None:
        found = await counting.caller.fetch(
            f"""
            SELECT floor(extract(epoch FROM now() - {moment_column}) / 259200)::int4 AS span,
                   count(*) AS n, count(*) FILTER (WHERE {good}) AS good
            FROM case_file WHERE {condition} GROUP BY span""",
        )
        total = sum(row["n"] for row in found)
        if not total:
            return None
        spans: dict[int, Any] = {row["span"]: row for row in found}
        trend = [
            counting.share(spans[i]["good"], spans[i]["n"]) if i in spans else None for i in range(9, -1, -1)
        ]
        share = counting.share(sum(row["good"] for row in found), total)
        return Measured(share, None, trend, withheld=share is None)

    return measure


_OPEN_CASES_TREND: Final = """
    SELECT (SELECT count(*) FROM case_file
            WHERE opened_at <= at AND (closed_at IS NULL OR closed_at > at)) AS n
    FROM generate_series(now() - interval '13 days', now(), interval '1 day') AS at ORDER BY at"""


async def _open_cases(counting: Counting) -> Measured | None:
    return last_of(counting, await counting.caller.fetch(_OPEN_CASES_TREND))


SENSOR_FIRST: Final = Statistic(
    key="sensor_first",
    data=DataClass.CASE,
    zh="传感器先发现",
    en="Found by sensor first",
    unit="%",
    note_zh="近 30 日案件",
    note_en="cases of 30 days",
    measure=_share("source IN ('sensor', 'camera')", _LATELY, "opened_at"),
    rows=_case_rows(_LATELY),
)


ON_TIME: Final = Statistic(
    key="on_time",
    data=DataClass.CASE,
    zh="按期结案率",
    en="Closed in time",
    unit="%",
    note_zh="近 30 日结案",
    note_en="closed in 30 days",
    measure=_share("closed_at <= due_at", _CLOSED_LATELY, "closed_at"),
    rows=_case_rows(_CLOSED_LATELY),
)


OPEN: Final = Statistic(
    key="open_cases",
    data=DataClass.CASE,
    zh="在办案件",
    en="Open cases",
    unit="",
    note_zh="近 14 日",
    note_en="last 14 days",
    measure=_open_cases,
    rows=_case_rows("closed_at IS NULL"),
)
