"""Count devices that are online, and the observations of a minute."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from api.access.caller import Caller
from api.counting import Counting
from api.routes.answers import device_names, finite, moment, state_name
from api.rows import Row
from api.statistics.number import Columns, Listed, Measured, Statistic
from twin.access.roles import DataClass
from twin.states import State


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


ONLINE: Final = Statistic(
    key="online_devices",
    data=DataClass.PLACE,
    zh="在线设备",
    en="Devices online",
    unit="",
    note_zh="每分钟一次",
    note_en="once a minute",
    measure=_online,
    rows=_online_rows,
)


OBSERVATIONS: Final = Statistic(
    key="observations",
    data=DataClass.PLACE,
    zh="每分钟观测",
    en="Observations a minute",
    unit="",
    note_zh="近 60 分钟",
    note_en="last 60 minutes",
    measure=_observations,
    rows=_observation_rows,
)
