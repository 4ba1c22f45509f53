"""Define the numbers of the wall: how each is measured, and which rows stand behind it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from api.routes.answers import device_names, finite, moment, state_name
from api.rows import Row, fetch, fetch_one
from api.runtime import Runtime
from twin.states import State

Columns = tuple[tuple[str, str, str], ...]
"""Key, zh and en of each column."""

Listed = tuple[Columns, list[Row], int]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, of how many, and its past, oldest first."""

    value: float | None
    of: float | None
    trend: list[float | None]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number of the wall; `measure` answers None when nothing stands behind it."""

    key: str
    zh: str
    en: str
    unit: str
    note_zh: str
    note_en: str
    measure: Callable[[Runtime], Awaitable[Measured | None]]
    rows: Callable[[Runtime, int], Awaitable[Listed]]


# devices


async def _online(running: Runtime) -> Measured | None:
    now = running.sampler.now()
    if not now.devices:
        return None
    trend: list[float | None] = [float(sample.online) for sample in running.sampler.samples]
    return Measured(now.online, now.devices, [*trend[-59:], float(now.online)])


DEVICE_COLUMNS: Final[Columns] = (
    ("name", "名称", "Name"),
    ("uid", "编号", "Number"),
    ("state", "状态", "State"),
    ("last_seen", "末次", "Last heard"),
)


async def _online_rows(running: Runtime, limit: int) -> Listed:
    board = running.twin.board
    n = board.count
    rows = np.flatnonzero((board.device_id[:n] != 0) & (board.layer[:n] == 0))
    # Those that are not online come first: they are what one opens the list for.
    away = (board.state[rows] == State.OFFLINE) | (board.state[rows] == State.UNKNOWN)
    order = np.lexsort((board.device_id[rows], -board.heard_us[rows], ~away))
    chosen = rows[order][:limit]
    return DEVICE_COLUMNS, await device_rows(running, chosen.tolist()), len(rows)


async def device_rows(running: Runtime, rows: list[int]) -> list[Row]:
    """Return what a list says of devices, by their rows on the board; columns are `DEVICE_COLUMNS`."""
    board, catalog = running.twin.board, running.twin.catalog
    ids = [int(board.device_id[row]) for row in rows]
    named = await fetch(running.engine, "SELECT id, name, name_en FROM device WHERE id = ANY(:ids)", ids=ids)
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
    SELECT (SELECT count(*) FROM alarm
            WHERE raised_at <= at AND (cleared_at IS NULL OR cleared_at > at))::float8 AS n
    FROM generate_series(now() - interval '23 hours', now(), interval '1 hour') AS at ORDER BY at"""


async def _open_alarms(running: Runtime) -> Measured | None:
    trend = [row["n"] for row in await fetch(running.engine, _OPEN_TREND)]
    return Measured(trend[-1], None, trend)


_ALARM_COLUMNS: Final[Columns] = (
    ("name", "名称", "Name"),
    ("state", "状态", "State"),
    ("value", "数值", "Value"),
    ("raised_at", "开始", "Since"),
    ("acknowledged_by", "确认人", "Acknowledged by"),
)


async def _open_alarm_rows(running: Runtime, limit: int) -> Listed:
    found = await fetch(
        running.engine,
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
            running.twin.catalog, row["kind"], row["uid"], row.pop("own_name"), row.pop("name_en")
        )
        row["name"] = name.model_dump()
        row["state"] = state_name(row["state"])
        del row["total"]
    return _ALARM_COLUMNS, found, total


# workers


async def _on_duty(running: Runtime) -> Measured | None:
    found = await fetch_one(
        running.engine, "SELECT count(*) AS n, count(*) FILTER (WHERE on_duty) AS on_duty FROM worker"
    )
    if found is None or not found["n"]:
        return None
    trend: list[float | None] = [float(sample.workers_online) for sample in running.sampler.samples]
    return Measured(found["on_duty"], found["n"], trend[-60:])


_WORKER_COLUMNS: Final[Columns] = (
    ("name", "姓名", "Name"),
    ("role", "岗位", "Role"),
    ("grid", "网格", "Grid"),
    ("on_duty", "在岗", "On duty"),
    ("last_seen", "末次", "Last heard"),
)


