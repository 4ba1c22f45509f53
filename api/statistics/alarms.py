"""Count the alarms that are open."""

from __future__ import annotations

from typing import Final

from api.access.caller import Caller
from api.counting import Counting
from api.routes.answers import device_names, state_name
from api.statistics.number import Columns, Listed, Measured, Statistic, last_of, without_total
from twin.access.roles import DataClass

_OPEN_TREND: Final = """
    WITH lately AS MATERIALIZED (
        SELECT raised_at, cleared_at FROM alarm JOIN device ON device.id = alarm.device_id
        WHERE cleared_at IS NULL OR cleared_at > now() - interval '23 hours')
    SELECT (SELECT count(*) FROM lately
            WHERE raised_at <= at AND (cleared_at IS NULL OR cleared_at > at)) AS n
    FROM generate_series(now() - interval '23 hours', now(), interval '1 hour') AS at ORDER BY at"""


async def _open_alarms(counting: Counting) -> Measured | None:
    return last_of(counting, await counting.caller.fetch(_OPEN_TREND))


_ALARM_COLUMNS: Final[Columns] = (
    ("name", "名称", "Name"),
    ("state", "状态", "State"),
    ("value", "数值", "Value"),
    ("raised_at", "开始", "Since"),
    ("acknowledged_by", "确认人", "Acknowledged by"),
)


async def _open_alarm_rows(caller: Caller, limit: int) -> Listed:
    found = await caller.fetch(
        """
        SELECT a.id AS alarm_id, d.id, d.uid, d.kind, d.name AS own_name, d.name_en, a.state, a.value,
               a.raised_at, a.acknowledged_by, ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat,
               count(*) OVER () AS total
        FROM alarm AS a JOIN device AS d ON d.id = a.device_id
        WHERE a.cleared_at IS NULL ORDER BY a.state DESC, a.raised_at DESC, a.id LIMIT :limit""",
        limit=limit,
    )
    total = without_total(found)
    for row in found:
        name = device_names(
            caller.running.twin.catalog,
            row["kind"],
            row["uid"],
            row.pop("own_name"),
            row.pop("name_en"),
            own=row["id"] == caller.grants.tracker_id,
        )
        row["name"] = name.model_dump()
        row["state"] = state_name(row["state"])
    return _ALARM_COLUMNS, found, total


OPEN: Final = Statistic(
    key="open_alarms",
    data=DataClass.ALARM,
    zh="未解除告警",
    en="Open alarms",
    unit="",
    note_zh="近 24 小时",
    note_en="last 24 hours",
    measure=_open_alarms,
    rows=_open_alarm_rows,
)
