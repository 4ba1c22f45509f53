"""Measure one contender once: viewers connect, publishers run by the timetable, figures are taken."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.live.child import Child
from bench.live.contenders import Ground, Running
from bench.live.database import (
    ALARM_PROPERTY,
    ALARM_VALUE,
    count_quarantined,
    spread_until_received,
    wait_for_observations,
)
from bench.live.plan import Plan, Viewer
from bench.processes import ProcessWatch

_LEAST_FREE_BYTES = 1_500 * 2**20
_DRAIN_S = 3.0
RUN_ON_S = 1.0
"""Publishing goes on this long after the window, so that the last sample is taken under load."""
_READY_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """How hard and how long: readings a second, seconds of warm-up and of the measured window."""

    rate: float
    warmup_s: float
    seconds: float
    per_message: int
    stall: bool
    first_number: int


@dataclass(slots=True)
class _Timeline:
    """Unix times of one measurement."""

    start_s: float
    begin_s: float
    stall_s: float
    end_s: float


def readings_needed(rate: float, seconds: float, devices: int) -> int:
    """Give how many readings the busiest device can have in a run."""
    return math.ceil(seconds * rate / devices) + 3


def measure(
    name: str,
    running: Running,
    ground: Ground,
    plan: Plan,
    viewers: list[Viewer],
    load: Load,
    database_url: str | None,
    ids: Path | None,
    alarm_uids: Sequence[str],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Run one contender under one load and give its figures.

    Raises
    ------
    UnavailableError
        A process did not start, or ended.
    """
    folder = ground.folder
    plan_file, log_file, result_file = folder / "plan.npz", folder / "published.f64", folder / "result.json"
    plan.save(plan_file)
    log = np.memmap(log_file, dtype=np.float64, mode="w+", shape=(plan.count, plan.readings))
    log[:] = np.nan
    log.flush()
    looking = {
        "protocol": running.protocol,
        "host": "127.0.0.1",
        "port": running.port,
        "username": ground.broker.username,
        "password": ground.broker.password,
        "token": running.token,
        "by_room": running.by_room,
        "viewers": [{**dataclasses.asdict(viewer), "topics": running.topics(viewer)} for viewer in viewers],
        "witnesses": _witnesses(viewers, everyone=running.protocol == "gridtwin"),
        "plan": str(plan_file),
        "log": str(log_file),
        "ids": str(ids),
        "result": str(result_file),
        "alarm_log": str(folder / "alarms.json") if alarm_uids else "",
    }
    publishing = {
        "plan": str(plan_file),
        "log": str(log_file),
        "host": ground.broker.host,
        "port": ground.broker.port,
        "sign_ins": ground.sign_ins,
        "mode": running.mode,
        "rate": load.rate,
        "per_message": load.per_message,
        "first_number": load.first_number,
        "alarm_uids": list(alarm_uids),
        "alarm": {"p": ALARM_PROPERTY, "v": ALARM_VALUE},
        "alarm_log": str(folder / "alarms.json"),
    }
    with (
        Child.python("viewers", "bench.live.viewers", looking, folder) as lookers,
        Child.python("publisher", "bench.live.publisher", publishing, folder) as publisher,
    ):
        publisher.answer(_READY_TIMEOUT_S)
        opened = json.loads(lookers.answer(_READY_TIMEOUT_S))
        start_s = time.time() + 1.0
        line = _Timeline(
            start_s,
            start_s + load.warmup_s,
            start_s + load.warmup_s + load.seconds / 2,
            start_s + load.warmup_s + load.seconds,
        )
        groups = {**running.pids, "publisher": [publisher.pid], "viewers": [lookers.pid]}
        publisher.order(f"go {line.start_s} {load.warmup_s + load.seconds + RUN_ON_S}")
        progress(f"{name}: {load.rate:,.0f} readings/s for {load.warmup_s + load.seconds:.0f} s")
        stopped_early = None
        with ProcessWatch(groups) as watch:
            stopped_early = _wait_until(line.stall_s)
            if load.stall and not stopped_early:
                lookers.order("stall")
            stopped_early = stopped_early or _wait_until(line.end_s)
        end_s = min(line.end_s, time.time())
        if stopped_early:
            publisher.stop()
            account: dict[str, Any] = {}
        else:
            account = json.loads(publisher.answer(120.0))
        stored: dict[str, Any] = {}
        if database_url is not None and account:
            count, waited_s = wait_for_observations(
                database_url, line.start_s - 0.001, int(account["acknowledged"]), 60.0, progress
            )
            stored = {
                "stored": count,
                "lost": int(account["acknowledged"]) - count,
                "stored_after_s": round(waited_s, 1),
                "quarantined": count_quarantined(database_url),
                "until_received": spread_until_received(database_url, line.begin_s, line.end_s),
            }
        time.sleep(_DRAIN_S)
        lookers.order(f"stop {line.begin_s} {min(line.stall_s, end_s)} {end_s}")
        said = lookers.answer(600.0)
        while said != "done":
            said = lookers.answer(600.0)
    seen = json.loads(result_file.read_text(encoding="utf-8"))
    log_file.unlink(missing_ok=True)
    return {
        "contender": name,
        "route": running.route,
        "rate": load.rate,
        "seconds": load.seconds,
        "viewer_modes": opened["modes"],
        "stopped_early": stopped_early,
        "published": account,
        "database": stored,
        "viewers": seen,
        "processes": watch.figures(line.begin_s, end_s),
        "everything_else_cpu_percent": watch.other_cpu_percent(line.begin_s, end_s),
        "held": _held(account, seen, stopped_early, running.protocol == "gridtwin", stored),
    }


def _witnesses(viewers: list[Viewer], *, everyone: bool) -> list[int]:
    """Choose whose messages are kept: everyone's, or two walls and eight others spread over the order."""
    if everyone:
        return list(range(len(viewers)))
    chosen: list[int] = []
    for wall, count in ((True, 2), (False, 8)):
        group = [index for index, viewer in enumerate(viewers) if viewer.wall == wall]
        if group:
            spots = np.linspace(0, len(group) - 1, min(count, len(group))).round().astype(int)
            chosen += [group[spot] for spot in spots.tolist()]
    return chosen


def _wait_until(unix_s: float) -> str | None:
    """Sleep until a time; give a reason when memory runs out before."""
    while (left_s := unix_s - time.time()) > 0:
        time.sleep(min(left_s, 0.5))
        if psutil.virtual_memory().available < _LEAST_FREE_BYTES:
            return "less than 1.5 GiB of memory left on the machine"
    return None


def _held(
    account: dict[str, Any],
    seen: dict[str, Any],
    stopped_early: str | None,
    coalesces: bool,
    stored: dict[str, Any],
) -> bool:
    """Tell whether the load was held: nothing lost, nobody cut off, p99 within a second."""
    if stopped_early or seen["viewers_closed"] or not account:
        return False
    if account["acknowledged"] != account["readings"] or account["worst_lateness_ms"] > 1_000:
        return False
    complete = (
        seen["stale_at_end"] == 0 and stored.get("lost", 0) == 0
        if coalesces
        else seen["readings_received"] == seen["readings_expected"]
    )
    p99_ms = seen["latency"]["all"]["p99_ms"]
    return bool(complete and p99_ms is not None and p99_ms <= 1_000)