async def _on_duty_rows(running: Runtime, limit: int) -> Listed:
    found = await fetch(
        running.engine,
        """
        SELECT w.device_id AS id, w.code, w.name AS zh, w.name_en AS en, w.role, w.on_duty, a.name AS grid,
               a.name_en AS grid_en, count(*) OVER () AS total
        FROM worker AS w LEFT JOIN area AS a ON a.id = w.responsibility_grid_id
        ORDER BY w.on_duty DESC, w.code LIMIT :limit""",
        limit=limit,
    )
    total = found[0]["total"] if found else 0
    board = running.twin.board
    for row in found:
        row["name"] = {"zh": row.pop("zh"), "en": row.pop("en")}
        grid_en = row.pop("grid_en")
        row["grid"] = {"zh": row["grid"], "en": grid_en} if row["grid"] else None
        at = board.row_of_id.get(row["id"] or 0)
        row["last_seen"] = None if at is None else moment(int(board.heard_us[at]))
        del row["total"]
    return _WORKER_COLUMNS, found, total


# observations


async def _observations(running: Runtime) -> Measured | None:
    running.sampler.count()
    minute = int(time.time() // 60)
    spans = [(m * 60.0, (m + 1) * 60.0) for m in range(minute - 60, minute)]
    counts = [running.sampler.observations(begin, end) for begin, end in spans]
    trend: list[float | None] = [None if n is None else float(n) for n in counts]
    return Measured(trend[-1], None, trend) if any(trend) else None


_KIND_COLUMNS: Final[Columns] = (
    ("name", "类型", "Kind"),
    ("devices", "设备", "Devices"),
    ("heard", "五分钟内有数据", "Heard within 5 min"),
    ("newest", "最新", "Newest"),
)


async def _observation_rows(running: Runtime, limit: int) -> Listed:
    board = running.twin.board
    n = board.count
    since_us = int((time.time() - 300.0) * 1e6)
    rows: list[Row] = []
    for kind in running.twin.catalog.by_code.values():
        mine = (board.kind[:n] == kind.code) & (board.device_id[:n] != 0)
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


def _case_rows(condition: str) -> Callable[[Runtime, int], Awaitable[Listed]]:
    async def rows(running: Runtime, limit: int) -> Listed:
        found = await fetch(
            running.engine,
            f"""
            SELECT id, number, title AS zh, title_en AS en, source, stage, opened_at, due_at, closed_at,
                   ST_X(geom) AS lon, ST_Y(geom) AS lat, simulated, count(*) OVER () AS total
            FROM case_file WHERE {condition} ORDER BY opened_at DESC, id DESC LIMIT :limit""",
            limit=limit,
        )
        total = found[0]["total"] if found else 0
        for row in found:
            row["title"] = {"zh": row.pop("zh"), "en": row.pop("en")}
            del row["total"]
        return _CASE_COLUMNS, found, total

    return rows


def _share(good: str, condition: str, moment_column: str) -> Callable[[Runtime], Awaitable[Measured | None]]:
    """Return the measure of a share in percent over 30 days, with its trend by three-day span."""

    async def measure(running: Runtime) -> Measured | None:
        found = await fetch(
            running.engine,
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
            round(100.0 * spans[i]["good"] / spans[i]["n"], 1) if i in spans else None
            for i in range(9, -1, -1)
        ]
        return Measured(round(100.0 * sum(row["good"] for row in found) / total, 1), None, trend)

    return measure


_OPEN_CASES_TREND: Final = """
    SELECT (SELECT count(*) FROM case_file
            WHERE opened_at <= at AND (closed_at IS NULL OR closed_at > at))::float8 AS n
    FROM generate_series(now() - interval '13 days', now(), interval '1 day') AS at ORDER BY at"""


async def _open_cases(running: Runtime) -> Measured | None:
    trend = [row["n"] for row in await fetch(running.engine, _OPEN_CASES_TREND)]
    return Measured(trend[-1], None, trend)


STATISTICS: Final[tuple[Statistic, ...]] = (
    Statistic(
        "online_devices",
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
