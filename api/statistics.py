"""Define the numbers of the wall: how each is measured, and which rows stand behind it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from api.access.caller import Caller
from api.counting import Counting
from api.routes.answers import case_title, device_names, finite, moment, state_name
from api.rows import Row
from twin.access.masking import mask_name
from twin.access.roles import DataClass
from twin.states import State

Columns = tuple[tuple[str, str, str], ...]
"""Key, zh and en of each column."""

Listed = tuple[Columns, list[Row], int]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, of how many, and its past, oldest first; ``withheld`` where it is too small to be told."""

    value: float | None
    of: float | None
    trend: list[float | None]
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number of the wall, of what the caller sees; `measure` answers None when nothing stands behind it.

    ``data`` is the class of what is counted: who may only count it is given the number, and no rows.
    """

    key: str
    data: DataClass
    zh: str
    en: str
    unit: str
    note_zh: str
    note_en: str
    measure: Callable[[Counting], Awaitable[Measured | None]]
    rows: Callable[[Caller, int], Awaitable[Listed]]


# devices


async def _online(counting: Counting) -> Measured | None:
    sampler, grants = counting.caller.running.sampler, counting.caller.grants
    now = sampler.now(grants)
    if not now.devices:
        return None
    trend: list[float | None] = [float(sample.online) for sample in sampler.samples(grants)]
    return Measured(now.online, now.devices, [*trend[-59:], float(now.online)])


DEVICE_COLUMNS: Final[Columns] = (
    ("name", "名称", "Name"),
    ("uid", "编号", "Number"),
    ("state", "状态", "State"),
    ("last_seen", "末次", "Last heard"),
)


async def _online_rows(caller: Caller, limit: int) -> Listed:
    board = caller.running.twin.board
    n = board.count
    rows = np.flatnonzero((board.device_id[:n] != 0) & (board.layer[:n] == 0))
    rows = rows[caller.sees(rows)]
    # Those that are not online come first: they are what one opens the list for.
    away = (board.state[rows] == State.OFFLINE) | (board.state[rows] == State.UNKNOWN)
    order = np.lexsort((board.device_id[rows], -board.heard_us[rows], ~away))
    chosen = rows[order][:limit]
    return DEVICE_COLUMNS, await device_rows(caller, chosen.tolist()), len(rows)


async def device_rows(caller: Caller, rows: list[int]) -> list[Row]:
    """Return what a list says of devices, by their rows on the board; columns are `DEVICE_COLUMNS`.

    The rows must be such as the caller sees.
    """
    board, catalog = caller.running.twin.board, caller.running.twin.catalog
    ids = [int(board.device_id[row]) for row in rows]
    named = await caller.fetch("SELECT id, name, name_en FROM device WHERE id = ANY(:ids)", ids=ids)
    names = {row["id"]: row for row in named}
    listed = []
    for row, device_id in zip(rows, ids, strict=True):
        own = names.get(device_id, {})
        kind = catalog.by_code[int(board.kind[row])].name
        name = device_names(catalog, kind, board.uid[row], own.get("name"), own.get("name_en"))
        listed.append(
            {
                "id": device_id,
                "uid": board.uid[row],
                "kind": kind,
                "name": name.model_dump(),
                "state": state_name(int(board.state[row])),
                "value": finite(board.value[row]),
                "last_seen": moment(int(board.heard_us[row])),
                "lon": float(board.lon[row]),
                "lat": float(board.lat[row]),
            }
        )
    return listed


# alarms

_OPEN_TREND: Final = """
    WITH lately AS MATERIALIZED (
        SELECT raised_at, cleared_at FROM alarm JOIN device ON device.id = alarm.device_id
        WHERE cleared_at IS NULL OR cleared_at > now() - interval '23 hours')
    SELECT (SELECT count(*) FROM lately
            WHERE raised_at <= at AND (cleared_at IS NULL OR cleared_at > at)) AS n
    FROM generate_series(now() - interval '23 hours', now(), interval '1 hour') AS at ORDER BY at"""


async def _open_alarms(counting: Counting) -> Measured | None:
    return _told(counting, await counting.caller.fetch(_OPEN_TREND))


def _told(counting: Counting, counts: list[Row]) -> Measured:
    """Return the last of the counts with all of them as its past."""
    trend = [None if told is None else float(told) for told in (counting.told(row["n"]) for row in counts)]
    return Measured(trend[-1], None, trend, withheld=trend[-1] is None)


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
    total = found[0]["total"] if found else 0
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
        del row["total"]
    return _ALARM_COLUMNS, found, total


# workers


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
    total = found[0]["total"] if found else 0
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
        del row["total"]
    return _WORKER_COLUMNS, found, total


# observations


async def _observations(counting: Counting) -> Measured | None:
    sampler, grants = counting.caller.running.sampler, counting.caller.grants
    sampler.count()
    minute = int(time.time() // 60)
    spans = [(m * 60.0, (m + 1) * 60.0) for m in range(minute - 60, minute)]
    counts = [sampler.observations(begin, end, grants) for begin, end in spans]
    trend: list[float | None] = [None if n is None else float(n) for n in counts]
    return Measured(trend[-1], None, trend) if any(trend) else None


_KIND_COLUMNS: Final[Columns] = (
    ("name", "类型", "Kind"),
    ("devices", "设备", "Devices"),
    ("heard", "五分钟内有数据", "Heard within 5 min"),
    ("newest", "最新", "Newest"),
)


async def _observation_rows(caller: Caller, limit: int) -> Listed:
    board = caller.running.twin.board
    n = board.count
    seen = (board.device_id[:n] != 0) & caller.sees(np.arange(n))
    since_us = int((time.time() - 300.0) * 1e6)
    rows: list[Row] = []
    for kind in caller.running.twin.catalog.by_code.values():
        mine = (board.kind[:n] == kind.code) & seen
        if mine.any():
            heard = board.heard_us[:n][mine]
            rows.append(
                {
                    "kind": kind.name,
                    "name": {"zh": kind.zh, "en": kind.en},
                    "devices": int(mine.sum()),
                    "heard": int((heard >= since_us).sum()),
                    "newest": moment(int(heard.max())),
                }
            )
    rows.sort(key=lambda row: -row["devices"])
    return _KIND_COLUMNS, rows[:limit], len(rows)


# cases

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
        total = found[0]["total"] if found else 0
        for row in found:
            row["title"] = case_title(row.pop("zh"), row.pop("en")).model_dump()
            del row["total"]
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
    return _told(counting, await counting.caller.fetch(_OPEN_CASES_TREND))


STATISTICS: Final[tuple[Statistic, ...]] = (
    Statistic(
        "online_devices",
        DataClass.PLACE,
        "在线设备",
        "Devices online",
        "",
        "每分钟一次",
        "once a minute",
        _online,
        _online_rows,
    ),
    Statistic(
        "open_alarms",
        DataClass.ALARM,
        "未解除告警",
        "Open alarms",
        "",
        "近 24 小时",
        "last 24 hours",
        _open_alarms,
        _open_alarm_rows,
    ),
    Statistic(
        "sensor_first",
        DataClass.CASE,
        "传感器先发现",
        "Found by sensor first",
        "%",
        "近 30 日案件",
        "cases of 30 days",
        _share("source IN ('sensor', 'camera')", _LATELY, "opened_at"),
        _case_rows(_LATELY),
    ),
    Statistic(
        "on_time",
        DataClass.CASE,
        "按期结案率",
        "Closed in time",
        "%",
        "近 30 日结案",
        "closed in 30 days",
        _share("closed_at <= due_at", _CLOSED_LATELY, "closed_at"),
        _case_rows(_CLOSED_LATELY),
    ),
    Statistic(
        "on_duty_workers",
        DataClass.WORKER,
        "在岗网格员",
        "Workers on duty",
        "",
        "趋势为有定位者",
        "trend: those with position",
        _on_duty,
        _on_duty_rows,
    ),
    Statistic(
        "open_cases",
        DataClass.CASE,
        "在办案件",
        "Open cases",
        "",
        "近 14 日",
        "last 14 days",
        _open_cases,
        _case_rows("closed_at IS NULL"),
    ),
    Statistic(
        "observations",
        DataClass.PLACE,
        "每分钟观测",
        "Observations a minute",
        "",
        "近 60 分钟",
        "last 60 minutes",
        _observations,
        _observation_rows,
    ),
)
"""The numbers in the order of the wall."""
