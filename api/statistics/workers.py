"""Count the workers who are on duty."""

from __future__ import annotations

from typing import Final

from api.access.caller import Caller
from api.counting import Counting
from api.routes.answers import moment
from api.statistics.number import Columns, Listed, Measured, Statistic, without_total
from twin.access.masking import mask_name
from twin.access.roles import DataClass


async def _on_duty(counting: Counting) -> Measured | None:
    caller = counting.caller
    found = await caller.fetch_one(
        "SELECT count(*) AS n, count(*) FILTER (WHERE on_duty) AS on_duty FROM worker"
    )
    if found is None or not found["n"]:
        return None
    samples = caller.running.sampler.samples(caller.grants)
    trend: list[float | None] = [float(sample.workers_online) for sample in samples]
    return Measured(found["on_duty"], found["n"], trend[-60:])


_WORKER_COLUMNS: Final[Columns] = (
    ("name", "姓名", "Name"),
    ("role", "岗位", "Role"),
    ("grid", "网格", "Grid"),
    ("on_duty", "在岗", "On duty"),
    ("last_seen", "末次", "Last heard"),
)


async def _on_duty_rows(caller: Caller, limit: int) -> Listed:
    found = await caller.fetch(
        """
        SELECT w.id AS worker_id, d.id, w.code, w.name AS zh, w.name_en AS en, w.role, w.on_duty,
               a.name AS grid, a.name_en AS grid_en, count(*) OVER () AS total
        FROM worker AS w
        LEFT JOIN device AS d ON d.id = w.device_id
        LEFT JOIN area AS a ON a.id = w.responsibility_grid_id
        ORDER BY w.on_duty DESC, w.code LIMIT :limit""",
        limit=limit,
    )
    total = without_total(found)
    board = caller.running.twin.board
    for row in found:
        names = row.pop("zh"), row.pop("en")
        if row["worker_id"] != caller.grants.worker_id:
            names = mask_name(names[0]), mask_name(names[1])
        row["name"] = {"zh": names[0], "en": names[1]}
        grid_en = row.pop("grid_en")
        row["grid"] = {"zh": row["grid"], "en": grid_en} if row["grid"] else None
        at = board.row_of_id.get(row["id"] or 0)
        row["last_seen"] = None if at is None else moment(int(board.heard_us[at]))
    return _WORKER_COLUMNS, found, total


ON_DUTY: Final = Statistic(
    key="on_duty_workers",
    data=DataClass.WORKER,
    zh="在岗网格员",
    en="Workers on duty",
    unit="",
    note_zh="趋势为有定位者",
    note_en="trend: those with position",
    measure=_on_duty,
    rows=_on_duty_rows,
)
